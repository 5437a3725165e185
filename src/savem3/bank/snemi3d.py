"""SNEMI3D: two blocks of mouse somatosensory cortex, ATUM-SEM (Kasthuri et al. 2015): AC4 to learn from, AC3 to test.

Source: METHOD §2 for files and shapes; the label of myelin is the one that the scripts of the paper's authors take out
of their copies of both. The digest is the one that torch-em publishes for the copy it loads.
"""

from __future__ import annotations

from dataclasses import replace

from savem3.bank.card import Block, Card
from savem3.bank.download import Download
from savem3.bank.layout import Layout

AC4 = Card(
    name="snemi3d",
    dataset="SNEMI3D",
    superset="Kasthuri",
    imaging="ATUM-SEM",
    species="Mus musculus, adult",
    voxel_size=(30.0, 6.0, 6.0),
    licence="unknown: see the page",
    permissive=False,
    citation="Kasthuri et al. 2015, Cell 162:648, doi:10.1016/j.cell.2015.06.054",
    source="zenodo.org/record/7142003",
    blocks=(
        Block(
            "AC4",
            (100, 1024, 1024),
            (
                Layout("train-input.tif", labels="train-labels.tif"),
                Layout("AC4_inputs.h5:main", labels="AC4_labels.h5:main"),
                Layout("snemi_train.h5:volumes/raw", labels="snemi_train.h5:volumes/labels/neuron_ids"),
            ),
            splits={"train": range(100)},
        ),
    ),
    myelin=(401,),
    notes="The label of myelin is that of the paper's authors; compare it with your copy.",
    downloads=(
        Download(
            "https://oc.embl.de/index.php/s/43iMotlXPyAB39z/download",
            "snemi_train.h5",
            2**30,
            sha256="5b130a24d9eb23d972fede0f1a403bc05f6808b361cfa22eff23b930b12f0615",
        ),
    ),
)

AC3 = replace(
    AC4,
    name="ac3",
    blocks=(
        Block(
            "AC3",
            (256, 1024, 1024),
            (
                Layout("AC3_inputs.h5:main", labels="AC3_labels.h5:main"),
                Layout("AC3_inputs.tif", labels="AC3_labels.tif"),
            ),
            splits={"test": range(256)},
        ),
    ),
    source="the page of Kasthuri et al. 2015 (doi:10.1016/j.cell.2015.06.054); no direct file is known",
    downloads=(),
)
