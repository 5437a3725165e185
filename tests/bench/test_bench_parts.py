"""Baselines, skeletons, floors and the assembled chain, on arrays whose answer can be seen."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from savem3.bench import assembled
from savem3.bench.baselines import dark_map, link_sections, stack
from savem3.bench.floor import by_turns, rate_of, ratio_of, seconds_of
from savem3.bench.skeletons import skeletons_of, trace
from savem3.bench.suite_sparse import few_bodies
from savem3.grid import Grid
from savem3.skeleton import Skeletons
from savem3.volume import BoundaryMap, Image, Labels

SIZE, LONG = (30.0, 6.0, 4.0), (30.0, 6.0, 1000.0)


def labels_of(array) -> Labels:
    voxels = np.asarray(array, np.uint64)
    return Labels(voxels, Grid(voxels.shape, SIZE))


def test_dark_is_membrane():
    grey = np.full((3, 20, 30), 200, np.uint8)
    grey[:, :, 14:16] = 20
    boundary = dark_map(Image(grey, Grid(grey.shape, SIZE)))
    assert boundary.voxels[:, :, 14:16].min() > 200
    assert boundary.voxels[:, :, :8].max() == 0


def test_stacked_parts_share_no_number_and_keep_their_background():
    whole = stack([labels_of([[[1, 2, 0]]]), labels_of([[[1, 0, 3]]])])
    assert np.asarray(whole.voxels).tolist() == [[[1, 2, 0]], [[3, 0, 5]]]
    assert whole.grid == Grid((2, 1, 3), SIZE)


@pytest.mark.parametrize("linker", ["iou", "confidence"])
def test_objects_that_lie_above_each_other_are_linked(linker):
    flat = np.zeros((3, 6, 8), np.uint64)
    for z in range(3):
        flat[z, :, :4], flat[z, :, 4:] = 2 * z + 1, 2 * z + 2
    boundary = BoundaryMap(np.zeros(flat.shape, np.uint8), Grid(flat.shape, SIZE))
    linked = np.asarray(link_sections(labels_of(flat), boundary, linker=linker, beta=0.5).voxels)
    assert len(np.unique(linked)) == 2
    assert (linked == linked[:1]).all()


def test_few_bodies_leave_the_others_unknown():
    truth = labels_of(np.arange(1, 25).reshape(2, 3, 4).repeat(3, 2))
    few = np.asarray(few_bodies(truth, seed=1, number=5, least=3).voxels)
    assert len(np.unique(few)) == 6
    assert ((few == 0) | (few == truth.voxels)).all()
    again = np.asarray(few_bodies(truth, seed=1, number=5, least=3).voxels)
    np.testing.assert_array_equal(few, again)


def two_neurites() -> Skeletons:
    """Along x at y 0 and at y 2, in voxels of 30 × 6 × 1000 nm: three edges of 1 µm, and one of 3 µm."""
    at = np.array([[0, 0, 0], [0, 0, 1], [0, 0, 2], [0, 0, 3], [0, 2, 0], [0, 2, 3]])
    edges = np.array([[0, 1], [1, 2], [2, 3], [4, 5]])
    return Skeletons(("a", "b"), np.array([0, 0, 0, 0, 1, 1]), (at + 0.5) * LONG, edges)


@pytest.mark.parametrize(
    ("rows", "erl"),
    [
        ([[1, 1, 1, 1], [2, 2, 2, 2]], (9 + 9) / 6),  # both whole
        ([[1, 1, 3, 3], [2, 2, 2, 2]], (1 + 1 + 9) / 6),  # cut once: the edge across is lost
        ([[1, 1, 1, 1], [1, 1, 1, 1]], 0.0),  # merged: nothing counts
        ([[1, 1, 1, 0], [2, 2, 2, 2]], (4 + 9) / 6),  # a node outside of all segments
    ],
)
def test_a_run_ends_at_a_cut_and_does_not_count_in_a_merger(rows, erl):
    voxels = np.array([[rows[0], [0] * 4, rows[1]]], np.uint64)
    labels = Labels(voxels, Grid(voxels.shape, LONG))
    values, says = trace(lambda: labels, two_neurites())
    assert values["erl_um"] == pytest.approx(erl)
    assert values["nerl"] == pytest.approx(erl / 3)
    assert says["skeletons"] == 2


def test_skeletons_lie_inside_the_bodies_that_they_are_of():
    voxels = np.zeros((40, 60, 60), np.uint64)
    voxels[:, 5:25, 5:50], voxels[:, 30:55, 10:40] = 3, 8
    truth = Labels(voxels, Grid(voxels.shape, SIZE, (300.0, 60.0, 40.0)))
    values, says = trace(lambda: truth, skeletons_of(truth))
    assert (values["nerl"], values["mergers"], says["skeletons"]) == (1.0, 0.0, 2)


def test_ratios_are_taken_within_turns():
    slow, fast = [(2.0, 9.0), (20.0, 9.0), (3.0, 9.0)], [(1.0, 9.0), (10.0, 9.0), (1.0, 9.0)]
    assert ratio_of(slow, fast) == 2.0
    assert seconds_of(slow) == 3.0
    calls = []
    turns = by_turns({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, repeats=2)
    assert calls == ["a", "b"] * 3
    assert [len(turns[name]) for name in ("a", "b")] == [2, 2]
    assert rate_of("copy", 0.5, copied=10**9) == (16.0, "GB/s")
    assert rate_of("product, float32", 2.0, edge=1000) == (1.0, "GFLOP/s")


@pytest.fixture
def small_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembled, "PATCH", (4, 16, 24))


def ramp(window):
    """Differs with the place in the window, so that blending shows."""
    import torch

    return window * torch.linspace(0, 1, window.shape[-1])


@pytest.mark.usefixtures("small_patches")
@pytest.mark.parametrize("shape", [(9, 30, 41), (3, 16, 24), (2, 10, 60)])
def test_the_plain_window_gives_back_what_the_network_leaves_as_it_is(shape):
    import torch

    volume = torch.from_numpy(np.random.default_rng(0).random((1, 1, *shape), np.float32))
    same = assembled.slide_plainly(volume, lambda window: window)
    assert same.shape == volume.shape
    torch.testing.assert_close(same, volume)


@pytest.mark.skipif(find_spec("monai") is None, reason="needs monai")
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("small_patches")
@pytest.mark.parametrize("shape", [(9, 30, 41), (3, 16, 24), (2, 10, 60)])
def test_the_plain_window_is_monais(shape):
    import torch
    from monai.inferers import sliding_window_inference

    volume = torch.from_numpy(np.random.default_rng(0).random((1, 1, *shape), np.float32))
    theirs = sliding_window_inference(volume, assembled.PATCH, 1, ramp, overlap=assembled.OVERLAP)
    torch.testing.assert_close(assembled.slide_plainly(volume, ramp), theirs)


def test_seeds_are_flooded_up_to_the_membrane():
    pytest.importorskip("skimage")
    boundary = np.zeros((8, 20, 40), np.float32)
    boundary[:, :, 19:21] = 1
    fragments = assembled.flood(boundary)
    assert len(np.intersect1d(fragments[:, :, :19], fragments[:, :, 21:])) == 0
