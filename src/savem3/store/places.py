"""A folder of small files and chunks, on this machine or behind a URL.

Nothing behind a URL is asked for unless the user wrote the URL. ``gs://`` and ``s3://`` are read as the public web
addresses of their buckets, so no credentials are looked for and private buckets stay closed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from savem3.store.errors import UnreadableVolume

TRIES = 6
"""How often something behind a URL is asked for before it is given up; after a dropped connection, a cut answer or an
error of the server. 404 and other refusals are final."""

LONGEST_WAIT_S = 2
"""Between two tries; the first wait is a tenth of a second, and each is twice the one before."""

PATIENCE_S = 300
"""How long one read may take with all its tries."""

WEB = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class Place:
    """A folder.

    Parameters
    ----------
    address
        Its path, or its URL beginning with http or https, without a slash at the end.
    """

    address: str

    def __str__(self) -> str:
        return self.address

    @property
    def is_remote(self) -> bool:
        """Whether it lies behind a URL."""
        return self.address.startswith(WEB)

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.address.rsplit("/", 1)[-1] if self.is_remote else Path(self.address).name

    @property
    def parent(self) -> Place | None:
        """The folder around it; ``None`` at the root."""
        if not self.is_remote:
            path = Path(self.address).absolute()
            return Place(str(path.parent)) if path.parent != path else None
        above = self.address.rsplit("/", 1)[0]
        return Place(above) if above.count("/") > 2 else None

    @property
    def kvstore(self) -> dict[str, Any]:
        """The place as TensorStore names it."""
        if not self.is_remote:
            return {"driver": "file", "path": f"{Path(self.address).absolute()}/"}
        retries = {"max_retries": TRIES - 1, "initial_delay": "100ms", "max_delay": f"{LONGEST_WAIT_S}s"}
        context = {"http_request_retries": retries}
        return {"driver": "http", "base_url": f"{self.address}/", "context": context}

    def child(self, name: str) -> Place:
        """The folder of that name within it."""
        if self.is_remote:
            return Place("/".join([self.address, *name.strip("/").split("/")]) if name.strip("/") else self.address)
        return Place(str(Path(self.address) / name))

    def children(self) -> list[Place]:
        """The folders within it, sorted; none behind a URL, where nothing can be listed."""
        if self.is_remote or not Path(self.address).is_dir():
            return []
        return sorted((Place(str(c)) for c in Path(self.address).iterdir() if c.is_dir()), key=str)

    def read(self, name: str) -> bytes | None:
        """The content of a small file; ``None`` where there is none of that name.

        Raises
        ------
        UnreadableVolume
            If the place cannot be reached.
        """
        if not self.is_remote:
            file = Path(self.address) / name
            return file.read_bytes() if file.is_file() else None
        return self._fetch(name)

    def read_json(self, name: str) -> dict[str, Any] | None:
        """The JSON object in a file; ``None`` where there is none of that name.

        Raises
        ------
        UnreadableVolume
            If the file holds anything else.
        """
        content = self.read(name)
        if content is None:
            return None
        try:
            found = json.loads(content.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise UnreadableVolume(f"{self._file(name)} must be intact JSON, got: {error}") from error
        if not isinstance(found, dict):
            raise UnreadableVolume(f"{self._file(name)} must hold a JSON object, got {type(found).__name__}")
        return found

    def _file(self, name: str) -> str:
        return f"{self.address}/{name}" if self.is_remote else str(Path(self.address) / name)

    def _fetch(self, name: str) -> bytes | None:
        import tensorstore

        try:
            store = tensorstore.KvStore.open(self.kvstore).result()
            found = store.read(name).result(timeout=PATIENCE_S)
        except (ValueError, TimeoutError) as error:
            raise UnreadableVolume(f"{self._file(name)} must be within reach, got: {first_words(error)}") from error
        return bytes(found.value) if found.state == "value" else None


def first_words(error: Exception) -> str:
    """What TensorStore says, in one line and without the whole specification that it adds."""
    text = str(error) or f"no answer within {PATIENCE_S} s"
    for mark in (" [tensorstore_spec=", " [http_response_body=", " [source locations="):
        text = text.split(mark)[0]
    return " ".join(text.split())
