"""Small honest ways from grey values or a boundary map to objects, against which the package's own is held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import ndimage

from savem3.bench.cutting import Piece
from savem3.graphcut import CUTTERS, LINKERS, places, region_graph, relabel, sections_of, weigh_edges
from savem3.volume import BoundaryMap, Image, Labels

DARK, BRIGHT = 2.0, 60.0
"""Percentiles of smoothed grey values: from here down certainly membrane, from there up certainly none."""


def dark_map(image: Image) -> BoundaryMap:
    """Raw grey as if it were a boundary map: smoothed in each section by one pixel, dark is membrane.

    Notes
    -----
    Source: membranes are stained dark; the percentiles are our choice, made before any score was seen.
    """
    smoothed = ndimage.gaussian_filter(np.asarray(image.voxels[...]).astype(np.float32), (0, 1, 1))
    dark, bright = np.percentile(smoothed, [DARK, BRIGHT])
    share = (bright - smoothed) / max(bright - dark, 1e-6)
    return BoundaryMap(np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8), image.grid)


def cut_pieces(pieces: Sequence[Piece], cutter: str, *, beta: float) -> Labels:
    """Each piece cut on its own, one after another along z, all objects with numbers of their own."""
    cut = [relabel(piece.fragments, CUTTERS[cutter](weigh_edges(piece.graph, beta=beta))) for piece in pieces]
    return stack(cut)


def stack(parts: Sequence[Labels]) -> Labels:
    """Volumes on top of each other along z; no number stands in two of them."""
    voxels, above = [], np.uint64(0)
    for part in parts:
        own = np.asarray(part.voxels[...])
        voxels.append(np.where(own > 0, own + above, own))
        above += own.max()
    whole = np.concatenate(voxels)
    return Labels(whole, replace(parts[0].grid, shape=whole.shape))


def link_sections(sections: Labels, boundary: BoundaryMap, *, linker: str, beta: float) -> Labels:
    """Objects that lie in one section each, linked from section to section.

    Parameters
    ----------
    sections
        Objects of sections, numbered 1 to n through the volume.
    boundary
        What speaks for and against a contact between two sections, for ``confidence``.
    linker
        A name in `LINKERS`.
    beta
        Where to cut.
    """
    graph = weigh_edges(region_graph(sections, boundary), beta=beta)
    lie_in = sections_of(places(sections), shape=sections.grid.shape)
    return relabel(sections, LINKERS[linker](graph, lie_in))
