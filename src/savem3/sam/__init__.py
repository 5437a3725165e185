"""Published SAM, HQ-SAM and MobileSAM checkpoints, spoken to in z, y, x.

Enters: a checkpoint's folder, a section of any size, prompts. Leaves: the image embedding, the HQ feature, and one
`Answer` for each prompt (`load_sam` gives a `Sam`, which is a `Proposer`). Only in here do coordinates turn into
(x, y). Files of the original projects (``.pth``) come in through `convert_checkpoint` alone.

METHOD: section 4, "SAM → HQ-SAM → SAEM²"; choice 7. Needs the extra: ``pip install "savem3[sam]"``.

Automatic masks need no checkpoint: a section, any `Proposer` and an `AutomaticRecipe` enter, `FoundMask` leave
(`automatic_masks`), and become a partition (`label_map`).
"""

from savem3.sam.automatic import (
    RECIPES,
    AutomaticRecipe,
    automatic_masks,
    dense_neuropil,
    for_tiny,
    sam_defaults,
)
from savem3.sam.conversion import convert_checkpoint
from savem3.sam.found import FoundMask
from savem3.sam.label_map import label_map
from savem3.sam.loading import load_sam
from savem3.sam.nms import suppress
from savem3.sam.peaks import depth_of
from savem3.sam.prompter import EncodedSection, EncodedTile, Sam
from savem3.sam.tiny_vit import TinyVit, TinyVitShape

__all__ = [
    "RECIPES",
    "AutomaticRecipe",
    "EncodedSection",
    "EncodedTile",
    "FoundMask",
    "Sam",
    "TinyVit",
    "TinyVitShape",
    "automatic_masks",
    "convert_checkpoint",
    "dense_neuropil",
    "depth_of",
    "for_tiny",
    "label_map",
    "load_sam",
    "sam_defaults",
    "suppress",
]
