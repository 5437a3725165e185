"""How well a quality report held, where there is truth after all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from savem3.evaluate import compare, relabel_components, score_table
from savem3.quality import KINDS, Place, confirm, confirm_there
from savem3.runs.judged import Judged
from savem3.view.quality_page import Chapter, Row
from savem3.volume import Labels

FIRST = (20, 50, 100)
"""How many of the first places are compared with the truth."""

THERE = ("merge", "crossing")
"""Kinds that say where in a body two neurons meet, so that it is looked at there."""


def hold_against(judged: Judged, truth: Labels, places: Sequence[Place]) -> dict[str, Any]:
    """How well the report held: scores, and the share of its places at which the truth has an error.

    Parts of a neuron that are apart within the volume count as neurons of their own: nobody could join them there.

    Parameters
    ----------
    judged
        Labels.
    truth
        Of the whole volume; what lies in the box that is looked at is loaded.
    places
        The list, in its order.

    Raises
    ------
    ValueError
        If the truth has another shape.
    """
    if truth.grid.shape != judged.whole.shape:
        raise ValueError(f"truth must have the shape of the labels {judged.whole.shape}, got {truth.grid.shape}")
    parts = relabel_components(truth.window(judged.box))
    table = compare(judged.labels, parts)
    confirmed = confirm(places, table.segments, table.bodies, table.counts)
    for i, place in enumerate(places):
        if place.kind in THERE:
            moved = replace(place, at=judged.within(place.at))
            confirmed[i] = confirm_there(moved, segments=judged.labels, truth=parts)
    known = ~np.isnan(confirmed)
    held = confirmed[known]
    stated = np.array([place.probability for place in places])
    kinds = {}
    for kind in KINDS:
        own = np.array([place.kind == kind for place in places], bool) & known
        if own.any():
            kinds[kind] = {
                "places": int(own.sum()),
                "confirmed": float(confirmed[own].mean()),
                "stated": float(stated[own].mean()),
            }
    return {
        "scores": score_table(table, unsegmented="segment").to_dict(),
        "first": {str(n): float(held[:n].mean()) for n in FIRST if len(held) >= n},
        "all": float(held.mean()) if len(held) else float("nan"),
        "kinds": kinds,
    }


def held_chapter(held: Mapping[str, Any]) -> Chapter:
    """How well the report held, in words."""
    rows = [Row(f"first {n}", f"{share:.0%}", "of these places hold") for n, share in held["first"].items()]
    rows.append(Row("all places", f"{held['all']:.0%}", "hold: what any order would give in the mean"))
    rows += [Row(kind, f"{found['confirmed']:.0%}", _told(found)) for kind, found in held["kinds"].items()]
    rows += [Row(name, f"{held['scores'][name]:.3f}", "against the truth") for name in ("voi_split", "voi_merge")]
    says = (
        "The truth was used for this chapter alone. A merge or crossing holds if two neurons meet in the body right "
        "there; a split, if both bodies are of one neuron; an orphan, if another body has more of its neuron; too many "
        "endings and glia-like bodies, if a second neuron has its share of them."
    )
    return Chapter("How well did this page hold?", says, "unknown", rows)


def _told(found: Mapping[str, Any]) -> str:
    """How many places of a kind there are, and the chance that was stated for them."""
    return f"of {found['places']}" + ("" if np.isnan(found["stated"]) else f"; stated: {found['stated']:.0%}")
