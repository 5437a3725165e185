"""The weights file of SAEM² over SAM: what it learned, and which SAM it stands on; or everything."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from savem3.saem2.over_sam.embeddings import digest_of
from savem3.saem2.over_sam.network import Saem2OverSam
from savem3.sam.building import build, fill
from savem3.store.weights import UnusableWeights, Weights, check_names, read_weights, write_weights

ARCHITECTURE = "saem2-over-sam"

MODEL = "model."
"""Names of the SAM's values begin with this."""

SETTINGS = ("base", "fusing", "heads_see_prompts", "hq_only", "train_encoder", "train_decoder")


def base_digest(network: Saem2OverSam) -> str:
    """SHA-256 over all values that the network has from the SAM that it stands on."""
    return digest_of(network, without=network.own_names)


def save_published(network: Saem2OverSam, path: Path, *, card: dict[str, object], whole: bool = False) -> None:
    """Write what the network learned, and the name and digest of the SAM that it stands on.

    Parameters
    ----------
    network
        Trained or not.
    path
        An older file there is replaced.
    card
        What trained it; plain JSON values.
    whole
        Write SAM's values and configuration too, so that the file stands alone.

    Raises
    ------
    ValueError
        If the whole is asked for, but the model's configuration does not describe its encoder.
    """
    told = {**card, "settings": {name: getattr(network, name) for name in SETTINGS}, "sam": base_digest(network)}
    if whole:
        config = told["config"] = network.model.config.to_dict()
        if {*build(config).state_dict()} != {*network.model.state_dict()}:
            got = type(network.model.vision_encoder).__name__
            raise ValueError(f"network must be described by its configuration to be written whole, got {got}")
    names = {*network.state_dict()} if whole else network.own_names
    values = {name: value.detach().cpu().numpy() for name, value in network.state_dict().items() if name in names}
    write_weights(Weights(ARCHITECTURE, values, told), path)


def base_of(path: Path) -> str | None:
    """Name or folder of the SAM that a file stands on; None for one that stands alone."""
    card: Any = read_weights(path).card
    return None if "config" in card else str(card["settings"]["base"])


def load_published(path: Path, *, model: Any = None, device: str = "cpu") -> tuple[Saem2OverSam, Weights]:
    """Read a network, in evaluation mode; also its weights record, for card and digest.

    Parameters
    ----------
    path
        As `save_published` wrote it.
    model
        The SAM or HQ-SAM that it stands on (it is used, not copied); absent for a file that stands alone.
    device
        Where torch shall compute.

    Raises
    ------
    savem3.store.weights.UnusableWeights
        If the file is damaged, holds another architecture, or stands on another SAM.
    ValueError
        If the file does not stand alone and no SAM is given.
    """
    weights = read_weights(path)
    if weights.architecture != ARCHITECTURE:
        raise UnusableWeights(f"weights must be for {ARCHITECTURE}, got {weights.architecture}")
    settings: Any = weights.card["settings"]
    config: Any = weights.card.get("config")
    values = {name: torch.from_numpy(np.array(value)) for name, value in weights.tensors.items()}
    if config is not None:
        model = _whole_model(config, values, source=path.name)
    elif model is None:
        raise ValueError(f"model must be {settings['base']}, the SAM that {path.name} stands on, got none")
    network = Saem2OverSam(model, **settings)
    names = network.own_names if config is None else {*network.state_dict()}
    check_names(weights, expected=names, architecture=ARCHITECTURE)
    if config is None and (got := base_digest(network)) != weights.card["sam"]:
        asked = f"{settings['base']}, with digest {weights.card['sam']}"
        raise UnusableWeights(f"model must be the SAM that {path.name} stands on ({asked}), got one with digest {got}")
    network.load_state_dict(values, strict=False)
    return network.to(device).eval(), weights


def _whole_model(config: Mapping[str, Any], values: Mapping[str, Tensor], *, source: str) -> Any:
    """The SAM of a file that stands alone; numpy kept its single numbers as arrays of one."""
    empty = build(config)
    single = {name for name, value in empty.state_dict().items() if value.ndim == 0}
    own = {name.removeprefix(MODEL): value for name, value in values.items() if name.startswith(MODEL)}
    return fill(empty, {n: v[0] if n in single and v.ndim else v for n, v in own.items()}, source=source)
