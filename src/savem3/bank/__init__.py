"""The data bank: a public dataset's card enters, an `Image` or a `Sample` with its targets leaves.

Section 2 of the method. One file per family of datasets; the table `DATASETS` names every card.
`make_synthetic` draws a sample from a seed instead of a file;
`refuse_leakage` keeps the tissue of a test set out of training;
`plan_epoch` draws equally many instances from each imaging method.
"""

from __future__ import annotations

from savem3.bank import fib25, gala, isbi2012, vnc
from savem3.bank.card import Card, Truth, load_image, load_sample, refuse_leakage
from savem3.bank.instances import Annotated, InstanceIndex, SelectionRules, index_instances, mask_of
from savem3.bank.named import card_of, keep_sections, load_named, own_sample
from savem3.bank.sampling import PUBLISHED_QUOTAS, SectionDraws, plan_epoch, sections_of_epoch
from savem3.bank.synthetic import make_synthetic
from savem3.bank.targets import boundary_target, distance_target

DATASETS: dict[str, Card] = {
    card.name: card
    for card in (
        fib25.SAMPLE1_RAW,
        fib25.SAMPLE2,
        fib25.VALIDATION_RAW,
        gala.EXAMPLE,
        gala.TRAIN,
        isbi2012.TEST_RAW,
        isbi2012.TRAIN,
        vnc.STACK1,
        vnc.STACK2_RAW,
    )
}

__all__ = [
    "DATASETS",
    "PUBLISHED_QUOTAS",
    "Annotated",
    "Card",
    "InstanceIndex",
    "SectionDraws",
    "SelectionRules",
    "Truth",
    "boundary_target",
    "card_of",
    "distance_target",
    "index_instances",
    "keep_sections",
    "load_image",
    "load_named",
    "load_sample",
    "make_synthetic",
    "mask_of",
    "own_sample",
    "plan_epoch",
    "refuse_leakage",
    "sections_of_epoch",
]
