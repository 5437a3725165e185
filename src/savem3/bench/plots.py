"""Pictures of tables: a bar for each method, its spread over seeds, a panel for each volume."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from savem3.bench.request import Result
from savem3.bench.tables import pick

LARGEST_BYTES = 100_000
DPI = (110, 80, 60)
"""Tried in this order until the picture is small enough."""


def draw_bars(results: Sequence[Result], metric: str, *, title: str, path: Path) -> Path | None:
    """Write a PNG of at most 100 KB; nothing where nothing was run."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    ran = [r for r in results if metric in r.values]
    columns = list(dict.fromkeys(r.column for r in ran))
    if not columns:
        return None
    rows = list(dict.fromkeys(r.row for r in ran))[::-1]
    figure = Figure(figsize=(3.2 + 2.6 * len(columns), 0.8 + 0.28 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for panel, column in zip(panels, columns, strict=True):
        seeds = [[r.values[metric] for r in pick(ran, row, column)] for row in rows]
        means = [float(np.mean(s)) if s else 0.0 for s in seeds]
        errors = [float(np.std(s, ddof=1)) if len(s) > 1 else 0.0 for s in seeds]
        panel.barh(rows, means, xerr=errors, color="#4878a8", height=0.7)
        panel.set_title(column, fontsize=8)
        panel.tick_params(labelsize=7)
        panel.set_xlabel(title, fontsize=8)
    for dpi in DPI:
        figure.savefig(path, dpi=dpi)
        if path.stat().st_size <= LARGEST_BYTES:
            break
    return path
