"""A SAM that answers prompts on sections of any size; `Sam` is what `load_sam` gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from savem3.prompt import Answer, PointPrompt, Prompt, check_prompts
from savem3.sam.decoding import Replies, decode, feature_of
from savem3.sam.pixels import extent_of, to_encoder, to_section, to_tokens, whole
from savem3.sam.windows import Layout, Window
from savem3.volume import IntensityMap

OVERLAP = 1 / 8
"""Share of a tile's edge that neighbouring tiles have in common: 128 of 1,024 pixels."""

NEARLY = 0.05
"""By how much less a larger mask may be believed and still be taken."""


@dataclass(frozen=True, slots=True, eq=False)
class EncodedTile:
    """What the encoder makes of a window, continued by zeros to a full tile.

    Parameters
    ----------
    embedding
        The encoder's output: 256 channels, 1/16 of the tile's pixels.
    hq_feature
        32 channels, 1/4 of the tile's pixels; knows no prompt; absent for a plain SAM.
    """

    embedding: Float[Tensor, "wide y x"]
    hq_feature: Float[Tensor, "channel 4*y 4*x"] | None


@dataclass(frozen=True, slots=True, eq=False)
class EncodedSection:
    """A section that may be asked about. Its tiles are encoded when one is first needed, each once, and kept.

    Parameters
    ----------
    section
        Grey values as the encoder sees them.
    layout
        How the section is cut into windows.
    tiles
        What was encoded so far.
    """

    section: UInt8[np.ndarray, "y x"]
    layout: Layout
    tiles: dict[Window, EncodedTile] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        """Pixels of the section along y and x."""
        return self.layout.shape


@dataclass(frozen=True, slots=True, eq=False)
class Sam:
    """Answers prompts with a SAM; implements `savem3.prompt.Proposer`.

    A section that fits into a tile is continued by zeros; a larger one is looked at through overlapping windows, and
    each prompt is answered on one of them (`Layout.window_of`), its mask ending there.

    Parameters
    ----------
    model
        A `transformers.SamModel` or `SamHQModel`, in evaluation mode. Its parts are ``vision_encoder`` (tiles to
        embedding, and early features), ``prompt_encoder`` (points, boxes and masks to tokens) and ``mask_decoder``.
    intensity
        The map of the volume that sections come from: grey values to 0–255, as SAM has seen photographs.
    pixel_scale
        Pixels of the encoder along an edge of a section's pixel: 1 keeps them, 2 shows sections of 8 nm at 4 nm.
        ``fit`` shows every section whole, its longer side as long as a tile, as SAM does with photographs.
    overlap
        Share of a tile's edge that neighbouring windows have in common.
    hq_only
        Whether HQ-SAM's masks are the HQ token's alone, or the sum of SAM's and its.
    batch
        Prompts that are decoded together; bounds the memory (about 40 MB for each, of 1,024-pixel tiles), does not
        change the answers.
    """

    model: Any
    intensity: IntensityMap = IntensityMap(0.0, 255.0)
    pixel_scale: float | Literal["fit"] = 1.0
    overlap: float = OVERLAP
    hq_only: bool = False
    batch: int = 16

    def __post_init__(self) -> None:
        if self.pixel_scale != "fit" and not 0 < self.pixel_scale <= self.tile:
            raise ValueError(f"pixel_scale must be 'fit', or above 0 and at most {self.tile}, got {self.pixel_scale}")
        if not 0 <= self.overlap < 1:
            raise ValueError(f"overlap must be at least 0 and below 1, got {self.overlap}")
        if self.batch < 1:
            raise ValueError(f"batch must be at least 1, got {self.batch}")

    @property
    def tile(self) -> int:
        """Edge of what the encoder sees at once, pixels."""
        return int(self.model.config.prompt_encoder_config.image_size)

    @property
    def device(self) -> torch.device:
        """Where torch computes."""
        device: torch.device = self.model.mask_decoder.iou_token.weight.device
        return device

    def ask(self, section: UInt8[np.ndarray, "y x"], prompts: list[Prompt]) -> list[Answer]:
        """One answer for each prompt, in order; no tile is encoded twice.

        Raises
        ------
        ValueError
            If the section is empty, or prompts name different sections, lie outside this one, or a mask is empty or of
            another shape.
        """
        return self.answer(self.encode(section), prompts) if prompts else []

    def encode(self, section: UInt8[np.ndarray, "y x"]) -> EncodedSection:
        """Prepare a section of any size; its tiles are encoded when a prompt needs them.

        Raises
        ------
        ValueError
            If the section has no pixels.
        """
        if section.size == 0:
            raise ValueError(f"section must have pixels, got one of {section.shape}")
        shape = (section.shape[0], section.shape[1])
        scale = self.tile / max(shape) if self.pixel_scale == "fit" else float(self.pixel_scale)
        return EncodedSection(self.intensity.to_uint8(section), Layout(shape, self.tile, scale, self.overlap))

    def answer(self, encoded: EncodedSection, prompts: Sequence[Prompt]) -> list[Answer]:
        """One answer for each prompt, in order: of one point the likeliest of three masks, of all else the one mask.

        Raises
        ------
        ValueError
            As `ask` does.
        """
        return [answers[0] for answers in self._answer(encoded, prompts, lambda iou: [likeliest_of(iou)])]

    def propose(self, encoded: EncodedSection, prompts: Sequence[Prompt]) -> list[list[Answer]]:
        """All masks that each prompt may mean: of one point three, in SAM's order; of all else one.

        Raises
        ------
        ValueError
            As `ask` does.
        """
        return self._answer(encoded, prompts, lambda iou: list(range(len(iou))))

    def encode_tensor(
        self, pixels: Float[Tensor, "batch 3 rows columns"]
    ) -> tuple[Float[Tensor, "batch wide y x"], Float[Tensor, "batch y x deep"] | None]:
        """Embedding and early features (HQ-SAM's only) of full tiles that are standardised already; for training.

        Gradients flow unless they are switched off.
        """
        given = self.model.vision_encoder(pixel_values=pixels)
        early = getattr(given, "intermediate_embeddings", None)
        return given.last_hidden_state, early[0] if early else None

    def tiles_of(self, encoded: EncodedSection) -> list[tuple[Window, EncodedTile]]:
        """The windows that together cover a section, and what the encoder makes of each."""
        return [(window, self.look(encoded, window)) for window in encoded.layout.regular()]

    def look(self, encoded: EncodedSection, window: Window) -> EncodedTile:
        """What the encoder makes of a window; kept."""
        if window not in encoded.tiles:
            pixels = to_encoder(encoded.section[window.slices], seen=window.seen, tile=self.tile)
            with torch.inference_mode():
                embedding, early = self.encode_tensor(pixels.to(self.device))
                feature = feature_of(self.model, embedding, early)
            encoded.tiles[window] = EncodedTile(embedding[0], None if feature is None else feature[0])
        return encoded.tiles[window]

    def decode(self, encoded: EncodedSection, prompts: Sequence[Prompt], window: Window) -> Replies:
        """All that the decoder makes of prompts of one kind, with equally many points, on a window; logits."""
        tile = self.look(encoded, window)
        tokens = to_tokens(prompts, window, tile=self.tile)
        placed = tokens._replace(**{n: v.to(self.device) for n, v in tokens._asdict().items() if v is not None})
        feature = None if tile.hq_feature is None else tile.hq_feature[None]
        with torch.inference_mode():
            return decode(self.model, tile.embedding[None], feature, placed, hq_only=self.hq_only)

    def _answer(
        self, encoded: EncodedSection, prompts: Sequence[Prompt], choose: Callable[[list[float]], list[int]]
    ) -> list[list[Answer]]:
        """The chosen answers to each prompt; prompts of one kind on one window are decoded together."""
        check_prompts(prompts, shape=encoded.shape)
        answers: list[list[Answer]] = [[] for _ in prompts]
        for window, members in grouped(prompts, encoded.layout, batch=self.batch):
            chosen = [prompts[i] for i in members]
            replies = self.decode(encoded, chosen, window)
            for place, (i, prompt) in enumerate(zip(members, chosen, strict=True)):
                masks = slice(1, None) if is_one_point(prompt) else slice(0, 1)
                iou = replies.iou[place, masks].tolist()
                taken = choose(iou)
                found = self._finish(replies.masks[place, masks][taken], window, shape=encoded.shape)
                answers[i] = [Answer(m, min(max(iou[t], 0.0), 1.0), s) for t, (m, s) in zip(taken, found, strict=True)]
        return answers

    def _finish(
        self, logits: Float[Tensor, "mask rows columns"], window: Window, *, shape: tuple[int, int]
    ) -> Iterator[tuple[np.ndarray, float]]:
        """Masks of the section, and the stability of each."""
        with torch.inference_mode():
            fine = to_section(logits, window, tile=self.tile)
            high, low = ((fine > edge).sum((1, 2)).double() for edge in (1.0, -1.0))
            stability = torch.where(low > 0, high / low.clamp(min=1), 1.0).tolist()
            masks = (fine > 0).cpu().numpy()
        return ((whole(m, window, shape=shape), s) for m, s in zip(masks, stability, strict=True))


def grouped(prompts: Sequence[Prompt], layout: Layout, *, batch: int) -> Iterator[tuple[Window, list[int]]]:
    """Numbers of the prompts that can be decoded together: on one window, of one kind, with equally many points.

    Nothing is padded: SAM looks at padding too, so an answer would depend on the other prompts.
    """
    groups: dict[tuple[Window, type, int], list[int]] = {}
    for i, prompt in enumerate(prompts):
        points = len(prompt.y) if isinstance(prompt, PointPrompt) else 0
        groups.setdefault((layout.window_of(extent_of(prompt)), type(prompt), points), []).append(i)
    for (window, _, _), members in groups.items():
        for first in range(0, len(members), batch):
            yield window, members[first : first + batch]


def is_one_point(prompt: Prompt) -> bool:
    """Whether a prompt is a single point, which may mean three things."""
    return isinstance(prompt, PointPrompt) and len(prompt.y) == 1


def likeliest_of(iou: list[float]) -> int:
    """Which mask to take: of three the last whose predicted IoU nearly reaches the best of those before it.

    Source: METHOD §4, the three-mask choice: mask 3 if its score > best − 0.05, else mask 2 if > mask 1 − 0.05, else 1.
    """
    if len(iou) != 3:
        return int(np.argmax(iou))
    if iou[2] > max(iou) - NEARLY:
        return 2
    return 1 if iou[1] > iou[0] - NEARLY else 0
