"""ISBI 2012 challenge: ventral nerve cord of a first instar fly larva, ssTEM (Cardona et al. 2010).

Cells are annotated section by section. For non-commercial segmentation software only, and not to be passed on.
"""

from __future__ import annotations

from dataclasses import replace

from savem3.bank.card import Block, Card
from savem3.bank.layout import Layout

FILE = "isbi2012_train.h5"

TRAIN = Card(
    name="isbi2012_train",
    dataset="ISBI 2012",
    superset="larval ventral nerve cord (ISBI 2012)",
    imaging="ssTEM",
    species="Drosophila melanogaster, first instar larva",
    voxel_size=(50.0, 4.0, 4.0),
    licence="ISBI 2012 challenge terms, non-commercial",
    permissive=False,
    citation="Cardona et al. 2010, PLoS Biol 8(10):e1000502; Arganda-Carreras et al. 2015, Front. Neuroanat. 9:142",
    source="github.com/zhixuhao/unet",
    blocks=(
        Block(
            "train",
            (30, 512, 512),
            (Layout(f"{FILE}:raw", labels=f"{FILE}:labels2d", membranes=f"{FILE}:membranes"),),
            splits={"train": range(24), "validation": range(25, 30)},
        ),
    ),
    linked=False,
)

TEST_RAW = replace(
    TRAIN,
    name="isbi2012_test_raw",
    blocks=(Block("test", (30, 512, 512), (Layout("isbi2012_test_raw.h5:raw"),)),),
)
