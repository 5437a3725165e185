"""The data bank: a public dataset's card enters, an `Image` or a `Sample` with its targets leaves.

Section 2 of the method. One file per family of datasets; the table `DATASETS` names every card.
`make_synthetic` draws a sample from a seed instead of a file;
`refuse_leakage` keeps the tissue of a test set out of training.
"""

from __future__ import annotations

from savem3.bank import fib25, gala, isbi2012, vnc
from savem3.bank.card import Card, Truth, load_image, load_sample, refuse_leakage
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
    "Card",
    "Truth",
    "boundary_target",
    "distance_target",
    "load_image",
    "load_sample",
    "make_synthetic",
    "refuse_leakage",
]
