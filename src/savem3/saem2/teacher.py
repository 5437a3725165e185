"""The trained network as a teacher: sections in, maps out; and its weights file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32

from savem3.saem2.network import EMBEDDING_CHANNELS, FEATURE_CHANNELS, Saem2
from savem3.saem2.prompter import Saem2Prompter
from savem3.saem2.prompts import PromptDecoder
from savem3.store.weights import Weights, check_names, read_weights, write_weights
from savem3.teacher import Look
from savem3.volume import IntensityMap

ARCHITECTURE = "saem2-tiny"
PROMPTS = "prompts."
"""Names of the prompt decoder's values begin with this."""


@dataclass(frozen=True, slots=True)
class Saem2Teacher:
    """A trained network that looks at sections; implements `savem3.teacher.Teacher`.

    Parameters
    ----------
    network
        In evaluation mode.
    device
        Where torch computes.
    decoder
        Answers prompts; absent where none was trained.
    """

    network: Saem2
    device: str = "cpu"
    feature_channels: int = FEATURE_CHANNELS
    embedding_channels: int = EMBEDDING_CHANNELS
    decoder: PromptDecoder | None = None

    def look_at(self, sections: Float32[np.ndarray, "batch y x"]) -> Look:
        """Boundary, distance, feature and embedding of sections of grey values in −1…1, y and x multiples of 8.

        Raises
        ------
        ValueError
            If y or x is not a multiple of 8.
        """
        if sections.shape[1] % 8 or sections.shape[2] % 8:
            raise ValueError(f"sections must be multiples of 8 pixels along y and x, got {sections.shape[1:]}")
        with torch.inference_mode():
            heads = self.network(torch.from_numpy(np.ascontiguousarray(sections)).to(self.device))
        boundary, distance = heads.boundary.sigmoid(), heads.distance.sigmoid()
        maps = (boundary, distance, heads.feature, heads.embedding)
        boundary, distance, feature, embedding = (m.float().cpu().numpy() for m in maps)
        return Look(boundary, distance, feature, embedding)

    def prompter(self, intensity: IntensityMap) -> Saem2Prompter:
        """Who answers prompts on sections of a volume with this intensity map.

        Raises
        ------
        ValueError
            If no prompt decoder was trained.
        """
        if self.decoder is None:
            raise ValueError("teacher must have a prompt decoder to answer prompts, got one without; train_prompts it")
        return Saem2Prompter(self.network, self.decoder, intensity, self.device)


def save_teacher(network: Saem2, path: Path, *, card: dict[str, object], decoder: PromptDecoder | None = None) -> None:
    """Write the network's values, and a prompt decoder's, with a card that says what trained them."""
    values = dict(network.state_dict())
    if decoder is not None:
        values |= {PROMPTS + name: value for name, value in decoder.state_dict().items()}
    tensors = {name: value.detach().cpu().numpy() for name, value in values.items()}
    write_weights(Weights(ARCHITECTURE, tensors, card), path)


def load_teacher(path: Path, *, device: str = "cpu") -> tuple[Saem2Teacher, Weights]:
    """Read a teacher, with its prompt decoder if the file has one; also its weights record, for card and digest.

    Raises
    ------
    savem3.store.weights.UnusableWeights
        If the file is damaged or holds another architecture.
    """
    weights = read_weights(path)
    network = Saem2()
    decoder = PromptDecoder() if any(name.startswith(PROMPTS) for name in weights.tensors) else None
    names = {PROMPTS + name for name in decoder.state_dict()} if decoder is not None else set()
    check_names(weights, expected=set(network.state_dict()) | names, architecture=ARCHITECTURE)
    values = {name: torch.from_numpy(np.asarray(value)) for name, value in weights.tensors.items()}
    network.load_state_dict({name: value for name, value in values.items() if name not in names})
    if decoder is not None:
        decoder.load_state_dict({name.removeprefix(PROMPTS): values[name] for name in names})
        decoder = decoder.to(device).eval()
    return Saem2Teacher(network.to(device).eval(), device, decoder=decoder), weights
