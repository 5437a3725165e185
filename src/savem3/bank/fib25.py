"""FIB-25: adult fly medulla, isotropic FIB-SEM (FlyEM, Janelia): FlyEM's samples of 10 nm, and the blocks of 8 nm.

The truth is a partition: cells touch, and the border between two of them is the middle of their membranes. The names
in a folder of NeuroProof's examples are read too, where ``transforms`` says which body each number of ``stack`` means.

Source: neuroproof_examples for the samples; for the blocks the listing of the training data of local shape descriptors
(bucket open-neurodata, ``funke/structure.md``).
"""

from __future__ import annotations

from dataclasses import replace

from savem3.bank.card import Block, Card
from savem3.bank.download import Download
from savem3.bank.layout import Layout

SUPERSET = "FlyEM medulla (FIB-25)"
NEUROPROOF = "https://storage.googleapis.com/ffn-flyem-fib25"

SAMPLE2 = Card(
    name="fib25_training_sample2",
    dataset="FIB-25",
    superset=SUPERSET,
    imaging="FIB-SEM",
    species="Drosophila melanogaster, adult",
    voxel_size=(10.0, 10.0, 10.0),
    licence="CC BY",
    permissive=True,
    citation="Parag et al. 2015, PLoS ONE 10(5):e0125825; Takemura et al. 2015, PNAS 112:13711",
    source="github.com/janelia-flyem/neuroproof_examples",
    blocks=(
        Block(
            "sample2",
            (250, 250, 250),
            (
                Layout("fib25_training_sample2.h5:raw", labels="fib25_training_sample2.h5:labels"),
                Layout(
                    "training_sample2/grayscale_maps.h5:raw",
                    labels="training_sample2/groundtruth.h5:stack",
                    mapping="transforms",
                ),
            ),
            splits={"train": range(120), "validation": range(130, 250)},
        ),
    ),
    downloads=(
        Download(f"{NEUROPROOF}/training_sample2/grayscale_maps.h5", "training_sample2/grayscale_maps.h5", 2**28),
        Download(f"{NEUROPROOF}/training_sample2/groundtruth.h5", "training_sample2/groundtruth.h5", 2**28),
    ),
)

SAMPLE1_RAW = replace(
    SAMPLE2,
    name="fib25_training_sample1_raw",
    blocks=(
        Block(
            "sample1",
            (250, 250, 250),
            (Layout("fib25_training_sample1_raw.h5:raw"), Layout("training_sample1/grayscale_maps.h5:raw")),
        ),
    ),
    downloads=(),
)

VALIDATION_RAW = replace(
    SAMPLE1_RAW,
    name="fib25_validation_sample_raw",
    blocks=(Block("validation", (260, 400, 400), (Layout("fib25_validation_sample_raw.h5:raw"),)),),
)

BLOCKS = replace(
    SAMPLE2,
    name="fib25",
    voxel_size=(8.0, 8.0, 8.0),
    licence="unknown: see the page",
    permissive=False,
    source="github.com/funkelab/lsd (data: s3://open-neurodata/funke/fib25/training)",
    blocks=tuple(
        Block(
            name,
            (edge, edge, edge),
            (
                Layout(
                    f"fib25/training/{name}.zarr/volumes/raw", f"fib25/training/{name}.zarr/volumes/labels/neuron_ids"
                ),
            ),
            splits={"train": range(edge)},
        )
        for name, edge in (("trvol-250-1", 250), ("trvol-250-2", 250), ("tstvol-520-1", 520), ("tstvol-520-2", 520))
    ),
    notes="Glia is masked by the data engine. Shapes are inferred from the names. FlyEM's own samples are CC BY.",
    downloads=(),
)
