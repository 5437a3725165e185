"""Pyramids, and outputs that are complete or not there."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from savem3.grid import Grid
from savem3.store import levels, open_image, open_labels, write_image, write_labels
from savem3.store.levels import factors
from savem3.store.ngff_writer import chunk_of
from savem3.store.pyramid import join_grey, join_labels
from savem3.volume import Image, Labels

GRID = Grid((3, 5, 7), (30.0, 6.0, 4.0))
LABELS = Labels(np.arange(105, dtype=np.uint64).reshape(3, 5, 7), GRID)
small_factors = st.tuples(st.integers(1, 2), st.integers(1, 2), st.integers(1, 2))


def groups(voxels: np.ndarray, factor: tuple[int, int, int]) -> dict[tuple[int, ...], np.ndarray]:
    """The voxels that are joined, by their place in the coarser level."""
    shape = tuple(-(-n // f) for n, f in zip(voxels.shape, factor, strict=True))
    return {
        at: voxels[tuple(slice(i * f, (i + 1) * f) for i, f in zip(at, factor, strict=True))].ravel()
        for at in np.ndindex(shape)
    }


def mode(group: np.ndarray) -> int:
    counts = Counter(group.tolist())
    most = max(counts.values())
    return min((number for number, count in counts.items() if count == most), key=lambda number: (number == 0, number))


@given(
    labels=arrays.arrays(np.uint64, (3, 4, 5), elements=st.sampled_from([0, 1, 2, 2**63, 2**64 - 1])),
    factor=small_factors,
)
def test_a_coarse_label_is_the_most_frequent_one(labels: np.ndarray, factor: tuple[int, int, int]) -> None:
    joined = join_labels(labels, factor=factor)
    assert {at: joined[at] for at in np.ndindex(joined.shape)} == {
        at: mode(group) for at, group in groups(labels, factor).items()
    }


def test_a_neurite_as_thick_as_the_gap_beside_it_stays() -> None:
    labels = np.array([[[0, 7], [0, 7]]], np.uint64)
    assert join_labels(labels, factor=(1, 2, 2)).item() == 7


@given(voxels=arrays.arrays(np.uint8, (3, 4, 5)), factor=small_factors)
def test_a_coarse_grey_value_is_the_mean(voxels: np.ndarray, factor: tuple[int, int, int]) -> None:
    joined = join_grey(voxels, factor=factor)
    for at, group in groups(voxels, factor).items():
        assert joined[at] == np.floor(group.mean() + 0.5)


def test_sections_are_joined_only_when_voxels_are_as_coarse_as_they() -> None:
    assert factors(Grid((64, 2048, 2048), (40.0, 4.0, 4.0))) == [(1, 2, 2)] * 3 + [(2, 2, 2)] * 2
    assert factors(Grid((256, 256, 256), (8.0, 8.0, 8.0))) == [(2, 2, 2)] * 2
    assert factors(Grid((1, 4096, 4096), (8.0, 8.0, 8.0))) == [(1, 2, 2)] * 3
    assert factors(GRID) == []


def test_chunks_are_about_as_long_along_each_axis() -> None:
    assert chunk_of(Grid((999, 999, 999), (8.0, 8.0, 8.0))) == (64, 64, 64)
    assert chunk_of(Grid((999, 999, 999), (40.0, 4.0, 4.0))) == (16, 128, 128)
    assert chunk_of(GRID) == GRID.shape


def test_each_level_is_a_volume_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(levels, "COARSEST", 30)
    write_labels(LABELS, tmp_path / "a.zarr")
    fine, coarse = open_labels(tmp_path / "a.zarr"), open_labels(f"{tmp_path}/a.zarr:1")
    assert fine.grid == GRID
    assert coarse.grid == GRID.coarsen((1, 2, 2))
    np.testing.assert_array_equal(coarse.load().voxels, join_labels(LABELS.voxels, factor=(1, 2, 2)))


def test_blocks_of_any_size_give_the_same_pyramid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from savem3.store import ngff_writer

    grid = Grid((20, 37, 41), (8.0, 8.0, 8.0))
    image = Image(np.random.default_rng(0).integers(0, 256, grid.shape, np.uint8), grid)
    monkeypatch.setattr(levels, "COARSEST", 100)
    write_image(image, tmp_path / "one.zarr")
    monkeypatch.setattr(ngff_writer, "CHUNK", 512)
    monkeypatch.setattr(ngff_writer, "BYTES_AT_ONCE", 1)
    write_image(image, tmp_path / "many.zarr")
    for level in range(4):
        one, many = (open_image(f"{tmp_path}/{name}.zarr:{level}") for name in ("one", "many"))
        assert one.grid == many.grid
        np.testing.assert_array_equal(one.load().voxels, many.load().voxels)


def test_a_group_within_an_output_is_found_from_outside(tmp_path: Path) -> None:
    write_labels(LABELS, f"{tmp_path}/a.zarr:labels/neurons")
    for path in (f"{tmp_path}/a.zarr", f"{tmp_path}/a.zarr:labels/neurons", f"{tmp_path}/a.zarr/labels/neurons"):
        np.testing.assert_array_equal(open_labels(path).load().voxels, LABELS.voxels)


def test_progress_counts_to_the_end(tmp_path: Path) -> None:
    for name in ("a.zarr", "a.h5"):
        seen: list[tuple[int, int]] = []
        write_labels(LABELS, tmp_path / name, progress=lambda done, total, seen=seen: seen.append((done, total)))
        assert seen
        assert [done for done, _ in seen] == list(range(1, len(seen) + 1))
        assert {total for _, total in seen} == {len(seen)}


@pytest.mark.parametrize("name", ["a.zarr", "a.h5"])
def test_an_output_that_exists_is_refused(name: str, tmp_path: Path) -> None:
    write_labels(LABELS, tmp_path / name)
    with pytest.raises(FileExistsError, match=rf"must not exist yet, got '.*{name}'"):
        write_labels(LABELS, tmp_path / name)


@pytest.mark.parametrize("name", ["a.zarr", "a.h5"])
def test_an_output_is_replaced_only_by_a_complete_one(name: str, tmp_path: Path) -> None:
    write_labels(LABELS, tmp_path / name)
    broken = Labels(Lossy(), GRID)
    with pytest.raises(OSError, match="disk is gone"):
        write_labels(broken, tmp_path / name, overwrite=True)
    np.testing.assert_array_equal(open_labels(tmp_path / name).load().voxels, LABELS.voxels)
    write_labels(Labels(LABELS.voxels + np.uint64(1), GRID), tmp_path / name, overwrite=True)
    np.testing.assert_array_equal(open_labels(tmp_path / name).load().voxels, LABELS.voxels + np.uint64(1))
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", ["a.zarr", "a.h5"])
def test_a_half_written_output_is_not_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="disk is gone"):
        write_labels(Labels(Lossy(), GRID), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_the_old_output_comes_back_when_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_labels(LABELS, tmp_path / "a.h5")
    rename = Path.rename

    def stubborn(self: Path, target: Path) -> Path:
        if target == tmp_path / "a.h5" and not self.name.endswith(".old"):
            raise OSError("no")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", stubborn)
    with pytest.raises(OSError, match="no"):
        write_labels(LABELS, tmp_path / "a.h5", overwrite=True)
    np.testing.assert_array_equal(open_labels(tmp_path / "a.h5").load().voxels, LABELS.voxels)


def test_an_unknown_ending_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must be one of name\.v2\.zarr, name\.zarr, file\.h5.*got '.*a\.doc'"):
        write_labels(LABELS, tmp_path / "a.doc")


class Lossy:
    """Voxels on a disk that fails."""

    shape = GRID.shape
    dtype = np.dtype(np.uint64)

    def __getitem__(self, index: object) -> np.ndarray:
        raise OSError("disk is gone")
