"""Lifted multicut: the multicut that also hears what is said about pairs that do not touch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from bioimage_cpp.graph import UndirectedGraph
from bioimage_cpp.graph.lifted_multicut import (
    FusionMoveLiftedMulticut,
    GreedyAdditiveProposalGenerator,
    LiftedChainedSolvers,
    LiftedKernighanLinMulticut,
    LiftedMulticutObjective,
)
from jaxtyping import Bool, Float64, Int64

from savem3.graphcut.clusters import costs_of, lifted_of, number_clusters
from savem3.graphcut.contract import parts_of
from savem3.graphcut.domains import cut_in_domains
from savem3.graphcut.memory import warn_of_memory
from savem3.graphcut.multicut import (
    ENUMERATED_UP_TO,
    all_partitions,
    connected,
    energy_of,
    multicut,
)
from savem3.regions import RegionGraph

WHOLE_UP_TO = 500_000
"""Edges, lifted ones included, up to which a graph is cut at once; a larger one domain by domain."""

DESCENTS = 20
"""Rounds of Kernighan–Lin at most, before and after fusion moves."""

Clusters = Int64[np.ndarray, " node"]


def lifted(graph: RegionGraph) -> Clusters:
    """Clusters 1 to k that minimise the sum of the costs of all edges between clusters, lifted ones as well.

    Each cluster hangs together by edges: a lifted edge alone never joins. Each part of the graph that hangs together
    is solved on its own; where no lifted edge in it is above 0, none can join what `multicut` would not, and positive
    edges bound the parts. Up to 7 nodes the solution is exact, otherwise by Kernighan–Lin, seeded fusion moves and
    Kernighan–Lin on one thread, which give the same result in every run. Above `WHOLE_UP_TO` edges the graph is cut
    domain by domain (`cut_in_domains`).

    Parameters
    ----------
    graph
        Weighed; cost > 0 joins. Lifted edges may be absent, and may name pairs that touch.

    Raises
    ------
    ValueError
        If the graph is not weighed, or its lifted edges are not.

    Notes
    -----
    Source: method, section 7, for the energy; the chain of solvers is our choice. On 21,138 fragments of FIB-SEM with
    158,619 edges and 100,000 lifted ones (made from a noisy cut) it took 3.8 s of one core and reached −254,762; fusion
    moves alone −254,735 in 1.4 s, Kernighan–Lin alone −254,695 in 0.9 s.
    """
    edges, _ = lifted_of(graph)
    if not len(edges):
        return multicut(graph)
    if len(graph.edges) + len(edges) > WHOLE_UP_TO:
        return cut_in_domains(graph, cutter=_solve)
    return _solve(graph)


def lifted_energy_of(graph: RegionGraph, clusters: Clusters) -> float:
    """Sum of the costs of all edges between clusters, lifted ones as well: what `lifted` minimises."""
    edges, costs = lifted_of(graph)
    u, v = (edges.astype(np.int64) - 1).T
    return energy_of(graph, clusters) + float(costs[clusters[u] != clusters[v]].sum())


@dataclass(frozen=True, slots=True)
class _Problem:
    """A part of the graph that is solved on its own; nodes are counted from 0."""

    nodes: int
    edges: Int64[np.ndarray, "edge 2"]
    costs: Float64[np.ndarray, " edge"]
    lifted: Int64[np.ndarray, "lifted 2"]
    lifted_costs: Float64[np.ndarray, " lifted"]


def _solve(graph: RegionGraph) -> Clusters:
    warn_of_memory(graph)
    names = np.arange(len(graph.sizes))
    for nodes, problem in _problems(graph):
        solve = _try_all if len(nodes) <= ENUMERATED_UP_TO else _improve
        names[nodes] = nodes[solve(problem)]
    return number_clusters(names)


def _problems(graph: RegionGraph) -> Iterator[tuple[Int64[np.ndarray, " member"], _Problem]]:
    """Each set of at least two nodes that may become one cluster, with all edges inside it."""
    lifted_edges, lifted_costs = lifted_of(graph)
    edges, far = graph.edges.astype(np.int64) - 1, lifted_edges.astype(np.int64) - 1
    costs, count = costs_of(graph), len(graph.sizes)
    part = connected(edges, nodes=count)
    hopes = np.zeros(count, np.bool_)
    hopes[part[far[lifted_costs > 0, 0]]] = True
    kept = (costs > 0) | hopes[part[edges[:, 0]]]
    part = connected(edges[kept], nodes=count)
    for (nodes, near), (_, wide) in zip(parts_of(part, edges), parts_of(part, far), strict=True):
        if len(nodes) > 1:
            own, beyond = np.searchsorted(nodes, edges[near]), np.searchsorted(nodes, far[wide])
            yield nodes, _Problem(len(nodes), own, costs[near], beyond, lifted_costs[wide])


def _try_all(problem: _Problem) -> Int64[np.ndarray, " member"]:
    """The best of all partitions whose clusters hang together; of equals the first."""
    partitions = all_partitions(problem.nodes)
    partitions = partitions[_hang_together(partitions, problem.edges)]
    u, v = np.concatenate([problem.edges, problem.lifted]).T
    is_cut = partitions[:, u] != partitions[:, v]
    best: Int64[np.ndarray, " member"] = partitions[np.argmin(is_cut @ np.r_[problem.costs, problem.lifted_costs])]
    return best


def _hang_together(
    partitions: Int64[np.ndarray, "partition member"], edges: Int64[np.ndarray, "edge 2"]
) -> Bool[np.ndarray, " partition"]:
    """In which partitions the edges inside each cluster connect all of it."""
    alike = partitions[:, :, None] == partitions[:, None, :]
    reached = np.eye(partitions.shape[1], dtype=np.bool_)
    reached[edges[:, 0], edges[:, 1]] = reached[edges[:, 1], edges[:, 0]] = True
    reached = alike & reached
    for _ in range(ENUMERATED_UP_TO.bit_length()):  # each round doubles the length of the ways
        reached = reached @ reached
    return (reached == alike).all((1, 2))


def _improve(problem: _Problem) -> Int64[np.ndarray, " member"]:
    """A good partition of many nodes; each cluster named by one of its members."""
    contacts = UndirectedGraph.from_unique_edges(problem.nodes, problem.edges.astype(np.uint64))
    pairs, costs = problem.lifted.astype(np.uint64), problem.lifted_costs
    objective = LiftedMulticutObjective(contacts, problem.costs, lifted_uvs=pairs, lifted_costs=costs)
    proposals = GreedyAdditiveProposalGenerator(seed=0)
    fusion = FusionMoveLiftedMulticut(proposal_generator=proposals, number_of_threads=1)
    descent = LiftedKernighanLinMulticut(number_of_outer_iterations=DESCENTS)
    clusters = LiftedChainedSolvers([descent, fusion, descent]).optimize(objective).astype(np.int64)
    inside = problem.edges[clusters[problem.edges[:, 0]] == clusters[problem.edges[:, 1]]]
    part = connected(inside, nodes=problem.nodes)
    return np.unique(part, return_index=True, return_inverse=True)[2].astype(np.int64)
