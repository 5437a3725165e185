"""Settings chosen without labels: where two looks agree, and never by cutting everything or nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from planted import GRID, SHAPE, Guesser, Oracle, blank_image, stacked_volume, weighed

from savem3.graphcut import CUTTERS, region_graph
from savem3.graphcut.asking import ask_sections
from savem3.graphcut.calibrate import (
    BETAS,
    TwoLooks,
    calibrate,
    calibrate_beta,
    calibrate_weights,
    halve_evidence,
    instability,
    jitter_boundary,
    steadiest_beta,
)
from savem3.graphcut.energy import EnergyRecipe
from savem3.graphcut.evidence import join_evidence
from savem3.graphcut.overlay import overlay
from savem3.graphcut.prompting import AskRecipe
from savem3.grid import Grid
from savem3.volume import BoundaryMap, Labels


def random_fragments(seed, most=6):
    return Labels(np.random.default_rng(seed).integers(0, most, SHAPE).astype(np.uint64), GRID)


@given(seed=st.integers(0, 99))
def test_instability_is_nothing_for_equal_cuts_and_does_not_depend_on_names_or_order(seed):
    rng = np.random.default_rng(seed)
    a, b, sizes = rng.integers(1, 4, 9), rng.integers(1, 4, 9), rng.integers(1, 9, 9)
    first = instability(a, b, sizes=sizes)
    assert first >= 0
    assert first == pytest.approx(instability(b, 5 - a, sizes=sizes))
    if all((a == name).sum() > 1 for name in (1, 2, 3)):
        assert instability(a, a + 7, sizes=sizes) == pytest.approx(0, abs=1e-12)


def test_joining_nothing_and_joining_all_do_not_look_stable():
    sizes, nodes = np.array([3, 1, 4, 1, 5]), np.arange(5)
    assert instability(nodes, nodes, sizes=sizes) == 1
    assert instability(nodes * 0, nodes * 0, sizes=sizes) == 1


def test_the_setting_whose_two_cuts_differ_least_is_chosen_and_the_curve_says_why():
    sizes = np.ones(8, np.int64)

    def cut_twice(doubt, rng):
        cuts = [np.repeat([1, 2, 3, 4], 2), np.repeat([1, 2, 3, 4], 2)]
        cuts[1][:doubt] = rng.integers(1, 5, doubt)
        return cuts[0], cuts[1]

    found = calibrate([8, 0, 3], cut_twice, sizes=sizes, repeats=3)
    assert found.choice == 0
    assert [setting for setting, _ in found.curve] == [8, 0, 3]
    assert found.curve[1][1] == 0 < found.curve[2][1]
    with pytest.raises(ValueError, match="settings and repeats must be at least 1, got 0 and 1"):
        calibrate([], cut_twice, sizes=sizes)


@settings(max_examples=15)
@given(seed=st.integers(0, 20), block=st.tuples(*[st.integers(1, n) for n in SHAPE]), workers=st.integers(1, 3))
def test_overlays_count_each_voxel_once_for_every_block(seed, block, workers):
    first, second = random_fragments(seed), random_fragments(seed + 100)
    cells = overlay(first, second, block=block, workers=workers)
    assert cells.voxels.sum() == ((first.voxels > 0) & (second.voxels > 0)).sum()
    whole = overlay(first, second, block=SHAPE)
    assert (cells.cells.tolist(), cells.voxels.tolist()) == (whole.cells.tolist(), whole.voxels.tolist())


def test_overlays_of_other_shapes_are_refused():
    other = Labels(np.zeros((2, 3, 4), np.uint64), Grid((2, 3, 4), (30.0, 6.0, 4.0)))
    with pytest.raises(ValueError, match="second must have the shape of first"):
        overlay(random_fragments(0), other)


def test_beta_lies_between_noise_and_membrane():
    """Four bodies of true membranes of 210; each fragmentation also cuts where its own noise of 90 is."""
    grid = Grid((2, 8, 32), (30.0, 6.0, 4.0))
    x = np.arange(32)
    boundary = np.where(x % 8 >= 7, 210, 90) * np.ones(grid.shape)
    numbers = [(1 + x // 8 * 2 + (x % 8 > cut)) * np.ones(grid.shape) for cut in (2, 4)]
    looks = [Labels(each.astype(np.uint64), grid) for each in numbers]
    graphs = tuple(region_graph(look, BoundaryMap(boundary.astype(np.uint8), grid)) for look in looks)
    found = calibrate_beta(graphs, overlay(*looks), cutter=CUTTERS["multicut"], betas=(0.8, 0.3, 0.02))
    assert found.choice == 0.3
    assert dict(found.curve)[0.3] == pytest.approx(0, abs=1e-9)


def striped_looks(noises=(90, 90)):
    """Pairs of fragmentations of four bodies between membranes of 210, each cut also where noise of its own is."""
    grid = Grid((2, 8, 32), (30.0, 6.0, 4.0))
    x, pairs = np.arange(32), []
    for noise in noises:
        boundary = BoundaryMap((np.where(x % 8 >= 7, 210, noise) * np.ones(grid.shape)).astype(np.uint8), grid)
        numbers = [(1 + x // 8 * 2 + (x % 8 > cut)) * np.ones(grid.shape) for cut in (2, 4)]
        looks = [Labels(each.astype(np.uint64), grid) for each in numbers]
        pairs.append(TwoLooks(tuple(region_graph(look, boundary) for look in looks), overlay(*looks)))
    return pairs


@pytest.mark.parametrize("cutter", ["multicut", "quantile", "mean"])
def test_the_planted_beta_is_found_by_every_cutter(cutter):
    found = steadiest_beta(striped_looks(), cutter=CUTTERS[cutter])
    assert 1 - 210 / 255 < found.choice < 1 - 90 / 255
    assert [beta for beta, _ in found.curve] == list(BETAS)
    assert dict(found.curve)[found.choice] == pytest.approx(0, abs=1e-9)


def test_of_equally_good_betas_the_one_that_joins_least_is_taken():
    found = steadiest_beta(striped_looks(), cutter=CUTTERS["multicut"], betas=(0.5, 0.4, 0.3))
    assert {round(unstable, 9) for _, unstable in found.curve} == {0}
    assert found.choice == 0.5


def test_every_pair_of_looks_counts():
    """At β 0.4 noise of 90 is joined and noise of 180 is not; both are at 0.25."""
    betas, multicut = (0.4, 0.25), CUTTERS["multicut"]
    assert steadiest_beta(striped_looks((90,)), cutter=multicut, betas=betas).choice == 0.4
    both = steadiest_beta(striped_looks((90, 180)), cutter=multicut, betas=betas)
    assert both.choice == 0.25
    assert both.curve[0][1] == pytest.approx(steadiest_beta(striped_looks((180,)), cutter=multicut).curve[11][1] / 2)


def test_there_must_be_something_to_compare():
    with pytest.raises(ValueError, match="looks and betas must be at least 1, got 0 and 19"):
        steadiest_beta([], cutter=CUTTERS["multicut"])


def test_nearly_all_joined_does_not_look_stable():
    sizes = np.r_[np.full(64, 100), 1]
    almost = np.r_[np.zeros(64, np.int64), 1]
    assert instability(almost, almost, sizes=sizes) == 1


def evidence_tables(prompter):
    _, fragments, boundary = stacked_volume()
    graph = weighed(fragments, boundary)
    recipe = AskRecipe(doubt=3.0, smallest=1)
    return graph, ask_sections(blank_image(), fragments, graph, prompter, recipe=recipe)


def test_truthful_prompts_are_given_weight():
    graph, tables = evidence_tables(Oracle(stacked_volume()[0]))
    recipes = (EnergyRecipe(prompts=0.0), EnergyRecipe(prompts=2.0))
    found = calibrate_weights(graph, tables, beta=0.5, cutter=CUTTERS["multicut"], recipes=recipes, repeats=4)
    assert found.choice == recipes[1]
    assert found.curve[1][1] < found.curve[0][1] - 0.1


def test_guesses_are_given_no_weight():
    graph, tables = evidence_tables(Guesser(1))
    recipes = (EnergyRecipe(prompts=0.0), EnergyRecipe(prompts=2.0))
    found = calibrate_weights(graph, tables, beta=0.5, cutter=CUTTERS["multicut"], recipes=recipes)
    assert found.choice == recipes[0]


def test_halves_hold_each_observation_once():
    _, tables = evidence_tables(Oracle(stacked_volume()[0]))
    halves = halve_evidence(tables, rng=np.random.default_rng(0))
    whole = join_evidence(tables)
    assert sum(half.count.sum() for half in halves) == whole.count.sum()
    assert 0 < halves[0].count.sum() < whole.count.sum()


def test_jitter_moves_every_edge_but_keeps_faces_and_is_repeatable():
    _, fragments, boundary = stacked_volume()
    graph = region_graph(fragments, boundary)
    moved, again = (jitter_boundary(graph, rng=np.random.default_rng(3), jitter=0.5) for _ in range(2))
    assert moved.total.tobytes() == again.total.tobytes()
    assert moved.count is graph.count
    assert (moved.total != graph.total).mean() > 0.8
    assert ((moved.mean >= 0) & (moved.mean <= 255)).all()
