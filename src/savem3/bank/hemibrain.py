"""HemiBrain: blocks of the adult fly's central brain, isotropic FIB-SEM (FlyEM, Janelia), 520³ voxels each.

Source: the listing of the training data of local shape descriptors (bucket open-neurodata, ``funke/structure.md``);
shapes, and which blocks train or test, from the scripts of the paper's authors. Two more blocks of that bucket
(lateral horn, lobula) are left out: their shapes are not known here.
"""

from __future__ import annotations

from savem3.bank.card import Block, Card
from savem3.bank.layout import Layout

REGIONS = {
    "eb-inner": ("eb-inner-groundtruth-with-context-x20172-y2322-z14332", None),
    "eb-outer": ("eb-outer-groundtruth-with-context-x20532-y3512-z14332", None),
    "fb-inner": ("fb-inner-groundtruth-with-context-x17342-y4052-z14332", "train"),
    "fb-outer": ("fb-outer-groundtruth-with-context-x13542-y2462-z14332", None),
    "pb-1": ("pb-groundtruth-with-context-x8472-y2372-z9372", "test"),
    "pb-2": ("pb-groundtruth-with-context-x8472-y2892-z9372", "test"),
}
"""File and split of each block."""


def _block(name: str, file: str, split: str | None) -> Block:
    volumes = f"hemi/training/{file}.zarr/volumes"
    layout = Layout(f"{volumes}/raw", labels=f"{volumes}/labels/neuron_ids")
    return Block(name, (520, 520, 520), (layout,), splits={split: range(520)} if split else {})


HEMIBRAIN = Card(
    name="hemibrain",
    dataset="HemiBrain",
    superset="HemiBrain",
    imaging="FIB-SEM",
    species="Drosophila melanogaster, adult",
    voxel_size=(8.0, 8.0, 8.0),
    licence="unknown: see the page",
    permissive=False,
    citation="Scheffer et al. 2020, eLife 9:e57443",
    source="github.com/funkelab/lsd (data: s3://open-neurodata/funke/hemi/training)",
    blocks=tuple(_block(name, *where) for name, where in REGIONS.items()),
    notes="Glia is masked by the data engine. The number 2⁶⁴ − 3 is background, and is read so.",
)
