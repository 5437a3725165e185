"""FIB-25: adult fly medulla, isotropic FIB-SEM (FlyEM, Janelia). Three blocks of 10 nm, one of them with its cells.

The truth is a partition: cells touch, and the border between two of them is the middle of their membranes.
"""

from __future__ import annotations

from dataclasses import replace

from savem3.bank.card import Card, Truth

SUPERSET = "FlyEM medulla (FIB-25)"

SAMPLE2 = Card(
    name="fib25_training_sample2",
    superset=SUPERSET,
    imaging="FIB-SEM",
    species="Drosophila melanogaster, adult",
    voxel_size=(10.0, 10.0, 10.0),
    licence="CC BY",
    permissive=True,
    citation="Parag et al. 2015, PLoS ONE 10(5):e0125825; Takemura et al. 2015, PNAS 112:13711",
    source="github.com/janelia-flyem/neuroproof_examples",
    file="fib25_training_sample2.h5",
    splits={"all": range(250), "train": range(120), "validation": range(130, 250)},
    truth=Truth(labels="labels", linked=True),
)

SAMPLE1_RAW = replace(
    SAMPLE2,
    name="fib25_training_sample1_raw",
    file="fib25_training_sample1_raw.h5",
    splits={"all": range(250)},
    truth=None,
)

VALIDATION_RAW = replace(
    SAMPLE1_RAW,
    name="fib25_validation_sample_raw",
    file="fib25_validation_sample_raw.h5",
    splits={"all": range(260)},
)
