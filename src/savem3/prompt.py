"""Prompts: what a person or a program points at in a section, and who answers. Coordinates carry z, y, x by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, UInt8


@dataclass(frozen=True, slots=True)
class PointPrompt:
    """Points in a section, in voxels: ``y`` and ``x`` of equal length; ``inside`` says on the object or off it."""

    z: int
    y: tuple[float, ...]
    x: tuple[float, ...]
    inside: tuple[bool, ...]

    def __post_init__(self) -> None:
        if not len(self.y) == len(self.x) == len(self.inside) > 0:
            lengths = f"{len(self.y)}, {len(self.x)} and {len(self.inside)}"
            raise ValueError(f"y, x and inside must name the same points, got {lengths}")


@dataclass(frozen=True, slots=True)
class BoxPrompt:
    """A box around an object in a section, in voxels, starts inclusive and stops exclusive."""

    z: int
    y_start: float
    y_stop: float
    x_start: float
    x_stop: float

    def __post_init__(self) -> None:
        if not (self.y_start < self.y_stop and self.x_start < self.x_stop):
            raise ValueError(f"stop must lie beyond start, got {self}")


@dataclass(frozen=True, slots=True)
class MaskPrompt:
    """A rough mask of an object in a section."""

    z: int
    mask: Bool[np.ndarray, "y x"]


Prompt = PointPrompt | BoxPrompt | MaskPrompt


@dataclass(frozen=True, slots=True)
class Answer:
    """A mask and how far it can be believed.

    Parameters
    ----------
    mask
        Where the object is.
    predicted_iou
        How well the model believes that it fits, 0–1.
    stability
        IoU of the masks that a logit 1 higher and 1 lower would have given, 0–1: near 1 where the edge is sharp.
        Source: SAM's stability score, offset 1.
    """

    mask: Bool[np.ndarray, "y x"]
    predicted_iou: float
    stability: float = 1.0


@runtime_checkable
class Prompter(Protocol):
    """Answers prompts on a section."""

    def ask(self, section: UInt8[np.ndarray, "y x"], prompts: list[Prompt]) -> list[Answer]:
        """One answer for each prompt, in order; the section is encoded once."""
        ...


@runtime_checkable
class Proposer(Prompter, Protocol):
    """Answers any number of prompts on a section that it has encoded once, and may propose several masks for each."""

    def encode(self, section: UInt8[np.ndarray, "y x"]) -> Any:
        """What prompts on this section are answered from; any size."""
        ...

    def answer(self, encoded: Any, prompts: Sequence[Prompt]) -> list[Answer]:
        """One answer for each prompt, in order."""
        ...

    def propose(self, encoded: Any, prompts: Sequence[Prompt]) -> list[list[Answer]]:
        """All masks that each prompt may mean: SAM draws three (whole, part, part of the part), others one."""
        ...


def check_prompts(prompts: Sequence[Prompt], *, shape: tuple[int, int]) -> None:
    """Refuse prompts that cannot be about a section of ``shape``.

    Raises
    ------
    ValueError
        If prompts name different sections, lie outside this one, or a mask is empty or of another shape.
    """
    sections = sorted({p.z for p in prompts})
    if len(sections) > 1:
        raise ValueError(f"prompts must be about one section, got z {sections}")
    for prompt in prompts:
        if isinstance(prompt, MaskPrompt):
            if prompt.mask.shape != shape or not prompt.mask.any():
                got = f"{int(prompt.mask.sum())} in a mask of {prompt.mask.shape}"
                raise ValueError(f"mask must have pixels and the shape {shape} of the section, got {got}")
        elif not _lies_within(prompt, shape):
            raise ValueError(f"prompts must lie within the section of {shape} pixels (y, x), got {prompt}")


def _lies_within(prompt: PointPrompt | BoxPrompt, shape: tuple[int, int]) -> bool:
    if isinstance(prompt, BoxPrompt):
        starts, stops = (prompt.y_start, prompt.x_start), (prompt.y_stop, prompt.x_stop)
        return min(starts) >= 0 and stops[0] <= shape[0] and stops[1] <= shape[1]
    return all(0 <= y < shape[0] and 0 <= x < shape[1] for y, x in zip(prompt.y, prompt.x, strict=True))
