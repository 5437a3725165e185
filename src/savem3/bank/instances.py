"""The instances of annotated volumes, listed: where each is, how large, and whose.

A row of a plain numpy array each, so that hundreds of thousands take megabytes; a mask is cut from the labels when it
is wanted (`mask_of`). Volumes are listed one after the other, section by section: none needs to be in memory whole.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
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
    unwanted
        Labels that are never drawn, such as myelin or glia.
    """

    name: str
    dataset: str
    imaging: str
    labels: Labels
    unwanted: tuple[int, ...] = ()


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
        Annotated; of FIB-SEM, every third section is looked at (`SECTION_STEP`). They are taken one by one and let go
        of, so that a generator which opens each when it is asked for needs the memory of one.
    rules
        What is kept.

    Raises
    ------
    ValueError
        If there is no volume, or two have one name.
    """
    facts: dict[str, tuple[str, str]] = {}
    rows: list[Instances] = []
    for volume in volumes:  # not enumerated: that would hold the last one while the next is opened
        if volume.name in facts:
            raise ValueError(f"volumes must each have a name of its own, got {volume.name!r} twice")
        facts[volume.name] = (volume.dataset, volume.imaging)
        rows.append(_list_volume(volume, len(rows), rules))
        if not len(rows[-1]):
            warnings.warn(
                f"{volume.name} has no instance that the rules keep: none will be drawn from it", stacklevel=2
            )
        del volume  # before the next one is opened
    if not facts:
        raise ValueError("volumes must be at least one, each with a name of its own, got none")
    datasets, imagings = zip(*facts.values(), strict=True)
    return InstanceIndex(tuple(facts), datasets, imagings, np.concatenate(rows))


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
    mask = np.zeros(labels.shape, bool)
    mask[box_of(instance)] = cut_mask(labels, instance)
    return mask


def cut_mask(labels: Section, instance: np.void) -> Bool[np.ndarray, "high wide"]:
    """The mask of an instance in its own box (`box_of`): what `mask_of` gives, without the section around it.

    Raises
    ------
    ValueError
        If the labels are of another section.
    """
    own = labels[box_of(instance)] == instance["label"]
    if own.sum() != instance["area"]:  # another part of the same label reaches into the box
        column = int(instance["x_first"]) - int(instance["x_start"])
        parts = cc3d.connected_components(own, connectivity=4)
        own &= parts == parts[0, column]
    if own.sum() != instance["area"]:
        raise ValueError(f"labels must hold the {instance['area']} pixels of {instance}, got {own.sum()}")
    return own


def box_of(instance: np.void) -> tuple[slice, slice]:
    """Rows and columns of an instance in its section."""
    rows, columns = (slice(int(instance[f"{axis}_start"]), int(instance[f"{axis}_stop"])) for axis in "yx")
    return rows, columns


def _list_volume(volume: Annotated, number: int, rules: SelectionRules) -> Instances:
    sections = range(0, volume.labels.grid.shape[0], SECTION_STEP.get(volume.imaging, 1))
    rows = [_list_section(np.asarray(volume.labels.voxels[z]), rules) for z in sections]
    for z, found in zip(sections, rows, strict=True):
        found["volume"], found["z"] = number, z
    listed = np.concatenate(rows)
    return listed[~np.isin(listed["label"], np.array(volume.unwanted, np.uint64))]


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
