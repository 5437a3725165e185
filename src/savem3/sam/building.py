"""A SAM from a configuration and its values, checked name by name and shape by shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from savem3.sam.decoding import draw_from_attended
from savem3.sam.names import POSITIONS, TIED
from savem3.sam.tiny_vit import TinyVit, TinyVitShape
from savem3.store.weights import UnusableWeights

TINY_VIT = "tiny_vit"
"""Entry of a configuration that tells the shape of a TinyViT, where one stands in for the encoder of `transformers`."""

FAMILIES = {"sam": ("SamConfig", "SamModel"), "sam_hq": ("SamHQConfig", "SamHQModel")}
"""Names in `transformers`, by the ``model_type`` of a configuration."""

NAMED = 5
"""Values that an error names at most."""


def library() -> Any:
    """`transformers`, imported when a SAM is first needed: it takes seconds.

    Raises
    ------
    ModuleNotFoundError
        If it is not installed.
    """
    try:
        import transformers
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('SAM checkpoints need transformers: pip install "savem3[sam]"') from error
    return transformers


def build(config: Mapping[str, Any]) -> Any:
    """A SAM of a configuration, without values; they come from `fill`.

    Raises
    ------
    UnusableWeights
        If the configuration is not one of SAM or HQ-SAM.
    """
    family = config.get("model_type")
    if family not in FAMILIES:
        raise UnusableWeights(f"model_type must be one of {sorted(FAMILIES)}, got {family}")
    settings, model = (getattr(library(), name) for name in FAMILIES[family])
    try:
        with torch.device("meta"):
            built = model(settings(**config))
            if TINY_VIT in config:
                built.vision_encoder = TinyVit(TinyVitShape.of(config[TINY_VIT]))
    except Exception as error:  # configurations are foreign: transformers raises what it likes
        raise UnusableWeights(
            f"config must describe a SAM or HQ-SAM, got one that cannot be built ({error})"
        ) from error
    return built


def fill(model: Any, values: Mapping[str, Tensor], *, source: str) -> Any:
    """Give a model its values and make it ready to answer.

    Parameters
    ----------
    model
        From `build`.
    values
        By the names of `transformers`; other floating-point numbers become float32.
    source
        What errors call them.

    Raises
    ------
    UnusableWeights
        If a value is missing, unexpected, or of another shape; naming at most five of each.
    """
    given = {**values}
    given.setdefault(TIED, given.get(POSITIONS, torch.empty(0)))
    check(given, expected=model.state_dict(), source=source)
    ready = {name: v.float() if v.is_floating_point() else v for name, v in given.items()}
    model.load_state_dict(ready, assign=True)
    model.prompt_encoder.shared_embedding.positional_embedding = model.shared_image_embedding.positional_embedding
    draw_from_attended(model.mask_decoder)
    return model.eval()


def check(values: Mapping[str, Tensor], *, expected: Mapping[str, Tensor], source: str) -> None:
    """Refuse values that do not fit a model.

    Raises
    ------
    UnusableWeights
        Naming at most five values that are missing, unexpected, or of another shape.
    """
    missing, unexpected = sorted({*expected} - {*values}), sorted({*values} - {*expected})
    if missing or unexpected:
        got = f"{len(missing)} missing {missing[:NAMED]} and {len(unexpected)} unexpected {unexpected[:NAMED]}"
        raise UnusableWeights(f"{source} must hold the values of its model, got {got}")
    other = {n: tuple(v.shape) for n, v in values.items() if v.shape != expected[n].shape}
    if other:
        name = sorted(other)[0]
        raise UnusableWeights(
            f"{name} in {source} must have the shape {tuple(expected[name].shape)}, got {other[name]}; "
            f"{len(other)} values of another shape in all"
        )
