"""Fragments and the graph that joins them, as WEBKNOSSOS proofreads them.

Source: WEBKNOSSOS's description of agglomerate attachments, version 4: a Zarr 3 group of seven arrays. Its fragments
are numbered 1 to n without gaps, as ours are. Our choice: an edge's affinity is 1 minus its mean boundary value, 0 to
1; where the graph has costs they are not used, since their unit depends on β.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int32, Int64, Integer, UInt64
from numpy.typing import NDArray

from savem3.regions import RegionGraph

VERSION = 4
"""Of the attachment that is written."""

FEW_BYTES = ("agglomerate_to_segments_offsets", "agglomerate_to_edges_offsets")
"""Arrays whose chunks are small: 64 KiB in shards of 256 MiB, else 256 KiB in shards of 1 GiB."""


@dataclass(frozen=True, slots=True)
class Agglomeration:
    """The seven arrays; objects are numbered 1 to k, and what belongs to object ``i`` lies at ``offsets[i:i + 2]``.

    Parameters
    ----------
    segment_to_agglomerate
        Object of each fragment; 0 of background.
    agglomerate_to_segments_offsets, agglomerate_to_segments
        Fragments of each object, ascending.
    agglomerate_to_edges_offsets, agglomerate_to_edges, agglomerate_to_affinities
        Touching pairs within each object, counted within its fragments, ascending; higher affinities join.
    agglomerate_to_positions
        A voxel (x, y, z) inside each fragment, in the order of ``agglomerate_to_segments``.
    """

    segment_to_agglomerate: UInt64[np.ndarray, " label"]
    agglomerate_to_segments_offsets: UInt64[np.ndarray, " offset"]
    agglomerate_to_segments: Integer[np.ndarray, " node"]
    agglomerate_to_edges_offsets: UInt64[np.ndarray, " offset"]
    agglomerate_to_edges: Integer[np.ndarray, "edge 2"]
    agglomerate_to_affinities: Float32[np.ndarray, " edge"]
    agglomerate_to_positions: Int32[np.ndarray, "node 3"]


def agglomeration_of(
    graph: RegionGraph, clusters: Int64[np.ndarray, " node"], places: Int64[np.ndarray, "node 3"]
) -> Agglomeration:
    """The arrays of a cut.

    Parameters
    ----------
    graph
        Of fragments 1 to n.
    clusters
        Object of each fragment, 1 to k.
    places
        A voxel inside each fragment along z, y, x.

    Raises
    ------
    ValueError
        If these do not belong together.
    """
    if not len(graph.sizes) == len(clusters) == len(places):
        raise ValueError(f"clusters and places must be {len(graph.sizes)}, got {len(clusters)} and {len(places)}")
    if len(clusters) and (clusters.min() < 1 or len(np.unique(clusters)) != clusters.max()):
        raise ValueError(f"clusters must be numbered 1 to k without gaps, got {clusters.min()} to {clusters.max()}")
    dtype = np.uint32 if len(clusters) < 2**32 else np.uint64
    objects = int(clusters.max()) if len(clusters) else 0
    order = np.argsort(clusters, kind="stable")
    starts = _offsets(clusters, objects)
    local = np.empty(len(clusters), np.int64)
    local[order] = np.arange(len(clusters)) - starts[clusters[order]].astype(np.int64)
    nodes = graph.edges.astype(np.int64) - 1
    within = clusters[nodes[:, 0]] == clusters[nodes[:, 1]]
    nodes, mean = nodes[within], graph.mean[within]
    owner, ends = clusters[nodes[:, 0]], local[nodes]
    by_owner = np.lexsort((ends[:, 1], ends[:, 0], owner))
    return Agglomeration(
        np.r_[0, clusters].astype(np.uint64),
        starts,
        (order + 1).astype(dtype),
        _offsets(owner, objects),
        ends[by_owner].astype(dtype),
        (1 - mean[by_owner] / 255).astype(np.float32),
        places[order][:, ::-1].astype(np.int32),
    )


def write_agglomeration(agglomeration: Agglomeration, folder: Path) -> None:
    """Write the group, sharded, each chunk with a checksum.

    Parameters
    ----------
    agglomeration
        From `agglomeration_of`.
    folder
        A new folder; see `savem3.store.completed`.
    """
    folder.mkdir(parents=True)
    schema = {"artifact_schema_version": VERSION, "artifact_class": "AgglomerateViewArtifact"}
    group = {"zarr_format": 3, "node_type": "group", "attributes": {"voxelytics": schema}}
    (folder / "zarr.json").write_text(json.dumps(group, indent=2), encoding="utf-8")
    for field in fields(agglomeration):
        _write_array(folder / field.name, getattr(agglomeration, field.name), small=field.name in FEW_BYTES)


def _offsets(owners: Int64[np.ndarray, " item"], objects: int) -> UInt64[np.ndarray, " offset"]:
    """Where the items of objects 0 to k begin, and the end of the last."""
    counts = np.bincount(owners, minlength=objects + 1)
    return np.r_[0, np.cumsum(counts)].astype(np.uint64)


def _write_array(folder: Path, values: NDArray[Any], *, small: bool) -> None:
    import tensorstore

    little = {"name": "bytes", "configuration": {"endian": "little"}}
    row = values.itemsize * int(np.prod(values.shape[1:], dtype=np.int64))
    chunk = max(1, min(2 ** (16 if small else 18) // row, max(1, len(values))))
    shard = chunk * max(1, min(2 ** (28 if small else 30) // (row * chunk), -(-len(values) // chunk)))
    codec = {
        "name": "sharding_indexed",
        "configuration": {
            "chunk_shape": [chunk, *values.shape[1:]],
            "codecs": [little, {"name": "zstd", "configuration": {"level": 5, "checksum": True}}],
            "index_codecs": [little, {"name": "crc32c"}],
        },
    }
    spec = {
        "driver": "zarr3",
        "kvstore": {"driver": "file", "path": f"{folder.absolute()}/"},
        "store_data_equal_to_fill_value": True,
        "metadata": {
            "shape": values.shape,
            "data_type": values.dtype.name,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [shard, *values.shape[1:]]}},
            "codecs": [codec],
            "fill_value": 0,
        },
    }
    tensorstore.open(spec, create=True).result().write(values).result()
