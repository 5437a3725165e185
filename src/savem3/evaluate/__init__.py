"""Labels against truth: how far a segmentation is from what people have drawn (METHOD §8).

Two volumes of labels enter: a segmentation and a truth of the same shape, in which 0 means unknown. They are counted
once into a table of pairs (`compare`); each metric is a function of that table. `score` leaves a `Scores` with all of
them, in bits and as errors (0 is perfect), and says what an unsegmented voxel counted as.
Single masks are compared by `iou` and `boundary_iou` (1 is perfect).
"""

from collections.abc import Callable

from savem3.evaluate.arand import arand_cremi, arand_skimage
from savem3.evaluate.components import relabel_components
from savem3.evaluate.contingency import (
    Contingency,
    Unsegmented,
    compare,
    count_pairs,
    merge_tables,
    settle_unsegmented,
)
from savem3.evaluate.cremi import cremi_score
from savem3.evaluate.masks import band_of, boundary_iou, depth_of, iou
from savem3.evaluate.oracle import join_by_truth
from savem3.evaluate.scores import Scores, score, score_table
from savem3.evaluate.voi import voi, voi_merge, voi_split

METRICS: dict[str, Callable[[Contingency], float]] = {
    "arand_cremi": arand_cremi,
    "arand_skimage": arand_skimage,
    "cremi_score": cremi_score,
    "voi": voi,
    "voi_merge": voi_merge,
    "voi_split": voi_split,
}
"""Every metric by name: a table of pairs enters, an error leaves (0 is perfect)."""

__all__ = [
    "METRICS",
    "Contingency",
    "Scores",
    "Unsegmented",
    "arand_cremi",
    "arand_skimage",
    "band_of",
    "boundary_iou",
    "compare",
    "count_pairs",
    "cremi_score",
    "depth_of",
    "iou",
    "join_by_truth",
    "merge_tables",
    "relabel_components",
    "score",
    "score_table",
    "settle_unsegmented",
    "voi",
    "voi_merge",
    "voi_split",
]
