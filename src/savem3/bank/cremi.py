"""CREMI: three blocks of the adult fly's brain (FAFB), ssTEM, 125 × 1250² voxels each.

In the padded files the image is larger, and the labels' attribute ``offset`` says in nm where they begin in it.

Source: the format on cremi.org/data; the digests are those that torch-em publishes for the cropped files; which block
trains or tests from the scripts of the paper's authors.
"""

from __future__ import annotations

from savem3.bank.card import Block, Card
from savem3.bank.download import Download
from savem3.bank.layout import Layout

RAW, LABELS = "volumes/raw", "volumes/labels/neuron_ids"


def _card(letter: str, *, split: str, sha256: str) -> Card:
    cropped, padded = f"sample_{letter}_20160501.hdf", f"sample_{letter}_padded_20160501.hdf"
    layouts = tuple(Layout(f"{file}:{RAW}", labels=f"{file}:{LABELS}") for file in (cropped, padded))
    return Card(
        name=f"cremi_{letter.lower()}",
        dataset=f"CREMI-{letter}",
        superset="FAFB",
        imaging="ssTEM",
        species="Drosophila melanogaster, adult",
        voxel_size=(40.0, 4.0, 4.0),
        licence="unknown: see the page",
        permissive=False,
        citation="CREMI challenge 2016, cremi.org; Zheng et al. 2018, Cell 174:730 (FAFB)",
        source="cremi.org/data",
        blocks=(Block(letter, (125, 1250, 1250), layouts, splits={split: range(125)}),),
        notes="Glia and defects are masked by the data engine, which also realigns sections and erodes masks.",
        downloads=(Download(f"https://cremi.org/static/data/{cropped}", cropped, 2**29, sha256=sha256),),
    )


A = _card("A", split="train", sha256="4c563d1b78acb2bcfb3ea958b6fe1533422f7f4a19f3e05b600bfa11430b510d")
B = _card("B", split="test", sha256="887e85521e00deead18c94a21ad71f278d88a5214c7edeed943130a1f4bb48b8")
C = _card("C", split="train", sha256="2874496f224d222ebc29d0e4753e8c458093e1d37bc53acd1b69b19ed1ae7052")
