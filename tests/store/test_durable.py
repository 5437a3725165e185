import os

import pytest

from savem3.store.durable import write_durably


def test_what_is_written_is_there_and_nothing_else(tmp_path):
    write_durably(tmp_path / "a b" / "é.json", b"one")
    write_durably(tmp_path / "a b" / "é.json", b"two")
    assert (tmp_path / "a b" / "é.json").read_bytes() == b"two"
    assert [path.name for path in (tmp_path / "a b").iterdir()] == ["é.json"]


def test_the_older_file_stays_when_the_new_one_cannot_be_written(tmp_path, monkeypatch):
    write_durably(tmp_path / "a", b"old")

    def refuse(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space"):
        write_durably(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_the_disk_is_asked_before_the_name_changes(tmp_path, monkeypatch):
    order = []
    monkeypatch.setattr(os, "fsync", lambda handle, plain=os.fsync: (order.append("fsync"), plain(handle)))
    monkeypatch.setattr(os, "replace", lambda a, b, plain=os.replace: (order.append("rename"), plain(a, b)))
    write_durably(tmp_path / "a", b"x")
    assert order == ["fsync", "rename", "fsync"]
