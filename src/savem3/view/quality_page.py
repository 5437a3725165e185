"""The page that says how far to trust labels without truth: what to look at first, and what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Literal

import numpy as np

from savem3.view.report import _hash

WIDTH, HEIGHT, LEFT, RIGHT, TOP, LOW = 480, 190, 52, 470, 12, 158
"""A plot's extent, and the ends of its axes, in its own units."""

ABOVE = 14
"""Room for a number above the highest bar."""

MOST_POINTS = 600
"""Points of a curve; of a longer one the least of each share is drawn, or the greatest where high is bad."""

Verdict = Literal["fine", "look", "unknown"]

VERDICTS: Mapping[str, str] = {"fine": "nothing found", "look": "look here", "unknown": "not known"}
"""What is said of a chapter."""


@dataclass(frozen=True, slots=True)
class Row:
    """A number, and what it means."""

    name: str
    value: str
    meaning: str = ""


@dataclass(frozen=True, slots=True)
class Curve:
    """A quantity along an axis, with the places that stand out.

    Parameters
    ----------
    name, meaning
        What is drawn.
    values
        One for each plane or section, in order; without nan.
    marked
        Which of them stand out.
    high_is_bad
        Whether what stands out lies above, rather than below.
    """

    name: str
    meaning: str
    values: Sequence[float]
    marked: Sequence[int] = ()
    high_is_bad: bool = False


@dataclass(frozen=True, slots=True)
class Bars:
    """Counts by step of a quantity."""

    name: str
    meaning: str
    steps: Sequence[str]
    counts: Sequence[int]


@dataclass(frozen=True, slots=True)
class Chapter:
    """One question, its answer, and the evidence.

    Parameters
    ----------
    title, says
        The question, and the answer in a sentence or two.
    verdict
        Whether there is something to look at.
    rows, curves, bars
        What was measured.
    """

    title: str
    says: str
    verdict: Verdict
    rows: Sequence[Row] = ()
    curves: Sequence[Curve] = ()
    bars: Sequence[Bars] = ()


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of the list of places.

    Parameters
    ----------
    kind, why
        What may be wrong, and what says so.
    at
        Voxels along z, y, x.
    labels
        Segments.
    probability
        That it is wrong; empty where nobody knows.
    impact
        Voxels that change hands.
    picture
        A data URI; empty for none.
    """

    kind: str
    why: str
    at: str
    labels: str
    probability: str
    impact: str
    picture: str = ""


@dataclass(frozen=True, slots=True)
class QualityFacts:
    """All that the page says. Strings may hold anything: all of them are escaped.

    Parameters
    ----------
    title, says
        Heading, and what kind of volume it is.
    tiles
        Numbers for the head of the page.
    places
        The list, the first ones with pictures.
    unlisted
        Places that only the table holds.
    chapters
        In their order.
    facts
        What was done.
    warnings
        What was skipped or cannot be known.
    """

    title: str
    says: str
    tiles: Mapping[str, str]
    places: Sequence[Listed]
    unlisted: int
    chapters: Sequence[Chapter]
    facts: Mapping[str, str]
    warnings: Sequence[str] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A curve as SVG has it."""

    curve: Curve
    points: str
    dots: Sequence[tuple[float, float]]
    low: str
    high: str
    last: str


def quality_page(facts: QualityFacts) -> str:
    """One HTML page, complete in itself, without scripts; it asks nothing of the network."""
    from jinja2 import Environment, StrictUndefined  # slow to import

    folder = files("savem3.view")
    template, *styles = (
        folder.joinpath(name).read_text("utf-8") for name in ("quality.html.j2", "report.css", "quality.css")
    )
    style = "".join(styles)
    policy = f"default-src 'none'; img-src data:; style-src {_hash(style)}; base-uri 'none'; form-action 'none'"
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    frame = {"left": LEFT, "right": RIGHT, "top": TOP, "low": LOW, "width": WIDTH, "height": HEIGHT}
    content = {"facts": facts, "verdicts": VERDICTS, "frame": frame, "draw": draw, "bar_places": bar_places}
    return environment.from_string(template).render(content, style=style, policy=policy)


def draw(curve: Curve) -> Drawn:
    """The points of a curve, and the places that stand out, between its least and its greatest value."""
    values = np.asarray(curve.values, np.float64)
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    span = high - low or max(abs(high), 1.0)
    across = LEFT + np.arange(len(values)) / max(len(values) - 1, 1) * (RIGHT - LEFT)
    down = LOW - (values - low) / span * (LOW - TOP)
    shown = _thinned(values, high_is_bad=curve.high_is_bad)
    points = " ".join(f"{across[i]:.1f},{down[i]:.1f}" for i in shown)
    dots = [(round(float(across[i]), 1), round(float(down[i]), 1)) for i in curve.marked]
    return Drawn(curve, points, dots, f"{low:.3g}", f"{high:.3g}", f"{max(len(values) - 1, 0):,}")


def bar_places(bars: Bars) -> list[tuple[float, float, float, float, int]]:
    """Left, top, width and height of each bar, and its count."""
    most, width = max([1, *bars.counts]), (RIGHT - LEFT) / max(len(bars.counts), 1)
    places = []
    for i, count in enumerate(bars.counts):
        height = count / most * (LOW - TOP - ABOVE)
        places.append(
            (round(LEFT + i * width + 1, 1), round(LOW - height, 1), round(width - 2, 1), round(height, 1), count)
        )
    return places


def _thinned(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]], *, high_is_bad: bool) -> list[int]:
    """The worst value of each of so many shares of a long list."""
    if len(values) <= MOST_POINTS:
        return list(range(len(values)))
    shares = np.array_split(np.arange(len(values)), MOST_POINTS)
    worst = np.argmax if high_is_bad else np.argmin
    return [int(share[int(worst(values[share]))]) for share in shares]
