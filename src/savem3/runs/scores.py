"""Scoring files against each other: labels with a dense or sparse truth, and with skeletons."""

from __future__ import annotations

import warnings
from dataclasses import asdict, replace
from functools import partial
from statistics import fmean
from typing import Any

import numpy as np

from savem3.evaluate import (
    Contingency,
    average_precision,
    blocks_to_draw,
    compare,
    compare_blocks,
    count_errors,
    intervals,
    join_by_truth,
    merge_tables,
    place,
    run_lengths,
    score_table,
    settle_unsegmented,
)
from savem3.evaluate.contingency import Unsegmented
from savem3.evaluate.wanted import LIMITS, Draws, Known, Tables, Traces, bodies_of
from savem3.request import Source, sections_of
from savem3.runs.score_tables import write_bodies, write_scores
from savem3.store.skeletons import open_skeletons
from savem3.volume import Labels


def score_files(
    segmentation: str,
    truth: str | None,
    *,
    source: Source,
    truth_sections: str | None = None,
    fragments: str | None = None,
    unsegmented: Unsegmented = "segment",
    known: Known = Known(),
    traces: Traces = Traces(),
    draws: Draws = Draws(),
    tables: Tables = Tables(),
    workers: int = 1,
) -> dict[str, Any]:
    """Every metric, as plain values; ``intervals`` holds lists of the least and the greatest, if it was asked for.

    Parameters
    ----------
    segmentation, truth, fragments
        Paths; without a truth there must be skeletons.
    source, truth_sections
        How volumes are read, and which sections of the truth.
    unsegmented, known, traces, draws
        What is compared with what, and how.
    tables
        What is written.
    workers
        Threads.

    Raises
    ------
    ValueError
        If there is neither truth nor skeletons, or something that needs a truth is asked for without one.
    FileExistsError
        If a table is there already and must not be replaced.
    """
    only_traced = known == Known() and not (fragments or draws.intervals or tables.body_csv)
    if truth is None and (traces.skeletons is None or not only_traced):
        raise ValueError("TRUTH must be given, unless there are --skeletons and nothing that needs labels, got none")
    tables.refuse_to_replace()
    labels = source.open_labels(segmentation)
    found: dict[str, Any] = {}
    notes: list[str] = []
    if truth is not None:
        side_by_side = truth_sections is not None
        named = _open_truth(truth, source, truth_sections, known)
        count = partial(_compare, truth=named, side_by_side=side_by_side, workers=workers, notes=notes)
        table, blocks = count(labels, draws=draws)
        pairs = count(source.open_labels(fragments), draws=Draws())[0] if fragments else None
        found = _scores(table, pairs, known=known, unsegmented=unsegmented, notes=notes)
        found |= _drawn_and_listed(settle_unsegmented(table, unsegmented=unsegmented), blocks, draws, tables)
    if traces.skeletons is not None:
        found |= _traced(labels, traces, traces.skeletons, notes=notes)
    return _told(found, notes, tables)


def _open_truth(path: str, source: Source, sections: str | None, known: Known) -> Labels:
    of_truth = replace(source, sections=sections or source.sections)
    first = sections_of(of_truth.sections).start if of_truth.sections else 0
    return known.of(of_truth.open_labels(path), first=first)


def _compare(
    labels: Labels, *, truth: Labels, side_by_side: bool, workers: int, draws: Draws, notes: list[str]
) -> tuple[Contingency, list[Contingency]]:
    """The table, and those of blocks to draw from; what was compared is noted where it is not plain."""
    if not side_by_side:
        placed = place(labels, truth)
        labels, truth = placed.segmentation, placed.truth
        if placed.told is not None:
            notes.append(placed.told)
    if not draws.intervals:
        return compare(labels, truth, workers=workers), []
    block = blocks_to_draw(truth.grid.shape)
    blocks = list(compare_blocks(labels, truth, block=block, workers=workers))
    return merge_tables(blocks), blocks


def _scores(
    table: Contingency, pairs: Contingency | None, *, known: Known, unsegmented: Unsegmented, notes: list[str]
) -> dict[str, Any]:
    """Scores of a table, its errors counted, and of fragments joined by the truth."""
    scores = score_table(table, unsegmented=unsegmented)
    if pairs is not None:
        oracle = score_table(join_by_truth(pairs), unsegmented=unsegmented)
        scores = replace(scores, oracle=oracle, fragments=int(np.count_nonzero(np.unique(pairs.segments))))
    precision, errors = average_precision(table), count_errors(table)
    found = scores.to_dict() | {
        "average_precision": fmean(precision.values()),
        "ap50": precision[0.5],
        "ap75": precision[0.75],
        "split_bodies": len(errors.split),
        "merged_segments": len(errors.merged),
        "splits": errors.splits,
        "merges": errors.merges,
        "truth": ", ".join(known.kinds) or "dense",
    }
    if known.bodies is not None:
        lost = set(bodies_of(known.bodies)) - set(table.bodies.tolist())
        if lost:
            notes.append(f"{len(lost)} of the bodies are not in what was compared of the truth, such as {min(lost)}.")
    if known.border_mask is not None:
        found["border_mask_nm"] = known.border_mask
    return found | ({"limits": " ".join(LIMITS[kind] for kind in known.kinds)} if known.kinds else {})


def _drawn_and_listed(
    table: Contingency, blocks: list[Contingency], draws: Draws, tables: Tables
) -> dict[str, dict[str, Any]]:
    """The intervals, if they were asked for; and the list of bodies is written, if that was."""
    if tables.body_csv is not None:
        write_bodies(table, tables.body_csv, overwrite=tables.overwrite)
    if not draws.intervals:
        return {}
    over = {
        name: intervals(table, blocks=clusters, draws=draws.intervals, seed=draws.seed)
        for name, clusters in (("bodies", None), ("blocks", blocks))
    }
    plain = {name: {error: list(ends) for error, ends in found.items()} for name, found in over.items()}
    return {"intervals": {**plain, "level": 0.95, "draws": draws.intervals, "seed": draws.seed}}


def _told(found: dict[str, Any], notes: list[str], tables: Tables) -> dict[str, Any]:
    """The scores with what must be known of them, said and written."""
    notes = list(dict.fromkeys(notes))
    for note in notes:
        warnings.warn(note, stacklevel=3)
    found |= {"notes": " ".join(notes)} if notes else {}
    if tables.csv is not None:
        write_scores(found, tables.csv, overwrite=tables.overwrite)
    return found


def _traced(labels: Labels, traces: Traces, path: str, *, notes: list[str]) -> dict[str, Any]:
    """Run lengths on skeletons, what was forgiven, and where they lie."""
    skeletons, forgiven = open_skeletons(path, unit=traces.skeleton_unit), traces.forgiven
    found = asdict(run_lengths(labels, skeletons, forgiven=forgiven))
    if found["outside"] == found["points"]:
        raise ValueError(
            f"skeletons must lie in the segmentation, got all {found['points']} points outside of it: see "
            "--skeleton-unit, --voxel-size, and the origin of the volume"
        )
    if found["outside"]:
        notes.append(
            f"{found['outside']} of {found['points']} points of skeletons lie outside of the segmentation and count as "
            "held by no segment."
        )
    found |= {"merged_from": forgiven.points, "merged_share": forgiven.share, "voids": forgiven.loses}
    plain = ("erl_um", "nerl")
    return {name if name in plain else f"skeleton_{name}": value for name, value in found.items()}
