"""What a page may tell the server: bodies of JSON, each key and each value checked before anything is done."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

LARGEST_BODY = 2**20
"""Bytes of a body: run lengths of a mask that was drawn are the largest that a page has."""

MOST_RUNS = 2**17

Count = Annotated[int, Field(ge=0, lt=2**53)]


class Said(BaseModel):
    """A verdict on an item, and how much of the log the page has seen."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    number: Count
    verdict: Literal["old", "new", "reject", "mend", "skip"]
    seen: Count
    edit: Annotated[list[Count], Field(min_length=1, max_length=MOST_RUNS)] | None = None


class TakenBack(BaseModel):
    """The wish to take back what was said last."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    seen: Count
