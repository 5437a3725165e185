"""Tiles of a section that overlap, and how much each counts where it does."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from savem3.tiles import patch_tiles

CELL = 8
"""Pixels along an edge of the embedding's cells: tiles begin at multiples of it."""


def starts_of(shape: tuple[int, int], *, tile: tuple[int, int], overlap: int) -> list[tuple[int, int]]:
    """First pixels of the tiles that cover a section, multiples of 8; a section of one tile is not overlapped."""
    whole, patch = ((1, *(n // CELL for n in size)) for size in (shape, tile))
    shared = tuple(0 if n == p else overlap // CELL for n, p in zip(shape, tile, strict=True))
    tiles = patch_tiles((1, whole[1], whole[2]), patch=(1, patch[1], patch[2]), overlap=(0, shared[0], shared[1]))
    return [(CELL * t.read.start[1], CELL * t.read.start[2]) for t in tiles]


def weigh(tile: tuple[int, int], *, overlap: int, stride: int) -> Float32[np.ndarray, "y x"]:
    """How much each pixel of a tile's map counts: 1 inside, falling to the edges over the width of the overlap."""
    ramps = []
    for size in tile:
        centre = (np.arange(size // stride) + 0.5) * stride
        ramps.append(np.minimum(np.minimum(centre, size - centre) / max(overlap, 1), 1))
    return np.outer(*ramps).astype(np.float32)
