"""All metrics of a segmentation in one record, and what they are to be read with."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np
from jaxtyping import UInt64

from savem3.evaluate.arand import arand_cremi, arand_skimage
from savem3.evaluate.contingency import Contingency, Unsegmented, compare, settle_unsegmented
from savem3.evaluate.cremi import cremi_score
from savem3.evaluate.oracle import join_by_truth
from savem3.evaluate.voi import voi_merge, voi_split
from savem3.volume import Labels


@dataclass(frozen=True, slots=True)
class Scores:
    """How far a segmentation is from the truth; every error is 0 if it is perfect.

    Parameters
    ----------
    voi_split, voi_merge, voi
        Variation of information in bits: H(segmentation | truth), H(truth | segmentation) and their sum.
    arand_skimage
        Adapted Rand error 0–1 in scikit-image's convention.
    arand_cremi
        Adapted Rand error 0–1 in CREMI's convention: unsegmented voxels are singletons, whatever ``unsegmented`` says
        (unless they are ignored).
    cremi_score
        Geometric mean of ``voi`` and ``arand_cremi``.
    voxels
        Voxels compared: those that the truth names, less the unsegmented ones if they are ignored.
    unsegmented
        What an unsegmented voxel counted as: "segment", "ignore" or "singletons".
    unsegmented_share
        Share 0–1 of the voxels named by the truth that the segmentation leaves at 0.
    segments, bodies
        Labels, without 0, found in the compared voxels of the segmentation and of the truth.
    fragments
        Labels, without 0, in the fragments; absent if none were given.
    oracle
        Scores of the same fragments joined by the truth (`join_by_truth`); absent if none were given.
    """

    voi_split: float
    voi_merge: float
    voi: float
    arand_skimage: float
    arand_cremi: float
    cremi_score: float
    voxels: int
    unsegmented: Unsegmented
    unsegmented_share: float
    segments: int
    bodies: int
    fragments: int | None = None
    oracle: Scores | None = None

    def to_dict(self) -> dict[str, float | int | str]:
        """Plain values for JSON; the oracle's errors carry the prefix ``oracle_``, what is absent has no key."""
        flat = {key: value for key, value in asdict(self).items() if value is not None and key != "oracle"}
        if self.oracle is not None:
            errors = ("voi_split", "voi_merge", "voi", "arand_skimage", "arand_cremi", "cremi_score")
            flat |= {f"oracle_{name}": getattr(self.oracle, name) for name in errors}
        return flat


def score(
    segmentation: Labels, truth: Labels, *, fragments: Labels | None = None, unsegmented: Unsegmented = "segment"
) -> Scores:
    """Compare a segmentation with the truth, voxel by voxel where the truth is not 0.

    Parameters
    ----------
    segmentation
        The labels to be judged.
    truth
        The labels to be judged by. A crop's should come from `relabel_components`.
    fragments
        What the segmentation was joined from, to learn the best that could have been made of it.
    unsegmented
        What a voxel counts as that the segmentation leaves at 0 (see `settle_unsegmented`). This choice can move a
        result by bits: quote it with the score.

    Raises
    ------
    ValueError
        If shapes differ, if the truth is all 0, or if nothing is left to compare.
    """
    scores = score_table(compare(segmentation, truth), unsegmented=unsegmented)
    if fragments is None:
        return scores
    pairs = compare(fragments, truth)
    oracle = score_table(join_by_truth(pairs), unsegmented=unsegmented)
    return replace(scores, oracle=oracle, fragments=_distinct(pairs.segments))


def score_table(table: Contingency, *, unsegmented: Unsegmented) -> Scores:
    """All metrics of a table of pairs.

    Parameters
    ----------
    table
        Pairs as `compare` counts them, unsegmented voxels included.
    unsegmented
        What to make of those (see `settle_unsegmented`).

    Raises
    ------
    ValueError
        If nothing is left to compare.
    """
    settled = settle_unsegmented(table, unsegmented=unsegmented)
    if not settled.voxels:
        raise ValueError(_nothing_left(table))
    split, merge = voi_split(settled), voi_merge(settled)
    return Scores(
        voi_split=split,
        voi_merge=merge,
        voi=split + merge,
        arand_skimage=arand_skimage(settled),
        arand_cremi=arand_cremi(settled),
        cremi_score=cremi_score(settled),
        voxels=settled.voxels,
        unsegmented=unsegmented,
        unsegmented_share=table.unsegmented / table.voxels,
        segments=_distinct(settled.segments),
        bodies=_distinct(settled.bodies),
    )


def _nothing_left(table: Contingency) -> str:
    """What to tell a user whose table has no voxel to compare."""
    if not table.voxels:
        return "truth must name at least one voxel, got only 0"
    return f"segmentation must label at least one of the {table.voxels} voxels that the truth names, got only 0"


def _distinct(names: UInt64[np.ndarray, " pair"]) -> int:
    """How many different labels there are, 0 not counted."""
    return int(np.count_nonzero(np.unique(names)))
