"""Node vectors: the mean HQ feature of each fragment, and what the likeness of two of them says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64, UInt64
from numpy.typing import NDArray

from savem3.blocks import Product, Progress, Table, Tables, each
from savem3.graphcut.contacts import find_pairs
from savem3.graphcut.reading import CERTAIN, Reading
from savem3.grid import Box, Shape
from savem3.regions import RegionGraph
from savem3.teacher import Teacher
from savem3.tiles import Tile, patch_tiles
from savem3.volume import Image, IntensityMap, Labels

ONE = 2**16
"""A feature of 1 in fixed point; sums of integers are the same in every order."""

STRIDE = 8
"""Teachers look at multiples of this many pixels."""

SEEN_AT_ONCE, SHARED = (256, 256), (32, 32)
"""The largest part of a section that a teacher sees at once, and what two parts share, along y and x."""

ReadTeacher = Callable[[], Teacher]
"""Gives a teacher in the process that needs it."""


@dataclass(frozen=True, slots=True)
class SumVectors:
    """The block function of node vectors: sums of the features of each fragment over the voxels it has in a tile.

    Parameters
    ----------
    image, fragments
        On one grid; may be lazy.
    teacher
        Gives who looks at the sections of a tile's read box.
    intensity
        The intensity map of the whole image.
    """

    image: Image
    fragments: Labels
    teacher: ReadTeacher
    intensity: IntensityMap

    def __call__(self, tile: Tile) -> Product:
        features = _look(self.intensity.to_unit(self.image.read(tile.read)), self.teacher())
        z, *sides = tile.write.relative_to(tile.read).slices
        rows, columns = (np.arange(side.start, side.stop) // 2 for side in sides)
        seen = features[z][:, :, rows[:, None], columns]
        names, place = np.unique(self.fragments.read(tile.write), return_inverse=True)
        fixed = np.rint(seen.astype(np.float64) * ONE)
        sums = [np.bincount(place.ravel(), channel.ravel()) for channel in fixed.swapaxes(0, 1)]
        total = np.rint(np.stack(sums, 1)).astype(np.int64)
        count = np.bincount(place.ravel())
        own = names > 0
        return Product(tables={"names": names[own].astype(np.int64), "count": count[own], "total": total[own]})


@dataclass(frozen=True, slots=True)
class SumSections:
    """The block function of node vectors, section by section: a block is one whole section, looked at in fixed parts.

    The parts depend on the section's shape alone, so its sums do not depend on how a run is cut into blocks.

    Parameters
    ----------
    sums
        What becomes of a part.
    chosen
        A table whose ``offsets`` say how much is asked of each section; where it is nothing, a section is not looked
        at. Absent where all sections count.
    """

    sums: SumVectors
    chosen: Table | None = None

    def __call__(self, tile: Tile) -> Product:
        z = tile.write.start[0]
        asked = True if self.chosen is None else bool(np.ptp(self.chosen["offsets"][z : z + 2]))
        parts = _parts_of((1, *tile.write.shape[1:])) if asked else []
        tables = [self.sums(Tile(_at(part.read, z), _at(part.write, z))).tables for part in parts]
        return Product(tables=add_vectors(tables))


def node_vectors(
    graph: RegionGraph,
    fragments: Labels,
    image: Image,
    teacher: Teacher,
    *,
    intensity: IntensityMap,
    tile: tuple[int, int] = SEEN_AT_ONCE,
    overlap: tuple[int, int] = SHARED,
    workers: int = 1,
    progress: Progress | None = None,
) -> RegionGraph:
    """The graph with the mean feature of each fragment.

    Parameters
    ----------
    graph, fragments, image
        Of one volume.
    teacher
        Looks at single sections.
    intensity
        The intensity map of the whole image.
    tile, overlap
        The largest part of a section that the teacher sees at once and what two of them share, along y and x.
    workers, progress
        See `savem3.blocks.each`.

    Notes
    -----
    Source: METHOD §7, a fragment's mean 32-channel HQ vector. Each voxel takes the vector of the feature pixel that
    covers it; which tile's, depends on the volume's shape alone.
    """
    tiles = _parts_of(image.grid.shape, tile=tile, overlap=overlap)
    sums = SumVectors(image, fragments, lambda: teacher, intensity)
    tables = [product.tables for product in each(tiles, sums, workers=workers, progress=progress)]
    return replace(graph, features=join_vectors(tables, nodes=len(graph.sizes)))


def join_vectors(tables: Tables, *, nodes: int) -> Float32[np.ndarray, "node channel"]:
    """Mean vectors of fragments 1, 2, … from the sums of all tiles, in any order; 0 for a fragment never seen."""
    count, total = np.zeros(nodes + 1, np.int64), np.zeros((nodes + 1, 0), np.int64)
    for table in (tables[i] for i in range(len(tables))):
        names, sums = table["names"][:], table["total"][:]
        if len(names):
            total = total if total.shape[1] else np.zeros((nodes + 1, sums.shape[1]), np.int64)
            count[names] += table["count"][:]
            total[names] += sums
    return (total[1:] / (np.maximum(count[1:], 1)[:, None] * ONE)).astype(np.float32)


def add_vectors(tables: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """The sums of several tables as one, names ascending."""
    names = np.unique(np.concatenate([np.zeros(0, np.int64), *(table["names"] for table in tables)]))
    channels = max((table["total"].shape[1] for table in tables), default=0)
    count, total = np.zeros(len(names), np.int64), np.zeros((len(names), channels), np.int64)
    for table in tables:
        place = np.searchsorted(names, table["names"])
        count[place] += table["count"]
        total[place] += table["total"]
    return {"names": names, "count": count, "total": total}


def cosines(graph: RegionGraph, pairs: UInt64[np.ndarray, "pair 2"]) -> Float64[np.ndarray, " pair"]:
    """How alike the vectors of two fragments are, −1 … 1; no number where one of them has none.

    Raises
    ------
    ValueError
        If the graph has no vectors.
    """
    if graph.features is None:
        raise ValueError("graph must have features, got none; call node_vectors first")
    vectors = graph.features.astype(np.float64)
    length = np.linalg.norm(vectors, axis=1)
    u, v = pairs.astype(np.int64).T - 1
    with np.errstate(invalid="ignore"):
        return np.clip((vectors[u] * vectors[v]).sum(1) / (length[u] * length[v]), -1, 1)


def likenesses(graph: RegionGraph, pairs: UInt64[np.ndarray, "pair 2"]) -> Float64[np.ndarray, " pair"]:
    """Cosines c of pairs as (1 + c) / 2, 0–1; no number where there is no cosine."""
    return (1 + cosines(graph, pairs)) / 2


def centre_likeness(graph: RegionGraph, in_section: Bool[np.ndarray, " edge"]) -> Reading:
    """The reading of likeness whose middle is the median of the pairs that touch within a section."""
    known = likenesses(graph, graph.edges[in_section])
    known = known[np.isfinite(known)]
    return Reading(float(np.clip(np.median(known), CERTAIN, 1 - CERTAIN))) if len(known) else Reading()


def touch_in_section(graph: RegionGraph, pairs: Int64[np.ndarray, "pair 2"]) -> Bool[np.ndarray, " edge"]:
    """Which edges are among the pairs that touch within a section (`collect_faces` with ``linked=False``)."""
    found = np.zeros(len(graph.edges), bool)
    numbers = find_pairs(pairs.astype(np.uint64), graph.edges)
    found[numbers[numbers >= 0]] = True
    return found


def _look(sections: Float32[np.ndarray, "z y x"], teacher: Teacher) -> Float32[np.ndarray, "z channel rows columns"]:
    """Features of sections of any size, which are continued by their last rows and columns to multiples of 8."""
    missing = [(0, -n % STRIDE) for n in sections.shape[1:]]
    return teacher.look_at(np.pad(sections, [(0, 0), *missing], mode="edge")).feature


def _parts_of(shape: Shape, *, tile: tuple[int, int] = SEEN_AT_ONCE, overlap: tuple[int, int] = SHARED) -> list[Tile]:
    """What a teacher looks at, one by one; a function of the shape alone."""
    patch = (1, min(tile[0], shape[1]), min(tile[1], shape[2]))
    shared = (0, min(overlap[0], patch[1] - 1), min(overlap[1], patch[2] - 1))
    return patch_tiles(shape, patch=patch, overlap=shared)


def _at(box: Box, z: int) -> Box:
    """A box of the first section in another one."""
    return Box((z, *box.start[1:]), (z + 1, *box.stop[1:]))
