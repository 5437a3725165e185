"""A server on this machine that holds one file and misbehaves as it is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """What the server holds and how it behaves; and what it was asked for."""

    content: bytes
    drop_after: int | None = None
    drops: int = 0
    takes_ranges: bool = True
    says_length: bool = True
    redirect: str | None = None
    mark: str | None = None
    url: str = ""
    ranges: list[str | None] = field(default_factory=list)


@contextmanager
def serving(served: Served) -> Iterator[Served]:
    """The address of a running server, in ``served.url``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self, served)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    served.url = f"http://127.0.0.1:{server.server_port}/volume.h5"
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer(handler: BaseHTTPRequestHandler, served: Served) -> None:
    """One answer: a redirect, a part, all, or as much of it as comes before the connection drops."""
    wanted = handler.headers.get("Range")
    served.ranges.append(wanted)
    if served.redirect:
        handler.send_response(302)
        handler.send_header("Location", served.redirect)
        handler.end_headers()
        return
    begin = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and served.takes_ranges else 0
    if handler.headers.get("If-Range") not in (None, served.mark):
        begin = 0
    if begin and begin >= len(served.content):
        handler.send_error(416)
        return
    part = served.content[begin:]
    handler.send_response(206 if begin else 200)
    if begin:
        handler.send_header("Content-Range", f"bytes {begin}-{len(served.content) - 1}/{len(served.content)}")
    if served.says_length:
        handler.send_header("Content-Length", str(len(part)))
    if served.mark:
        handler.send_header("ETag", served.mark)
    handler.end_headers()
    if served.drops > 0 and served.drop_after is not None:
        served.drops -= 1
        part = part[: served.drop_after]
    handler.wfile.write(part)
