"""The guard of test sets: what is learned from never shares its tissue with what is reported."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches

from savem3.bank.card import Card

ALIKE = 0.75
"""How like two names must be, from 0 to 1, for one to be taken for a slip of the other."""


def normalised(superset: str) -> str:
    """A tissue's name without what people write in different ways: case, accents, spaces and punctuation."""
    plain = unicodedata.normalize("NFKD", superset).casefold()
    return "".join(letter for letter in plain if letter.isalnum())


def refuse_leakage(training_cards: Iterable[Card], test_cards: Iterable[Card]) -> None:
    """Stop a training whose labels come from the tissue of a test set.

    Parameters
    ----------
    training_cards
        Cards whose labels are learned from. The raw data of a test set may be distilled on: it has no labels.
    test_cards
        Cards that will be reported.

    Raises
    ------
    ValueError
        If a training card shares its superset with a test card.

    Notes
    -----
    Source: the rule of the paper's authors, to leave out every dataset of the test set's superset.
    """
    tests = list(test_cards)
    for training in training_cards:
        for test in tests:
            if normalised(training.superset) == normalised(test.superset):
                raise ValueError(
                    f"training cards must not share a superset with test cards, got {training.name} "
                    f"and {test.name}, both of {test.superset}"
                )


def refuse_tissues(learned: Iterable[str], test_cards: Iterable[Card]) -> None:
    """Stop a run that goes on from a model which learned, in any run, from the tissue of a test set.

    Parameters
    ----------
    learned
        Supersets that its record names.
    test_cards
        Cards that will be reported.

    Raises
    ------
    ValueError
        If one of them is a test card's.
    """
    tissues = {normalised(tissue) for tissue in learned}
    for test in test_cards:
        if normalised(test.superset) in tissues:
            raise ValueError(
                f"a model to go on from must not have learned from {test.superset}, the tissue of {test.name}"
            )


def known_superset(declared: str, cards: Iterable[Card]) -> str:
    """The tissue that a user's own card means: one of the table's, or one that is unlike all of them.

    Parameters
    ----------
    declared
        A superset, or the name of a card or dataset of it, however it is written.
    cards
        Those of the table.

    Raises
    ------
    ValueError
        If it names nothing, or looks like a slip of one that is known.
    """
    plain = normalised(declared)
    names: dict[str, str] = {}
    for card in cards:
        names |= {normalised(name): card.superset for name in (card.name, card.dataset, card.superset)}
    if not plain:
        raise ValueError(f"superset must name the tissue that a volume was cut from, got '{declared}'")
    if plain in names:
        return names[plain]
    close = get_close_matches(plain, names, n=1, cutoff=ALIKE)
    if close:
        raise ValueError(
            f"superset must be one of the bank's as it is written there, or unlike each of them, got '{declared}'; "
            f"did you mean '{names[close[0]]}'?"
        )
    return declared
