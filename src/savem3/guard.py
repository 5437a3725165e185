"""Who may ask a local page for what: checks that every request passes before anything answers it."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

ADDRESS = "127.0.0.1"
"""Where local pages listen: nobody on another machine gets there."""

PLAIN_PATH = re.compile(r"/(?:[A-Za-z0-9_@:.\-]+(?:/[A-Za-z0-9_@:.\-]*)*)?")
LONGEST_PATH = 512

BODIES = ("text/plain", "application/json")
"""What browsers call a body of text, and JSON; forms are neither."""


def headers_with(policy: str) -> dict[str, str]:
    """What every answer says: the page loads and talks to nothing but this server, and nobody may embed it.

    Parameters
    ----------
    policy
        What the page may load, as a Content-Security-Policy.
    """
    return {
        "Content-Security-Policy": policy,
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-DNS-Prefetch-Control": "off",
        "Cache-Control": "no-store",
    }


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
    posted
        What stands first in the paths that a page may post to.
    bodies
        The kinds of body that they take.
    """

    host: str
    token: str
    posted: tuple[str, ...]
    bodies: tuple[str, ...] = BODIES

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
        if place not in self.posted:
            return 405
        if headers.get("origin") != [self.origin]:
            return 403
        kinds = headers.get("content-type", [])
        return 0 if len(kinds) == 1 and kinds[0].partition(";")[0].strip().lower() in self.bodies else 415
