"""Who may ask the local page for what: checks that every request passes before anything answers it."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

PLAIN_PATH = re.compile(r"/(?:[A-Za-z0-9_@:.\-]+(?:/[A-Za-z0-9_@:.\-]*)*)?")
LONGEST_PATH = 512
POSTED = ("action", "state")
"""All that a page ever posts to; both take JSON."""

BODIES = ("text/plain", "application/json")
"""What browsers call a body of text, and JSON; forms are neither."""

PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self' data: blob:; "
    "img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
WORKER_POLICY = "default-src 'self'; script-src 'self' 'unsafe-eval'; connect-src 'self' data: blob:"
"""What a page and its workers may load. A worker of Neuroglancer's makes functions from text; pages may not."""

HEADERS = {
    "Content-Security-Policy": PAGE_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-DNS-Prefetch-Control": "off",
    "Cache-Control": "no-store",
}
"""What every answer says: the page loads and talks to nothing but this server, and nobody may embed it."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The rules of one server.

    Parameters
    ----------
    host
        Its only name, with the port: a request under another name comes from a page that had itself resolved to here.
    token
        What stands second in every path; whoever does not know it gets nothing. Paths that begin with ``/open/`` are
        asked for once with a ticket, which their handler looks at.
    """

    host: str
    token: str

    @property
    def origin(self) -> str:
        """Where its own pages come from."""
        return f"http://{self.host}"

    def refusal(self, method: str, path: str, headers: Mapping[str, list[str]]) -> int:
        """The status that a request is refused with, or 0.

        Parameters
        ----------
        method, path
            As in the request, the path without its query.
        headers
            All values of each header, names in lower case.
        """
        if headers.get("host") != [self.host]:
            return 403
        if method not in ("GET", "HEAD", "POST"):
            return 405
        if len(path) > LONGEST_PATH or not PLAIN_PATH.fullmatch(path) or {".", ".."} & set(path.split("/")):
            return 400
        if not self._is_own(method, path, headers):
            return 403
        parts = path.split("/")
        if parts[1] == "open" and method == "GET":
            return 0
        if len(parts) < 3 or not hmac.compare_digest(parts[2], self.token):
            return 404
        return self._refuse_post(parts[1], headers) if method == "POST" else 0

    def _is_own(self, method: str, path: str, headers: Mapping[str, list[str]]) -> bool:
        """Whether a request comes from a page of this server, or is a person opening one."""
        origins, sites = headers.get("origin", []), headers.get("sec-fetch-site", [])
        if any(origin != self.origin for origin in origins) or len(origins) > 1:
            return False
        if all(site in ("same-origin", "none") for site in sites):
            return True
        opens = headers.get("sec-fetch-mode") == ["navigate"] and headers.get("sec-fetch-dest") == ["document"]
        return method == "GET" and opens and path.startswith("/v/")

    def _refuse_post(self, place: str, headers: Mapping[str, list[str]]) -> int:
        """The status that a body is refused with, or 0."""
        if place not in POSTED:
            return 405
        if headers.get("origin") != [self.origin]:
            return 403
        kinds = headers.get("content-type", [])
        return 0 if len(kinds) == 1 and kinds[0].partition(";")[0].strip().lower() in BODIES else 415
