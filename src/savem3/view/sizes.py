"""How many objects there are and how large: counted in the part of a volume that is shown."""

from __future__ import annotations

from dataclasses import dataclass

import fastremap
import numpy as np
from jaxtyping import Float64

from savem3.view.planes import shown_box, slabs_of
from savem3.volume import Labels

BINS_PER_DECADE = 4
"""Bars for each factor of ten in volume."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Objects by volume, on a logarithmic axis.

    Parameters
    ----------
    first_decade, last_decade
        Powers of ten, in µm³, at which the axis starts and stops.
    counts
        For each kind of object, how many lie in each bin.
    """

    first_decade: int
    last_decade: int
    counts: dict[str, list[int]]

    @property
    def bins(self) -> int:
        """Number of bins."""
        return (self.last_decade - self.first_decade) * BINS_PER_DECADE

    @property
    def tallest(self) -> int:
        """Objects in the fullest bin, at least 1."""
        return max([1, *(count for counts in self.counts.values() for count in counts)])


def volumes_um3(labels: Labels) -> Float64[np.ndarray, " label"]:
    """Volume of each label in the middle of a volume, in µm³, in the order of labels; read slab by slab."""
    box = shown_box(labels.grid)
    names, voxels = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    for slab in slabs_of(box):
        found, count = fastremap.unique(labels.read(slab), return_counts=True)
        names.append(found)
        voxels.append(count.astype(np.int64))
    distinct, where = np.unique(np.concatenate(names), return_inverse=True)
    totals = np.zeros(len(distinct), np.int64)
    np.add.at(totals, where, np.concatenate(voxels))
    return totals[distinct != 0] * (np.prod(labels.grid.voxel_size) * 1e-9)


def count_by_volume(kinds: dict[str, Float64[np.ndarray, " label"]]) -> Histogram | None:
    """Histogram of several kinds of objects on one axis of whole decades; absent if there are no objects.

    Parameters
    ----------
    kinds
        Volumes in µm³ under the name of each kind.
    """
    everything = np.concatenate(list(kinds.values()))
    if not len(everything):
        return None
    first, last = int(np.floor(np.log10(everything.min()))), int(np.floor(np.log10(everything.max()))) + 1
    edges = np.linspace(first, last, (last - first) * BINS_PER_DECADE + 1)
    counts = {name: np.histogram(np.log10(volumes), edges)[0].tolist() for name, volumes in kinds.items()}
    return Histogram(first, last, counts)
