from __future__ import annotations

import subprocess
import sys
from pathlib import Path, PureWindowsPath

import h5py
import numpy as np
import pytest

from savem3.store import MissingVoxelSize, UnreadableVolume, open_image, open_labels
from savem3.store.location import Location, destination, readings

SIZE = (30.0, 6.0, 4.0)


def hdf5(path: Path, **datasets: object) -> Path:
    with h5py.File(path, "w") as file:
        for name, voxels in datasets.items():
            file[name] = voxels
        file.attrs["resolution_nm"] = (30, 6, 4)
    return path


def test_a_dataset_stands_behind_a_colon(tmp_path: Path) -> None:
    raw, labels = np.zeros((2, 3, 4), np.uint8), np.ones((2, 3, 4), np.uint16)
    path = hdf5(tmp_path / "a.h5", raw=raw, labels=labels)
    assert open_image(f"{path}:raw").load().voxels.max() == 0
    assert open_labels(f"{path}:/labels").load().voxels.max() == 1


def test_the_drive_of_a_windows_path_is_no_dataset() -> None:
    text = str(PureWindowsPath("C:/data/x.h5"))
    assert readings(text) == [Location(Path(text))]
    assert readings(f"{text}:raw")[1:] == [Location(Path(text), "raw")]
    assert destination("C:\\out\\labels.zarr") == Location(Path("C:\\out\\labels.zarr"))


def test_a_file_whose_name_has_a_colon_is_found(tmp_path: Path) -> None:
    path = hdf5(tmp_path / "12:30.h5", raw=np.zeros((2, 3, 4), np.uint8))
    assert open_image(path).grid.shape == (2, 3, 4)
    assert open_image(f"{path}:raw").grid.shape == (2, 3, 4)


def test_several_datasets_are_listed_when_none_is_named(tmp_path: Path) -> None:
    path = hdf5(tmp_path / "a.h5", raw=np.zeros((2, 3, 4), np.uint8), truth=np.zeros((2, 3, 4), np.uint8), table=[1, 2])
    with pytest.raises(UnreadableVolume, match=r"a\.h5:raw \(2, 3, 4\) uint8, .*a\.h5:truth") as refusal:
        open_image(path)
    assert "table" not in str(refusal.value)


def test_a_misspelt_dataset_is_answered_with_those_that_exist(tmp_path: Path) -> None:
    path = hdf5(tmp_path / "a.h5", raw=np.zeros((2, 3, 4), np.uint8))
    with pytest.raises(UnreadableVolume, match=r"a\.h5:rwa must name a dataset, got one of: .*a\.h5:raw"):
        open_image(f"{path}:rwa")


def test_a_misspelt_file_is_answered_with_the_closest_one(tmp_path: Path) -> None:
    hdf5(tmp_path / "cortex.h5", raw=np.zeros((2, 3, 4), np.uint8))
    with pytest.raises(UnreadableVolume, match=r"path must exist, got '.*cortx\.h5:raw'; did you mean '.*cortex\.h5'"):
        open_image(f"{tmp_path}/cortx.h5:raw")
    with pytest.raises(UnreadableVolume, match=r"must exist, got '[^;]*'$"):
        open_image(tmp_path / "something else" / "deep" / "x.h5")


def test_a_missing_voxel_size_is_one_question(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["raw"] = np.zeros((2, 3, 4), np.uint8)
    with pytest.raises(MissingVoxelSize, match=r"a\.h5:raw .*: pass --voxel-size Z,Y,X in nm") as question:
        open_image(tmp_path / "a.h5")
    assert "\n" not in str(question.value)
    assert open_image(tmp_path / "a.h5", voxel_size=SIZE).grid.voxel_size == (30.0, 6.0, 4.0)


def test_a_given_voxel_size_goes_before_the_stored_one(tmp_path: Path) -> None:
    path = hdf5(tmp_path / "a.h5", raw=np.zeros((2, 3, 4), np.uint8))
    assert open_image(path, voxel_size=(45.0, 5.0, 3.0)).grid.voxel_size == (45.0, 5.0, 3.0)


@pytest.mark.parametrize("name", ["a.doc", "empty folder"])
def test_an_unknown_kind_of_path_is_answered_with_the_known_kinds(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.doc").write_text("x")
    (tmp_path / "empty folder").mkdir()
    with pytest.raises(UnreadableVolume, match=r"must be one of .*stack\.tif"):
        open_image(tmp_path / name)


def test_the_store_loads_a_file_library_only_when_a_file_needs_it() -> None:
    heavy = {"h5py", "tifffile", "tensorstore", "numba", "PIL"}
    program = f"import sys, savem3.store; print(sorted({heavy!r} & sys.modules.keys()))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout
    assert loaded.strip() == "[]"
