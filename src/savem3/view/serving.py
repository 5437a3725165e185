"""The local page: Neuroglancer's own client and the volumes of one run, on this machine, behind one token.

Everything comes from one address, 127.0.0.1 and a port. No path of a file is ever taken from a request, only the names
of volumes that were opened at the start; `Guard` looks at each request before anything answers it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import tornado.web
from neuroglancer.server import ActionHandler, EventStreamHandler, SetStateHandler
from neuroglancer.viewer_base import ViewerBase
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router

from savem3.guard import ADDRESS
from savem3.view.answering import Client, Exported, Info, Open, Piece, Refusal, SayHeaders, Surface
from savem3.view.contents import ids_in
from savem3.view.page import Page
from savem3.view.panels import state_of
from savem3.view.pyramid import Pyramid
from savem3.view.surfaces import Surfaces

LARGEST_BODY = 2**26
"""Bytes that a page may send: a screenshot is the largest that it has."""

LARGEST_HEADERS = 2**15
READERS = 4
"""Pieces and surfaces that are made at the same time."""


@contextmanager
def serving(
    pyramids: list[Pyramid],
    *,
    surfaces: tuple[Path, ...] = (),
    skeletons: tuple[Path, ...] = (),
    points: tuple[Mapping[str, Any], ...] = (),
    port: int = 0,
) -> Iterator[Page]:
    """Serve volumes for as long as the context is open.

    Parameters
    ----------
    pyramids
        Volumes of one grid, what lies below first.
    surfaces, skeletons
        Precomputed folders of the last of them.
    points
        Places to look at, as annotations.
    port
        Where to listen; 0 takes a free one.

    Raises
    ------
    OSError
        If the port is taken.
    """
    logging.getLogger("tornado.access").setLevel(logging.ERROR)
    listener = socket.create_server((ADDRESS, port))
    listener.setblocking(False)
    loop, token = asyncio.new_event_loop(), secrets.token_hex(16)
    makers = {pyramid.name: Surfaces(pyramid) for pyramid in pyramids if pyramid.is_labels}
    named, workers = {pyramid.name: pyramid for pyramid in pyramids}, ThreadPoolExecutor(READERS)
    viewer = ViewerBase(token=token, allow_credentials=False)
    exported, listens_at = (*surfaces, *skeletons), listener.getsockname()[1]
    page = Page(listens_at, token, viewer, named, makers, exported, workers, loop)
    urls = {name: f"{page.guard.origin}/data/{token}/{name}" for name in named}
    folders = [f"{page.guard.origin}/files/{token}/{number}" for number in range(len(exported))]
    first, rest = folders[: len(surfaces)], folders[len(surfaces) :]
    state = state_of(pyramids, urls=urls, surfaces=first, skeletons=rest, points=points, among=ids_in(exported))
    viewer.set_state(state)
    thread = Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(_listen(page, listener), loop).result()
    try:
        yield page
    finally:
        asyncio.run_coroutine_threadsafe(_close(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        workers.shutdown(cancel_futures=True)


async def _listen(page: Page, listener: socket.socket) -> HTTPServer:
    server = HTTPServer(
        Door(page),
        max_body_size=LARGEST_BODY,
        max_buffer_size=LARGEST_BODY + LARGEST_HEADERS,
        max_header_size=LARGEST_HEADERS,
        body_timeout=60,
    )
    server.add_socket(listener)
    return server


async def _close(server: HTTPServer) -> None:
    server.stop()
    await server.close_all_connections()


class Door(Router):
    """Gives a request to what answers it, or to what refuses it.

    Parameters
    ----------
    page
        What is served.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        named, at = {"page": page}, rf"/data/{page.token}/(\w+)"
        theirs = {"server": page}
        self.application = tornado.web.Application(
            [
                (r"/open/(.*)", Open, named),
                (rf"/v/{page.token}/(.*)", Client, named),
                (rf"{at}/info", Info, named),
                (rf"{at}/mesh/(info|[\d:]+)", Surface, named),
                (rf"{at}/(\d+)/([\d_\-]+)", Piece, named),
                (rf"/events/({page.token})", EventStreamHandler, theirs),
                (rf"/state/({page.token})", SetStateHandler, theirs),
                (rf"/action/({page.token})", ActionHandler, theirs),
                *(
                    (rf"/files/{page.token}/{number}/(.*)", Exported, {"path": str(folder.resolve())})
                    for number, folder in enumerate(page.exported)
                ),
            ],
            default_handler_class=Refusal,
            default_handler_args={"status": 404},
        )
        self.application.add_transform(SayHeaders)

    def find_handler(self, request: HTTPServerRequest, **_: Any) -> HTTPMessageDelegate:
        """What answers a request whose headers are known."""
        headers: dict[str, list[str]] = {}
        for name, value in request.headers.get_all():
            headers.setdefault(name.lower(), []).append(value)
        status = self.page.guard.refusal(request.method or "", request.path, headers)
        if status:
            return self.application.get_handler_delegate(request, Refusal, {"status": status})
        found = self.application.find_handler(request)
        assert found is not None
        return found
