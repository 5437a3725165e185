"""Volumes at several scales, and how they are told to the browser."""

from __future__ import annotations

import json

import numpy as np
import pytest

from savem3.grid import Box, Grid
from savem3.view.panels import largest_of, state_of
from savem3.view.precomputed import info_of, piece_of
from savem3.view.pyramid import Pyramid
from savem3.volume import Image, Labels

GRID = Grid((6, 20, 28), (30.0, 6.0, 4.0), (60.0, 0.0, 40.0))
COARSE = GRID.coarsen((1, 2, 4))
PIECES = (1 + np.arange(28) // 7 + np.zeros(GRID.shape)).astype(np.uint64)
LABELS = Pyramid("labels", (Labels(PIECES, GRID), Labels(PIECES[:, ::2, ::4], COARSE)))
GREY = np.arange(6 * 20 * 28).reshape(GRID.shape).astype(np.uint8)
RAW = Pyramid("image", (Image(GREY, GRID),))


def test_the_browser_counts_x_first() -> None:
    info = info_of(LABELS)
    assert info["scales"][0]["size"] == [28, 20, 6]
    assert info["scales"][0]["resolution"] == [4.0, 6.0, 30.0]
    assert info["scales"][1]["resolution"] == [16.0, 12.0, 30.0]
    assert info["type"] == "segmentation"
    assert info["data_type"] == "uint64"
    assert "mesh" not in info_of(RAW)


def test_a_piece_is_its_voxels_with_x_fastest() -> None:
    piece = np.frombuffer(piece_of(RAW, key="0", piece="5-9_2-5_1-3"), np.uint8)
    np.testing.assert_array_equal(piece.reshape(2, 3, 4), GREY[1:3, 2:5, 5:9])
    coarse = np.frombuffer(piece_of(LABELS, key="1", piece="0-7_0-10_0-6"), "<u8")
    np.testing.assert_array_equal(coarse.reshape(6, 10, 7), PIECES[:, ::2, ::4])


@pytest.mark.parametrize(
    ("key", "piece"),
    [
        ("2", "0-1_0-1_0-1"),
        ("00", "0-1_0-1_0-1"),
        ("0", "0-1_0-1"),
        ("0", "0-29_0-1_0-1"),
        ("0", "3-3_0-1_0-1"),
        ("0", "5-3_0-1_0-1"),
        ("0", "0-999999999999999_0-1_0-1"),
        ("0", "0-1_0-1_0-1\n"),
    ],
)
def test_a_piece_outside_is_refused(key: str, piece: str) -> None:
    with pytest.raises(ValueError, match="must"):
        piece_of(LABELS, key=key, piece=piece)


def test_more_than_fits_in_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("savem3.view.pyramid.MOST_READ", 100)
    with pytest.raises(ValueError, match="at most 100 voxels"):
        LABELS.read(0, Box((0, 0, 0), (1, 10, 11)))


def test_the_finest_level_that_is_small_enough_is_taken() -> None:
    assert LABELS.at_most(GRID.voxels) is LABELS.levels[0]
    assert LABELS.at_most(GRID.voxels - 1) is LABELS.levels[1]
    assert LABELS.at_most(1) is LABELS.levels[1]


def test_the_page_opens_on_the_middle_with_the_largest_neurons_in_their_colours() -> None:
    state = state_of([RAW, LABELS], urls={"image": "http://a/image", "labels": "http://a/labels"})
    assert state["position"] == [10 + 14, 10, 2 + 3]
    assert state["dimensions"]["x"] == pytest.approx([4e-9, "m"])
    raw, neurons = state["layers"]
    assert (raw["name"], neurons["name"]) == ("raw", "neurons")
    assert neurons["source"]["url"] == "precomputed://http://a/labels"
    assert neurons["source"]["transform"]["matrix"][2] == [0.0, 0.0, 1.0, 2.0]
    assert sorted(neurons["segments"]) == ["1", "2", "3", "4"]
    assert set(neurons["segmentColors"]) == set(neurons["segments"])
    assert json.loads(json.dumps(state)) == state


def test_the_largest_neurons_are_those_of_most_voxels() -> None:
    voxels = np.zeros(GRID.shape, np.uint64)
    voxels[:, :2, :5], voxels[:, 4:9, 8:12], voxels[:, 15:18, 20:22] = 2**63 + 9, 7, 5
    chosen = largest_of(Pyramid("labels", (Labels(voxels, GRID),)), count=2)
    assert set(chosen) == {2**63 + 9, 7}
    assert largest_of(Pyramid("labels", (Labels(voxels, GRID),)), count=2, among={2**63 + 9, 5, 11}) == [5, 2**63 + 9]


def test_exported_surfaces_replace_those_made_on_demand_and_skeletons_do_not() -> None:
    urls = {"labels": "http://a/labels"}
    exported = state_of([LABELS], urls=urls, surfaces=["http://a/0"], skeletons=["http://a/1"])["layers"][0]["source"]
    assert [exported[0]["subsources"], *exported[1:]] == [
        {"mesh": False},
        "precomputed://http://a/0",
        "precomputed://http://a/1",
    ]
    bones = state_of([LABELS], urls=urls, skeletons=["http://a/1"])["layers"][0]["source"]
    assert bones[0]["subsources"] == {"mesh": True}
