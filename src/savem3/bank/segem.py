"""SegEM: cubes of layer 4 of mouse somatosensory cortex, SBEM (Berning et al. 2015; L4dense, Motta et al. 2019).

The image is published as KNOSSOS cubes, or as HDF5 with one dataset ``data``. How the annotated cubes are laid out in
their publication could not be verified: the folders below are this project's, one of each cube.

Source: l4dense2019.brain.mpg.de for voxel size and dataset; names and shape of eleven of the 279 cubes from the scripts
of the paper's authors.
"""

from __future__ import annotations

from savem3.bank.card import Block, Card
from savem3.bank.layout import Layout

CUBES = ("1", "33", "64", "100", "951", "979", "1006", "1033", "1070", "1109", "1136")


def _block(cube: str) -> Block:
    folder = f"segem/{cube}"
    layouts = (
        Layout(f"{folder}/color", labels=f"{folder}/labels.h5:data"),
        Layout(f"{folder}/raw.h5:data", labels=f"{folder}/labels.h5:data"),
    )
    return Block(cube, (100, 366, 366), layouts, splits={"train": range(100)})


SEGEM = Card(
    name="segem",
    dataset="SegEM",
    superset="SegEM and L4dense",
    imaging="SBEM",
    species="Mus musculus, 28 days",
    voxel_size=(28.0, 11.24, 11.24),
    licence="unknown: see the page",
    permissive=False,
    citation="Berning et al. 2015, Neuron 87:1193; Motta et al. 2019, Science, doi:10.1126/science.aay3134",
    source="l4dense2019.brain.mpg.de and github.com/mhlabCodingTeam/SegEM",
    blocks=tuple(_block(cube) for cube in CUBES),
    notes="Bring each cube into a folder of its own: KNOSSOS cubes in 'color' or raw.h5, and labels.h5.",
)
