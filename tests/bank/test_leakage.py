"""The tissue of a test set never trains."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from savem3.bank import DATASETS, Card, refuse_leakage

CARDS = st.lists(
    st.builds(
        lambda card, superset: replace(card, superset=superset),
        st.sampled_from(list(DATASETS.values())),
        st.sampled_from(["cord", "medulla", "cortex", "retina"]),
    ),
    max_size=4,
)


@given(training=CARDS, test=CARDS)
def test_training_is_refused_exactly_when_supersets_meet(training: list[Card], test: list[Card]) -> None:
    if {card.superset for card in training} & {card.superset for card in test}:
        with pytest.raises(ValueError, match="must not share a superset"):
            refuse_leakage(training, test)
    else:
        refuse_leakage(training, test)


def test_the_refusal_is_one_sentence_that_names_both_cards() -> None:
    gala, fib25 = DATASETS["gala_fib_train"], DATASETS["fib25_training_sample2"]
    with pytest.raises(ValueError, match=r"got gala_fib_train and fib25_training_sample2, both of [^.]+$"):
        refuse_leakage([DATASETS["vnc_stack1"], gala], [fib25])


def test_cards_are_compared_even_when_they_can_be_read_only_once() -> None:
    fib25, cord = DATASETS["fib25_training_sample2"], DATASETS["vnc_stack1"]
    with pytest.raises(ValueError, match="must not share"):
        refuse_leakage(iter([cord, fib25]), iter([fib25]))


def test_the_two_label_free_experiments_are_allowed() -> None:
    cord = [DATASETS["vnc_stack1"], DATASETS["isbi2012_train"]]
    medulla = [DATASETS["fib25_training_sample2"], DATASETS["gala_fib_train"], DATASETS["gala_fib_example"]]
    refuse_leakage(cord, medulla)
    refuse_leakage(medulla, cord)
