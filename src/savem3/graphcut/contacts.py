"""Where two fragments meet: in which section, and over how many faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt64

from savem3.blocks import Product, Progress, Table, Tables, count_voxels, each, ends_of, look_up
from savem3.grid import Box, Shape
from savem3.tiles import Tile, split
from savem3.volume import Labels


@dataclass(frozen=True, slots=True)
class Contacts:
    """Contacts of pairs of fragments, section by section.

    A contact lies within a section, or between the next two: then its fragments stand in different sections.

    Parameters
    ----------
    pair
        Number of the pair that meets.
    sections
        Section of u and section of v; equal, or one apart.
    faces
        Faces of voxels that they share there.
    pixels
        Pixels of the smaller of the two, each in its own section.
    """

    pair: Int64[np.ndarray, " contact"]
    sections: Int64[np.ndarray, "contact 2"]
    faces: Int64[np.ndarray, " contact"]
    pixels: Int64[np.ndarray, " contact"]


@dataclass(frozen=True, slots=True)
class CollectContacts:
    """The block function of contacts, for blocks of any size: their faces and pixels add up; see `join_contacts`.

    A face belongs to the block that writes its lower voxel. Its tables: ``faces``, rows of pair, kind, section of the
    lower voxel and number; and ``pixels``, rows of label, section and number, for the labels of all wanted pairs.
    Faces of kind 0 lie within a section; of kind 1, u stands in this section and v in the next; of kind 2, v does.

    Parameters
    ----------
    fragments
        Numbered 1 to n; 0 is background. May be lazy.
    wanted
        A table whose ``pairs`` are the (u, v) that are of interest, u < v, sorted.
    """

    fragments: Labels
    wanted: Table

    def __call__(self, tile: Tile) -> Product:
        pairs, write = np.asarray(self.wanted["pairs"][...]), tile.write
        stop = tuple(min(b + 1, n) for b, n in zip(write.stop, self.fragments.grid.shape, strict=True))
        labels = self.fragments.read(Box(write.start, (stop[0], stop[1], stop[2])))
        names = np.intersect1d(count_voxels(labels)[0], pairs.astype(np.int64))
        ranks = _rank(labels, names)
        faces = _count_faces(ranks, write.shape, number=len(names))
        pair = find_pairs(names[faces[:, :2]].astype(np.uint64), pairs)
        here = np.column_stack([pair, faces[:, 2], faces[:, 3] + write.start[0], faces[:, 4]])
        pixels = _count_pixels(ranks, write.shape, names, first=write.start[0])
        return Product(tables={"faces": here[pair >= 0], "pixels": pixels})


def find_contacts(
    fragments: Labels,
    pairs: UInt64[np.ndarray, "pair 2"],
    *,
    block: Shape = (128, 256, 256),
    workers: int = 1,
    progress: Progress | None = None,
) -> Contacts:
    """All contacts of some pairs of fragments; the same for every block and every number of workers.

    Parameters
    ----------
    fragments
        Numbered 1 to n; 0 is background.
    pairs
        The (u, v) that are of interest, u < v, sorted.
    block
        Voxels along z, y, x that one worker holds at a time.
    workers, progress
        See `savem3.blocks.each`.
    """
    collect, tiles = CollectContacts(fragments, {"pairs": pairs}), split(fragments.grid.shape, block=block)
    products = each(tiles, collect, workers=workers, progress=progress)
    return join_contacts([product.tables for product in products], pairs)


def join_contacts(tables: Tables, pairs: UInt64[np.ndarray, "pair 2"]) -> Contacts:
    """The contacts of the wanted pairs from the tables of all blocks, in any order."""
    faces, pixels = _add_rows(tables, "faces", 4), _add_rows(tables, "pixels", 3)
    kind, z = faces[:, 1], faces[:, 2]
    sections = z[:, None] + np.stack([kind == 2, kind == 1], 1)
    ends = pairs[faces[:, 0]].astype(np.int64)
    smaller = np.minimum(*(_look_up_pixels(pixels, ends[:, end], sections[:, end]) for end in (0, 1)))
    rows = np.column_stack([faces[:, 0], sections, faces[:, 3], smaller])
    rows = rows[np.lexsort(rows.T[::-1])]
    return Contacts(rows[:, 0], rows[:, 1:3], rows[:, 3], rows[:, 4])


def find_pairs(pairs: UInt64[np.ndarray, "some 2"], known: UInt64[np.ndarray, "pair 2"]) -> Int64[np.ndarray, " some"]:
    """The number of each pair among sorted known ones; −1 where it is none of them."""
    if not len(known):
        return np.full(len(pairs), -1, np.int64)
    base = np.uint64(max(int(known.max()), int(pairs.max(initial=0))) + 1)
    wanted, keys = (p[:, 0] * base + p[:, 1] for p in (pairs, known))
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, place, -1).astype(np.int64)


def _rank(labels: UInt64[np.ndarray, "z y x"], names: Int64[np.ndarray, " name"]) -> Int64[np.ndarray, "z y x"]:
    """1 for voxels of the first name, 2 for the second, …; 0 for all others."""
    smallest, largest = ends_of(labels)
    ranks = np.zeros(largest - smallest + 1, np.int64)
    ranks[names - smallest] = np.arange(1, len(names) + 1)
    return np.asarray(look_up(labels, ranks, first=smallest), np.int64)


def _count_faces(ranks: Int64[np.ndarray, "z y x"], write: Shape, *, number: int) -> Int64[np.ndarray, "contact 5"]:
    """Lower and higher rank (from 0), kind, section and number of the faces of the voxels of a write box."""
    depth, keys = write[0], [np.zeros(0, np.int64)]
    for axis in range(3):
        last = min(write[axis], ranks.shape[axis] - 1)
        here, there = (
            ranks[tuple(slice(a, last + a) if i == axis else slice(n) for i, n in enumerate(write))] for a in (0, 1)
        )
        z, y, x = np.nonzero((here != there) & (here > 0) & (there > 0))
        a, b = here[z, y, x] - 1, there[z, y, x] - 1
        kind = np.where(a < b, 1, 2) if axis == 0 else np.zeros_like(a)
        keys.append(((np.minimum(a, b) * number + np.maximum(a, b)) * 3 + kind) * depth + z)
    found, counts = np.unique(np.concatenate(keys), return_counts=True)
    pair, rest = np.divmod(found, 3 * depth)
    return np.column_stack([*np.divmod(pair, max(1, number)), *np.divmod(rest, depth), counts])


def _count_pixels(
    ranks: Int64[np.ndarray, "z y x"], write: Shape, names: Int64[np.ndarray, " name"], *, first: int
) -> Int64[np.ndarray, "row 3"]:
    """Label, section and number of the voxels of a write box that have one of the names."""
    own = ranks[: write[0], : write[1], : write[2]]
    counts = np.stack([np.bincount(section.ravel(), minlength=len(names) + 1) for section in own])[:, 1:]
    z, rank = np.nonzero(counts)
    return np.column_stack([names[rank], z + first, counts[z, rank]])


def _add_rows(tables: Tables, name: str, width: int) -> Int64[np.ndarray, "row column"]:
    """The rows of all blocks, sorted; of those that differ in their last number alone, the sum of it."""
    parts = [np.asarray(tables[i][name][...]) for i in range(len(tables))]
    rows = np.concatenate([np.zeros((0, width), np.int64), *parts])
    rows = rows[np.lexsort(rows.T[-2::-1])]
    first = np.flatnonzero(np.r_[True, (rows[1:, :-1] != rows[:-1, :-1]).any(1)][: len(rows)])
    added = np.add.reduceat(rows[:, -1], first) if len(rows) else rows[:, -1]
    return np.column_stack([rows[first, :-1], added])


def _look_up_pixels(
    pixels: Int64[np.ndarray, "row 3"], names: Int64[np.ndarray, " contact"], sections: Int64[np.ndarray, " contact"]
) -> Int64[np.ndarray, " contact"]:
    """How many pixels each name has in a section; the rows are sorted."""
    depth = int(pixels[:, 1].max(initial=0)) + 1
    place = np.searchsorted(pixels[:, 0] * depth + pixels[:, 1], names * depth + sections)
    return pixels[place, 2]
