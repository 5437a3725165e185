"""Stands before the pages: refuses what `Guard` refuses, and what is too large, before anything answers it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from savem3.guard import Guard, headers_with

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

HEADERS = headers_with(
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)


LARGEST_HEADERS = 2**14


class TooLarge(Exception):
    """A body that is longer than it may be."""


class Door:
    """Lets requests through to an application, or refuses them.

    Parameters
    ----------
    application
        What answers.
    guard
        The rules.
    largest_body
        Bytes that a page may send.
    """

    def __init__(self, application: Application, guard: Guard, *, largest_body: int) -> None:
        self.application, self.guard, self.largest_body = application, guard, largest_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        status = self._refusal(scope)
        if status:
            await _refuse(_saying_headers(send), status)
            return
        await self.application(scope, self._counted(receive), _saying_headers(send))

    def _refusal(self, scope: Scope) -> int:
        """The status that a request is refused with, or 0."""
        headers: dict[str, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        status = self.guard.refusal(scope["method"], scope["raw_path"].decode("latin-1"), headers)
        if status:
            return status
        if "upgrade" in headers or scope["query_string"]:
            return 400
        if sum(len(name) + len(value) for name, value in scope["headers"]) > LARGEST_HEADERS:
            return 431
        lengths = headers.get("content-length", [])
        return 413 if any(not n.isdecimal() or int(n[:20]) > self.largest_body for n in lengths) else 0

    def _counted(self, receive: Receive) -> Receive:
        """The parts of a body, for as long as they are not too many; a length need not be declared."""
        total = 0

        async def receive_counted() -> MutableMapping[str, Any]:
            nonlocal total
            message = await receive()
            total += len(message.get("body", b""))
            if total > self.largest_body:
                raise TooLarge
            return message

        return receive_counted


def _saying_headers(send: Send) -> Send:
    """Adds to every answer what all say."""

    async def send_with_headers(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            own = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
            message["headers"] = [*message.get("headers", []), *own]
        await send(message)

    return send_with_headers


async def _refuse(send: Send, status: int) -> None:
    """Say no, and nothing else."""
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
