"""What every student is: a 3D network with one output and three taps, and the adapters that let widths differ."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

FEATURE_CHANNELS = 32
"""Channels of the HQ feature that a student learns to draw, at ½ of its own y and x."""
EMBEDDING_CHANNELS = 256
"""Channels of the image embedding that a student learns to draw, at ⅛ of its own y and x."""


@dataclass(frozen=True, slots=True)
class Taps:
    """What a student says of a crop, for training.

    Parameters
    ----------
    boundary
        Membrane logits, one a voxel.
    distance
        Truncated distance 0–1; absent if the student has no second output.
    feature
        Where the HQ feature is learned, at ½ of y and x.
    embedding
        Where the image embedding is learned, at ⅛ of y and x.
    """

    boundary: Float[Tensor, "batch 1 z y x"]
    distance: Float[Tensor, "batch 1 z y x"] | None
    feature: Float[Tensor, "batch channel z y//2 x//2"]
    embedding: Float[Tensor, "batch wide z y//8 x//8"]


class Student(nn.Module):
    """A network from raw to membrane; y and x of its input must be multiples of 8, z is never down-sampled.

    Parameters
    ----------
    outputs
        1 for the boundary, 2 for boundary and distance (METHOD, Choice 11).
    """

    feature_width: ClassVar[int]
    embedding_width: ClassVar[int]

    def __init__(self, *, outputs: int) -> None:
        if outputs not in (1, 2):
            raise ValueError(f"outputs must be 1 (boundary) or 2 (boundary and distance), got {outputs}")
        super().__init__()
        self.outputs = outputs

    @abstractmethod
    def levels(self, raw: Float[Tensor, "batch 1 z y x"]) -> tuple[Tensor, Tensor, Tensor]:
        """All outputs (batch, output, z, y, x), the feature level at ½ and the embedding level at ⅛."""

    def forward(self, raw: Float[Tensor, "batch 1 z y x"]) -> Float[Tensor, "batch 1 z y x"]:
        """Membrane logits."""
        return self.levels(raw)[0][:, :1]

    def taps(self, raw: Float[Tensor, "batch 1 z y x"]) -> Taps:
        """Membrane logits together with what is distilled into the network's inside."""
        out, feature, embedding = self.levels(raw)
        return Taps(out[:, :1], out[:, 1:].sigmoid() if self.outputs == 2 else None, feature, embedding)


class Adapters(nn.Module):
    """1×1×1 convolutions from a student's widths to its teacher's; used in training, never shipped.

    Source: the published student has the teacher's widths and needs none; other widths are our choice (Choice 8).
    """

    def __init__(
        self, student: Student, *, feature: int = FEATURE_CHANNELS, embedding: int = EMBEDDING_CHANNELS
    ) -> None:
        super().__init__()
        self.feature = _fit(student.feature_width, feature)
        self.embedding = _fit(student.embedding_width, embedding)

    def forward(self, taps: Taps) -> tuple[Tensor, Tensor]:
        """Feature and embedding in the teacher's widths."""
        feature: Tensor = self.feature(taps.feature)
        embedding: Tensor = self.embedding(taps.embedding)
        return feature, embedding


def _fit(have: int, want: int) -> nn.Module:
    return nn.Identity() if have == want else nn.Conv3d(have, want, 1)


def count_parameters(network: nn.Module) -> int:
    """Number of trainable values."""
    return sum(p.numel() for p in network.parameters())


def fold_pixels(x: Float[Tensor, "batch channel z y x"]) -> Float[Tensor, "batch folded z y//2 x//2"]:
    """Space to depth: 2 × 2 voxels of a section become four channels."""
    b, c, z, height, width = x.shape
    x = x.reshape(b, c, z, height // 2, 2, width // 2, 2).permute(0, 1, 4, 6, 2, 3, 5)
    return x.reshape(b, c * 4, z, height // 2, width // 2)


def unfold_pixels(x: Float[Tensor, "batch folded z y x"]) -> Float[Tensor, "batch channel z 2*y 2*x"]:
    """Depth to space: the inverse of `fold_pixels`."""
    b, c, z, height, width = x.shape
    x = x.reshape(b, c // 4, 2, 2, z, height, width).permute(0, 1, 4, 5, 2, 6, 3)
    return x.reshape(b, c // 4, z, height * 2, width * 2)
