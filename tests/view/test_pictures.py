"""Sections in colour."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from savem3.grid import Grid
from savem3.view import colours_of, overlay, write_pictures
from savem3.view.pictures import outline, stretch
from savem3.volume import Image, Labels

RAW = np.array([[0, 50, 100, 150, 200, 255]], np.uint8)
LABELS = np.array([[0, 0, 5, 5, 5, 9]], np.uint64)


def test_background_stays_grey() -> None:
    assert overlay(RAW, LABELS)[0, :2].tolist() == [[0, 0, 0], [50, 50, 50]]


def test_without_colour_tissue_is_as_it_was() -> None:
    assert (overlay(RAW, LABELS, alpha=0, contours=False) == RAW[..., None]).all()


def test_colour_alone_over_white_is_the_label_s_colour() -> None:
    assert overlay(RAW, LABELS, alpha=1, contours=False)[0, 5].tolist() == colours_of(LABELS)[0, 5, :3].tolist()


def test_tissue_shades_the_colour() -> None:
    shaded = overlay(RAW, LABELS, alpha=1, contours=False)[0, 2:5].astype(int).sum(axis=1)
    assert shaded[0] < shaded[1] < shaded[2]


def test_outlines_are_in_full_colour_and_background_has_none() -> None:
    assert outline(LABELS).tolist() == [[False, False, False, False, True, False]]
    assert overlay(RAW, LABELS, alpha=0)[0, 4].tolist() == colours_of(LABELS)[0, 4, :3].tolist()


@pytest.mark.parametrize("alpha", [-0.1, 1.5, float("nan")])
def test_an_alpha_outside_its_range_is_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha must lie in 0–1, got"):
        overlay(RAW, LABELS, alpha=alpha)


def test_stretched_grey_values_use_the_whole_range_and_a_constant_section_stays_constant() -> None:
    stretched = stretch(np.linspace(90, 110, 1000).astype(np.uint8).reshape(20, 50))
    assert (stretched.min(), stretched.max()) == (0, 255)
    assert len(np.unique(stretch(np.full((3, 4), 77, np.uint8)))) == 1


def test_pictures_are_named_after_their_sections(tmp_path: Path) -> None:
    grid = Grid((6, 5, 7), (30.0, 6.0, 4.0))
    image, labels = Image(np.full(grid.shape, 9, np.uint8), grid), Labels(np.ones(grid.shape, np.uint64), grid)
    paths = write_pictures(tmp_path / "données 测试 a b", image=image, labels=labels, count=2)
    assert [path.name for path in paths] == ["section-00001.png", "section-00004.png"]
    with Picture.open(paths[0]) as picture:
        assert (picture.size, picture.mode) == ((7, 5), "RGB")
