"""Which of a dataset's instances are kept for training: so many of each dataset, small and large ones alike.

Source: METHOD §2 says that about 188,000 of 649,000 masks were chosen, by whole volumes, and not how within them. The
rule here is our choice: sorted by area, a dataset is cut into as many equal ranks as instances are wanted, and one is
drawn from each. Every quantile of size is then that of the whole, to one instance.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Int64

from savem3.bank.instances import InstanceIndex


def select(index: InstanceIndex, targets: Mapping[str, int], *, seed: int) -> InstanceIndex:
    """An index of some of the instances, in their order; volumes keep their numbers.

    Parameters
    ----------
    index
        All that may be chosen.
    targets
        Instances wanted of each dataset; one that is not named, or has no more, keeps all.
    seed
        Draws the instance from each rank of size.

    Raises
    ------
    ValueError
        If a target is negative, or names a dataset that the index has not.
    """
    if unknown := sorted(set(targets) - set(index.datasets)):
        raise ValueError(f"targets must name datasets of the index, got {', '.join(unknown)}")
    if targets and min(targets.values()) < 0:
        raise ValueError(f"targets must be at least 0, got {dict(targets)}")
    kept = [
        _one_of_each_rank(index, members, targets.get(dataset), np.random.default_rng([seed, _number(dataset)]))
        for dataset, members in _members(index).items()
    ]
    return replace(index, instances=index.instances[np.sort(np.concatenate(kept))])


def spread_evenly(index: InstanceIndex, most: int) -> dict[str, int]:
    """Targets of at most ``most`` instances together: as many of each dataset, more of large ones where small ones end.

    Raises
    ------
    ValueError
        If ``most`` is not positive.
    """
    if most < 1:
        raise ValueError(f"most must be at least 1, got {most}")
    sizes = {dataset: len(members) for dataset, members in _members(index).items()}
    targets, left = {}, most
    for rank, dataset in enumerate(sorted(sizes, key=lambda name: (sizes[name], name))):
        targets[dataset] = min(sizes[dataset], left // (len(sizes) - rank))
        left -= targets[dataset]
    return targets


def _members(index: InstanceIndex) -> dict[str, Int64[np.ndarray, " instance"]]:
    """Numbers of the instances of each dataset, whatever it was imaged with."""
    whose = np.array(index.datasets)[index.instances["volume"]]
    return {dataset: np.flatnonzero(whose == dataset) for dataset in sorted(set(index.datasets))}


def _one_of_each_rank(
    index: InstanceIndex, members: Int64[np.ndarray, " instance"], target: int | None, rng: np.random.Generator
) -> Int64[np.ndarray, " kept"]:
    if target is None or target >= len(members):
        return members
    by_size = members[np.argsort(index.instances["area"][members], kind="stable")]
    bounds = np.arange(target + 1) * len(members) // max(1, target)
    return by_size[rng.integers(bounds[:-1], bounds[1:])]


def _number(dataset: str) -> int:
    """The same number for a dataset in every process."""
    return zlib.crc32(dataset.encode())
