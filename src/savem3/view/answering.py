"""The answers of the local page: one class a kind of address. No path of a file is ever taken from a request."""

from __future__ import annotations

import asyncio
import hmac
import json
import re
import secrets
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import tornado.web
from neuroglancer.static import get_default_static_content_source
from tornado.httputil import HTTPHeaders

from savem3.guard import headers_with
from savem3.view.page import Page
from savem3.view.precomputed import MESH_INFO, info_of, manifest_of, piece_of
from savem3.view.pyramid import Pyramid

PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self' data: blob:; "
    "img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
WORKER_POLICY = "default-src 'self'; script-src 'self' 'unsafe-eval'; connect-src 'self' data: blob:"
"""What a page and its workers may load. A worker of Neuroglancer's makes functions from text; pages may not."""

HEADERS = headers_with(PAGE_POLICY)

CLIENT_FILE = re.compile(r"[a-z0-9][A-Za-z0-9_\-.]*\.(?:js|css|wasm|html)")


class SayHeaders(tornado.web.OutputTransform):
    """Adds to every answer what all say."""

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        """The first part of an answer, its headers completed."""
        for name, value in HEADERS.items():
            headers.setdefault(name, value)
        headers.pop("Server", None)
        return status_code, headers, chunk


class Refusal(tornado.web.RequestHandler):
    """Says no, and nothing else."""

    def initialize(self, status: int) -> None:
        """What it says."""
        self.status = status

    def prepare(self) -> None:
        """Before anything of the body is looked at."""
        self.set_status(self.status)
        self.set_header("Connection", "close")
        self.finish()


class _Answer(tornado.web.RequestHandler):
    """Whatever is made from what is open."""

    def initialize(self, page: Page) -> None:
        self.page = page

    async def made(self, work: Any, *arguments: Any) -> Any:
        """What a worker makes; a question that it refuses ends here."""
        try:
            return await asyncio.wrap_future(self.page.executor.submit(work, *arguments))
        except ValueError as error:
            raise tornado.web.HTTPError(400) from error

    def give(self, content: bytes, kind: str) -> None:
        """Answer."""
        self.set_header("Content-Type", kind)
        self.finish(content)

    def give_json(self, content: object) -> None:
        """Answer with JSON."""
        self.give(json.dumps(content).encode(), "application/json")

    def write_error(self, status_code: int, **_: Any) -> None:
        """An error is its status; what went wrong is no business of the asker."""
        self.finish()


class Open(_Answer):
    """Leads to the page, once."""

    def get(self, ticket: str) -> None:
        """Take the ticket."""
        valid, self.page.ticket = self.page.ticket, secrets.token_hex(16)
        if not hmac.compare_digest(ticket, valid):
            raise tornado.web.HTTPError(404)
        self.redirect(self.page.url)


class Client(_Answer):
    """Neuroglancer's files, from its package."""

    def get(self, name: str) -> None:
        """One of them."""
        if name and not CLIENT_FILE.fullmatch(name):
            raise tornado.web.HTTPError(404)
        if name.endswith(".js"):
            self.set_header("Content-Security-Policy", WORKER_POLICY)
        try:
            self.give(*get_default_static_content_source().get(name, ""))
        except ValueError as error:
            raise tornado.web.HTTPError(404) from error


class Info(_Answer):
    """The metadata of a volume."""

    def get(self, name: str) -> None:
        """Of one by name."""
        self.give_json(info_of(_known(self.page.pyramids, name)))


class Piece(_Answer):
    """A piece of a volume."""

    def get(self, name: str, key: str, piece: str) -> Awaitable[None]:
        """Read it."""
        return self._get(_known(self.page.pyramids, name), key, piece)

    async def _get(self, pyramid: Pyramid, key: str, piece: str) -> None:
        content = await self.made(lambda: piece_of(pyramid, key=key, piece=piece))
        self.give(content, "application/octet-stream")


class Surface(_Answer):
    """The surface of an object, and what there is to know about it."""

    async def get(self, name: str, what: str) -> None:
        """``info``, the manifest of an object (``7:0``) or its surface (``7``)."""
        surfaces = _known(self.page.surfaces, name)
        segment = what.partition(":")[0]
        if what == "info":
            self.give_json(MESH_INFO)
        elif not segment or int(segment) >= 2**64:
            raise tornado.web.HTTPError(400)
        elif ":" in what:
            self.give_json(manifest_of(int(segment)))
        else:
            content = await self.made(surfaces.encoded, int(segment))
            if content is None:
                raise tornado.web.HTTPError(404)
            self.give(content, "application/octet-stream")


class Exported(tornado.web.StaticFileHandler):
    """Files of an exported folder; links that lead out of it are not followed."""

    def validate_absolute_path(self, root: str, absolute_path: str) -> str | None:
        """The file, if it is one and lies in the folder."""
        file = Path(absolute_path).resolve()
        if not file.is_relative_to(root) or not file.is_file():
            raise tornado.web.HTTPError(404)
        return super().validate_absolute_path(root, str(file))

    def write_error(self, status_code: int, **_: Any) -> None:
        """An error is its status."""
        self.finish()


def _known(opened: dict[str, Any], name: str) -> Any:
    """What was opened under a name at the start."""
    if name not in opened:
        raise tornado.web.HTTPError(404)
    return opened[name]
