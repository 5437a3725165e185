"""How a student learned a volume, as a page shows it: curves over steps, what was decided, and features as colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image as Picture

from savem3.view.layers import data_uri, encode_webp

WIDTH, HEIGHT, LEFT, RIGHT, LOW = 480, 160, 78, 472, 130
"""A plot's extent, and the ends of its axes, in its own units."""
SHOWN = (1.0, 99.0)
"""Per cent of the values of a principal component that are as dark, and as bright, as can be."""
TALL = 256
"""Pixels along y to which coarse maps are enlarged, each of their own pixels staying a square."""

Maps = Float[np.ndarray, "channel y x"]
Colours = UInt8[np.ndarray, "y x 3"]


@dataclass(frozen=True, slots=True)
class Learning:
    """What a student's training on a volume is told by.

    Parameters
    ----------
    decision
        What came of it and why, in a sentence or two.
    curves
        By name: pairs of a step and a value.
    kept_step
        The step whose student went on; 0 is the one that training began with.
    pictures
        By row and column: colour pictures, see `colour_features`.
    """

    decision: str
    curves: Mapping[str, Sequence[tuple[int, float]]] = field(default_factory=dict)
    kept_step: int = 0
    pictures: Mapping[str, Mapping[str, Colours]] = field(default_factory=dict)


def colour_features(*maps: Maps) -> list[Colours]:
    """Feature maps as red, green and blue: their first three principal components, the same ones for all of them.

    Parameters
    ----------
    maps
        Of one network, or of one before and after training, so that a colour means the same in each.

    Notes
    -----
    A component and its negative are equally good; the one whose largest weight is positive is taken, so that the same
    maps have the same colours.
    """
    vectors = np.concatenate([each.reshape(len(each), -1).T for each in maps]).astype(np.float64)
    vectors -= vectors.mean(0)
    weights = np.linalg.eigh(vectors.T @ vectors)[1][:, :-4:-1]
    weights *= np.sign(weights[np.abs(weights).argmax(0), np.arange(weights.shape[1])])
    low, high = np.percentile(vectors @ weights, SHOWN, axis=0)
    mean = np.concatenate([each.reshape(len(each), -1).T for each in maps]).mean(0)
    return [_paint((np.moveaxis(each, 0, -1) - mean) @ weights, low, high) for each in maps]


def _paint(
    components: Float[np.ndarray, "y x component"],
    low: Float[np.ndarray, " component"],
    high: Float[np.ndarray, " component"],
) -> Colours:
    """Components as colours; where there are fewer than three, the last ones stay dark."""
    scaled = np.clip((components - low) / np.maximum(high - low, 1e-12), 0, 1)
    colours = np.zeros((*components.shape[:2], 3), np.uint8)
    colours[..., : components.shape[2]] = np.rint(255 * scaled)
    return colours


def describe_learning(learning: Learning | None) -> dict[str, Any]:
    """What the page's template needs: lines as points, pictures as addresses."""
    if learning is None:
        return {"learning": None}
    rows = {
        row: {column: data_uri(encode_webp(_enlarge(picture), lossless=False)) for column, picture in columns.items()}
        for row, columns in learning.pictures.items()
    }
    last = max([1, *(step for curve in learning.curves.values() for step, _ in curve)])
    plots = [_plot(name, curve, last=last, kept=learning.kept_step) for name, curve in learning.curves.items()]
    return {"learning": {"decision": learning.decision, "plots": [p for p in plots if p], "pictures": rows}}


def _plot(name: str, curve: Sequence[tuple[int, float]], *, last: int, kept: int) -> dict[str, Any]:
    """A line from left to right, its least and greatest value, and where the kept student stands."""
    if not curve:
        return {}
    values = [value for _, value in curve]
    low, high = min(values), max(values)

    def at(step: int, value: float) -> str:
        up = (value - low) / (high - low) if high > low else 0.5
        return f"{_across(step, last):.1f},{LOW - up * (LOW - 14):.1f}"

    return {
        "name": name,
        "points": " ".join(at(*point) for point in curve),
        "dots": [at(*point).split(",") for point in curve] if len(curve) <= 12 else [],
        "low": f"{low:.3g}",
        "high": f"{high:.3g}",
        "last": last,
        "kept": round(_across(kept, last), 1),
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "right": RIGHT,
        "low_end": LOW,
    }


def _across(step: int, last: int) -> float:
    return LEFT + (RIGHT - LEFT) * step / last


def _enlarge(picture: Colours) -> UInt8[np.ndarray, "height width 3"]:
    times = max(1, TALL // len(picture))
    size = picture.shape[1] * times, picture.shape[0] * times
    return np.asarray(Picture.fromarray(picture).resize(size, Picture.Resampling.NEAREST))
