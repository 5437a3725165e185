"""SAEM² over SAM as a teacher: sections of any size are looked at in tiles that overlap, and their maps are blended."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32
from numpy.typing import NDArray

from savem3.saem2.network import EMBEDDING_CHANNELS, FEATURE_CHANNELS
from savem3.saem2.over_sam.network import Saem2OverSam
from savem3.saem2.over_sam.overlapping import CELL, starts_of, weigh
from savem3.saem2.over_sam.parts import ENLARGE
from savem3.sam.prompter import Sam
from savem3.teacher import Look
from savem3.volume import IntensityMap

STRIDES = {"boundary": 1, "distance": 1, "feature": 2, "embedding": CELL}


@dataclass(frozen=True, slots=True)
class PublishedTeacher:
    """Looks at sections through a SAM; implements `savem3.teacher.Teacher`.

    A pixel of the section is two of the encoder's (METHOD, Choice 1), so sections should be at about 8 nm. Where tiles
    overlap, their maps are averaged, each weighing more the farther a pixel is from the tile's edge; probabilities are
    averaged, not logits.

    Parameters
    ----------
    network
        In evaluation mode.
    device
        Where torch computes.
    overlap
        Pixels that neighbouring tiles share at least, a multiple of 8.
    batch
        Sections that are looked at together; bounds the memory.

    Raises
    ------
    ValueError
        If the overlap is no multiple of 8, or leaves no step between tiles.
    """

    network: Saem2OverSam
    device: str = "cpu"
    feature_channels: int = FEATURE_CHANNELS
    embedding_channels: int = EMBEDDING_CHANNELS
    overlap: int = 64
    batch: int = 4

    def __post_init__(self) -> None:
        if self.overlap % CELL or not 0 <= self.overlap < self.network.tile:
            expected = f"a multiple of {CELL}, at least 0 and below the tile of {self.network.tile} pixels"
            raise ValueError(f"overlap must be {expected}, got {self.overlap}")

    def look_at(self, sections: Float32[np.ndarray, "batch y x"]) -> Look:
        """Boundary, distance, feature and embedding of sections of grey values in −1…1, y and x multiples of 8.

        Raises
        ------
        ValueError
            If y or x is not a multiple of 8.
        """
        if sections.shape[1] % CELL or sections.shape[2] % CELL:
            raise ValueError(f"sections must be multiples of 8 pixels along y and x, got {sections.shape[1:]}")
        looks = [self._look_at(sections[i : i + self.batch]) for i in range(0, len(sections), self.batch)]
        return Look(**{name: np.concatenate([look[name] for look in looks]) for name in STRIDES})

    def prompter(self, intensity: IntensityMap) -> Sam:
        """Who answers prompts on sections of a volume with this intensity map; of any size, also through tiles."""
        model = self.network.beside_prompts() if self.network.heads_see_prompts else self.network.model
        return Sam(model, intensity, pixel_scale=float(ENLARGE), hq_only=self.network.hq_only, batch=4 * self.batch)

    def _look_at(self, sections: Float32[np.ndarray, "batch y x"]) -> dict[str, NDArray[np.float32]]:
        """The maps of a few sections, blended from those of their tiles."""
        shape, edge = sections.shape[1:], self.network.tile
        tile = min(edge, shape[0]), min(edge, shape[1])
        sums: dict[str, NDArray[np.float32]] = {}
        totals = {s: np.zeros([n // s for n in shape], np.float32) for s in (1, 2, CELL)}
        for y, x in starts_of((shape[0], shape[1]), tile=tile, overlap=self.overlap):
            for name, seen in self._maps(sections[:, y : y + tile[0], x : x + tile[1]]).items():
                stride = STRIDES[name]
                weight = weigh(tile, overlap=self.overlap, stride=stride)
                rows, columns = (slice(a // stride, (a + n) // stride) for a, n in zip((y, x), tile, strict=True))
                empty = np.zeros((*seen.shape[:-2], *totals[stride].shape), np.float32)
                sums.setdefault(name, empty)[..., rows, columns] += seen * weight
                if name != "distance":
                    totals[stride][rows, columns] += weight
        return {name: total / totals[STRIDES[name]] for name, total in sums.items()}

    def _maps(self, sections: Float32[np.ndarray, "batch y x"]) -> dict[str, NDArray[np.float32]]:
        """The maps of tiles."""
        with torch.inference_mode():
            heads = self.network(torch.from_numpy(np.ascontiguousarray(sections)).to(self.device))
        chances = {"boundary": heads.boundary.sigmoid(), "distance": heads.distance.sigmoid()}
        maps = {**chances, "feature": heads.feature, "embedding": heads.embedding}
        return {name: value.float().cpu().numpy() for name, value in maps.items()}
