"""How evidence is read: centred, clipped, never against the grain, and silent where it knows nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from savem3.graphcut.reading import CLIP, Reading, learn_reading


def test_the_middle_says_nothing_and_the_ends_at_most_three():
    said = Reading(0.3, 2.0).read(np.array([0.0, 0.3, 1.0, np.nan]))
    np.testing.assert_allclose(said, [-CLIP, 0, CLIP, 0], atol=1e-9)


@given(middle=st.floats(0.02, 0.98), slope=st.floats(0, 5), likeness=st.lists(st.floats(0, 1), min_size=2, max_size=9))
def test_more_likeness_never_speaks_more_for_cutting(middle, slope, likeness):
    said = Reading(middle, slope).read(np.sort(likeness))
    assert (np.diff(said) >= 0).all()
    assert (np.abs(said) <= CLIP).all()


def test_where_likeness_follows_the_boundary_its_middle_and_direction_are_found():
    rng = np.random.default_rng(0)
    costs = rng.normal(0, 2, 3000)
    likeness = 1 / (1 + np.exp(-(costs - 1.5 + rng.normal(0, 1, 3000))))
    reading = learn_reading(likeness, costs)
    assert reading.slope > 0.3
    assert reading.middle == pytest.approx(1 / (1 + np.exp(1.5)), abs=0.05)


@pytest.mark.parametrize("seed", range(8))
def test_likeness_drawn_by_chance_or_turned_round_is_not_heard(seed):
    rng = np.random.default_rng(100 + seed)
    costs = rng.normal(0, 2, 400)
    chance = learn_reading(rng.random(400), costs)
    assert chance.slope < 0.03
    assert learn_reading(1 / (1 + np.exp(costs)), costs).slope == 0


def test_likeness_that_is_always_the_same_or_unknown_is_not_heard():
    costs = np.array([-1.0, 0.5, 2.0, 3.0])
    assert learn_reading(np.zeros(4), costs).slope == 0
    assert learn_reading(np.full(4, np.nan), costs).slope == 0


@pytest.mark.parametrize(
    ("change", "message"), [({"middle": 0.0}, "middle must lie"), ({"slope": -1.0}, "slope must be")]
)
def test_numbers_out_of_range_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Reading(**change)
