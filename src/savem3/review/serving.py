"""The local page, on this machine alone, for as long as somebody reviews."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread

import uvicorn

from savem3.guard import ADDRESS, Guard
from savem3.review.answers import Answers
from savem3.review.asking import LARGEST_BODY
from savem3.review.door import Door
from savem3.review.session import Session

POSTED = ("say", "undo")
MOST_AT_ONCE = 64
"""Connections."""


@dataclass(frozen=True, slots=True)
class Page:
    """What is served.

    Parameters
    ----------
    guard
        Its rules, with its address and token.
    answers
        What answers.
    """

    guard: Guard
    answers: Answers

    @property
    def url(self) -> str:
        """The address of the page, for whoever may see it."""
        return f"{self.guard.origin}/v/{self.guard.token}/"

    @property
    def url_once(self) -> str:
        """An address that leads to the page once: other users can read the command line of a browser, but too late."""
        return f"{self.guard.origin}/open/{self.answers.ticket}"


@contextmanager
def serving(session: Session, *, port: int = 0) -> Iterator[Page]:
    """Serve a session for as long as the context is open.

    Parameters
    ----------
    session
        What is reviewed.
    port
        Where to listen; 0 takes a free one.

    Raises
    ------
    OSError
        If the port is taken.
    """
    token = secrets.token_hex(16)
    with socket.create_server((ADDRESS, port)) as listener:
        guard = Guard(f"{ADDRESS}:{listener.getsockname()[1]}", token, POSTED, ("application/json",))
        answers = Answers(session, token)
        door = Door(answers.application, guard, largest_body=LARGEST_BODY)
        server = uvicorn.Server(_configured(door))
        thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            while not server.started and thread.is_alive():
                time.sleep(0.01)
            yield Page(guard, answers)
        finally:
            server.should_exit = True
            thread.join()


def _configured(door: Door) -> uvicorn.Config:
    """A server that says nothing of itself and knows no web sockets."""
    return uvicorn.Config(
        door,
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=False,
        limit_concurrency=MOST_AT_ONCE,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=2,
    )
