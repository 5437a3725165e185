"""Archives become folders whole, or not at all."""

from __future__ import annotations

import stat
import zipfile

import pytest

from savem3.bank import unpack_zip


def write_zip(path, **members: bytes):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_an_archive_becomes_a_folder_of_its_name(tmp_path):
    members = {"im_0.h5": b"image", "seg_0.h5": b"labels"}
    archive = write_zip(tmp_path / "EM30.zip", **{f"inner/{name}": content for name, content in members.items()})
    folder = unpack_zip(archive)
    assert folder == tmp_path / "EM30"
    assert {path.name: path.read_bytes() for path in folder.rglob("*.h5")} == {
        "im_0.h5": b"image",
        "seg_0.h5": b"labels",
    }
    assert {path.name for path in tmp_path.iterdir()} == {"EM30", "EM30.zip"}


@pytest.mark.parametrize("name", ["../out.h5", "/out.h5", "a/../../out.h5", "..\\out.h5", "C:out.h5"])
def test_a_file_that_would_leave_the_folder_refuses_all_of_it(tmp_path, name):
    archive = write_zip(tmp_path / "EM30.zip", **{"im_0.h5": b"image", name: b"out"})
    with pytest.raises(ValueError, match="must hold regular files within it alone"):
        unpack_zip(archive)
    assert {path.name for path in tmp_path.iterdir()} == {"EM30.zip"}


def test_a_link_refuses_all_of_it(tmp_path):
    link = zipfile.ZipInfo("link.h5")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "EM30.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(ValueError, match=r"got 'link\.h5'"):
        unpack_zip(tmp_path / "EM30.zip")


def test_a_damaged_archive_leaves_nothing(tmp_path):
    archive = write_zip(tmp_path / "EM30.zip", **{"im_0.h5": b"image" * 100})
    content = bytearray(archive.read_bytes())
    content[60] ^= 255
    archive.write_bytes(content)
    with pytest.raises(ValueError, match="must be an intact zip archive"):
        unpack_zip(archive)
    assert {path.name for path in tmp_path.iterdir()} == {"EM30.zip"}


def test_too_much_is_refused(tmp_path, monkeypatch):
    archive = write_zip(tmp_path / "EM30.zip", **{"im_0.h5": b"image" * 100})
    monkeypatch.setattr("savem3.bank.archive.MOST_BYTES", 499)
    with pytest.raises(ValueError, match="must hold at most"):
        unpack_zip(archive)


def test_a_folder_that_is_there_stays(tmp_path):
    archive = write_zip(tmp_path / "EM30.zip", **{"im_0.h5": b"image"})
    (tmp_path / "EM30").mkdir()
    with pytest.raises(FileExistsError, match="must not exist yet"):
        unpack_zip(archive)
