"""Skeletons of a dense truth, and how far along them a segmentation runs before its first error."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np

from savem3.evaluate import Forgiven, run_lengths_of
from savem3.evaluate.run_length import STRICT, look_up
from savem3.export.bodies import measure
from savem3.export.skeletons import skeletonise
from savem3.skeleton import Skeletons
from savem3.volume import Labels

SMALLEST = 5000
"""Voxels of a body below which it has no skeleton."""
TOLD = (
    "Skeletons were drawn from the dense truth (TEASAR, bodies of at least 5000 voxels): not by people. "
    "An edge counts where both ends lie in one segment that holds no node of another skeleton; ERL is the mean length "
    "of the run that a point of a skeleton lies on, weighted by length, and NERL its share of what the truth reaches. "
    "Drawn skeletons reach to the tips of bodies, so that a segment which laps over a border by a voxel merges them: "
    "strictly counted, methods that split more do better. The second number forgives a segment the skeletons of which "
    "it holds fewer than 20 points."
)
FORGIVEN = Forgiven(points=20)


def skeletons_of(truth: Labels) -> Skeletons:
    """Skeletons of the larger bodies of a dense truth."""
    found = list(skeletonise(truth, measure(truth).bodies, smallest=SMALLEST))
    first = np.cumsum([0, *(len(s.points) for s in found)])
    edges = [s.edges.astype(np.int64) + start for s, start in zip(found, first[:-1], strict=True)]
    return Skeletons(
        tuple(str(s.body) for s in found),
        np.repeat(np.arange(len(found)), np.diff(first)),
        np.concatenate([np.zeros((0, 3)), *(s.points[:, ::-1].astype(np.float64) for s in found)]),
        np.concatenate([np.zeros((0, 2), np.int64), *edges]),
    )


def digest_of(skeletons: Skeletons) -> str:
    """SHA-256 of all that is traced."""
    parts = (skeletons.body, skeletons.points, skeletons.edges)
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).tobytes() for part in parts)).hexdigest()


def trace(make: Callable[[], Labels], skeletons: Skeletons) -> tuple[dict[str, float], dict[str, Any]]:
    """ERL in µm, NERL, and how many segments hold several skeletons."""
    if not len(skeletons.edges):
        return {}, {"not run": "no body of the truth is large enough for a skeleton"}
    at, inside = look_up(make(), skeletons)
    outside = int((~inside).sum())
    found, milder = (
        run_lengths_of(at, skeletons, forgiven=forgiven, outside=outside) for forgiven in (STRICT, FORGIVEN)
    )
    values = {"erl_um": found.erl_um, "nerl": found.nerl, "mergers": float(found.mergers)}
    values |= {"forgiving_erl_um": milder.erl_um, "forgiving_nerl": milder.nerl}
    return values, {"skeletons": found.skeletons, "best_um": round(found.best_um, 3)}
