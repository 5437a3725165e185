"""A published file, fetched when somebody asks for it: resumed, bounded, checked by its digest, then renamed.

A file whose digest nobody published is believed the first time and pinned: its digest is kept beside it, and every
later download must have the same. Nothing is fetched at any other time, and nothing with ``--offline``.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from savem3.home import refuse_remote
from savem3.store import Progress
from savem3.store.durable import write_durably

ATTEMPTS = 4
"""Times a dropped connection is taken up again."""

WAIT_S = 30.0
"""Seconds without a byte after which a connection counts as dropped."""

CHUNK = 2**20
"""Bytes that are read and written together."""

NOT_THERE = 416
"""What a server answers when a file has no bytes from where it is asked to go on."""

BROKEN = (http.client.HTTPException, urllib.error.URLError, TimeoutError, ConnectionError)
"""What the library raises when a connection fails."""


@dataclass(frozen=True, slots=True)
class Download:
    """A file that can be fetched without asking anybody.

    Parameters
    ----------
    url
        Beginning with http or https.
    file
        Where it goes, relative to the folder of datasets; an archive (``.zip``) becomes a folder of its name.
    most_bytes
        How large it may be.
    sha256
        Of the file; ``None`` where nobody published it.

    Raises
    ------
    ValueError
        If the URL is no web address, the file leaves the folder, or the digest is none.
    """

    url: str
    file: str
    most_bytes: int
    sha256: str | None = None

    def __post_init__(self) -> None:
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url must begin with http:// or https://, got '{self.url}'")
        parts = Path(self.file).parts
        if not parts or Path(self.file).is_absolute() or ".." in parts:
            raise ValueError(f"file must lie within the folder, got '{self.file}'")
        if self.sha256 is not None and (len(self.sha256) != 64 or not set(self.sha256) <= set("0123456789abcdef")):
            raise ValueError(f"sha256 must be 64 digits from 0 to f, got '{self.sha256}'")


def fetch(download: Download, folder: Path, *, progress: Progress | None = None) -> Path:
    """Fetch a file into a folder, unless it is there with the right digest.

    Parameters
    ----------
    download
        What to fetch.
    folder
        Folder of the datasets' files.
    progress
        Is told bytes done and bytes in all, where the server says how many.

    Returns
    -------
    file
        The complete file.

    Raises
    ------
    savem3.home.OfflineError
        If the network is forbidden.
    FileExistsError
        If another file lies there.
    ValueError
        If the server's file is too large or has another digest: what was fetched is removed then.
    OSError
        If the connection fails again and again; what was fetched stays, and the next call goes on from there.
    """
    target = Path(folder) / download.file
    expected = download.sha256 or pinned(target)
    if target.exists():
        if expected is None or digest_of(target) != expected:
            said = f"SHA-256 {expected}" if expected else "a digest that is known"
            raise FileExistsError(f"'{target}' must have {said}, got another file: move it away and fetch again")
        return target
    refuse_remote(download.url)
    unfinished = target.with_name(f".{target.name}.unfinished")
    target.parent.mkdir(parents=True, exist_ok=True)
    if expected is None:
        unfinished.unlink(missing_ok=True)
    _receive(download, unfinished, progress=progress)
    got = digest_of(unfinished)
    if expected is not None and got != expected:
        unfinished.unlink()
        raise ValueError(f"{download.url} must have SHA-256 {expected}, got {got}: nothing of it was kept")
    if expected is None:
        write_durably(_pin_of(target), f"{got}  {target.name}\n".encode())
    os.replace(unfinished, target)
    return target


def pinned(target: Path) -> str | None:
    """The digest that an earlier download of a file had, as ``sha256sum`` writes it beside it."""
    pin = _pin_of(target)
    words = pin.read_text(encoding="utf-8").split() if pin.is_file() else []
    return words[0] if words else None


def digest_of(file: Path) -> str:
    """SHA-256 of a file."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _pin_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.sha256")


def _receive(download: Download, unfinished: Path, *, progress: Progress | None) -> None:
    """All bytes of a file, in as many connections as it takes."""
    failure: Exception | None = None
    mark: str | None = None
    for _ in range(ATTEMPTS):
        try:
            complete, mark = _receive_rest(download, unfinished, mark=mark, progress=progress)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code != NOT_THERE:
                raise OSError(f"{download.url} must be there, got: {error.code} {error.reason}") from error
            unfinished.unlink(missing_ok=True)
            failure = error
            continue
        except BROKEN as error:
            failure = error
            continue
        if complete:
            return
        failure = None
    said = failure or "the connection ended early each time"
    raise OSError(f"{download.url} must be reachable, got: {said}; call again to go on from what is there")


def _receive_rest(
    download: Download, unfinished: Path, *, mark: str | None, progress: Progress | None
) -> tuple[bool, str | None]:
    """What is still missing, in one connection; whether that was all, and the server's mark of this version."""
    have = unfinished.stat().st_size if unfinished.exists() else 0
    with _ask(download.url, have, mark=mark) as answer:
        begins = _begins_at(answer, have)
        length = answer.headers.get("Content-Length")
        whole = begins + int(length) if length and length.isdecimal() else None
        if whole is None and not answer.chunked and download.sha256 is None:
            raise ValueError(f"{download.url} must say how long it is where its SHA-256 is not known, got no length")
        if whole is not None and whole > download.most_bytes:
            raise _too_large(download, unfinished, whole)
        with unfinished.open("r+b" if have else "wb") as file:
            file.truncate(begins)
            file.seek(begins)
            done = _copy(answer, file, begins=begins, whole=whole, download=download, progress=progress)
        if done > download.most_bytes:
            raise _too_large(download, unfinished, done)
        return whole is None or done == whole, answer.headers.get("ETag") or mark


def _ask(url: str, have: int, *, mark: str | None) -> http.client.HTTPResponse:
    """Ask for a file from a byte on; of another version, for all of it."""
    request = urllib.request.Request(url, headers={"User-Agent": "savem3", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
        if mark:
            request.add_header("If-Range", mark)
    answer: http.client.HTTPResponse = urllib.request.build_opener(_SafeRedirects).open(request, timeout=WAIT_S)
    return answer


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a server to another address, but not from an encrypted connection to a plain one."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: http.client.HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        plain = not newurl.startswith("https://")
        if plain and (req.full_url.startswith("https://") or not newurl.startswith("http://")):
            fp.close()
            raise ValueError(f"{req.full_url} must lead to an address that is as safe, got '{newurl}'")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _begins_at(answer: http.client.HTTPResponse, have: int) -> int:
    """The byte at which an answer begins: where it was asked for, or 0 from a server that cannot go on."""
    said = answer.headers.get("Content-Range", "")
    return have if answer.status == http.client.PARTIAL_CONTENT and said.startswith(f"bytes {have}-") else 0


def _copy(
    answer: http.client.HTTPResponse,
    file: IO[bytes],
    *,
    begins: int,
    whole: int | None,
    download: Download,
    progress: Progress | None,
) -> int:
    """Write what arrives, up to one byte too many; how many bytes the file has then."""
    done = begins
    while done <= download.most_bytes and (chunk := answer.read1(CHUNK)):
        file.write(chunk)
        done += len(chunk)
        if progress is not None and whole is not None:
            progress(done, whole)
    return done


def _too_large(download: Download, unfinished: Path, size: int) -> ValueError:
    unfinished.unlink(missing_ok=True)
    return ValueError(f"{download.url} must have at most {download.most_bytes} bytes, got {size}: nothing was kept")
