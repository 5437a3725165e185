"""Other programs' maps: their range, their axes, and which way round they are."""

import re
from pathlib import Path

import numpy as np
import pytest

from savem3.graphcut import boundary_from, region_graph
from savem3.grid import Grid
from savem3.volume import Labels

VOXEL = (30.0, 6.0, 4.0)
HOW_TO = Path(__file__).parents[2] / "docs" / "how-to-cut.md"


def cells(shape=(5, 24, 32), *, side=8):
    """Boundary values: cells of 7 × 7 pixels with membranes of one pixel between them, in every section."""
    boundary = np.full(shape, 20, np.uint8)
    boundary[:, ::side] = boundary[:, :, ::side] = 230
    return boundary


def squares(shape=(5, 24, 32), *, side=8):
    """The cells of `cells`, membranes given to them."""
    y, x = np.indices(shape[1:]) // side
    labels = np.broadcast_to(y * (shape[2] // side) + x + 1, shape).astype(np.uint64)
    return Labels(labels, Grid(shape, VOXEL))


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("unit", [1, 255])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_either_polarity_and_range_gives_the_same_map(inverted, unit, dtype):
    numbers = 255 - cells() if inverted else cells()
    if unit == 1:
        numbers = (numbers > 127) if dtype == np.uint8 else numbers / dtype(255)
    found = boundary_from(np.asarray(numbers).astype(dtype), voxel_size=VOXEL)
    expected = np.where(cells() > 127, 255, 0) if unit == 1 and dtype == np.uint8 else cells()
    assert found.voxels.tolist() == expected.tolist()
    assert found.grid == Grid((5, 24, 32), VOXEL)


def test_a_mask_of_true_and_false_is_a_map():
    assert boundary_from(cells() > 99, voxel_size=VOXEL).voxels.max() == 255


def affinities_of(boundary):
    """The paper's: 1 − the larger of two boundary probabilities, to the voxel before."""
    affinities = np.ones((3, *boundary.shape), np.float32)
    for axis in range(3):
        values = np.moveaxis(boundary, axis, 0)
        np.moveaxis(affinities[axis], axis, 0)[1:] = 1 - np.maximum(values[1:], values[:-1]) / 255
    return affinities


def test_the_faces_of_a_map_from_affinities_are_at_least_what_the_affinities_say():
    rng = np.random.default_rng(0)
    affinities = affinities_of(np.maximum(cells(), rng.integers(0, 90, (5, 24, 32)).astype(np.uint8)))
    voxels = boundary_from(affinities, kind="affinity", voxel_size=VOXEL).voxels.astype(int)
    for axis in range(3):
        values = np.moveaxis(voxels, axis, 0)
        said = np.rint(255 * (1 - np.moveaxis(affinities[axis], axis, 0)[1:]))
        assert (np.maximum(values[1:], values[:-1]) >= said - 1).all()


@pytest.mark.parametrize("inverted", [False, True])
def test_a_border_between_touching_cells_survives_in_affinities_of_either_polarity(inverted):
    labels, affinities = squares(), np.ones((3, 5, 24, 32))
    for axis in (1, 2):
        values = np.moveaxis(labels.voxels, axis, 0)
        np.moveaxis(affinities[axis], axis, 0)[1:] = values[1:] == values[:-1]
    boundary = boundary_from(1 - affinities if inverted else affinities, kind="affinity", voxel_size=VOXEL)
    graph = region_graph(labels, boundary)
    assert (graph.minimum == 255).all()
    assert boundary.voxels.mean() < 90


@pytest.mark.parametrize(("given", "wrong"), [("membrane_high", True), ("membrane_low", False)])
def test_a_polarity_that_all_speaks_against_is_refused(given, wrong):
    numbers = 255 - cells() if wrong else cells()
    with pytest.raises(ValueError, match=rf"polarity must be the other one, got {given}: high numbers take \d+% of"):
        boundary_from(numbers, voxel_size=VOXEL, polarity=given)


def test_a_polarity_that_something_speaks_against_is_taken_with_a_warning():
    x = np.indices((5, 24, 32))[2]
    thick = np.where(x % 3, 230, 20).astype(np.uint8)  # two thirds are high, and so are all borders
    stripes = Labels(((x + 2) // 3 + 1).astype(np.uint64), Grid(x.shape, VOXEL))
    with pytest.warns(UserWarning, match="polarity membrane_high is taken as given, but: high numbers take 66%"):
        boundary_from(thick, voxel_size=VOXEL, polarity="membrane_high", fragments=stripes)


def test_numbers_that_leave_the_polarity_open_are_refused_or_warned_of():
    flat = np.full((2, 9, 8), 0.5)
    with pytest.raises(ValueError, match="polarity must be membrane_high or membrane_low here, got auto: the numbers"):
        boundary_from(flat, voxel_size=VOXEL)
    with pytest.warns(UserWarning, match="the numbers do not differ enough"):
        assert (boundary_from(flat, voxel_size=VOXEL, polarity="membrane_low").voxels == 127).all()


def test_fragments_decide_nothing_alone_but_are_heard():
    shifted = Labels(np.roll(squares().voxels, 4, axis=(1, 2)), squares().grid)
    with pytest.raises(ValueError, match="on borders of fragments"):
        boundary_from(cells(), voxel_size=VOXEL, fragments=shifted)
    assert boundary_from(cells(), voxel_size=VOXEL, fragments=squares()).voxels.tolist() == cells().tolist()
    with pytest.raises(ValueError, match="fragments must have the shape of the array"):
        boundary_from(cells()[:3], voxel_size=VOXEL, fragments=squares())


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([[[0.0, np.nan], [np.inf, 0.5]]]), r"array must be finite, got 2 numbers that are not, the first at"),
        (np.array([[[-0.1, 0.5]]]), "array must lie in 0–1 or 0–255, got -0.1 to 0.5"),
        (np.array([[[0, 40000]]], np.uint16), "array must lie in 0–1 or 0–255, got 0 to 40000"),
        (np.zeros((3, 2, 4, 4)), "array must have z, y, x for kind boundary, got shape"),
    ],
)
def test_what_is_no_boundary_map_is_refused(array, message):
    with pytest.raises(ValueError, match=message):
        boundary_from(array, voxel_size=VOXEL)


@pytest.mark.parametrize("shape", [(2, 4, 4), (2, 2, 4, 4)])
def test_affinities_need_three_channels(shape):
    with pytest.raises(ValueError, match="three channels in channel, z, y, x for kind affinity"):
        boundary_from(np.zeros(shape), kind="affinity", voxel_size=VOXEL)


def test_the_example_of_the_how_to_runs():
    (program,) = re.findall(r"```python\n(.*?)```", HOW_TO.read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    exec(program, names)
    assert names["neurons"].voxels.max() == 2
    assert (names["unsure"] == names["graph"].edges[np.argsort(names["graph"].margin)[:3]]).all()
