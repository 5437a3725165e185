"""Who answers prompts: a section is encoded once, then any number of points, boxes and masks are answered from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor
from torch.nn import functional as F

from savem3.prompt import Answer, BoxPrompt, MaskPrompt, PointPrompt, Prompt, check_prompts
from savem3.saem2.network import Saem2
from savem3.saem2.prompts import MARGIN, STRIDE, WINDOW, Hint, Kind, Maps, Placed, PromptDecoder, cut
from savem3.volume import IntensityMap

POINT_RADIUS = 2
"""A point is painted as a square of this many pixels to all sides."""


@dataclass(frozen=True, slots=True)
class EncodedSection:
    """A section that was looked at and may be asked about.

    Parameters
    ----------
    maps
        What prompts are answered from.
    shape
        Pixels of the section along y and x.
    """

    maps: Maps
    shape: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Saem2Prompter:
    """Answers prompts with the small teacher; implements `savem3.prompt.Proposer`.

    Parameters
    ----------
    network
        In evaluation mode.
    decoder
        Trained on that network; in evaluation mode.
    intensity
        The map of the volume that sections come from: uint8 grey values to −1…1.
    device
        Where torch computes.
    batch
        Prompts that are answered together; bounds the memory, does not change the answers.
    """

    network: Saem2
    decoder: PromptDecoder
    intensity: IntensityMap = IntensityMap(0.0, 255.0)
    device: str = "cpu"
    batch: int = 32

    def ask(self, section: UInt8[np.ndarray, "y x"], prompts: list[Prompt]) -> list[Answer]:
        """One answer for each prompt, in order; the section is encoded once.

        Raises
        ------
        ValueError
            If prompts name different sections, lie outside this one, or a mask is empty or of another shape.
        """
        return self.answer(self.encode(section), prompts) if prompts else []

    def encode(self, section: UInt8[np.ndarray, "y x"]) -> EncodedSection:
        """Look at a section of any size; it is continued by its last row and column to multiples of 8."""
        with torch.inference_mode():
            grey = torch.from_numpy(self.intensity.to_unit(section)).to(self.device)
            return EncodedSection(self.decoder.read(self.network(pad(grey)[None])), (grey.shape[0], grey.shape[1]))

    def answer(self, encoded: EncodedSection, prompts: Sequence[Prompt]) -> list[Answer]:
        """One answer for each prompt, in order, each within 192 × 192 pixels around its prompt.

        Raises
        ------
        ValueError
            As `ask` does.
        """
        check_prompts(prompts, shape=encoded.shape)
        answers: list[Answer] = []
        for first in range(0, len(prompts), self.batch):
            placed = place(prompts[first : first + self.batch], device=self.device)
            with torch.inference_mode():
                logits, iou = self.decoder(cut(encoded.maps, placed.starts), placed)
            masks, ious = (logits > 0).cpu().numpy(), iou.float().sigmoid().tolist()
            found = zip(masks, placed.starts, ious, stability_of(logits).tolist(), strict=True)
            answers += [Answer(put_back(m, start, shape=encoded.shape), i, s) for m, start, i, s in found]
        return answers

    def propose(self, encoded: EncodedSection, prompts: Sequence[Prompt]) -> list[list[Answer]]:
        """As `answer`: this decoder draws one mask for each prompt."""
        return [[answer] for answer in self.answer(encoded, prompts)]


def stability_of(logits: Float[Tensor, "batch y x"]) -> Float[Tensor, " batch"]:
    """IoU of each mask cut at a logit 1 higher and 1 lower; 1 where both are empty."""
    high, low = ((logits > edge).sum((1, 2)).float() for edge in (1.0, -1.0))
    return torch.where(low > 0, high / low.clamp(min=1), 1.0)


def place(prompts: Sequence[Prompt], *, window: int = WINDOW, device: str = "cpu") -> Placed:
    """Give each prompt its window, write it as tokens and paint it."""
    starts = np.array([_start_of(p, window) for p in prompts])
    tokens = [_tokens_of(p) for p in prompts]
    most = max(1, *(len(kinds) for _, kinds in tokens))
    points = np.zeros((len(prompts), most, 2), np.float32)
    kinds = np.full((len(prompts), most), Kind.NOTHING, np.int64)
    hints = np.zeros((len(prompts), len(Hint), window, window), np.float32)
    for i, (prompt, (places, names)) in enumerate(zip(prompts, tokens, strict=True)):
        points[i, : len(names)], kinds[i, : len(names)] = places - starts[i], names
        _paint(hints[i], prompt, points[i, : len(names)], starts[i])
    on_device = (torch.from_numpy(values).to(device) for values in (points, kinds, hints))
    return Placed(starts, *on_device)


def pad(section: Float[Tensor, "y x"]) -> Float[Tensor, "rows columns"]:
    """The section continued by its last row and column to multiples of 8."""
    rows, columns = (-n % STRIDE for n in section.shape)
    return F.pad(section[None], (0, columns, 0, rows), mode="replicate")[0]


def put_back(
    window: Bool[np.ndarray, "rows columns"], start: Int[np.ndarray, " 2"], *, shape: tuple[int, int]
) -> Bool[np.ndarray, "y x"]:
    """A window's mask in the section."""
    framed = np.zeros([n + 2 * MARGIN for n in shape], bool)
    y, x = start + MARGIN
    framed[y : y + WINDOW, x : x + WINDOW] = window
    return framed[MARGIN:-MARGIN, MARGIN:-MARGIN].copy()


def cut_window(
    section: Bool[np.ndarray, "y x"], start: Int[np.ndarray, " 2"], *, window: int = WINDOW
) -> Bool[np.ndarray, "rows columns"]:
    """The window of a mask, nothing beyond the section."""
    y, x = start + MARGIN
    framed = np.pad(section, MARGIN)
    return framed[y : y + window, x : x + window]


def _start_of(prompt: Prompt, window: int) -> tuple[int, int]:
    """The window's first pixel: its middle is that of the box, of the points on the object or of the mask's box."""
    if isinstance(prompt, BoxPrompt):
        middle = (prompt.y_start + prompt.y_stop) / 2, (prompt.x_start + prompt.x_stop) / 2
    elif isinstance(prompt, PointPrompt):
        chosen = prompt.inside if any(prompt.inside) else (True,) * len(prompt.inside)
        y, x = (float(np.mean(np.array(values)[list(chosen)])) for values in (prompt.y, prompt.x))
        middle = y, x
    else:
        y_lines, x_lines = (np.flatnonzero(prompt.mask.any(axis)) for axis in (1, 0))
        middle = (y_lines[0] + y_lines[-1] + 1) / 2, (x_lines[0] + x_lines[-1] + 1) / 2
    y, x = (round((m - window / 2) / STRIDE) * STRIDE for m in middle)
    return y, x


def _tokens_of(prompt: Prompt) -> tuple[Float[np.ndarray, "point 2"], list[Kind]]:
    """Places in the section and what stands there."""
    if isinstance(prompt, BoxPrompt):
        corners = [(prompt.y_start, prompt.x_start), (prompt.y_stop, prompt.x_stop)]
        return np.array(corners, np.float32), [Kind.BOX_START, Kind.BOX_STOP]
    if isinstance(prompt, PointPrompt):
        places = np.stack([prompt.y, prompt.x], 1).astype(np.float32) + np.float32(0.5)
        return places, [Kind.ON_OBJECT if inside else Kind.OFF_OBJECT for inside in prompt.inside]
    return np.zeros((0, 2), np.float32), []


def _paint(
    hints: Float[np.ndarray, "hint y x"],
    prompt: Prompt,
    points: Float[np.ndarray, "point 2"],
    start: Int[np.ndarray, " 2"],
) -> None:
    """Draw one prompt into its window's hints."""
    if isinstance(prompt, MaskPrompt):
        hints[Hint.MASK] = cut_window(prompt.mask, start, window=hints.shape[-1])
    elif isinstance(prompt, BoxPrompt):
        (y, x), (y_stop, x_stop) = np.clip(np.rint(points), 0, hints.shape[-1]).astype(int)
        hints[Hint.BOX, y:y_stop, x:x_stop] = 1
    else:
        for (y, x), inside in zip(np.floor(points).astype(int), prompt.inside, strict=True):
            rows, columns = (slice(max(0, n - POINT_RADIUS), max(0, n + POINT_RADIUS + 1)) for n in (y, x))
            hints[Hint.ON_OBJECT if inside else Hint.OFF_OBJECT, rows, columns] = 1
