"""What a user asks for: which part of which volume, and what computes. One field is one option of the command line."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from savem3.evaluate import relabel_components
from savem3.grid import Box, Nanometres
from savem3.store import open_boundary, open_image, open_labels
from savem3.volume import BoundaryMap, Image, Labels


@dataclass(frozen=True, slots=True)
class Source:
    """Which part of a volume is meant, and how it is to be read.

    Parameters
    ----------
    voxel_size
        Z,Y,X in nm, such as 40,4,4; goes before what the file says.
    sections
        Only sections FIRST:STOP, such as 130:250; the stop is left out.
    invert
        For images whose membranes are bright.
    """

    voxel_size: str | None = None
    sections: str | None = None
    invert: bool = False

    def open_image(self, path: str) -> Image:
        """The image at a path, as far as it is meant."""
        image = open_image(path, voxel_size=lengths_of(self.voxel_size), invert=self.invert)
        return image if self.sections is None else image.crop(self._box(image.grid.shape))

    def open_labels(self, path: str, *, relabel: bool = False) -> Labels:
        """The labels at a path, as far as they are meant; with ``relabel``, 6-connected components of them."""
        labels = open_labels(path, voxel_size=lengths_of(self.voxel_size))
        labels = labels if self.sections is None else labels.crop(self._box(labels.grid.shape))
        return relabel_components(labels) if relabel else labels

    def open_boundary(self, path: str) -> BoundaryMap:
        """The boundary map at a path, as far as it is meant."""
        boundary = open_boundary(path, voxel_size=lengths_of(self.voxel_size))
        return boundary if self.sections is None else boundary.crop(self._box(boundary.grid.shape))

    def _box(self, shape: tuple[int, int, int]) -> Box:
        sections = sections_of(self.sections or f"0:{shape[0]}")
        if sections.stop > shape[0]:
            raise ValueError(f"--sections must lie within 0:{shape[0]}, got {self.sections}")
        return Box((sections.start, 0, 0), (sections.stop, shape[1], shape[2]))


@dataclass(frozen=True, slots=True)
class Machine:
    """What computes.

    Parameters
    ----------
    device
        Where networks run; auto takes a GPU if there is one.
    threads
        CPU threads; 0 takes all cores.
    """

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    threads: int = 0

    @property
    def workers(self) -> int:
        """Threads to use."""
        return self.threads or os.cpu_count() or 1


def lengths_of(text: str | None) -> Nanometres | None:
    """Three lengths in nm from ``Z,Y,X``, or from one number for isotropic voxels.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if text is None:
        return None
    try:
        lengths = [float(part) for part in text.split(",")]
    except ValueError:
        lengths = []
    if len(lengths) not in (1, 3):
        raise ValueError(f"--voxel-size must be Z,Y,X in nm, such as 40,4,4, got {text!r}")
    return lengths[0], lengths[len(lengths) // 2], lengths[-1]


def sections_of(text: str) -> range:
    """Sections from ``FIRST:STOP``, the stop left out.

    Raises
    ------
    ValueError
        If it is not two whole numbers in order.
    """
    first, _, stop = text.partition(":")
    if not (first.isdigit() and stop.isdigit() and int(first) < int(stop)):
        raise ValueError(f"--sections must be FIRST:STOP, such as 130:250, got {text!r}")
    return range(int(first), int(stop))
