"""Evidence: sums that add up in any order, and trust that chance does not earn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from savem3.graphcut.evidence import ONE, SUMS, join_evidence, sum_observations, trust_of, weigh_evidence
from savem3.graphcut.reading import Reading


def table(rows):
    """From rows of u, v, weight and overlap, both 0–1."""
    rows = np.array(rows, float).reshape(-1, 4)
    weights, overlaps = (np.rint(rows[:, i] * ONE).astype(np.int64) for i in (2, 3))
    return sum_observations(rows[:, :2].astype(np.uint64), weights, overlaps)


def contents(evidence):
    return [evidence.pairs.tolist(), *(getattr(evidence, name).tolist() for name in SUMS)]


def many(overlaps, *, weight=0.8):
    """One pair a row of repeated overlaps."""
    return join_evidence([table([(1, v + 2, weight, o) for v, row in enumerate(overlaps) for o in row])])


def test_overlaps_are_averaged_by_weight():
    evidence = join_evidence([table([(1, 2, 1, 1)]), table([(1, 2, 0.5, 0.25), (1, 3, 0.5, 0.5), (2, 3, 0, 1)])])
    assert evidence.pairs.tolist() == [[1, 2], [1, 3]]
    assert evidence.count.tolist() == [2, 1]
    np.testing.assert_allclose(evidence.overlap, [0.75, 0.5])


@given(order=st.permutations(range(6)), seed=st.integers(0, 30))
def test_the_order_of_sections_changes_nothing(order, seed):
    rng = np.random.default_rng(seed)
    parts = [table([(u, u + 1 + u % 2, *rng.random(2)) for u in rng.integers(1, 5, 7)]) for _ in range(6)]
    assert contents(join_evidence([parts[i] for i in order])) == contents(join_evidence(parts))


def test_no_section_is_no_evidence():
    evidence = join_evidence([])
    assert contents(evidence) == [[]] * 6
    assert trust_of(evidence) == 0


def test_pairs_that_were_not_observed_say_nothing():
    evidence = join_evidence([table([(1, 3, 1, 1)])]).of_pairs(np.array([[1, 2], [1, 3]], np.uint64))
    assert evidence.count.tolist() == [0, 1]
    assert weigh_evidence(evidence, Reading()).tolist() == [0, 1.5]


def test_more_observations_and_more_belief_weigh_more():
    once, thrice = many([[1.0]], weight=1), many([[1.0] * 3], weight=1)
    doubted = many([[1.0]], weight=0.25)
    said = [weigh_evidence(e, Reading())[0] for e in (doubted, once, thrice)]
    np.testing.assert_allclose(said, [3 * 0.2, 3 * 0.5, 3 * 0.75])


@pytest.mark.parametrize("seed", range(5))
def test_overlaps_drawn_by_chance_are_not_trusted(seed):
    assert trust_of(many(np.random.default_rng(seed).random((300, 3)))) < 0.05


@pytest.mark.parametrize("seed", range(5))
def test_beliefs_drawn_by_chance_earn_no_trust_either(seed):
    rng = np.random.default_rng(seed)
    rows = [(1, v + 2, rng.random() ** 2, rng.random()) for v in range(300) for _ in range(2 + v % 2)]
    assert trust_of(join_evidence([table(rows)])) < 0.05


def test_overlaps_that_repeat_are_trusted_and_the_more_the_better_they_do():
    rng = np.random.default_rng(0)
    own = rng.random((200, 1)).repeat(3, 1)
    exact, noisy = trust_of(many(own)), trust_of(many(np.clip(own + rng.normal(0, 0.2, own.shape), 0, 1)))
    assert exact > 0.99 > 0.8 > noisy > 0.4


def test_where_nothing_was_repeated_or_nothing_differs_nothing_is_trusted():
    assert trust_of(many(np.random.default_rng(0).random((50, 1)))) == 0
    assert trust_of(many(np.full((50, 3), 0.4))) == 0
