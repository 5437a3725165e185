"""The two small FIB-SEM volumes that come with GALA (FlyEM, Janelia).

The voxel size of 10 nm is inferred from the name of the tissue, not stated. The example was cut from FIB-25's tissue,
and most likely so was the other: both count as its superset.
"""

from __future__ import annotations

from dataclasses import replace

from savem3.bank.card import Block, Card
from savem3.bank.fib25 import SUPERSET
from savem3.bank.layout import Layout

TRAIN = Card(
    name="gala_fib_train",
    dataset="GALA",
    superset=SUPERSET,
    imaging="FIB-SEM",
    species="Drosophila melanogaster, adult",
    voxel_size=(10.0, 10.0, 10.0),
    licence="HHMI licence of GALA (BSD-like)",
    permissive=True,
    citation="Nunez-Iglesias et al. 2014, Front. Neuroinform. 8:34",
    source="github.com/janelia-flyem/gala",
    blocks=(
        Block(
            "train",
            (50, 100, 200),
            (Layout("gala_fib_train.h5:raw", labels="gala_fib_train.h5:labels"),),
            splits={"train": range(50)},
        ),
    ),
)

EXAMPLE = replace(
    TRAIN,
    name="gala_fib_example",
    blocks=(
        Block(
            "example",
            (50, 200, 100),
            (Layout("gala_fib_example.h5:raw", labels="gala_fib_example.h5:labels"),),
            splits={"train": range(50)},
        ),
    ),
)
