"""The energy's laws, and planted volumes in which the boundary lies and a prompter knows better."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import Guesser, Oracle, blank_image, lying_volume, stacked_volume, weighed

from savem3.graphcut import CUTTERS, cut
from savem3.graphcut.asking import ask_sections
from savem3.graphcut.energy import EnergyRecipe, add_evidence, add_published
from savem3.graphcut.evidence import ONE, Evidence, join_evidence, sum_observations, trust_of
from savem3.graphcut.prompting import AskRecipe
from savem3.graphcut.reading import Reading, learn_reading
from savem3.volume import Labels

ALL = AskRecipe(doubt=3.0, smallest=1)
BOTH = EnergyRecipe(prompts=1.0, lifted=0.5)
every_volume = pytest.mark.parametrize("make", [lying_volume, stacked_volume])


def asked(fragments, graph, prompter):
    return join_evidence(ask_sections(blank_image(), fragments, graph, prompter, recipe=ALL))


def observed(pairs, overlaps, weight=1.0):
    """One observation of each pair."""
    fixed = [np.full(len(pairs), round(weight * ONE)), np.rint(np.array(overlaps) * ONE).astype(np.int64)]
    return join_evidence([sum_observations(np.array(pairs, np.uint64), *fixed)])


def featured(graph, seed=0):
    rng = np.random.default_rng(seed)
    return replace(graph, features=rng.normal(0, 1, (len(graph.sizes), 3)).astype(np.float32))


def same(a, b):
    """Whether two volumes are the same partition."""
    pairs = np.unique(np.stack([a.ravel(), b.ravel()]), axis=1)
    return len(np.unique(pairs[0])) == len(np.unique(pairs[1])) == pairs.shape[1]


@every_volume
def test_the_boundary_alone_splits_one_body_and_merges_two_others(make):
    truth, fragments, boundary = make()
    objects = cut(fragments, weighed(fragments, boundary), cutter="multicut")
    body = [np.unique(objects.voxels[truth.voxels == b]) for b in (1, 2, 3)]
    assert len(body[0]) == 2
    assert body[1].tolist() == body[2].tolist()


@every_volume
@pytest.mark.parametrize("lifted", [0.0, 0.5])
@pytest.mark.parametrize("predicted_iou", [0.9, 0.7])
def test_a_truthful_prompter_mends_the_split_and_the_merger(make, lifted, predicted_iou):
    truth, fragments, boundary = make()
    graph = weighed(fragments, boundary)
    evidence = asked(fragments, graph, Oracle(truth, predicted_iou))
    recipe = EnergyRecipe(prompts=1.0, lifted=lifted)
    graph = add_evidence(graph, evidence, recipe=recipe, trust=trust_of(evidence))
    assert same(cut(fragments, graph, cutter="lifted").voxels, truth.voxels)


@pytest.mark.parametrize("seed", range(6))
def test_a_prompter_that_guesses_changes_nothing(seed):
    _, fragments, boundary = stacked_volume()
    graph = weighed(fragments, boundary)
    evidence = asked(fragments, graph, Guesser(seed))
    assert len(evidence.pairs) > 50
    own = evidence.of_pairs(graph.edges)
    learned = add_evidence(graph, evidence, recipe=BOTH, overlap=learn_reading(own.overlap, graph.costs))
    trusted = add_evidence(graph, evidence, recipe=BOTH, trust=trust_of(evidence))
    plain = CUTTERS["lifted"](graph)
    for other in (learned, trusted):
        changed = graph.sizes[CUTTERS["lifted"](other) != plain].sum()
        assert changed <= 0.01 * graph.sizes.sum()


@every_volume
def test_without_weights_the_result_is_the_plain_multicut(make):
    truth, fragments, boundary = make()
    graph = featured(weighed(fragments, boundary))
    silent = add_evidence(graph, asked(fragments, graph, Oracle(truth)), recipe=EnergyRecipe(0.0, 0.0, 0.0))
    assert silent.costs.tobytes() == graph.costs.tobytes()
    assert silent.lifted_edges is None
    plain = cut(fragments, graph, cutter="multicut")
    assert cut(fragments, silent, cutter="lifted").voxels.tobytes() == plain.voxels.tobytes()


@given(seed=st.integers(0, 50), more=st.floats(0, 1), slope=st.floats(0, 3), middle=st.floats(0.05, 0.95))
def test_more_overlap_never_makes_a_cut_likelier_and_touches_no_other_cost(seed, more, slope, middle):
    _, fragments, boundary = lying_volume()
    rng = np.random.default_rng(seed)
    graph = featured(weighed(fragments, boundary), seed)
    pairs = np.concatenate([graph.edges, [[1, 6]]]).astype(np.uint64)
    overlaps, changed = rng.random(len(pairs)), int(rng.integers(len(pairs)))
    raised = overlaps.copy()
    raised[changed] += more * (1 - raised[changed])
    recipe, reading = EnergyRecipe(0.7, 1.3, 0.4), Reading(middle, slope)
    before, after = (
        add_evidence(graph, observed(pairs, values), recipe=recipe, trust=0.8, overlap=reading)
        for values in (overlaps, raised)
    )
    costs = [np.r_[g.costs, g.lifted_costs] for g in (before, after)]
    assert costs[1][changed] >= costs[0][changed]
    others = np.arange(len(pairs)) != changed
    assert costs[0][others].tobytes() == costs[1][others].tobytes()


@pytest.mark.parametrize("seed", range(4))
def test_renaming_the_fragments_renames_the_result(seed):
    truth, fragments, boundary = stacked_volume()
    names = np.r_[0, np.random.default_rng(seed).permutation(30) + 1].astype(np.uint64)
    renamed = Labels(names[fragments.voxels], fragments.grid)
    results = []
    for each in (fragments, renamed):
        graph = weighed(each, boundary)
        graph = add_evidence(graph, asked(each, graph, Oracle(truth)), recipe=BOTH)
        results.append(cut(each, graph, cutter="lifted").voxels)
    assert same(*results)


@pytest.mark.parametrize("seed", range(3))
def test_no_fragment_is_split_and_background_never_merges(seed):
    truth, fragments, boundary = stacked_volume()
    holes = np.random.default_rng(seed).random(fragments.grid.shape) < 0.2
    fragments = Labels(np.where(holes, 0, fragments.voxels).astype(np.uint64), fragments.grid)
    graph = weighed(fragments, boundary)
    evidence = asked(fragments, graph, Oracle(truth))
    assert evidence.pairs.min() > 0
    objects = cut(fragments, add_evidence(graph, evidence, recipe=BOTH), cutter="lifted")
    assert ((objects.voxels == 0) == holes).all()
    pairs = np.unique(np.stack([fragments.voxels.ravel(), objects.voxels.ravel()]), axis=1)
    assert len(np.unique(fragments.voxels)) == pairs.shape[1]


def test_lifted_edges_are_the_observed_pairs_that_do_not_touch():
    _, fragments, boundary = lying_volume()
    graph = weighed(fragments, boundary)
    graph = add_evidence(graph, observed([[1, 2], [1, 5], [2, 5]], [1, 1, 0]), recipe=BOTH)
    assert graph.lifted_edges.tolist() == [[1, 5], [2, 5]]
    np.testing.assert_allclose(graph.lifted_costs, [0.75, -0.75])


def test_features_alone_can_vote_both_ways():
    _, fragments, boundary = lying_volume()
    graph = replace(weighed(fragments, boundary), features=np.eye(6, 2, dtype=np.float32) + np.float32(0.1))
    recipe, nothing = EnergyRecipe(features=1.0, prompts=0.0), observed(np.zeros((0, 2)), [])
    change = add_evidence(graph, nothing, recipe=recipe, likeness=Reading(0.8)).costs - graph.costs
    assert change.min() < 0 < change.max()


@every_volume
def test_the_published_sums_only_ever_vote_to_merge(make):
    truth, fragments, boundary = make()
    graph = featured(weighed(fragments, boundary))
    published = add_published(graph, asked(fragments, graph, Oracle(truth)))
    assert (published.costs >= graph.costs).all()
    assert published.lifted_edges is None


def test_a_weight_below_nothing_is_refused():
    with pytest.raises(ValueError, match="lifted must be a weight of at least 0, got -1"):
        EnergyRecipe(lifted=-1.0)


def test_evidence_holds_what_was_observed():
    evidence = observed([[1, 2]], [0.5])
    assert isinstance(evidence, Evidence)
    assert evidence.overlap.tolist() == [0.5]
