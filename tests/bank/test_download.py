"""Files fetched from a server on this machine, which drops connections, lies, and cannot go on from a byte."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from file_server import Served, serving

from savem3.bank import Download, fetch
from savem3.home import OFFLINE, OfflineError

CONTENT = bytes(i * 7 % 251 for i in range(5000))
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def of(served: Served, **changes) -> Download:
    return replace(Download(served.url, "inner/volume.h5", 10_000, sha256=SHA256), **changes)


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def test_a_file_is_fetched_whole_with_its_progress(tmp_path):
    told = []
    with serving(Served(CONTENT)) as served:
        file = fetch(of(served), tmp_path, progress=lambda done, all_: told.append((done, all_)))
    assert file == tmp_path / "inner/volume.h5"
    assert file.read_bytes() == CONTENT
    assert told[-1] == (5000, 5000)
    assert left(tmp_path) == {"volume.h5"}


def test_what_is_there_is_not_fetched_again(tmp_path):
    with serving(Served(CONTENT)) as served:
        fetch(of(served), tmp_path)
        fetch(of(served), tmp_path)
    assert served.ranges == [None]


def test_a_dropped_connection_is_taken_up_where_it_ended(tmp_path):
    with serving(Served(CONTENT, drop_after=1200, drops=2)) as served:
        assert fetch(of(served), tmp_path).read_bytes() == CONTENT
    assert served.ranges == [None, "bytes=1200-", "bytes=2400-"]


def test_a_connection_that_always_drops_is_an_error_and_the_next_call_goes_on(tmp_path):
    with serving(Served(CONTENT, drop_after=100, drops=4)) as served:
        with pytest.raises(OSError, match="must be reachable, got: the connection ended early each time; call again"):
            fetch(of(served), tmp_path)
        assert left(tmp_path) == {".volume.h5.unfinished"}
        assert fetch(of(served), tmp_path).read_bytes() == CONTENT
    assert served.ranges[-1] == "bytes=400-"


def test_a_server_that_cannot_go_on_is_asked_for_all_of_it(tmp_path):
    with serving(Served(CONTENT, drop_after=1200, drops=1, takes_ranges=False)) as served:
        assert fetch(of(served), tmp_path).read_bytes() == CONTENT
    assert served.ranges == [None, "bytes=1200-"]


def test_a_file_that_changed_in_between_is_begun_again(tmp_path):
    with serving(Served(CONTENT, drop_after=1200, drops=1, mark='"a"')) as served:
        download = of(served, sha256=None)

        def change(*_: int) -> None:
            served.content, served.mark = CONTENT[::-1], '"b"'

        assert fetch(download, tmp_path, progress=change).read_bytes() == CONTENT[::-1]


def test_bytes_that_nobody_asked_for_are_cut_off_and_fetched_anew(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner/.volume.h5.unfinished").write_bytes(CONTENT + b"more")
    with serving(Served(CONTENT)) as served:
        assert fetch(of(served), tmp_path).read_bytes() == CONTENT
    assert served.ranges == ["bytes=5004-", None]


def test_a_longer_beginning_of_something_else_is_overwritten(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner/.volume.h5.unfinished").write_bytes(CONTENT + b"more")
    with serving(Served(CONTENT, takes_ranges=False)) as served:
        assert fetch(of(served), tmp_path).read_bytes() == CONTENT
    assert served.ranges == ["bytes=5004-"]


def test_a_file_without_length_or_digest_is_not_believed(tmp_path):
    with (
        serving(Served(CONTENT, says_length=False)) as served,
        pytest.raises(ValueError, match="must say how long it is where its SHA-256 is not known"),
    ):
        fetch(of(served, sha256=None), tmp_path)
    assert left(tmp_path) == set()


def test_another_digest_is_refused_and_nothing_is_kept(tmp_path):
    with (
        serving(Served(CONTENT[::-1])) as served,
        pytest.raises(ValueError, match=f"must have SHA-256 {SHA256}, got .*: nothing of it was kept"),
    ):
        fetch(of(served), tmp_path)
    assert left(tmp_path) == set()


@pytest.mark.parametrize("says_length", [True, False])
def test_more_than_is_allowed_is_refused_and_nothing_is_kept(tmp_path, says_length):
    with (
        serving(Served(CONTENT, says_length=says_length)) as served,
        pytest.raises(ValueError, match="must have at most 4999 bytes, got 5000"),
    ):
        fetch(of(served, most_bytes=4999), tmp_path)
    assert left(tmp_path) == set()


def test_a_digest_that_nobody_published_is_pinned_the_first_time(tmp_path):
    with serving(Served(CONTENT)) as served:
        file = fetch(of(served, sha256=None), tmp_path)
        assert (file.parent / "volume.h5.sha256").read_text() == f"{SHA256}  volume.h5\n"
        file.unlink()
        served.content = CONTENT[::-1]
        with pytest.raises(ValueError, match=f"must have SHA-256 {SHA256}"):
            fetch(of(served, sha256=None), tmp_path)


def test_a_file_that_lies_there_already_is_never_replaced(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner/volume.h5").write_bytes(b"mine")
    with serving(Served(CONTENT)) as served:
        for sha256 in (SHA256, None):
            with pytest.raises(FileExistsError, match="got another file: move it away"):
                fetch(of(served, sha256=sha256), tmp_path)
    assert served.ranges == []
    assert (tmp_path / "inner/volume.h5").read_bytes() == b"mine"


def test_offline_nothing_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv(OFFLINE, "1")
    with serving(Served(CONTENT)) as served, pytest.raises(OfflineError, match="must lie on this machine"):
        fetch(of(served), tmp_path)
    assert served.ranges == []
    assert left(tmp_path) == set()


def test_a_server_is_followed_to_another_address_but_not_out_of_the_web(tmp_path):
    with serving(Served(CONTENT)) as there, serving(Served(b"", redirect=there.url)) as served:
        assert fetch(of(served), tmp_path).read_bytes() == CONTENT
    with (
        serving(Served(b"", redirect="ftp://example.org/volume.h5")) as served,
        pytest.raises(ValueError, match="must lead to an address that is as safe, got 'ftp:"),
    ):
        fetch(of(served, file="other.h5"), tmp_path)


def test_what_the_server_does_not_have_is_said(tmp_path):
    with serving(Served(CONTENT)) as served:
        url = served.url
    with pytest.raises(OSError, match="must be reachable, got: "):
        fetch(Download(url, "volume.h5", 10, sha256=SHA256), tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"url": "file:///etc/passwd"}, "url must begin with http"),
        ({"file": "../volume.h5"}, "file must lie within the folder"),
        ({"file": "/volume.h5"}, "file must lie within the folder"),
        ({"sha256": "abc"}, "sha256 must be 64 digits"),
    ],
)
def test_a_download_that_cannot_be_meant_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(Download("http://localhost/a", "a", 1, sha256=SHA256), **changes)
