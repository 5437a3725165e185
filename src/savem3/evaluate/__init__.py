"""Labels against truth: how far a segmentation is from what people have drawn (METHOD §8).

Two volumes of labels enter: a segmentation and a truth of the same shape (`place` finds what they have in common), in
which 0 means unknown. They are counted once into a table of pairs (`compare`); each metric is a function of that table.
`score` leaves a `Scores` with all of them, in bits and as errors (0 is perfect), and says what an unsegmented voxel
counted as. Of the same table: average precision, split and merged bodies, `intervals`. Truth may be sparse: some
sections, some bodies, nothing near a border, or skeletons, of which `run_lengths` asks how far one gets.
Single masks are compared by `iou` and `boundary_iou` (1 is perfect).
"""

from collections.abc import Callable

from savem3.evaluate.arand import arand_cremi, arand_skimage
from savem3.evaluate.bootstrap import blocks_to_draw, intervals
from savem3.evaluate.components import relabel_components
from savem3.evaluate.contingency import (
    Contingency,
    Unsegmented,
    collect_pairs,
    compare,
    compare_blocks,
    count_pairs,
    merge_tables,
    settle_unsegmented,
)
from savem3.evaluate.cremi import cremi_score
from savem3.evaluate.masks import band_of, boundary_iou, depth_of, iou
from savem3.evaluate.matching import ErrorCounts, average_precision, count_errors
from savem3.evaluate.oracle import join_by_truth
from savem3.evaluate.per_body import BodyErrors, per_body
from savem3.evaluate.placing import Placed, place
from savem3.evaluate.run_length import Forgiven, RunLengths, pairs_of_points, run_lengths, run_lengths_of
from savem3.evaluate.scores import Scores, score, score_table
from savem3.evaluate.sparse import clear_borders, keep_bodies, keep_sections
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
    "BodyErrors",
    "Contingency",
    "ErrorCounts",
    "Forgiven",
    "Placed",
    "RunLengths",
    "Scores",
    "Unsegmented",
    "arand_cremi",
    "arand_skimage",
    "average_precision",
    "band_of",
    "blocks_to_draw",
    "boundary_iou",
    "clear_borders",
    "collect_pairs",
    "compare",
    "compare_blocks",
    "count_errors",
    "count_pairs",
    "cremi_score",
    "depth_of",
    "intervals",
    "iou",
    "join_by_truth",
    "keep_bodies",
    "keep_sections",
    "merge_tables",
    "pairs_of_points",
    "per_body",
    "place",
    "relabel_components",
    "run_lengths",
    "run_lengths_of",
    "score",
    "score_table",
    "settle_unsegmented",
    "voi",
    "voi_merge",
    "voi_split",
]
