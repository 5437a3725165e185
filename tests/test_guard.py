"""Who may ask a local page for what."""

from __future__ import annotations

import pytest

from savem3.guard import Guard

TOKEN = "0123456789abcdef0123456789abcdef"
GUARD = Guard("127.0.0.1:4321", TOKEN, ("action", "state"))
HOST = {"host": ["127.0.0.1:4321"]}
OWN = {**HOST, "origin": ["http://127.0.0.1:4321"]}
TEXT = {"content-type": ["text/plain;charset=UTF-8"]}
PAGE, INFO, STATE = f"/v/{TOKEN}/", f"/data/{TOKEN}/labels/info", f"/state/{TOKEN}"
FOREIGN = {"sec-fetch-site": ["cross-site"]}
CLICKED = {**FOREIGN, "sec-fetch-mode": ["navigate"], "sec-fetch-dest": ["document"]}


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", PAGE, HOST),
        ("GET", PAGE, {**HOST, **CLICKED}),
        ("GET", PAGE, {**HOST, "sec-fetch-site": ["none"]}),
        ("GET", INFO, {**OWN, "sec-fetch-site": ["same-origin"]}),
        ("HEAD", f"/files/{TOKEN}/0/12:0", OWN),
        ("POST", STATE, {**OWN, **TEXT}),
        ("POST", f"/action/{TOKEN}", {**OWN, "content-type": ["application/json"]}),
        ("GET", "/open/whatever", HOST),
    ],
)
def test_what_the_page_itself_asks_for_is_let_through(method: str, path: str, headers: dict[str, list[str]]) -> None:
    assert GUARD.refusal(method, path, headers) == 0


@pytest.mark.parametrize(
    ("why", "status", "method", "path", "headers"),
    [
        ("no host", 403, "GET", PAGE, {}),
        ("rebound name", 403, "GET", PAGE, {"host": ["evil.example:4321"]}),
        ("rebound name without port", 403, "GET", PAGE, {"host": ["evil.example"]}),
        ("other name of this machine", 403, "GET", PAGE, {"host": ["localhost:4321"]}),
        ("other port", 403, "GET", PAGE, {"host": ["127.0.0.1:80"]}),
        ("name that only begins alike", 403, "GET", PAGE, {"host": ["127.0.0.1:4321.evil.example"]}),
        ("two hosts", 403, "GET", PAGE, {"host": ["127.0.0.1:4321", "evil.example"]}),
        ("foreign origin", 403, "GET", INFO, {**HOST, "origin": ["http://evil.example"]}),
        ("opaque origin", 403, "GET", INFO, {**HOST, "origin": ["null"]}),
        ("origin of another port", 403, "GET", INFO, {**HOST, "origin": ["http://127.0.0.1:8888"]}),
        ("origin with https", 403, "GET", INFO, {**HOST, "origin": ["https://127.0.0.1:4321"]}),
        ("two origins", 403, "GET", INFO, {**HOST, "origin": ["http://127.0.0.1:4321"] * 2}),
        ("picture in a foreign page", 403, "GET", PAGE, {**HOST, **FOREIGN, "sec-fetch-dest": ["image"]}),
        ("frame in a foreign page", 403, "GET", PAGE, {**HOST, **CLICKED, "sec-fetch-dest": ["iframe"]}),
        ("page of another port", 403, "GET", INFO, {**HOST, "sec-fetch-site": ["same-site"]}),
        ("link to data", 403, "GET", INFO, {**HOST, **CLICKED}),
        ("no token", 404, "GET", "/", HOST),
        ("wrong token", 404, "GET", f"/v/{TOKEN[:-1]}0/", HOST),
        ("cut token", 404, "GET", f"/v/{TOKEN[:-1]}/", HOST),
        ("token elsewhere", 404, "GET", f"/v/x/{TOKEN}/", HOST),
        ("traversal", 400, "GET", f"/files/{TOKEN}/0/../../run.json", HOST),
        ("traversal in disguise", 400, "GET", f"/files/{TOKEN}/0/%2e%2e/run.json", HOST),
        ("traversal with a backslash", 400, "GET", f"/files/{TOKEN}/0/..\\run.json", HOST),
        ("empty part", 400, "GET", "//evil.example/", {**HOST, "host": ["127.0.0.1:4321"]}),
        ("null byte", 400, "GET", f"/files/{TOKEN}/0/a\0b", HOST),
        ("whole address", 400, "GET", f"http://127.0.0.1:4321{PAGE}", HOST),
        ("long path", 400, "GET", PAGE + "a" * 512, HOST),
        ("foreign post", 403, "POST", STATE, {**HOST, **TEXT, "origin": ["http://evil.example"]}),
        ("post of nobody", 403, "POST", STATE, {**HOST, **TEXT}),
        ("form", 415, "POST", STATE, {**OWN, "content-type": ["application/x-www-form-urlencoded"]}),
        ("upload", 415, "POST", STATE, {**OWN, "content-type": ["multipart/form-data; boundary=a"]}),
        ("body of no kind", 415, "POST", STATE, OWN),
        ("post to data", 405, "POST", INFO, {**OWN, **TEXT}),
        ("post for credentials", 405, "POST", f"/credentials/{TOKEN}", {**OWN, **TEXT}),
        ("post with a ticket", 404, "POST", "/open/whatever", {**OWN, **TEXT}),
        ("preflight", 405, "OPTIONS", STATE, {**HOST, "origin": ["http://evil.example"]}),
        ("put", 405, "PUT", STATE, {**OWN, **TEXT}),
        ("connect", 405, "CONNECT", PAGE, HOST),
    ],
)
def test_hostile_requests_are_refused(
    why: str, status: int, method: str, path: str, headers: dict[str, list[str]]
) -> None:
    assert GUARD.refusal(method, path, headers) == status, why
