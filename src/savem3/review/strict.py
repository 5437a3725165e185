"""JSON as its standard has it: no key twice, no NaN, no number that a float cannot hold."""

from __future__ import annotations

import json
from typing import Any


def read_json(content: bytes) -> Any:
    """What a JSON text says.

    Raises
    ------
    ValueError
        If it is no JSON in UTF-8, or one that readers understand differently.
    """
    try:
        return json.loads(
            content.decode(), object_pairs_hook=_once, parse_constant=_refuse_constant, parse_float=_finite
        )
    except RecursionError:
        raise ValueError("JSON must not be nested so deeply") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys all differ."""
    facts = dict(pairs)
    if len(facts) != len(pairs):
        raise ValueError("a key must stand once in an object")
    return facts


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"numbers must be finite, got {name}")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"numbers must be finite, got {text[:20]}")
    return value
