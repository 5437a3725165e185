"""Which instances an epoch is made of: equally many from each imaging method, whatever its datasets hold.

METHOD §2. `plan_epoch` chooses from an index of instances, `sections_of_epoch` says it section by section, so that each
is encoded once. Everything drawn is a function of seed and epoch: who resumes plans the epoch again and goes on where
it stopped (`Place`, `rest_of_epoch`).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from savem3.bank.instances import InstanceIndex

PER_IMAGING = 30_000
"""Instances that an epoch takes from each imaging method."""

PUBLISHED_QUOTAS: Mapping[str, Mapping[str, int]] = {
    "ATUM-SEM": {"SNEMI3D": 20_000, "AxonEM-H": 10_000},
    "FIB-SEM": {"FIB-25": 20_000, "HemiBrain": 10_000},
    "ssTEM": {"CREMI-A": 12_000, "CREMI-C": 12_000, "AxonEM-M": 6_000},
    "SBEM": {"SegEM": 20_000, "J0126": 10_000},
}
"""Instances that the published epoch takes from each dataset, by imaging method. Source: METHOD §2."""


@dataclass(frozen=True, slots=True)
class SectionDraws:
    """What an epoch draws from one section: its volume's number, z, and instances, repeated where drawn repeatedly."""

    volume: int
    z: int
    instances: Int64[np.ndarray, " draw"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where sampling stands: all that must be kept to go on with it.

    Parameters
    ----------
    seed
        Draws everything.
    epoch
        From 0.
    position
        Draws of the epoch that are done.

    Raises
    ------
    ValueError
        If a number is negative.
    """

    seed: int
    epoch: int = 0
    position: int = 0

    def __post_init__(self) -> None:
        if min(self.seed, self.epoch, self.position) < 0:
            raise ValueError(f"seed, epoch and position must be at least 0, got {self}")


def plan_epoch(
    index: InstanceIndex,
    *,
    per_imaging: int = PER_IMAGING,
    quotas: Mapping[str, int] | None = None,
    seed: int,
    epoch: int,
) -> Int64[np.ndarray, " draw"]:
    """The instances of an epoch, exactly ``per_imaging`` from each imaging method, those of a section in a row.

    Of the n instances among which d are drawn, each is drawn ⌊d/n⌋ or ⌈d/n⌉ times; and so it is over all epochs
    together, so that what one epoch leaves out the next ones take. Sections come in another order in each epoch.

    Parameters
    ----------
    index
        What there is to draw.
    per_imaging
        Instances of each imaging method.
    quotas
        Instances of each dataset, such as `PUBLISHED_QUOTAS` has; for each imaging method they are brought to
        ``per_imaging`` in proportion, over the datasets that are there. Without quotas, all instances of an imaging
        method are alike.
    seed
        Draws everything.
    epoch
        From 0.

    Raises
    ------
    ValueError
        If there is nothing to draw, a number is negative, or a dataset has no quota.
    """
    if not len(index.instances):
        raise ValueError("index must hold at least one instance, got none")
    if per_imaging < 1 or epoch < 0 or seed < 0:
        got = f"{per_imaging}, {epoch} and {seed}"
        raise ValueError(f"per_imaging must be at least 1, epoch and seed at least 0, got {got}")
    pools = _pools_of(index, per_imaging=per_imaging, quotas=quotas)
    drawn = [_turn(members, count, name, seed=seed, epoch=epoch) for name, (members, count) in pools.items()]
    return _by_section(index, np.concatenate(drawn), np.random.default_rng([seed, epoch]))


def rest_of_epoch(
    index: InstanceIndex, place: Place, *, per_imaging: int = PER_IMAGING, quotas: Mapping[str, int] | None = None
) -> Int64[np.ndarray, " draw"]:
    """What is left of an epoch: the end of what `plan_epoch` gives, the same whoever stopped and however often.

    Parameters
    ----------
    index, per_imaging, quotas
        As they were when the epoch began.
    place
        Where it stopped.

    Raises
    ------
    ValueError
        If the position lies beyond the epoch's end, or as `plan_epoch` raises.
    """
    draws = plan_epoch(index, per_imaging=per_imaging, quotas=quotas, seed=place.seed, epoch=place.epoch)
    if place.position > len(draws):
        raise ValueError(f"position must lie within the {len(draws)} draws of the epoch, got {place.position}")
    return draws[place.position :]


def sections_of_epoch(index: InstanceIndex, draws: Int64[np.ndarray, " draw"]) -> Iterator[SectionDraws]:
    """The draws of an epoch, or of what is left of it, section by section in their order."""
    if not len(draws):
        return
    section = _section_numbers(index)[draws]
    starts = np.flatnonzero(np.diff(section)) + 1
    for part in np.split(draws, starts):
        first = index.instances[part[0]]
        yield SectionDraws(int(first["volume"]), int(first["z"]), part)


def _pools_of(
    index: InstanceIndex, *, per_imaging: int, quotas: Mapping[str, int] | None
) -> dict[str, tuple[Int64[np.ndarray, " instance"], int]]:
    """Instances that are alike, and how many of them an epoch takes."""
    members = index.of_dataset()
    pools = {}
    for imaging in sorted({imaging for imaging, _ in members}):
        own = {dataset: numbers for (i, dataset), numbers in members.items() if i == imaging}
        if quotas is None:
            pools[imaging] = (np.sort(np.concatenate(list(own.values()))), per_imaging)
            continue
        if missing := sorted(set(own) - set(quotas)):
            raise ValueError(f"quotas must name each dataset of the index, got none for {', '.join(missing)}")
        counts = share_out(per_imaging, {dataset: quotas[dataset] for dataset in own})
        pools |= {f"{imaging} {dataset}": (own[dataset], counts[dataset]) for dataset in own}
    return pools


def share_out(total: int, quotas: Mapping[str, int]) -> dict[str, int]:
    """Whole numbers in proportion to the quotas that add up to ``total``; what is left goes to the largest remainders.

    Raises
    ------
    ValueError
        If a quota is negative, or all are 0.
    """
    if min(quotas.values()) < 0 or not any(quotas.values()):
        raise ValueError(f"quotas must be at least 0, and not all of them 0, got {dict(quotas)}")
    whole = sum(quotas.values())
    shares = {name: divmod(total * quota, whole) for name, quota in quotas.items()}
    left = total - sum(share for share, _ in shares.values())
    first = sorted(quotas, key=lambda name: (-shares[name][1], name))[:left]
    return {name: share + (name in first) for name, (share, _) in shares.items()}


def _turn(
    members: Int64[np.ndarray, " instance"], count: int, name: str, *, seed: int, epoch: int
) -> Int64[np.ndarray, " draw"]:
    """The next ``count`` of a shuffled circle of instances, as each epoch begins where the last one ended."""
    circle = np.random.default_rng([seed, zlib.crc32(name.encode())]).permutation(members)
    return circle[(epoch * count + np.arange(count)) % len(members)]


def _by_section(
    index: InstanceIndex, draws: Int64[np.ndarray, " draw"], rng: np.random.Generator
) -> Int64[np.ndarray, " draw"]:
    """The draws, those of a section in a row, the sections shuffled."""
    section = _section_numbers(index)
    place = rng.permutation(int(section[-1]) + 1)
    return draws[np.argsort(place[section[draws]], kind="stable")]


def _section_numbers(index: InstanceIndex) -> Int64[np.ndarray, " instance"]:
    """Number of each instance's section among all that have instances."""
    volume, z = index.instances["volume"], index.instances["z"]
    new = (volume[1:] != volume[:-1]) | (z[1:] != z[:-1])
    return np.concatenate([[0], np.cumsum(new)]).astype(np.int64)
