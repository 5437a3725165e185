"""Lost sections → an image in which their neighbours stand in for them, and a boundary where too many are lost.

Source: which neighbours stand in, and how many lost sections in a row are bridged, is our choice; the paper is silent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Bool, UInt8

from savem3.blocks import BlockFunction, Product
from savem3.grid import Box
from savem3.store import LazyVoxels
from savem3.tiles import Tile
from savem3.volume import Image, VoxelArray

LONGEST_BRIDGE = 2
"""Lost sections in a row that are bridged; more are a gap, and no label crosses a gap."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """What is read in the place of a lost section.

    Parameters
    ----------
    section
        The lost one.
    before, after
        The nearest good ones; the same one at an end of the volume.
    """

    section: int
    before: int
    after: int

    def of(self, before: UInt8[np.ndarray, "y x"], after: UInt8[np.ndarray, "y x"]) -> UInt8[np.ndarray, "y x"]:
        """Both good sections, weighed by how near they are, rounded."""
        if self.before == self.after:
            return before
        whole, part = self.after - self.before, self.section - self.before
        mixed = before.astype(np.int32) * (whole - part) + after.astype(np.int32) * part
        return ((mixed + whole // 2) // whole).astype(np.uint8)


def runs_of(lost: Bool[np.ndarray, " z"]) -> list[range]:
    """Lost sections in a row, first to last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], lost, [False]]).astype(np.int8)))
    return [range(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def gaps_of(lost: Bool[np.ndarray, " z"]) -> list[range]:
    """Rows of lost sections that are too long to be bridged, and not at an end of the volume."""
    return [run for run in runs_of(lost) if len(run) > LONGEST_BRIDGE]


def bridge(image: Image, lost: Bool[np.ndarray, " z"]) -> Image:
    """Let the nearest good sections stand in for lost ones, when they are read.

    Up to two lost sections in a row are replaced by their good neighbours, mixed by distance; longer rows stay as they
    are (`gaps_of`, `wall`). A voxel depends on the volume and on ``lost`` alone, never on the box that is read.

    Parameters
    ----------
    image
        May be lazy.
    lost
        Which sections are not to be believed.

    Raises
    ------
    ValueError
        If ``lost`` is not one value a section.
    """
    sections = image.grid.shape[0]
    if len(lost) != sections:
        raise ValueError(f"lost must have one value for each of {sections} sections, got {len(lost)}")
    stand_ins = tuple(_stand_in(z, lost) for run in runs_of(lost) if _is_bridged(run, sections) for z in run)
    if not stand_ins:
        return image
    chunk = getattr(image.voxels, "chunk", (1, *image.grid.shape[1:]))
    read = partial(_read_bridged, image.voxels, stand_ins)
    return replace(image, voxels=LazyVoxels(image.grid.shape, np.dtype(np.uint8), chunk, read))


def _is_bridged(run: range, sections: int) -> bool:
    return len(run) <= LONGEST_BRIDGE and len(run) < sections


def _stand_in(section: int, lost: Bool[np.ndarray, " z"]) -> StandIn:
    good = np.flatnonzero(~lost)
    before, after = good[good < section], good[good > section]
    nearest = [int(before[-1])] if len(before) else []
    nearest += [int(after[0])] if len(after) else []
    return StandIn(section, nearest[0], nearest[-1])


def _read_bridged(voxels: VoxelArray, stand_ins: tuple[StandIn, ...], box: Box) -> UInt8[np.ndarray, "z y x"]:
    inside = [stand_in for stand_in in stand_ins if box.start[0] <= stand_in.section < box.stop[0]]
    found = np.array(voxels[box.slices])
    for stand_in in inside:
        before, after = (np.asarray(voxels[(z, *box.slices[1:])]) for z in (stand_in.before, stand_in.after))
        found[stand_in.section - box.start[0]] = stand_in.of(before, after)
    return found


@dataclass(frozen=True, slots=True)
class Wall:
    """A block function of prediction that draws a wall through every gap, so that no label crosses it.

    Parameters
    ----------
    draw
        Gives ``boundary``.
    gaps
        First and last lost section of each gap, the last one left out.
    """

    draw: BlockFunction
    gaps: tuple[tuple[int, int], ...]

    def __call__(self, tile: Tile, /) -> Product:
        product = self.draw(tile)
        boundary = np.array(product.volumes["boundary"])
        first = tile.write.start[0]
        for start, stop in self.gaps:
            boundary[max(0, start - first) : max(0, stop - first)] = 255
        return Product({**product.volumes, "boundary": boundary}, product.tables)


def wall(draw: BlockFunction, lost: Bool[np.ndarray, " z"]) -> BlockFunction:
    """A block function of prediction with a wall of boundary in every gap; the same one where there is none."""
    gaps = tuple((gap.start, gap.stop) for gap in gaps_of(lost))
    return Wall(draw, gaps) if gaps else draw
