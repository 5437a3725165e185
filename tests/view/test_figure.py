"""One picture of a whole run."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from savem3.grid import Grid, Nanometres
from savem3.view import figure
from savem3.view.figure import length_label, scale_bar_um
from savem3.volume import BoundaryMap, Image, Labels

draft = partial(figure, dots_per_inch=30)


def volumes(voxel_size: Nanometres, *, shape: tuple[int, int, int] = (6, 12, 12)) -> list[Image | BoundaryMap | Labels]:
    grid, rng = Grid(shape, voxel_size), np.random.default_rng(0)
    grey = rng.integers(0, 256, shape, dtype=np.uint8)
    blocks = (np.indices(shape) // 3).sum(axis=0).astype(np.uint64)
    return [Image(grey, grid), BoundaryMap(grey, grid), Labels(blocks, grid), Labels(blocks // 2, grid)]


def test_isotropic_volumes_are_shown_from_three_sides_and_others_in_sections_alone() -> None:
    three_sides, sections = draft(*volumes((8.0, 8.0, 8.0))), draft(*volumes((30.0, 6.0, 6.0)))
    assert three_sides.height > 1.2 * sections.height


def test_truth_adds_a_column() -> None:
    without = volumes((30.0, 6.0, 4.0), shape=(3, 6, 8))
    assert draft(*without, without[3]).width > draft(*without).width + 40


def test_a_single_section_has_a_single_row() -> None:
    one, three = (draft(*volumes((30.0, 6.0, 6.0), shape=(sections, 12, 12))) for sections in (1, 3))
    assert 2 * one.height < three.height


def test_volumes_of_unequal_shapes_are_refused() -> None:
    first, second = volumes((30.0, 6.0, 4.0)), volumes((30.0, 6.0, 4.0), shape=(6, 12, 11))
    with pytest.raises(ValueError, match="Labels must have the shape of the image"):
        figure(first[0], first[1], first[2], second[3])


@given(st.floats(0.001, 1e5))
def test_scale_bars_are_round_and_fill_a_good_part_of_their_share(width: float) -> None:
    bar = scale_bar_um(width, share=0.35)
    assert 0.35 * width / 2.51 <= bar <= 0.35 * width * 1.0001
    assert f"{bar:.6e}"[0] in "125"


def test_lengths_read_as_people_write_them() -> None:
    assert [length_label(length) for length in (0.05, 0.5, 1, 20)] == ["50 nm", "500 nm", "1 µm", "20 µm"]
