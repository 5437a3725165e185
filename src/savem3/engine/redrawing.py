"""Redrawing: each part of a section's labels is a prompt, and what a model makes of it is put beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Bool, UInt8, UInt64
from scipy import ndimage

from savem3.engine.parts import FOUR, Part
from savem3.engine.recipe import RedrawRecipe
from savem3.prompt import Answer, Prompt, Prompter, Proposer
from savem3.sam.found import FoundMask, pack, tidy

PIXELS_AT_ONCE = 2**25
"""Prompts and answers are whole sections: only so many that have about these pixels are held at a time."""
MOST_AT_ONCE = 64


@dataclass(frozen=True, slots=True, eq=False)
class Redrawn:
    """A part of a label before and after, in the box that holds both.

    Parameters
    ----------
    label
        Whose part it is.
    y, x
        First row and column of the box in the section.
    old, new
        Its pixels before, and what the model drew; of that only what hangs together with the part.
    iou
        Of both, 0–1.
    predicted_iou, stability
        As in `Answer`.
    """

    label: int
    y: int
    x: int
    old: Bool[np.ndarray, "rows columns"]
    new: Bool[np.ndarray, "rows columns"]
    iou: float
    predicted_iou: float
    stability: float

    @property
    def score(self) -> float:
        """Predicted IoU × stability (METHOD, choice 2)."""
        return self.predicted_iou * self.stability

    @property
    def box(self) -> tuple[slice, slice]:
        """Rows and columns in the section."""
        height, width = self.old.shape
        return slice(self.y, self.y + height), slice(self.x, self.x + width)

    @property
    def found(self) -> FoundMask | None:
        """What was drawn, as masks are compared; nothing of an empty one."""
        return pack(Answer(self.new, self.predicted_iou, self.stability), y=self.y, x=self.x)


def redraw(
    grey: UInt8[np.ndarray, "y x"],
    parts: Sequence[Part],
    prompter: Prompter,
    *,
    recipe: RedrawRecipe,
    z: int = 0,
) -> Iterator[Redrawn]:
    """What a model makes of parts of a section, in their order; the section is encoded once by a `Proposer`.

    Parameters
    ----------
    grey
        The section.
    parts
        What is asked about.
    prompter
        Who is asked.
    recipe
        How.
    z
        Which section it is.
    """
    if not parts:
        return
    shape = (grey.shape[0], grey.shape[1])
    show = partial(Part.prompt, shape=shape, z=z, erode=recipe.erode, as_box=recipe.prompt == "box")
    answer, together = _answering(prompter, grey), max(1, min(MOST_AT_ONCE, PIXELS_AT_ONCE // grey.size))
    for first in range(0, len(parts), together):
        asked = parts[first : first + together]
        for part, told in zip(asked, answer([show(part) for part in asked]), strict=True):
            yield _compare(part, told, recipe=recipe)


def claims_of(section: UInt64[np.ndarray, "y x"], redrawn: Redrawn) -> Bool[np.ndarray, "rows columns"]:
    """Where in its box a label would be if only this part of it were drawn anew; other labels' pixels stay theirs."""
    crop = section[redrawn.box]
    own = crop == np.uint64(redrawn.label)
    return (own & ~redrawn.old) | (redrawn.new & (own | (crop == 0)))


def _answering(prompter: Prompter, grey: UInt8[np.ndarray, "y x"]) -> Callable[[list[Prompt]], list[Answer]]:
    if isinstance(prompter, Proposer):
        return partial(prompter.answer, prompter.encode(grey))
    return partial(prompter.ask, grey)


def _compare(part: Part, told: Answer, *, recipe: RedrawRecipe) -> Redrawn:
    """A part beside an answer, both cut to the box that holds them."""
    y, x, y_stop, x_stop = _box_of(part, told.mask)
    old = np.zeros((y_stop - y, x_stop - x), bool)
    (rows, columns), height, width = (part.y - y, part.x - x), *part.mask.shape
    old[rows : rows + height, columns : columns + width] = part.mask
    framed = np.pad(told.mask[y:y_stop, x:x_stop], 1)
    new = _meeting(tidy(replace(told, mask=framed), least=recipe.smallest).mask[1:-1, 1:-1], old)
    either = int(np.count_nonzero(old | new))
    agreed = int(np.count_nonzero(old & new)) / either
    return Redrawn(part.label, y, x, old, new, agreed, _share(told.predicted_iou), _share(told.stability))


def _box_of(part: Part, drawn: Bool[np.ndarray, "y x"]) -> tuple[int, int, int, int]:
    rows, columns = part.box
    box = (rows.start, columns.start, rows.stop, columns.stop)
    lines = [np.flatnonzero(drawn.any(axis)) for axis in (1, 0)]
    if not len(lines[0]):
        return box
    (y, x), (y_stop, x_stop) = (int(n[0]) for n in lines), (int(n[-1]) + 1 for n in lines)
    return min(box[0], y), min(box[1], x), max(box[2], y_stop), max(box[3], x_stop)


def _meeting(drawn: Bool[np.ndarray, "y x"], old: Bool[np.ndarray, "y x"]) -> Bool[np.ndarray, "y x"]:
    """The pieces of what was drawn that share pixels with the part."""
    pieces, count = ndimage.label(drawn, FOUR)
    if count < 2:
        return drawn if (drawn & old).any() else np.zeros_like(drawn)
    meets = np.zeros(count + 1, bool)
    meets[np.unique(pieces[old])] = True
    meets[0] = False
    return meets[pieces]


def _share(value: float) -> float:
    return float(min(1.0, max(0.0, value)))
