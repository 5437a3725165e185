"""The instances of annotated volumes, listed: where each is, how large, and whose.

A row of a plain numpy array each, so that hundreds of thousands take megabytes; a mask is cut from the labels when it
is wanted (`mask_of`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import cc3d
import numpy as np
from jaxtyping import Bool, Int64, Shaped, UInt64
from numpy.typing import NDArray

from savem3.volume import Labels

SECTION_STEP: Mapping[str, int] = {"FIB-SEM": 3}
"""Every how many sections instances are taken, where it is not every one. Source: METHOD §2."""

INSTANCE = np.dtype(
    [
        ("volume", np.uint16),
        ("z", np.uint32),
        ("label", np.uint64),
        ("area", np.uint32),
        ("y_start", np.uint32),
        ("y_stop", np.uint32),
        ("x_start", np.uint32),
        ("x_stop", np.uint32),
        ("x_first", np.uint32),
    ]
)
"""A connected part of a label in a section: its volume's number, pixels, box, and its first pixel in the first row."""

Section = UInt64[np.ndarray, "y x"]
Instances = Shaped[np.ndarray, " instance"]
"""Rows of `INSTANCE`."""


@dataclass(frozen=True, slots=True)
class Annotated:
    """A volume whose instances may be drawn.

    Parameters
    ----------
    name
        What to call it in messages; unlike others.
    dataset
        What its quota is for; several volumes may be of one.
    imaging
        Imaging method, as its card has it.
    labels
        Instances, 0 is none; read section by section.
    is_wanted
        Whether a label may be drawn, for rules about single bodies, such as none of myelin or glia; absent if all may.
    """

    name: str
    dataset: str
    imaging: str
    labels: Labels
    is_wanted: Callable[[int], bool] | None = None


@dataclass(frozen=True, slots=True)
class SelectionRules:
    """What makes an instance representative.

    Source: METHOD §2 says that instances were chosen and not how; both rules are our choice.

    Parameters
    ----------
    smallest
        Pixels that an instance has at least.
    border_share
        Share of an instance's outline that may lie on the section's edge, 0–1: of what was cut in half the shape is
        not known.

    Raises
    ------
    ValueError
        If a number is out of its range.
    """

    smallest: int = 60
    border_share: float = 0.25

    def __post_init__(self) -> None:
        if self.smallest < 1:
            raise ValueError(f"smallest must be at least 1 pixel, got {self.smallest}")
        if not 0 <= self.border_share <= 1:
            raise ValueError(f"border_share must lie in 0–1, got {self.border_share}")


@dataclass(frozen=True, slots=True)
class InstanceIndex:
    """All instances that may be drawn, sorted by volume and section.

    Parameters
    ----------
    names, datasets, imagings
        Of each volume, by its number.
    instances
        One row of `INSTANCE` each, 38 bytes.
    """

    names: tuple[str, ...]
    datasets: tuple[str, ...]
    imagings: tuple[str, ...]
    instances: Instances

    def of_dataset(self) -> dict[tuple[str, str], Int64[np.ndarray, " instance"]]:
        """Numbers of the instances by imaging method and dataset; those without any are left out."""
        pairs = list(zip(self.imagings, self.datasets, strict=True))
        volume = self.instances["volume"]
        found = {
            p: np.flatnonzero(np.isin(volume, [i for i, q in enumerate(pairs) if q == p])) for p in sorted(set(pairs))
        }
        return {pair: numbers for pair, numbers in found.items() if len(numbers)}


def index_instances(volumes: Iterable[Annotated], *, rules: SelectionRules = SelectionRules()) -> InstanceIndex:
    """List the instances of volumes that the rules keep; warns of a volume that has none.

    Parameters
    ----------
    volumes
        Annotated; of FIB-SEM, every third section is looked at (`SECTION_STEP`).
    rules
        What is kept.

    Raises
    ------
    ValueError
        If there is no volume, or two have one name.
    """
    annotated = list(volumes)
    names = tuple(v.name for v in annotated)
    if not names or len(set(names)) < len(names):
        raise ValueError(f"volumes must be at least one, each with a name of its own, got {list(names)}")
    rows = [_list_volume(volume, number, rules) for number, volume in enumerate(annotated)]
    for name, found in zip(names, rows, strict=True):
        if not len(found):
            warnings.warn(f"{name} has no instance that the rules keep: none will be drawn from it", stacklevel=2)
    whence = (tuple(v.dataset for v in annotated), tuple(v.imaging for v in annotated))
    return InstanceIndex(names, *whence, np.concatenate(rows))


def mask_of(labels: Section, instance: np.void) -> Bool[np.ndarray, "y x"]:
    """The mask of an instance in the labels of its section.

    Parameters
    ----------
    labels
        The section that the instance was listed from.
    instance
        A row of the index.

    Raises
    ------
    ValueError
        If the labels are of another section.
    """
    box = tuple(slice(int(instance[f"{axis}_start"]), int(instance[f"{axis}_stop"])) for axis in "yx")
    own = labels[box] == instance["label"]
    parts = cc3d.connected_components(own, connectivity=4)
    column = int(instance["x_first"]) - int(instance["x_start"])
    mask = np.zeros(labels.shape, bool)
    mask[box] = own & (parts == parts[0, column])
    if mask.sum() != instance["area"]:
        raise ValueError(f"labels must hold the {instance['area']} pixels of {instance}, got {mask.sum()}")
    return mask


def _list_volume(volume: Annotated, number: int, rules: SelectionRules) -> Instances:
    sections = range(0, volume.labels.grid.shape[0], SECTION_STEP.get(volume.imaging, 1))
    rows = [_list_section(np.asarray(volume.labels.voxels[z]), rules) for z in sections]
    for z, found in zip(sections, rows, strict=True):
        found["volume"], found["z"] = number, z
    listed = np.concatenate(rows)
    if volume.is_wanted is None:
        return listed
    labels, which = np.unique(listed["label"], return_inverse=True)
    return listed[np.array([volume.is_wanted(int(label)) for label in labels], bool)[which]]


def _list_section(labels: Section, rules: SelectionRules) -> Instances:
    """The instances of a section that the rules keep; volume and z are left open."""
    parts, count = cc3d.connected_components(labels, connectivity=4, out_dtype=np.uint32, return_N=True)
    found = np.zeros(count, INSTANCE)
    if not count:
        return found
    told = cc3d.statistics(parts, no_slice_conversion=True)
    numbers, first = np.unique(parts, return_index=True)
    first, edges = first[numbers > 0], told["bounding_boxes"][1:].astype(np.uint32)
    found["label"], found["area"] = labels.ravel()[first], told["voxel_counts"][1:]
    found["y_start"], found["y_stop"] = edges[:, 0], edges[:, 1] + 1
    found["x_start"], found["x_stop"] = edges[:, 2], edges[:, 3] + 1
    found["x_first"] = first % labels.shape[1]
    return found[(found["area"] >= rules.smallest) & (_border_shares(parts, count) <= rules.border_share)]


def _border_shares(parts: NDArray[Any], count: int) -> NDArray[np.float64]:
    """Share of the pixel sides around each part that lie on the section's edge."""
    framed = np.pad(parts, 1)
    outline, border = np.zeros(count + 1, np.int64), np.zeros(count + 1, np.int64)
    for y, x in ((0, 1), (2, 1), (1, 0), (1, 2)):
        beside = framed[y : y + parts.shape[0], x : x + parts.shape[1]]
        outline += np.bincount(parts[beside != parts], minlength=count + 1)
    for edge in (parts[0], parts[-1], parts[:, 0], parts[:, -1]):
        border += np.bincount(edge, minlength=count + 1)
    return border[1:] / outline[1:]
