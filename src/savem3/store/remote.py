"""A volume behind a URL: ``https://host/name.zarr``, ``precomputed://gs://bucket/name:16_16_16``, ``n5://s3://…``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable
from urllib.parse import quote

from savem3.home import refuse_remote
from savem3.store import n5, precomputed, zarr
from savem3.store.errors import UnreadableVolume
from savem3.store.places import Place
from savem3.store.stored import Stored

BUCKETS = {"gs": "https://storage.googleapis.com/{bucket}/{key}", "s3": "https://{bucket}.s3.amazonaws.com/{key}"}
"""The public web address of what lies in a bucket."""

SCHEMES = ("http", "https", *BUCKETS)

NAMED = {"zarr2": "zarr", "zarr3": "zarr"}
"""Other names that viewers give to a format."""


@runtime_checkable
class OpenAt(Protocol):
    """Opens a volume at a place; raises `UnreadableVolume`."""

    def __call__(self, place: Place, inside: str | None, *, name: str, channel: int | None) -> Stored: ...


@dataclass(frozen=True, slots=True)
class RemoteReader:
    """A format that is read behind a URL.

    Parameters
    ----------
    recognises
        Whether a place is of this format.
    open_at
        Opens it.
    """

    recognises: Callable[[Place], bool]
    open_at: OpenAt


REMOTE_READERS = {
    "precomputed": RemoteReader(precomputed.recognises_at, precomputed.open_at),
    "zarr": RemoteReader(zarr.recognises_at, zarr.open_at),
    "n5": RemoteReader(n5.recognises_at, n5.open_at),
}


def is_url(path: str | Path) -> bool:
    """Whether a path is a URL; only then is anything asked for over the network."""
    scheme, found, _ = str(path).partition("://")
    return bool(found) and (scheme in SCHEMES or scheme in NAMED or scheme in REMOTE_READERS)


def open_stored(url: str, *, channel: int | None = None) -> Stored:
    """Open a volume behind a URL; a dataset, level or scale of it stands behind a colon after the last slash.

    Raises
    ------
    UnreadableVolume
        If there is nothing of a known format, or the place cannot be reached.
    savem3.home.OfflineError
        If the network is forbidden.
    """
    refuse_remote(url)
    format, place, inside = parts_of(url)
    for key, reader in REMOTE_READERS.items():
        if format in (None, key) and reader.recognises(place):
            return reader.open_at(place, inside, name=url, channel=channel)
    wanted = format or "precomputed, Zarr or N5"
    raise UnreadableVolume(f"path must lead to a {wanted} volume, got none of its metadata files at '{url}'")


def parts_of(url: str) -> tuple[str | None, Place, str | None]:
    """The format if the URL names it, the place, and what is named behind the colon.

    Raises
    ------
    UnreadableVolume
        If the URL has no host or names a way that is not read.
    """
    scheme, _, rest = url.partition("://")
    format = NAMED.get(scheme, scheme if scheme in REMOTE_READERS else None)
    if format is not None:
        scheme, _, rest = rest.partition("://")
    if scheme not in SCHEMES or not rest.strip("/"):
        raise UnreadableVolume(f"path must be a URL that begins with {', '.join(SCHEMES)}, got '{url}'")
    head, slash, last = rest.rstrip("/").rpartition("/")
    last, _, inside = last.partition(":") if slash else (last, "", "")
    return format, Place(_web_address(scheme, f"{head}{slash}{last}")), inside or None


def _web_address(scheme: str, rest: str) -> str:
    """The URL with everything quoted that URLs do not spell out."""
    rest = quote(rest, safe="/:%@[]")
    if scheme not in BUCKETS:
        return f"{scheme}://{rest}"
    bucket, _, key = rest.partition("/")
    return BUCKETS[scheme].format(bucket=bucket, key=key).rstrip("/")
