"""A browser without a window, driven over a pipe with its DevTools protocol; needs nothing but the browser."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from savem3.view.screenshot import SWITCHES, find_browser

KEYS = {"Enter": "\r", "Escape": "", "ArrowLeft": "", "ArrowRight": ""}


class Browser:
    """One page of a browser."""

    def __init__(self, reads: int, writes: int) -> None:
        self.reads, self.writes = os.fdopen(reads, "rb", buffering=0), os.fdopen(writes, "wb", buffering=0)
        self.number, self.rest, self.session = 0, b"", None
        self.events: list[dict[str, Any]] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> Any:
        """Tell the browser something; its answer."""
        self.number += 1
        message: dict[str, Any] = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.writes.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise ValueError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            more = self.reads.read(1 << 20)
            if not more:
                raise ValueError("the browser ended")
            self.rest += more
        message, _, self.rest = self.rest.partition(b"\0")
        return json.loads(message)

    def ask(self, expression: str) -> Any:
        """The value of an expression in the page; promises are waited for."""
        answer = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise ValueError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def wait(self, expression: str, *, patience_s: float = 30) -> None:
        """Wait until an expression is true."""
        until = time.monotonic() + patience_s
        while not self.ask(expression):
            if time.monotonic() > until:
                raise ValueError(f"must become true within {patience_s} s: {expression}; page: {self.complaints}")
            time.sleep(0.01)

    def go(self, url: str) -> None:
        """Open an address and wait for what the review page says once it shows an item."""
        self.send("Page.navigate", url=url)
        self.wait("location.href !== 'about:blank' && document.documentElement?.dataset.ready === 'yes'")

    def reload(self) -> None:
        """Load the page anew."""
        self.ask("document.documentElement.dataset.ready = 'no'")
        self.send("Page.reload")
        self.wait("document.documentElement?.dataset.ready === 'yes'")

    def press(self, key: str) -> None:
        """Press a key and let it go."""
        code = {"key": key, "text": KEYS.get(key, key)}
        self.send("Input.dispatchKeyEvent", type="keyDown", **code)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key)

    def drag(self, *points: tuple[float, float]) -> None:
        """Press the mouse at a point (x, y), lead it through others, and let it go."""
        (x, y), last = points[0], points[-1]
        button = {"button": "left", "buttons": 1, "clickCount": 1}
        self.send("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, **button)
        for x, y in points[1:]:
            self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y, button="left", buttons=1)
        self.send("Input.dispatchMouseEvent", type="mouseReleased", x=last[0], y=last[1], **button)

    def picture(self) -> bytes:
        """The page as a PNG."""
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])

    @property
    def complaints(self) -> list[str]:
        """Errors and warnings that the page had."""
        told = [e["params"]["entry"] for e in self.events if e.get("method") == "Log.entryAdded"]
        thrown = [e["params"]["exceptionDetails"] for e in self.events if e.get("method") == "Runtime.exceptionThrown"]
        return [f"{entry['text']} {entry.get('url', '')}" for entry in told] + [str(each) for each in thrown]


@contextmanager
def browsing(*, size: tuple[int, int] = (1400, 900)) -> Iterator[Browser]:
    """A browser for as long as the context is open."""
    (hears, tells), (reads, writes) = os.pipe(), os.pipe()
    program = find_browser()
    assert program is not None
    with tempfile.TemporaryDirectory(prefix="savem3-review-", ignore_cleanup_errors=True) as profile:
        options = ["--remote-debugging-pipe", f"--user-data-dir={profile}", f"--window-size={size[0]},{size[1]}"]
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        opens = f'exec "$@" 3<&{hears} 4>&{writes}'
        command = ["/bin/bash", "-c", opens, "browser", program, *SWITCHES, *root, *options]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(command, pass_fds=(hears, writes), **quiet)  # type: ignore[call-overload]
        os.close(hears)
        os.close(writes)
        browser = Browser(reads, tells)
        try:
            yield browser
        finally:
            browser.writes.close()
            browser.reads.close()
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
