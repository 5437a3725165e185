"""How masks are drawn anew, and what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TAUGHT_GAIN = 14.0
"""``section_gain`` for a model that has learned from the very labels that it draws anew: it has their habits, so
what it changes is small where they lie well. Source: ours; chosen on FIB-25 z 100–109 and VNC 0–9, see the docs.
"""


@dataclass(frozen=True, slots=True)
class RedrawRecipe:
    """What is asked about each part of a label in a section, and which answers take its place.

    Parameters
    ----------
    prompt
        The part itself, or its box.
    erode
        Pixels that a mask prompt is eroded by; a part that would vanish is shown as it is.
    replace_above
        A part is replaced where its IoU before and after exceeds this, 0–1.
    review_below
        A person is asked where it is below this, 0–1.
    overlap_above, overlap_of
        An answer that repeats a better one replaces nothing; see `savem3.sam.suppress`.
    smallest
        Parts of fewer pixels are not asked about, and pieces and holes of fewer in an answer are dropped and filled.
    boundary_gain
        By how much the boundary evidence along the new outline must at least exceed that along the old one, of 255;
        `None` looks at no evidence.
    section_gain
        What the median of these gains over a section's agreeing parts must be at least: where outlines lie well on the
        whole, a model only puts its own habits in their place. Source: ours; chosen on FIB-25 z 0–119 and VNC 0–9,
        where medians are at most 32 for good, dilated or pierced labels, and 29–100 for shifted ones.

    Raises
    ------
    ValueError
        If a number is out of its range.
    """

    prompt: Literal["mask", "box"] = "mask"
    erode: int = 0
    replace_above: float = 0.7
    review_below: float = 0.5
    overlap_above: float = 0.7
    overlap_of: Literal["mask", "box"] = "mask"
    smallest: int = 20
    boundary_gain: float | None = 0.0
    section_gain: float = 40.0

    def __post_init__(self) -> None:
        for name in ("replace_above", "review_below", "overlap_above"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in 0–1, got {getattr(self, name)}")
        if self.review_below > self.replace_above:
            got = f"{self.review_below} and {self.replace_above}"
            raise ValueError(f"review_below must be at most replace_above, got {got}")
        if self.erode < 0 or self.smallest < 1:
            raise ValueError(f"erode must be at least 0 and smallest at least 1, got {self.erode} and {self.smallest}")


def refinement(*, erode: int = 1) -> RedrawRecipe:
    """What people drew, brought to the edges that a model sees: the first look at labels.

    Source: METHOD §3, masks eroded by 1–2 px are prompts, and a person checks those below 0.5.
    """
    return RedrawRecipe(erode=erode, replace_above=0.5, review_below=0.5)


def unification() -> RedrawRecipe:
    """Labels that a teacher has learned from, drawn anew by it. Source: METHOD §3 and its choice 2."""
    return RedrawRecipe()
