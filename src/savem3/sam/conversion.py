"""From a published ``.pth`` file to a folder as `transformers` keeps them: ``config.json`` and safetensors.

A ``.pth`` file is a pickle, which can run code when it is read. It is read here and nowhere else, once, by torch's
restricted reader, which knows tensors and plain values only; there is no other way if that refuses.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from savem3.sam.building import TINY_VIT, build, fill
from savem3.sam.names import TIED, TINY, renamed, settings_of
from savem3.sam.tiny_vit import TinyVitShape
from savem3.store.durable import write_durably
from savem3.store.weights import UnusableWeights, digest

CONFIG = "config.json"
VALUES = "model.safetensors"


def convert_checkpoint(path: Path, folder: Path, *, image_size: int = 1024) -> None:
    """Write a published checkpoint of SAM, HQ-SAM, MobileSAM or the light HQ-SAM as a folder for `load_sam`.

    Parameters
    ----------
    path
        Such as ``sam_vit_b_01ec64.pth``, ``sam_hq_vit_l.pth``, ``mobile_sam.pt`` or ``sam_hq_vit_tiny.pth``.
    folder
        Where ``config.json`` and ``model.safetensors`` go, with a digest of all values; new or empty.
    image_size
        Edge of a tile; asked for a TinyViT only, whose values do not tell.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileExistsError
        If the folder holds anything.
    savem3.store.weights.UnusableWeights
        If the file cannot be read without running code, or does not hold the values of a SAM.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(f"folder must be new or empty, got {folder}, which holds something")
    published = read_pickled(path)
    config, values = configured(published, image_size=image_size)
    fill(build(config), values, source=path.name)
    folder.mkdir(parents=True, exist_ok=True)
    write_durably(folder / VALUES, _packed(values, source=path.name))
    write_durably(folder / CONFIG, json.dumps(config, indent=2, sort_keys=True).encode())


def configured(published: Mapping[str, Tensor], *, image_size: int) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The configuration of a published checkpoint, and its values by the names of `transformers`.

    Raises
    ------
    UnusableWeights
        If it is not one of a SAM.
    """
    values = renamed(published)
    family = "sam_hq" if "mask_decoder.hq_token.weight" in values else "sam"
    config = {"model_type": family, **settings_of(values, image_size=image_size)}
    if TINY in published:
        config[TINY_VIT] = TinyVitShape(image_size=image_size).settings
    return config, {name: value for name, value in values.items() if name != TIED}


def read_pickled(path: Path) -> dict[str, Tensor]:
    """The tensors of a ``.pth`` file, read without running what it holds.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    UnusableWeights
        If it is damaged, holds objects other than tensors and plain values, or is no table of tensors by name.
    """
    if not path.is_file():
        raise FileNotFoundError(f"path must be a checkpoint (.pth, .pt), got no file {path}")
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what a foreign file makes torch raise has many types; all mean the same
        asked = f"{path} must be a checkpoint that holds tensors alone"
        raise UnusableWeights(
            f"{asked}, got one that torch will not read without running code or that is damaged"
        ) from error
    if not isinstance(values, dict) or not all(isinstance(v, Tensor) for v in values.values()) or not values:
        got = f"a {type(values).__name__} of other things"
        raise UnusableWeights(f"{path} must hold tensors by name, as published, got {got}")
    return {str(name): value for name, value in values.items()}


def _packed(values: Mapping[str, Tensor], *, source: str) -> bytes:
    """As safetensors; `transformers` asks for the format, `load_sam` checks the digest."""
    from safetensors.torch import save

    whole = {name: value.contiguous() for name, value in values.items()}
    sha256 = digest({name: value.numpy() for name, value in whole.items()})
    return save(whole, metadata={"format": "pt", "sha256": sha256, "source": source})
