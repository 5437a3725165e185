"""The tissue of a test set never trains."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from savem3.bank import DATASETS, Card, known_superset, refuse_leakage, refuse_tissues

ANY = st.lists(st.sampled_from(list(DATASETS.values())), max_size=4)

KIN = (
    ("snemi3d", "ac3"),
    ("cremi_a", "cremi_b", "cremi_c"),
    ("fib25", "fib25_training_sample1_raw", "fib25_training_sample2", "fib25_validation_sample_raw", "gala_fib_train"),
    ("isbi2012_train", "isbi2012_test_raw"),
    ("vnc_stack1", "vnc_stack2_raw"),
)
"""Cards that were cut from one tissue."""

WRITINGS = st.sampled_from([str.upper, str.lower, str.title, lambda name: f" {name.replace(' ', '  ')} "])


@given(training=ANY, test=ANY)
def test_training_is_refused_exactly_when_supersets_meet(training: list[Card], test: list[Card]) -> None:
    if {card.superset for card in training} & {card.superset for card in test}:
        with pytest.raises(ValueError, match="must not share a superset"):
            refuse_leakage(training, test)
    else:
        refuse_leakage(training, test)


@given(name=st.sampled_from(sorted(DATASETS)), test=st.sampled_from(sorted(DATASETS)), writing=WRITINGS)
def test_how_a_superset_is_written_makes_no_difference(name: str, test: str, writing) -> None:
    card = DATASETS[name]
    own = replace(card, name="own", superset=writing(card.superset))
    if card.superset == DATASETS[test].superset:
        with pytest.raises(ValueError, match="must not share a superset"):
            refuse_leakage([own], [DATASETS[test]])
    else:
        refuse_leakage([own], [DATASETS[test]])


@pytest.mark.parametrize("names", KIN, ids="-".join)
def test_cards_of_one_tissue_say_so(names: tuple[str, ...]) -> None:
    assert len({DATASETS[name].superset for name in names}) == 1


def test_no_other_cards_share_a_tissue() -> None:
    kin = {name for names in KIN for name in names} | {"gala_fib_example"}
    alone = [card.superset for name, card in DATASETS.items() if name not in kin]
    assert len(set(alone)) == len(alone)
    assert set(alone).isdisjoint(DATASETS[name].superset for name in kin)


@given(card=st.sampled_from(list(DATASETS.values())), writing=WRITINGS)
def test_a_card_s_own_names_all_lead_to_its_tissue(card: Card, writing) -> None:
    for name in (card.name, card.dataset, card.superset):
        assert known_superset(writing(name), DATASETS.values()) == card.superset


def test_another_tissue_stays_what_it_is_called() -> None:
    assert known_superset("retina of a rabbit", DATASETS.values()) == "retina of a rabbit"


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


def test_a_model_that_learned_the_tissue_of_a_test_set_in_an_earlier_run_is_refused():
    tested = [DATASETS["vnc_stack1"]]
    refuse_tissues([DATASETS["gala_fib_train"].superset, "my own mouse"], tested)
    with pytest.raises(ValueError, match=r"must not have learned from .*, the tissue of vnc_stack1"):
        refuse_tissues(["my own mouse", DATASETS["vnc_stack2_raw"].superset.upper()], tested)
