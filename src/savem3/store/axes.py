"""Which axis of a file is z, y and x."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savem3.grid import Box, Shape
from savem3.store.errors import UnreadableVolume

NAMES = {"c": "channel", "s": "colour", "t": "time", "channel": "channel", "time": "time"}
"""What to call an axis that a grey volume does not have."""

COLOURS = (3, 4)
"""Entries of a last axis that names itself not and is short beside the others: RGB or RGBA, not x."""

UNNAMED = ("i", "q", "r")
"""Axes that TIFF readers find without a name; the sections lie along them where no axis is called z."""


@dataclass(frozen=True, slots=True)
class Axes:
    """The axes of an array in a file, in the file's order; all but z, y, x have one entry.

    Parameters
    ----------
    names
        One name for each axis of the file; z may be absent (a single section).
    channel
        The one axis besides z, y, x that has several entries; ``None`` where there is none.
    entry
        Which entry of it is read.
    """

    names: tuple[str, ...]
    channel: str | None = None
    entry: int = 0

    def sizes(self, values: Sequence[Any], *, absent: Any) -> tuple[Any, Any, Any]:
        """One value per axis of the file, put in order z, y, x; ``absent`` for a z that the file does not have."""
        z, y, x = (values[self.names.index(n)] if n in self.names else absent for n in "zyx")
        return z, y, x

    def index(self, box: Box) -> tuple[int | slice, ...]:
        """The box as an index for the array in the file."""
        slices = dict(zip("zyx", box.slices, strict=True))
        return tuple(slices.get(name, self.entry if name == self.channel else 0) for name in self.names)

    def arrange(self, voxels: NDArray[Any]) -> NDArray[Any]:
        """What `index` gave, in z, y, x."""
        present = [name for name in self.names if name in "zyx"]
        ordered = voxels.transpose([present.index(name) for name in "zyx" if name in present])
        return ordered if "z" in present else ordered[np.newaxis]


def interpret(
    names: Sequence[str] | None, shape: Sequence[int], *, name: str, channel: int | None = None
) -> tuple[Axes, Shape]:
    """Find z, y, x among the axes of a file.

    Parameters
    ----------
    names
        The names that the file gives; ``None`` where it gives none: then the last three are z, y, x.
    shape
        Entries along each axis.
    name
        The volume, for the message.
    channel
        Which entry of a channel axis is meant, from 0.

    Returns
    -------
    tuple
        The axes, and the voxels along z, y, x.

    Raises
    ------
    UnreadableVolume
        If a time axis has more than one entry, a channel axis has and none is chosen, or y or x is missing.
    """
    if names is not None and len(names) != len(shape):
        raise UnreadableVolume(f"{name} must name each of its {len(shape)} axes, got {', '.join(names) or 'no name'}")
    known = _guess(shape) if names is None else _spell(names, shape)
    listed = ", ".join(f"{n} ({size})" for n, size in zip(known, shape, strict=True))
    if len(set(known)) < len(known) or not {"y", "x"} <= set(known):
        raise UnreadableVolume(f"{name} must have three axes z, y, x, got {listed or 'a single number'}")
    several = [axis for axis, size in zip(known, shape, strict=True) if axis not in ("z", "y", "x") and size > 1]
    axes = Axes(known)
    if several or channel is not None:
        axes = _choose(known, several, shape, f"{name} must be a grey volume with axes z, y, x", listed, channel)
    return axes, axes.sizes([int(n) for n in shape], absent=1)


def _choose(
    known: tuple[str, ...], several: list[str], shape: Sequence[int], demand: str, listed: str, channel: int | None
) -> Axes:
    """The axes with one entry of the channel axis chosen."""
    if not several and not channel:
        return Axes(known)
    if not several:
        raise UnreadableVolume(f"{demand} and a channel {channel}, got one channel in {listed}")
    size = shape[known.index(several[0])]
    found = f"got a {NAMES.get(several[0], repr(several[0]))} axis of {size} entries in {listed}"
    if len(several) > 1 or NAMES.get(several[0]) == "time":
        raise UnreadableVolume(f"{demand}, {found}: save one entry of it as a volume of its own")
    if channel is None or not 0 <= channel < size:
        given = "" if channel is None else f" and --channel {channel}"
        raise UnreadableVolume(f"{demand}, {found}{given}: choose one entry of it with --channel 0 to {size - 1}")
    return Axes(known, several[0], channel)


def _spell(names: Sequence[str], shape: Sequence[int]) -> tuple[str, ...]:
    """Names in lower case; three foreign names are no better than none, and an unnamed axis for a z that is missing."""
    known = [name.lower() for name in names]
    if len(known) == 3 and not set(known) & {"z", "y", "x"}:
        return _guess(shape)
    unnamed = [name for name in known if name in UNNAMED]
    if "z" not in known and len(unnamed) == 1:
        known[known.index(unnamed[0])] = "z"
    return tuple(known)


def _guess(shape: Sequence[int]) -> tuple[str, ...]:
    """Axes of an array that names none: z, y, x behind leading others, or before a last one of at most 4 entries."""
    if len(shape) == 3 and shape[-1] in COLOURS and min(shape[:2]) >= 4 * shape[-1]:
        return ("y", "x", "c")
    if len(shape) == 4 and shape[-1] <= 4 < shape[0]:
        return ("z", "y", "x", "c")
    return (
        ("t", "c", "z", "y", "x")[-len(shape) :] if len(shape) <= 5 else tuple(f"axis {i}" for i in range(len(shape)))
    )
