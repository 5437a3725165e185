"""AxonEM: blocks of human (H01) and mouse (MICrONS) cortex, 50 × 512² voxels each (Wei et al. 2021).

The files stand with 20 sections and 512 rows and columns of context around the annotation. Whether the labels are
padded like the image differs between copies: either is read.

Source: METHOD §2 for keys and padding; the archives and their digests as torch-em publishes them; names of the blocks
and which of them train or test from the scripts of the paper's authors.
"""

from __future__ import annotations

from dataclasses import replace

from savem3.bank.card import Block, Card
from savem3.bank.download import Download
from savem3.bank.layout import Layout

PADDING = (20, 512, 512)
ARCHIVES = "https://huggingface.co/datasets/pytc/AxonEM/resolve/main"
HUMAN_TRAIN = ("950-0-0", "950-0-3584", "950-3584-0", "950-3584-3584")
HUMAN_TEST = ("0-0-0", "0-0-3584", "0-3584-0", "0-3584-3584")
MOUSE_TRAIN = ("700-0-3584", "700-3584-0", "700-3584-3584", "350-1792-1792")
MOUSE_TEST = ("0-0-3584", "0-3584-0", "0-3584-3584", "700-0-0")


def _block(kind: str, place: str, split: str | None) -> Block:
    files = f"EM30-{kind}-*/**"
    layout = Layout(f"{files}/im_{place}*.h5:main", labels=f"{files}/seg_{place}*.h5:main", padding=PADDING)
    return Block(place, (50, 512, 512), (layout,), splits={split: range(50)} if split else {})


HUMAN = Card(
    name="axonem_h",
    dataset="AxonEM-H",
    superset="H01",
    imaging="ATUM-SEM",
    species="Homo sapiens",
    voxel_size=(30.0, 8.0, 8.0),
    licence="unknown: see the page",
    permissive=False,
    citation="Wei et al. 2021, MICCAI, doi:10.1007/978-3-030-87193-2_17; Shapson-Coe et al. 2024, Science 384:eadk4858",
    source="axonem.grand-challenge.org",
    blocks=(
        *(_block("H", place, "train") for place in HUMAN_TRAIN),
        *(_block("H", place, "test") for place in HUMAN_TEST),
        _block("H", "475-1792-1792", None),
    ),
    notes="Myelin becomes background; which numbers it has is not known here. The copy that can "
    "be fetched (Hugging Face, pytc/AxonEM) is marked MIT.",
    downloads=(
        Download(
            f"{ARCHIVES}/EM30-H-train-9vol-pad-20-512-512.zip",
            "EM30-H-train-9vol-pad-20-512-512.zip",
            2**32,
            sha256="0b53d155ff62f5e24c552bf90adce329fcf9a8fefd5c697f8bcd0312a61fda60",
        ),
    ),
)

MOUSE = replace(
    HUMAN,
    name="axonem_m",
    dataset="AxonEM-M",
    superset="MICrONS",
    imaging="ssTEM",
    species="Mus musculus, adult",
    voxel_size=(40.0, 8.0, 8.0),
    citation="Wei et al. 2021, MICCAI, doi:10.1007/978-3-030-87193-2_17; MICrONS Consortium 2021, "
    "bioRxiv 2021.07.28.454025",
    blocks=(
        *(_block("M", place, "train") for place in MOUSE_TRAIN),
        *(_block("M", place, "test") for place in MOUSE_TEST),
        _block("M", "0-0-0", None),
    ),
    downloads=(
        Download(
            f"{ARCHIVES}/EM30-M-train-9vol-pad-20-512-512.zip",
            "EM30-M-train-9vol-pad-20-512-512.zip",
            2**32,
            sha256="dae06b5dabe388ab7a0ff4e51548174f041a338d0d06bd665586aa7fdd43bac2",
        ),
    ),
)
