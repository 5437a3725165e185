"""Each defect, planted in made-up tissue, is found where it is; tissue without one raises nothing."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from phantoms import GRID, THIN, census_of, labels_of, largest, tissue

from savem3.grid import Grid
from savem3.quality import (
    Place,
    branches,
    continuity,
    crossing_places,
    enclosed_by,
    ending_places,
    find_seams,
    profile,
    seam_places,
    section_places,
    shape_places,
    trace,
)

NEW = 1000
"""A label that the tissue has not."""

BLOCKS = {"blocks": ([16, 32], [32], [32])}


@cache
def whole() -> np.ndarray:
    return tissue()


def ball(voxels: np.ndarray, at: Sequence[float], radii: Sequence[float]) -> np.ndarray:
    """Which voxels lie within an ellipsoid."""
    axes = zip(np.indices(voxels.shape), at, radii, strict=True)
    return np.sum([((index - a) / r) ** 2 for index, a, r in axes], axis=0) <= 1


def places_in(voxels: np.ndarray, grid: Grid = GRID, planes: dict = BLOCKS) -> list[Place]:
    """All that the labels say of themselves."""
    labels = labels_of(voxels, grid)
    census = census_of(labels)
    traces = [trace(labels, axis=axis) for axis in ((0, 1, 2) if grid.is_isotropic else (0,))]
    found = branches(traces, grid.voxel_size)
    seen = profile(labels)
    return [
        *shape_places(census, traces[0]),
        *ending_places(found, census.ids, census.voxels),
        *crossing_places(found),
        *seam_places(seen, find_seams(seen, planes)),
        *section_places(continuity(traces[0]), grid.shape),
    ]


def middle_line(body: int) -> np.ndarray:
    """Where a neurite is in each section, along y, x; a voxel of it that is deepest in it."""
    from scipy.ndimage import distance_transform_edt

    depth = [distance_transform_edt(section == body) for section in whole()]
    return np.array([np.unravel_index(one.argmax(), one.shape) for one in depth])


@pytest.mark.parametrize("grid", [GRID, THIN])
def test_clean_tissue_raises_nothing(grid: Grid) -> None:
    assert places_in(whole(), grid) == []


def test_a_body_within_a_body_is_found() -> None:
    body = largest(whole())
    z, (y, x) = 20, middle_line(body)[20]
    planted = np.where(ball(whole(), (z, y, x), (4, 3, 4)) & (whole() == body), NEW, whole())
    (place,) = places_in(planted)
    assert (place.kind, place.labels) == ("inside", (NEW, body))
    np.testing.assert_allclose(place.at, (z, y, x), atol=1.5)
    assert place.impact == (planted == NEW).sum()


def test_a_body_between_others_that_touches_no_face_is_an_orphan() -> None:
    planted = np.where(ball(whole(), (20, 33, 29), (9, 7, 6)), NEW, whole())
    (place,) = places_in(planted)
    assert (place.kind, place.labels) == ("orphan", (NEW,))
    np.testing.assert_allclose(place.at, (20, 33, 29), atol=1.5)
    assert "touch no face" in place.why


def test_an_island_is_counted_but_not_listed() -> None:
    planted = np.where(ball(whole(), (20, 33, 29), (2, 1, 1)), NEW, whole())
    assert places_in(planted) == []
    assert NEW in census_of(labels_of(planted)).ids


@pytest.mark.parametrize("grid", [GRID, THIN])
def test_two_neurites_that_meet_and_part_are_a_crossing(grid: Grid) -> None:
    y, x = np.indices(whole().shape[1:])
    z = np.arange(40)[:, None, None]
    one = (abs(y - (12 + z)) < 4) & (abs(x - 30) < 5)
    other = (abs(y - (51 - z)) < 4) & (abs(x - 30) < 5)
    planted = np.where(one | other, NEW, np.where(abs(x - 30) < 16, 0, whole()))
    crossings = [place for place in places_in(planted, grid) if place.kind == "crossing"]
    assert crossings
    assert {place.labels for place in crossings} == {(NEW,)}
    assert min(abs(place.at[0] - 19.5) + abs(place.at[1] - 31.5) for place in crossings) < 9


def test_neurites_that_pass_each_other_apart_are_none() -> None:
    y, x = np.indices(whole().shape[1:])
    z = np.arange(40)[:, None, None]
    one = (abs(y - (12 + z)) < 4) & (abs(x - 24) < 4)
    other = (abs(y - (51 - z)) < 4) & (abs(x - 36) < 4)
    planted = np.where(one | other, NEW, np.where(abs(x - 30) < 16, 0, whole()))
    assert not [place for place in places_in(planted) if place.kind == "crossing"]


@pytest.mark.parametrize(("below", "above", "crosses"), [(5, 13, False), (13, 5, False), (13, 13, True)])
def test_arms_that_are_short_do_not_cross(below: int, above: int, crosses: bool) -> None:
    """A thorn below, a thorn above, joined to the neurite between: a crossing if both are long enough."""
    z, y, x = np.indices(whole().shape)
    neurite = (abs(y - 33) < 4) & (abs(x - 24) < 4)
    thorns = (abs(y - 33) < 3) & (abs(x - 33) < 3) & (z > 18 - below) & (z < 21 + above)
    bridge = (abs(y - 33) < 3) & (abs(x - 28) < 4) & (abs(z - 19.5) < 2)
    planted = np.where(neurite | thorns | bridge, NEW, np.where(abs(x - 30) < 16, 0, whole()))
    found = [place.labels for place in places_in(planted, THIN) if place.kind == "crossing"]
    assert found == ([(NEW,)] if crosses else [])


def test_a_body_with_many_endings_is_found() -> None:
    body = largest(whole())
    planted = whole().copy()
    for z in (5, 19, 33):
        y, x = middle_line(body)[z]
        planted[z - 1 : z + 2, y - 1 : y + 2, x - 22 : x + 23] = body
    found = [place for place in places_in(planted) if place.kind == "endings"]
    assert [place.labels for place in found] == [(body,)]
    assert found[0].why.startswith("6 endings within the volume")


def test_a_thin_sheet_that_touches_everything_looks_like_glia() -> None:
    z, y, x = np.indices(whole().shape)
    planted = np.where(abs(y - 33 - 5 * np.sin(x / 6) - 3 * np.cos(z / 7)) < 1.5, NEW, whole())
    above = np.where((planted == whole()) & (y > 33 + 5 * np.sin(x / 6) + 3 * np.cos(z / 7)), whole() + 100, planted)
    glia = [place for place in places_in(above) if place.kind == "glia"]
    assert [place.labels for place in glia] == [(NEW,)]


def test_borders_on_the_grid_of_blocks_are_a_seam_and_elsewhere_are_a_single_plane() -> None:
    y = np.arange(66)[None, :, None]
    planted = np.where((y >= 32) & (whole() % 5 > 0), whole() + 100, whole())
    found = {(place.at[1], place.kind) for place in places_in(planted)}
    assert (32.0, "seam") in found
    labels = labels_of(planted)
    seams = {(seam.name, seam.axis) for seam in find_seams(profile(labels), BLOCKS) if seam.is_found}
    assert ("blocks", 1) in seams
    assert seams <= {("blocks", 1), ("a single plane", 1)}
    elsewhere = {"blocks": ([16, 32], [24], [32])}
    assert {seam.name for seam in find_seams(profile(labels), elsewhere) if seam.is_found} <= {"a single plane"}


def test_borders_on_planes_of_blocks_across_z_are_a_seam() -> None:
    z = np.arange(40)[:, None, None]
    planted = np.where((z >= 16) & (whole() % 3 > 0), whole() + 100, whole())
    planted = np.where((z >= 32) & (whole() % 3 > 0), whole() + 200, planted)
    found = [seam for seam in find_seams(profile(labels_of(planted)), BLOCKS) if seam.is_found]
    assert [(seam.name, seam.axis, seam.planes) for seam in found] == [("blocks", 0, (16, 32))]


def test_a_section_whose_labels_are_lost_or_lie_off_is_found_on_both_sides() -> None:
    for lost in (np.roll(whole()[20], 12, axis=0), np.zeros_like(whole()[20])):
        planted = whole().copy()
        planted[20] = lost
        found = sorted(place.at[0] for place in places_in(planted, THIN) if place.kind == "section")
        assert found == [19.5, 20.5]


def test_what_is_enclosed_must_touch_no_face() -> None:
    planted = whole().copy()
    body = largest(whole())
    y, x = middle_line(body)[0]
    planted[0:6, y - 2 : y + 3, x - 2 : x + 3] = NEW
    census = census_of(labels_of(planted))
    assert enclosed_by(census)[census.row_of(np.array([NEW], np.uint64))[0]] == 0
