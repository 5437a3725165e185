"""From the faces of all blocks to neurons: the region graph is joined, weighed and cut once, as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64
from numpy.typing import NDArray

from savem3.blocks import Product, Table, Tables
from savem3.graphcut.agglomerate import agglomerate
from savem3.graphcut.clusters import Cutter
from savem3.graphcut.domains import agglomerate_in_domains
from savem3.graphcut.graph import join_graph
from savem3.graphcut.margins import with_margins
from savem3.graphcut.weigh import weigh_edges
from savem3.regions import RegionGraph
from savem3.tiles import Tile

EDGES_AT_ONCE = 10_000_000
"""Edges above which `agglomerate` goes domain by domain, with the same clusters: at 230 bytes an edge, 2 GB."""

ARRAYS = ("sizes", "edges", "count", "total", "minimum", "maximum", "costs", "margin")


@dataclass(frozen=True, slots=True)
class Cut:
    """The block function, for one tile that is the whole volume, that cuts the region graph.

    Its product is one table: the graph (``sizes``, ``edges``, ``count``, ``total``, ``minimum``, ``maximum``), its
    ``costs``, the ``margin`` of the cut at each edge, and ``clusters``, the neuron of fragments 1, 2, …

    Parameters
    ----------
    tables
        From `CollectFaces`, of all tiles.
    cutter
        One of `CUTTERS`.
    beta
        See `weigh_edges`.
    """

    tables: Tables
    cutter: Cutter
    beta: float

    def __call__(self, tile: Tile) -> Product:
        graph = weigh_edges(join_graph(self.tables), beta=self.beta)
        clusters = cut_graph(graph, cutter=self.cutter)
        return Product(tables={**columns_of(with_margins(graph, clusters)), "clusters": clusters})


def cut_graph(graph: RegionGraph, *, cutter: Cutter, at_once: int = EDGES_AT_ONCE) -> Int64[np.ndarray, " node"]:
    """Clusters 1 to k of a weighed graph; what can be joined domain by domain without a difference is, if it is large.

    Parameters
    ----------
    graph
        Weighed.
    cutter
        One of `CUTTERS`.
    at_once
        Edges above which domains are used.
    """
    if cutter is agglomerate and len(graph.edges) > at_once:
        return agglomerate_in_domains(graph)
    return cutter(graph)


def columns_of(graph: RegionGraph) -> dict[str, NDArray[Any]]:
    """A graph as a table; what is absent is left out."""
    columns = {name: getattr(graph, name) for name in ARRAYS}
    return {name: values for name, values in columns.items() if values is not None}


def graph_in(table: Table, *, columns: Sequence[str] = ARRAYS) -> RegionGraph:
    """The graph in a table that `columns_of` made, in memory; of some of its columns, where it has not all."""
    return RegionGraph(**{name: np.asarray(table[name][...]) for name in columns})
