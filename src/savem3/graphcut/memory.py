"""What a cut will need, said before it begins."""

from __future__ import annotations

import os
import warnings

from savem3.regions import RegionGraph

BYTES_AN_EDGE = 260
BYTES_A_NODE = 350
BYTES_A_LIFTED_EDGE = 850


def memory_of(edges: int, nodes: int, *, lifted: int = 0) -> int:
    """Bytes that a multicut takes at its peak, beside the graph itself; other cutters take up to twice as much.

    Parameters
    ----------
    edges, nodes, lifted
        Of the graph that is solved at once.

    Notes
    -----
    Source: measured on one machine. Multicut of 142,629 and 1,253,110 edges took 40 and 386 MB; with 70,497 and
    618,935 lifted edges 104 and 896 MB. This gives 44, 385, 104 and 911 MB.
    """
    return BYTES_AN_EDGE * edges + BYTES_A_NODE * nodes + BYTES_A_LIFTED_EDGE * lifted


def warn_of_memory(graph: RegionGraph) -> None:
    """Warn where cutting a graph at once takes more memory than is free; silent where the system does not tell."""
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return
    far = 0 if graph.lifted_edges is None else len(graph.lifted_edges)
    needed = memory_of(len(graph.edges), len(graph.sizes), lifted=far)
    if needed > free:
        sizes = f"{needed / 2**30:.1f} GiB of memory, and {free / 2**30:.1f} GiB are free"
        warnings.warn(f"cutting {len(graph.edges)} edges at once takes about {sizes}", ResourceWarning, stacklevel=3)
