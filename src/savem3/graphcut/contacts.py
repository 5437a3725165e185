"""Where two fragments meet: in which section, and over how many faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt64

from savem3.blocks import Product, Progress, Tables, each
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
class FindContacts:
    """The block function of contacts. Blocks are whole sections, one or several; each looks one section further.

    Parameters
    ----------
    fragments
        May be lazy.
    pairs
        The (u, v) that are of interest, u < v, sorted.
    """

    fragments: Labels
    pairs: UInt64[np.ndarray, "pair 2"]

    def __call__(self, tile: Tile) -> Product:
        first, after = tile.write.start[0], tile.write.stop[0]
        found = [self.in_section(z) for z in range(first, after)]
        return Product(tables={"contacts": np.concatenate(found)})

    def in_section(self, z: int) -> Int64[np.ndarray, "contact 5"]:
        """Pair, section of u, section of v, faces and pixels of each contact that begins in a section."""
        depth, height, width = self.fragments.grid.shape
        labels = self.fragments.read(Box((z, 0, 0), (min(z + 2, depth), height, width))).astype(np.int64)
        within = [(labels[0, :-1], labels[0, 1:]), (labels[0, :, :-1], labels[0, :, 1:])]
        keys = [self._keys(here, there, across=False) for here, there in within]
        keys += [self._keys(labels[0], above, across=True) for above in labels[1:]]
        kinds, faces = np.unique(np.concatenate(keys), return_counts=True)
        pair, kind = kinds // 3, kinds % 3
        sections = z + np.stack([kind == 2, kind == 1], 1)
        pixels = [_pixels_of(labels, sections[:, end] - z, self.pairs[pair, end].astype(np.int64)) for end in (0, 1)]
        return np.column_stack([pair, sections, faces, np.minimum(*pixels)])

    def _keys(
        self, here: Int64[np.ndarray, "y x"], there: Int64[np.ndarray, "y x"], *, across: bool
    ) -> Int64[np.ndarray, " face"]:
        """3 · pair + kind of each face between two fragments of a wanted pair.

        Kind 0 lies within the section; in 1, u stands in this section and v in the next; in 2 it is the other way.
        """
        touch = (here != there) & (here > 0) & (there > 0)
        a, b = here[touch], there[touch]
        pair = find_pairs(np.stack([np.minimum(a, b), np.maximum(a, b)], 1).astype(np.uint64), self.pairs)
        kind = np.where(a < b, 1, 2) if across else 0
        return (3 * pair + kind)[pair >= 0]


def find_contacts(
    fragments: Labels,
    pairs: UInt64[np.ndarray, "pair 2"],
    *,
    sections: int = 16,
    workers: int = 1,
    progress: Progress | None = None,
) -> Contacts:
    """All contacts of some pairs of fragments; the same for every number of sections in a block.

    Parameters
    ----------
    fragments
        Numbered 1 to n; 0 is background.
    pairs
        The (u, v) that are of interest, u < v, sorted.
    sections
        Sections that a worker holds at a time.
    workers, progress
        See `savem3.blocks.each`.
    """
    shape: Shape = fragments.grid.shape
    tiles = split(shape, block=(sections, *shape[1:]))
    products = each(tiles, FindContacts(fragments, pairs), workers=workers, progress=progress)
    return join_contacts([product.tables for product in products])


def join_contacts(tables: Tables) -> Contacts:
    """The contacts of all blocks."""
    rows = np.concatenate([np.zeros((0, 5), np.int64), *(tables[i]["contacts"][:] for i in range(len(tables)))])
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


def _pixels_of(
    labels: Int64[np.ndarray, "z y x"], sections: Int64[np.ndarray, " contact"], names: Int64[np.ndarray, " contact"]
) -> Int64[np.ndarray, " contact"]:
    """Pixels of each named fragment in its section of the block."""
    pixels = np.zeros(len(names), np.int64)
    for z, section in enumerate(labels):
        present, counts = np.unique(section, return_counts=True)
        chosen = sections == z
        pixels[chosen] = counts[np.searchsorted(present, names[chosen])]
    return pixels
