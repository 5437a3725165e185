"""What a student is taught without labels: closed membranes alone, of sections that can be believed, and drawn ones."""

import numpy as np
import pytest

from savem3.grid import Grid
from savem3.teacher import Look
from savem3.teaching import Teaching, agree_with_itself, draw_lessons, teach
from savem3.volume import BoundaryMap, Image

CUBE = Grid((24, 32, 40), (10.0, 10.0, 10.0))
STACK = Grid((3, 48, 56), (40.0, 8.0, 8.0))


def walls(grid, *, certain=200):
    """A wall across x that closes, and one across y that ends in the middle of nowhere."""
    voxels = np.zeros(grid.shape, np.uint8)
    middle = grid.shape[2] // 2
    voxels[..., middle - 1 : middle + 1] = certain
    voxels[:, 10:12, 2:8] = certain
    return BoundaryMap(voxels, grid)


class Walls:
    """A teacher that sees membranes where the image is dark."""

    def look_at(self, sections):
        feature = np.zeros((len(sections), 1, sections.shape[1] // 2, sections.shape[2] // 2), np.float32)
        return Look((sections < 0).astype(np.float32), None, feature, feature[..., ::4, ::4])


@pytest.mark.parametrize("grid", [CUBE, STACK])
def test_a_membrane_that_closes_is_drawn_in_full_and_one_that_does_not_is_left_out(grid):
    agreed = agree_with_itself(walls(grid, certain=140))
    middle = grid.shape[2] // 2
    assert agreed.grid == grid
    assert set(np.unique(agreed.voxels)) == {0, 255}
    assert (agreed.voxels[..., middle - 1 : middle + 1] == 255).all()
    assert not agreed.voxels[:, 8:14, : middle - 4].any()


def test_sections_are_cut_one_by_one_where_they_are_thick():
    voxels = walls(STACK).voxels.copy()
    voxels[1] = 0
    agreed = agree_with_itself(BoundaryMap(voxels, STACK))
    assert agreed.voxels[0].any()
    assert not agreed.voxels[1].any()


def test_the_first_lesson_is_the_image_with_the_teachers_map_and_lost_sections_teach_nothing():
    seen = walls(CUBE).voxels
    image = Image(np.where(seen > 0, np.uint8(30), np.uint8(200)), CUBE)
    lost = np.zeros(24, bool)
    lost[5] = True
    as_it_is, *more = teach(image, Walls(), teaching=Teaching(agreed=False, drawn=0), lost=lost)
    assert not more
    assert not as_it_is.labelled
    assert (as_it_is.boundary.voxels[:, 10:12, 2:8] == 255).all()
    assert not as_it_is.mask[5].any()
    assert as_it_is.mask[4].all()
    agreed, *drawn = teach(image, Walls(), teaching=Teaching(drawn=1), lost=None)
    assert not agreed.boundary.voxels[:, 8:14, :16].any()
    assert agreed.mask is None
    assert [lesson.labelled for lesson in drawn] == [True]


@pytest.mark.slow
def test_drawn_volumes_are_as_thick_as_the_image_and_always_the_same():
    thin, thick = draw_lessons(CUBE, 1)[0], draw_lessons(STACK, 1)[0]
    assert thin.image.grid.is_isotropic
    assert not thick.image.grid.is_isotropic
    np.testing.assert_array_equal(draw_lessons(CUBE, 1)[0].image.voxels, thin.image.voxels)


def test_thin_voxels_are_taught_with_drawn_volumes_unless_told_otherwise():
    assert [Teaching().drawn_for(grid) for grid in (CUBE, STACK)] == [16, 0]
    assert Teaching(drawn=3).drawn_for(STACK) == 3


def test_fewer_than_no_drawn_volumes_are_refused():
    with pytest.raises(ValueError, match="drawn must be at least 0 volumes, got -1"):
        Teaching(drawn=-1)
