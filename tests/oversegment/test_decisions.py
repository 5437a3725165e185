"""What one block decides: all it can, and nothing that the rest of the volume could change."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from savem3.oversegment import OversegmentRecipe
from savem3.oversegment.decisions import decide

RULE = {"dynamics": 20, "min_size": 10}


def decided(passes, *, minimum, sizes, is_open, **numbers):
    decisions = decide(
        np.array(passes, np.int64).reshape(-1, 3),
        minimum=np.array(minimum, np.int64),
        sizes=np.array(sizes, np.int64),
        is_open=np.array(is_open, bool),
        recipe=OversegmentRecipe(**(RULE | numbers)),
    )
    return decisions.groups.tolist(), decisions.delayed.tolist()


def test_closed_sides_are_decided():
    shallow = decided([[50, 0, 1]], minimum=[0, 40], sizes=[99, 99], is_open=[0, 0])
    deep = decided([[80, 0, 1]], minimum=[0, 40], sizes=[99, 99], is_open=[0, 0])
    assert (shallow, deep) == (([0, 0], []), ([0, 1], []))


def test_sides_that_may_go_on_wait_unless_they_stay_apart_anyhow():
    shallow = decided([[50, 0, 1]], minimum=[0, 40], sizes=[99, 99], is_open=[1, 1])
    deep = decided([[80, 0, 1]], minimum=[0, 40], sizes=[99, 99], is_open=[1, 1])
    small = decided([[80, 0, 1]], minimum=[0, 40], sizes=[99, 9], is_open=[1, 1])
    assert (shallow, deep, small) == (([0, 1], [0]), ([0, 1], []), ([0, 1], [0]))


def test_passes_below_the_dynamics_join_at_once_whatever_is_open():
    assert decided([[19, 0, 1]], minimum=[0, 9], sizes=[99, 99], is_open=[1, 1]) == ([0, 0], [])


def test_waiting_spreads_to_the_neighbours_at_one_height():
    line = [[50, 0, 1], [50, 1, 2]]
    assert decided(line, minimum=[40, 40, 40], sizes=[9, 9, 9], is_open=[0, 0, 1]) == ([0, 1, 2], [0, 1])


def test_waiting_stays_with_a_side_at_later_heights():
    later = [[50, 1, 2], [60, 0, 1]]
    assert decided(later, minimum=[45, 45, 45], sizes=[50, 99, 99], is_open=[0, 0, 1]) == ([0, 1, 2], [0, 1])


def test_two_sides_are_asked_once():
    joined = [[30, 0, 1], [40, 2, 3], [50, 0, 2], [60, 1, 3]]
    minimum, sizes = [0, 25, 25, 25], [99, 9, 30, 30]
    _, delayed = decided(joined, minimum=minimum, sizes=sizes, is_open=[0, 0, 1, 0], dynamics=35)
    assert delayed == [1, 2]


def by_rule(passes, minimum, sizes, dynamics, min_size):
    """The rule for a whole volume in plain Python: the side of each basin, by its smallest basin."""
    side = {k: {k} for k in range(len(minimum))}
    for height, u, v in passes:
        a, b = side[u], side[v]
        shallower = max(min(minimum[k] for k in part) for part in (a, b))
        smaller = min(sum(sizes[k] for k in part) for part in (a, b))
        if a is not b and (height - shallower < dynamics or smaller < min_size):
            a |= b
            side.update(dict.fromkeys(a, a))
    return [min(side[k]) for k in range(len(minimum))]


@given(seed=st.integers(0, 999), heights=st.sampled_from([3, 30, 300]), nodes=st.integers(2, 24))
def test_what_is_decided_or_dropped_holds_and_what_waits_decides_the_rest(seed, heights, nodes):
    """Basins u < seen belong to the block; it does not see passes among the others, nor the truth of open ones."""
    rng = np.random.default_rng(seed)
    seen, dynamics, min_size = int(rng.integers(1, nodes + 1)), int(rng.integers(0, 20)), int(rng.integers(0, 30))
    minimum, sizes = rng.integers(0, heights, nodes).tolist(), rng.integers(1, 20, nodes).tolist()
    pairs = [(u, v) for u in range(nodes) for v in range(u + 1, nodes) if rng.random() < 4 / nodes]
    passes = sorted((max(minimum[u], minimum[v]) + int(rng.integers(0, heights)), u, v) for u, v in pairs)
    inside = [p for p in passes if p[2] < seen]
    is_open = [any(seen <= v and u == k for _, u, v in passes) for k in range(seen)]
    groups, delayed = decided(
        inside, minimum=minimum[:seen], sizes=sizes[:seen], is_open=is_open, dynamics=dynamics, min_size=min_size
    )
    expected = by_rule(passes, minimum, sizes, dynamics, min_size)
    left = sorted([inside[k] for k in delayed] + [p for p in passes if p[2] >= seen])
    together = {group: groups.index(group) for group in groups}
    name = [together[group] for group in groups] + list(range(seen, nodes))
    deepest, total = list(minimum), [0] * nodes
    for k in range(nodes):
        total[name[k]] += sizes[k]
        deepest[name[k]] = min(deepest[name[k]], minimum[k])
    found = by_rule([(h, name[u], name[v]) for h, u, v in left], deepest, total, dynamics, min_size)
    assert [found[name[k]] for k in range(nodes)] == expected
