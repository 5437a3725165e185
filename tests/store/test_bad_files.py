"""Bad volumes are refused in one sentence that says which, what and how to mend it; nothing else comes out."""

from __future__ import annotations

import hashlib
import time
import tracemalloc
from pathlib import Path

import pytest

from savem3.store import MissingVoxelSize, UnreadableVolume, open_image
from zoo import FOLDER, SIZE, ZOO, BadInput

MOST_BYTES = 2**27
"""Memory that a refusal may take."""


def digests(folder: Path) -> dict[Path, str]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def refusal(bad: BadInput, path: str) -> str:
    """What is said when it is opened and read."""
    with pytest.raises((UnreadableVolume, MissingVoxelSize)) as error:
        open_image(path, voxel_size=SIZE if bad.sized else None).load()
    return str(error.value)


@pytest.mark.parametrize("name", ZOO)
def test_a_bad_volume_is_refused_in_one_sentence(name: str, tmp_path: Path) -> None:
    folder = tmp_path / FOLDER
    folder.mkdir()
    path = ZOO[name].build(folder)
    before = digests(folder)
    tracemalloc.start()
    began = time.process_time()
    sentence = refusal(ZOO[name], path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ZOO[name].matches(sentence, path=path, folder=folder), sentence
    assert "\n" not in sentence
    assert most < MOST_BYTES
    assert time.process_time() - began < 5
    assert digests(folder) == before


def test_the_zoo_has_animals_of_every_kind() -> None:
    assert len(ZOO) >= 45
    for kind in ("TIFF", "section", "HDF5", "Zarr", "pyramid", "N5", "precomputed", "MRC", "KNOSSOS"):
        assert sum(kind in name for name in ZOO) >= 4, kind
