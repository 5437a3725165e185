"""The answers of the page, one function a kind of address. Nothing is named by a path: items have numbers."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Callable
from importlib.resources import files
from typing import Any, TypeVar

from fastapi import FastAPI
from jinja2 import Environment
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from savem3.review.asking import Said, TakenBack
from savem3.review.door import TooLarge
from savem3.review.session import Session, Stale
from savem3.review.strict import read_json

ASSETS = {
    "icon.svg": "image/svg+xml",
    "page.css": "text/css",
    "page.js": "text/javascript",
    "picture.js": "text/javascript",
    "masks.js": "text/javascript",
}
PATIENCE_S = 10
"""How long a body may take to arrive."""

Model = TypeVar("Model", bound=BaseModel)


class Answers:
    """Answers for one session.

    Parameters
    ----------
    session
        What is asked for.
    token
        What stands second in every path.
    """

    def __init__(self, session: Session, token: str) -> None:
        self.session, self.token, self.ticket = session, token, secrets.token_hex(16)

    @property
    def application(self) -> FastAPI:
        """All of them, at their addresses."""
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
        for place, answer in {
            "/open/{ticket}": self.open,
            "/v/{token}/": self.page,
            "/asset/{token}/{name}": self.asset,
            "/items/{token}/{first:int}": self.items,
            "/item/{token}/{number:int}": self.item,
        }.items():
            app.add_route(place, answer, methods=["GET"])
        app.add_route("/say/{token}", self.say, methods=["POST"])
        app.add_route("/undo/{token}", self.undo, methods=["POST"])
        app.add_exception_handler(HTTPException, _without_a_word)
        return app

    async def open(self, request: Request) -> Response:
        """Leads to the page, once."""
        valid, self.ticket = self.ticket, secrets.token_hex(16)
        if not hmac.compare_digest(request.path_params["ticket"], valid):
            raise HTTPException(404)
        return RedirectResponse(f"/v/{self.token}/", status_code=302)

    async def page(self, request: Request) -> Response:
        """The page itself; what it shows it asks for."""
        template = Environment(autoescape=True).from_string(_read("page.html.j2"))
        folder, log = self.session.folder, self.session.log
        facts = {"token": self.token, "datasets": list(folder.datasets), "reviewer": log.reviewer}
        content = template.render(facts=facts, name=folder.path.resolve().name, others=sorted(self.session.others))
        return Response(content, media_type="text/html")

    async def asset(self, request: Request) -> Response:
        """One of the files that the page is made of."""
        name = request.path_params["name"]
        if name not in ASSETS:
            raise HTTPException(404)
        return Response(_read(name), media_type=ASSETS[name])

    async def items(self, request: Request) -> Response:
        """A part of the queue, as a table."""
        return JSONResponse(await run_in_threadpool(self.session.listed, request.path_params["first"]))

    async def item(self, request: Request) -> Response:
        """One item, with the tissue around it."""
        content = await _made(self.session.look, request.path_params["number"])
        return Response(content, media_type="application/octet-stream")

    async def say(self, request: Request) -> Response:
        """Take a verdict."""
        said = await _body(request, Said)
        options: dict[str, Any] = {"seen": said.seen, "edit": said.edit}
        return JSONResponse(await _made(lambda: self.session.say(said.number, said.verdict, **options)))

    async def undo(self, request: Request) -> Response:
        """Take the last verdict back."""
        seen = (await _body(request, TakenBack)).seen
        return JSONResponse(await _made(lambda: self.session.undo(seen=seen)))


def _read(name: str) -> str:
    return (files("savem3.review") / name).read_text(encoding="utf-8")


async def _made(work: Callable[..., Any], *arguments: Any) -> Any:
    """What a thread makes; what it refuses ends here, as a status."""
    try:
        return await run_in_threadpool(work, *arguments)
    except IndexError as error:
        raise HTTPException(404) from error
    except Stale as error:
        raise HTTPException(409) from error
    except ValueError as error:
        raise HTTPException(422) from error
    except OSError as error:
        raise HTTPException(507) from error


async def _body(request: Request, model: type[Model]) -> Model:
    """The body of a request, as strict as can be."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            content = await request.body()
        return model.model_validate(read_json(content))
    except TooLarge as error:
        raise HTTPException(413) from error
    except TimeoutError as error:
        raise HTTPException(408) from error
    except (ValueError, ValidationError) as error:
        raise HTTPException(422) from error


async def _without_a_word(_: Request, error: Exception) -> Response:
    """An error is its status; what went wrong is no business of the asker."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    return Response(status_code=status, headers={"Connection": "close"})
