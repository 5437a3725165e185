"""Graph-cut: fragments and a boundary map become objects (method, sections 6 and 7).

Enters: `Labels` of fragments and a `BoundaryMap` on one grid. Leaves: `Labels` of objects, 1 to k, each a
union of whole fragments. In three steps: `region_graph` sums the boundary over touching faces, `weigh_edges` says what
speaks for joining (cost > 0 joins), `cut` partitions the graph by one of `CUTTERS`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Int64

from savem3.blocks import Progress
from savem3.graphcut.agglomerate import agglomerate
from savem3.graphcut.graph import region_graph
from savem3.graphcut.multicut import energy_of, multicut
from savem3.graphcut.relabel import relabel
from savem3.graphcut.weigh import weigh_edges
from savem3.grid import Shape
from savem3.regions import RegionGraph
from savem3.volume import Labels

Cutter = Callable[[RegionGraph], Int64[np.ndarray, " node"]]
"""From a weighed graph to clusters 1 to k of its nodes, in the order of their smallest nodes."""

CUTTERS: dict[str, Cutter] = {
    "mean": agglomerate,
    "multicut": multicut,
}


def cut(
    fragments: Labels,
    graph: RegionGraph,
    *,
    cutter: str = "multicut",
    block: Shape = (128, 256, 256),
    workers: int = 1,
    progress: Progress | None = None,
) -> Labels:
    """Objects of a volume: fragments joined as a cutter says.

    Parameters
    ----------
    fragments
        Numbered 1 to n; background stays 0.
    graph
        Of these fragments, weighed.
    cutter
        A name in `CUTTERS`.
    block, workers, progress
        See `relabel`.

    Raises
    ------
    ValueError
        If there is no such cutter, or the graph is not weighed or belongs to other fragments.
    """
    if cutter not in CUTTERS:
        raise ValueError(f"cutter must be one of {', '.join(CUTTERS)}, got {cutter}")
    return relabel(fragments, CUTTERS[cutter](graph), block=block, workers=workers, progress=progress)


__all__ = [
    "CUTTERS",
    "Cutter",
    "agglomerate",
    "cut",
    "energy_of",
    "multicut",
    "region_graph",
    "relabel",
    "weigh_edges",
]
