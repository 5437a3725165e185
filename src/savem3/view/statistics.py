"""The page that says what the masks of datasets are like: curves of size and shape, where they lie, a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from jaxtyping import Float

from savem3.view.report import _hash

WIDTH, HEIGHT, LEFT, RIGHT, TOP, LOW = 480, 210, 46, 470, 14, 176
"""A plot's extent, and the ends of its axes, in its own units."""
BINS = 24
"""Of a curve."""
CELLS = 12
"""Of a heat map, along each side."""
NEARLY_ALL = 99.0
"""Per cent of each dataset's masks that are within the axis of relative sizes; larger ones count in its last step."""
COLOURS = 8
"""Datasets that differ by colour; more are drawn dashed."""

PUBLISHED = (
    "The published bank has 649,000 masks of eight datasets, of which about 188,000 were chosen (SAvEM³, BIBM 2024). "
    "SA-1B has about 100 masks in each of its 11 million photographs (Kirillov et al., Segment Anything, ICCV 2023)."
)
"""What others have. Source: METHOD §2, and the paper that is named."""

Values = Float[np.ndarray, " mask"]


@dataclass(frozen=True, slots=True)
class MaskTable:
    """The masks of one dataset.

    Parameters
    ----------
    dataset, imaging
        Whose masks; may hold anything, all of it is escaped.
    masks, sections
        That there are.
    columns
        ``area_px``, ``area_nm2``, ``relative_size``, ``concavity``, ``thinness``, ``centre_y`` and ``centre_x`` as
        shares of the section, and ``off_centre``, their distance from its middle: a value for each measured mask.
    """

    dataset: str
    imaging: str
    masks: int
    sections: int
    columns: Mapping[str, Values]

    def __post_init__(self) -> None:
        lengths = {name: len(values) for name, values in self.columns.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns of {self.dataset} must be of one length, got {lengths}")

    @property
    def measured(self) -> int:
        """Masks that the columns are of."""
        return len(self.columns["concavity"])


@dataclass(frozen=True, slots=True)
class Curve:
    """A line of a plot: what of, which colour, and its points as SVG has them."""

    name: str
    kind: str
    points: str


@dataclass(frozen=True, slots=True)
class Plot:
    """Curves over one quantity, each adding up to all masks of its dataset.

    Parameters
    ----------
    name, meaning
        What is plotted.
    curves
        A line for each dataset.
    ticks
        Places along the axis and what stands there.
    highest
        Share of a dataset's masks, in per cent, at the top of the plot.
    """

    name: str
    meaning: str
    curves: list[Curve]
    ticks: list[tuple[float, str]]
    highest: float


def statistics_page(title: str, tables: Sequence[MaskTable], *, facts: Mapping[str, str]) -> str:
    """One HTML page, complete in itself, without scripts; it asks nothing of the network.

    Parameters
    ----------
    title
        Heading.
    tables
        A dataset each, in the order in which they are shown.
    facts
        What was measured and how, for the end of the page.

    Raises
    ------
    ValueError
        If there is no dataset, or none of its masks was measured.
    """
    from jinja2 import Environment, StrictUndefined  # slow to import

    if not tables or not all(table.measured for table in tables):
        raise ValueError(f"tables must each have a mask, got {[table.measured for table in tables]}")
    folder = files("savem3.view")
    template, *styles = (
        folder.joinpath(name).read_text("utf-8") for name in ("statistics.html.j2", "report.css", "statistics.css")
    )
    style = "".join(styles)
    policy = f"default-src 'none'; style-src {_hash(style)}; base-uri 'none'; form-action 'none'"
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(template).render(_content(title, tables, facts), style=style, policy=policy)


def _content(title: str, tables: Sequence[MaskTable], facts: Mapping[str, str]) -> dict[str, Any]:
    return {
        "title": title,
        "facts": facts,
        "tables": tables,
        "kinds": [kind_of(number) for number in range(len(tables))],
        "most": max(table.masks for table in tables),
        "plots": plots_of(tables),
        "maps": [heat_map(table) for table in tables],
        "cells": CELLS,
        "frame": {"left": LEFT, "right": RIGHT, "top": TOP, "low": LOW, "width": WIDTH, "height": HEIGHT},
        "middle": _middle,
        "published": PUBLISHED,
    }


def kind_of(number: int) -> str:
    """The class by which a dataset is coloured."""
    return f"of{number % COLOURS}" + (" dashed" if number >= COLOURS else "")


def plots_of(tables: Sequence[MaskTable]) -> list[Plot]:
    """Size in the tissue, size in the section, concavity and thinness."""
    areas = [np.log10(table.columns["area_nm2"]) for table in tables]
    sizes = [table.columns["relative_size"] for table in tables]
    largest = _round_up(max(float(np.percentile(size, NEARLY_ALL)) for size in sizes))
    return [
        _plot("size in the tissue", "area in µm², logarithmic", tables, areas, ticks=_decades(areas)),
        _plot("relative size", "√(area of the mask / area of the section)", tables, sizes, ticks=_shares(largest)),
        _column("concavity", "1 − area / area of its convex hull; 0 is convex", tables),
        _column("thinness", "1 − inscribed radius / radius of a disc of that area; 0 is a disc", tables),
    ]


def heat_map(table: MaskTable) -> list[list[float]]:
    """Masks by where their middles lie, from the top left: 1 in the fullest cell."""
    edges = np.linspace(0, 1, CELLS + 1)
    counts, _, _ = np.histogram2d(table.columns["centre_y"], table.columns["centre_x"], [edges, edges])
    return (counts / counts.max()).round(3).tolist()


def _column(name: str, meaning: str, tables: Sequence[MaskTable]) -> Plot:
    return _plot(name, meaning, tables, [table.columns[name] for table in tables], ticks=_shares(1.0))


def _plot(
    name: str, meaning: str, tables: Sequence[MaskTable], values: Sequence[Values], *, ticks: list[tuple[float, str]]
) -> Plot:
    first, last = ticks[0][0], ticks[-1][0]
    edges = np.linspace(first, last, BINS + 1)
    shares = [100 * np.histogram(np.clip(own, first, last), edges)[0] / len(own) for own in values]
    highest = float(np.ceil(max(share.max() for share in shares) / 5) * 5)
    across = LEFT + (np.arange(BINS) + 0.5) / BINS * (RIGHT - LEFT)
    curves = [
        Curve(table.dataset, kind_of(number), _points(across, LOW - share / highest * (LOW - TOP)))
        for number, (table, share) in enumerate(zip(tables, shares, strict=True))
    ]
    places = [(round(LEFT + (at - first) / (last - first) * (RIGHT - LEFT), 1), said) for at, said in ticks]
    return Plot(name, meaning, curves, places, highest)


def _points(x: Values, y: Values) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))


def _decades(values: Sequence[Values]) -> list[tuple[float, str]]:
    """Powers of ten of nm² around all values, said in µm²."""
    first = int(np.floor(min(own.min() for own in values)))
    last = max(first + 1, int(np.ceil(max(own.max() for own in values))))
    return [(power, f"{10.0 ** (power - 6):g}") for power in range(first, last + 1)]


def _shares(largest: float) -> list[tuple[float, str]]:
    return [(largest * i / 4, f"{largest * i / 4:.3g}") for i in range(5)]


def _round_up(value: float) -> float:
    """The least round share, up to 1, that is no smaller."""
    return next(share for share in (0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0) if value <= share or share == 1.0)


def _middle(table: MaskTable, name: str) -> tuple[float, float]:
    """Mean and median of a column."""
    return float(np.mean(table.columns[name])), float(np.median(table.columns[name]))
