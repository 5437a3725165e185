"""A picture of the local page, taken by a browser without a window."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from savem3.view.page import Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
ELSEWHERE = ("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",)
"""Where a browser is that no search path names."""

PIXELS = (1600, 1200)
PATIENCE_S = 240
"""How long the page may take to draw everything; without a graphics card it takes about half a minute."""

SWITCHES = (
    "--headless=new",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-pings",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
"""Drawn by the CPU; no name is resolved, so the browser itself cannot talk to anybody either."""


def find_browser() -> str | None:
    """The first browser of Chromium's family on this machine; ``None`` where there is none."""
    named = (shutil.which(name) for name in BROWSERS)
    return next((path for path in named if path), next((path for path in ELSEWHERE if Path(path).is_file()), None))


def take_picture(page: Page, *, size: tuple[int, int] = PIXELS, patience_s: float = PATIENCE_S) -> bytes:
    """The page as a PNG, once all that it shows is there.

    Parameters
    ----------
    page
        What is served.
    size
        Width and height in pixels.
    patience_s
        When to give up.

    Raises
    ------
    ValueError
        If there is no browser, or it draws nothing in time.
    """
    with page.viewer.config_state.txn() as config:
        config.show_ui_controls = False
        config.show_panel_borders = False
        config.viewer_size = size
    answers: list[Any] = []
    drawn = Event()

    def take(answer: Any) -> None:
        answers.append(answer.screenshot)
        drawn.set()

    with browsing(page.url_once, size=size) as browser:
        page.viewer.async_screenshot(take)
        until = time.monotonic() + patience_s
        while not drawn.wait(0.2):
            if browser.poll() is not None:
                raise ValueError(f"the browser must draw the page, got its end with exit code {browser.returncode}")
            if time.monotonic() > until:
                raise ValueError(f"the browser must draw the page within {patience_s:g} s, got nothing")
    return bytes(answers[0].image)


@contextmanager
def browsing(url: str, *, size: tuple[int, int], switches: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[bytes]]:
    """A browser without a window that looks at an address; it is ended with the context.

    Raises
    ------
    ValueError
        If there is no browser.
    """
    program = find_browser()
    if program is None:
        raise ValueError(f"a picture needs a browser, got none of {', '.join(BROWSERS)}: install one of them")
    with tempfile.TemporaryDirectory(prefix="savem3-view-", ignore_cleanup_errors=True) as profile:
        window = f"--window-size={size[0]},{size[1]}"
        own = (*SWITCHES, *(("--no-sandbox",) if _is_root() else ()), f"--user-data-dir={profile}", window, *switches)
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        browser = subprocess.Popen([program, *own, url], **quiet)  # type: ignore[call-overload]
        try:
            yield browser
        finally:
            browser.terminate()
            try:
                browser.wait(10)
            except subprocess.TimeoutExpired:
                browser.kill()
                browser.wait()


def _is_root() -> bool:
    """Whether this is the user for whom Chromium refuses its own sandbox, as in most containers."""
    return sys.platform != "win32" and os.geteuid() == 0
