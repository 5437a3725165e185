"""Unifying a section: what a model would draw anew is accepted, left as it was, or handed to a person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8, UInt64

from savem3.engine.evidence import gain_of
from savem3.engine.parts import counted, parts_of
from savem3.engine.placing import place
from savem3.engine.recipe import RedrawRecipe
from savem3.engine.redrawing import Redrawn, redraw
from savem3.prompt import Prompter
from savem3.sam.nms import suppress

FATES = ("replaced", "unlike", "repeated", "fainter")
"""What may become of a part: it is replaced; or it stays, since the new mask is too unlike it, repeats a better one, or
would bring too little boundary."""


@dataclass(frozen=True, slots=True)
class UnifiedSection:
    """What became of a section.

    Parameters
    ----------
    labels
        Afterwards.
    redrawn, fates
        Each part that was asked about, and one of `FATES` for each.
    queued
        Those of them that a person is to look at.
    settled
        Marks of all parts afterwards: this model has had its say about them.
    """

    labels: UInt64[np.ndarray, "y x"]
    redrawn: tuple[Redrawn, ...]
    fates: tuple[str, ...]
    queued: tuple[Redrawn, ...]
    settled: frozenset[bytes]


def unify_section(
    grey: UInt8[np.ndarray, "y x"],
    labels: UInt64[np.ndarray, "y x"],
    prompter: Prompter,
    *,
    model: str,
    recipe: RedrawRecipe = RedrawRecipe(),
    z: int = 0,
    evidence: UInt8[np.ndarray, "y x"] | None = None,
    weight: UInt8[np.ndarray, "y x"] | None = None,
    settled: frozenset[bytes] = frozenset(),
) -> UnifiedSection:
    """Draw the labels of a section anew where a model is sure, and only their boundaries.

    A model that draws from its own masks would draw others again, and drift. So it has its say once about each part:
    parts whose mark is in ``settled`` are not asked about, and with the marks that a first call left, a second one with
    the same model changes nothing. What a person has changed since, and another model, are asked again.

    Parameters
    ----------
    grey, labels
        The section; not changed.
    prompter
        Who draws.
    model
        Its digest.
    recipe
        What is asked, and what is accepted.
    z
        Which section it is.
    evidence
        The boundary map of the section, 255 is membrane. Needed unless the recipe's ``boundary_gain`` is `None`.
    weight
        0 where nothing is to be learned: parts that lie mostly there stay as they are.
    settled
        Marks that earlier calls left.

    Raises
    ------
    ValueError
        If evidence is needed and missing.
    """
    if evidence is None and recipe.boundary_gain is not None:
        raise ValueError("evidence must be given where the recipe has a boundary_gain, got none")
    parts = [
        part
        for part in parts_of(labels, smallest=recipe.smallest)
        if part.mark(z=z, by=model) not in settled and (weight is None or counted(part, weight))
    ]
    drawn = tuple(redraw(grey, parts, prompter, recipe=recipe, z=z))
    fates = judge(drawn, recipe=recipe, evidence=evidence)
    after = place(labels, [r for r, fate in zip(drawn, fates, strict=True) if fate == "replaced"])
    queued = tuple(r for r in drawn if r.iou < recipe.review_below)
    marks = frozenset(part.mark(z=z, by=model) for part in parts_of(after, smallest=recipe.smallest))
    return UnifiedSection(after, drawn, fates, queued, marks)


def judge(
    drawn: Sequence[Redrawn], *, recipe: RedrawRecipe, evidence: UInt8[np.ndarray, "y x"] | None = None
) -> tuple[str, ...]:
    """What becomes of each part, one of `FATES`; see `unify_section`.

    Parameters
    ----------
    drawn
        Of one section.
    recipe, evidence
        See there.
    """
    fates = [
        "unlike" if redrawn.iou <= recipe.replace_above or not redrawn.new.any() else "replaced" if best else "repeated"
        for redrawn, best in zip(drawn, _not_repeated(drawn, recipe=recipe), strict=True)
    ]
    if evidence is None or recipe.boundary_gain is None:
        return tuple(fates)
    agreeing = [i for i, fate in enumerate(fates) if fate == "replaced"]
    gains = {i: gain for i in agreeing if (gain := gain_of(drawn[i], evidence)) is not None}
    lies_well = bool(gains) and float(np.median(list(gains.values()))) < recipe.section_gain
    for i in agreeing:
        if lies_well or gains.get(i, recipe.boundary_gain) < recipe.boundary_gain:
            fates[i] = "fainter"
    return tuple(fates)


def _not_repeated(drawn: Sequence[Redrawn], *, recipe: RedrawRecipe) -> list[bool]:
    """Whether each is one that no better one repeats."""
    found = [redrawn.found for redrawn in drawn]
    masks = [mask for mask in found if mask is not None]
    kept = {id(mask) for mask in suppress(masks, above=recipe.overlap_above, of=recipe.overlap_of)}
    return [id(mask) in kept for mask in found]
