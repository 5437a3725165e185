"""What the local page holds while it is served."""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from savem3.guard import ADDRESS, Guard
from savem3.view.pyramid import Pyramid
from savem3.view.surfaces import Surfaces

POSTED = ("action", "state")
"""All that a page ever posts to; both take JSON."""


@dataclass
class Page:
    """What is served; Neuroglancer's handlers know it as their server.

    Parameters
    ----------
    port
        Where it listens.
    token
        128 random bits that stand in every path.
    viewer
        Neuroglancer's state, shared with the browser.
    pyramids, surfaces
        By name, and of labels only.
    exported
        Folders whose files are given out, in the order of their numbers.
    """

    port: int
    token: str
    viewer: Any
    pyramids: dict[str, Pyramid]
    surfaces: dict[str, Surfaces]
    exported: tuple[Path, ...]
    executor: ThreadPoolExecutor
    loop: asyncio.AbstractEventLoop
    ticket: str = field(default_factory=lambda: secrets.token_hex(16))

    @property
    def guard(self) -> Guard:
        """Its rules."""
        return Guard(f"{ADDRESS}:{self.port}", self.token, POSTED)

    @property
    def viewers(self) -> dict[str, Any]:
        """The one viewer, by its token."""
        return {self.token: self.viewer}

    @property
    def url(self) -> str:
        """The address of the page, for whoever may see it."""
        return f"{self.guard.origin}/v/{self.token}/"

    @property
    def url_once(self) -> str:
        """An address that leads to the page once: other users can read the command line of a browser, but too late."""
        return f"{self.guard.origin}/open/{self.ticket}"
