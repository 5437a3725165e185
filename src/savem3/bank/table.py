"""The table of all datasets: one line per card."""

from __future__ import annotations

from savem3.bank import axonem, cremi, fib25, gala, hemibrain, isbi2012, j0126, segem, snemi3d, vnc
from savem3.bank.card import Card

DATASETS: dict[str, Card] = {
    card.name: card
    for card in (
        axonem.HUMAN,
        axonem.MOUSE,
        cremi.A,
        cremi.B,
        cremi.C,
        fib25.BLOCKS,
        fib25.SAMPLE1_RAW,
        fib25.SAMPLE2,
        fib25.VALIDATION_RAW,
        gala.EXAMPLE,
        gala.TRAIN,
        hemibrain.HEMIBRAIN,
        isbi2012.TEST_RAW,
        isbi2012.TRAIN,
        j0126.J0126,
        segem.SEGEM,
        snemi3d.AC3,
        snemi3d.AC4,
        vnc.STACK1,
        vnc.STACK2_RAW,
    )
}
