"""The trained network as a teacher: sections in, maps out; and its weights file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32

from savem3.saem2.network import EMBEDDING_CHANNELS, FEATURE_CHANNELS, Saem2
from savem3.store.weights import Weights, check_names, read_weights, write_weights
from savem3.teacher import Look

ARCHITECTURE = "saem2-tiny"


@dataclass(frozen=True, slots=True)
class Saem2Teacher:
    """A trained network that looks at sections; implements `savem3.teacher.Teacher`.

    Parameters
    ----------
    network
        In evaluation mode.
    device
        Where torch computes.
    """

    network: Saem2
    device: str = "cpu"
    feature_channels: int = FEATURE_CHANNELS
    embedding_channels: int = EMBEDDING_CHANNELS

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


def save_teacher(network: Saem2, path: Path, *, card: dict[str, object]) -> None:
    """Write the network's values with a card that says what trained them."""
    tensors = {name: value.detach().cpu().numpy() for name, value in network.state_dict().items()}
    write_weights(Weights(ARCHITECTURE, tensors, card), path)


def load_teacher(path: Path, *, device: str = "cpu") -> tuple[Saem2Teacher, Weights]:
    """Read a teacher; also its weights record, for the card and the digest.

    Raises
    ------
    savem3.store.weights.UnusableWeights
        If the file is damaged or holds another architecture.
    """
    weights = read_weights(path)
    network = Saem2()
    check_names(weights, expected=set(network.state_dict()), architecture=ARCHITECTURE)
    network.load_state_dict({name: torch.from_numpy(np.asarray(value)) for name, value in weights.tensors.items()})
    return Saem2Teacher(network.to(device).eval(), device), weights
