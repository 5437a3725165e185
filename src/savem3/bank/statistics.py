"""What the masks of an index are like: a table with a row for each, measured section by section from the labels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64, Shaped

from savem3.bank.instances import InstanceIndex, box_of, cut_mask
from savem3.bank.shapes import shape_of
from savem3.volume import Labels

MEASURED = np.dtype(
    [
        ("volume", np.uint16),
        ("z", np.uint32),
        ("label", np.uint64),
        ("area_px", np.uint32),
        ("area_nm2", np.float64),
        ("relative_size", np.float32),
        ("concavity", np.float32),
        ("thinness", np.float32),
        ("centre_y", np.float32),
        ("centre_x", np.float32),
    ]
)
"""A mask: where it is from, its area, √(area / section's area), `MaskShape`, its middle as a share of the section."""

MEANS = ("area_px", "area_nm2", "relative_size", "concavity", "thinness")


@dataclass(frozen=True, slots=True)
class Summary:
    """The masks of one dataset in a few numbers.

    Parameters
    ----------
    dataset, imaging
        Whose masks.
    masks, sections
        In the index: how many, and in how many sections they lie.
    measured
        Masks that the means are over.
    means, medians
        Of each column of `MEANS`.
    off_centre
        Mean distance of the masks' middles from that of the section, as a share of its sides; 0.383 where they are
        spread evenly.
    """

    dataset: str
    imaging: str
    masks: int
    sections: int
    measured: int
    means: dict[str, float]
    medians: dict[str, float]
    off_centre: float


def measure(index: InstanceIndex, labels_of: Callable[[int], Labels]) -> Shaped[np.ndarray, " mask"]:
    """A row of `MEASURED` for each instance; `savem3.bank.select` says of which, where there are too many.

    Parameters
    ----------
    index
        The masks.
    labels_of
        The labels of a volume by its number; asked once for each that has masks, in order, and let go of.

    Raises
    ------
    ValueError
        If the labels are not those that the index was made from.
    """
    rows = np.zeros(len(index.instances), MEASURED)
    for name in ("volume", "z", "label"):
        rows[name] = index.instances[name]
    for volume in np.unique(index.instances["volume"]):
        own = np.flatnonzero(index.instances["volume"] == volume)
        rows[own] = _measure_volume(rows[own], index.instances[own], labels_of(int(volume)))
    return rows


def summarise(index: InstanceIndex, rows: Shaped[np.ndarray, " mask"]) -> list[Summary]:
    """Each dataset's masks in a few numbers; datasets without any are left out.

    Parameters
    ----------
    index
        All masks, also those that were not measured.
    rows
        What `measure` gave.
    """
    return [
        _summary(dataset, imaging, index.instances[numbers], rows[np.isin(rows["volume"], _volumes(index, dataset))])
        for (imaging, dataset), numbers in index.of_dataset().items()
    ]


def _volumes(index: InstanceIndex, dataset: str) -> list[int]:
    return [number for number, name in enumerate(index.datasets) if name == dataset]


def _summary(
    dataset: str, imaging: str, listed: Shaped[np.ndarray, " instance"], rows: Shaped[np.ndarray, " mask"]
) -> Summary:
    columns = {name: rows[name].astype(np.float64) for name in MEANS}
    means = {name: float(values.mean()) if len(values) else 0.0 for name, values in columns.items()}
    medians = {name: float(np.median(values)) if len(values) else 0.0 for name, values in columns.items()}
    sections = len(np.unique(listed[["volume", "z"]]))
    return Summary(
        dataset,
        imaging,
        len(listed),
        sections,
        len(rows),
        means,
        medians,
        float(off_centre(rows).mean()) if len(rows) else 0.0,
    )


def off_centre(rows: Shaped[np.ndarray, " mask"]) -> Float64[np.ndarray, " mask"]:
    """Distance of each mask's middle from that of its section, in the section's sides."""
    return np.hypot(rows["centre_y"].astype(np.float64) - 0.5, rows["centre_x"].astype(np.float64) - 0.5)


def _measure_volume(
    rows: Shaped[np.ndarray, " mask"], instances: Shaped[np.ndarray, " mask"], labels: Labels
) -> Shaped[np.ndarray, " mask"]:
    _, height, width = labels.grid.shape
    pixel_nm2 = labels.grid.voxel_size[1] * labels.grid.voxel_size[2]
    for z, own in _by_section(instances["z"]):
        section = np.asarray(labels.voxels[z])
        for i in own:
            shape, (y, x) = shape_of(cut_mask(section, instances[i])), box_of(instances[i])
            rows["area_px"][i], rows["area_nm2"][i] = shape.area, shape.area * pixel_nm2
            rows["relative_size"][i] = np.sqrt(shape.area / (height * width))
            rows["concavity"][i], rows["thinness"][i] = shape.concavity, shape.thinness
            rows["centre_y"][i], rows["centre_x"][i] = (y.start + shape.y) / height, (x.start + shape.x) / width
    return rows


def _by_section(z: Shaped[np.ndarray, " mask"]) -> Iterator[tuple[int, Int64[np.ndarray, " own"]]]:
    for one in np.unique(z):
        yield int(one), np.flatnonzero(z == one)
