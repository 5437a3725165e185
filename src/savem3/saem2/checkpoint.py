"""A training run that can be cut off: its values, running mean and optimiser in one safetensors file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from savem3.saem2.recipe import TrainRecipe
from savem3.store.weights import Weights, check_names, read_weights, write_weights

ARCHITECTURE = "training run"

Values = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Kept:
    """Where a run stands.

    Parameters
    ----------
    step
        Steps that were taken.
    values
        Of the learner: what it learns and all else.
    mean
        The running mean of what it learns.
    states
        The optimiser's values for each of them.
    """

    step: int
    values: Values
    mean: Values
    states: dict[str, Values]


def keep(kept: Kept, path: Path, *, recipe: TrainRecipe) -> None:
    """Write where a run stands; a reader never sees a half-written file."""
    named = {f"value {name}": v for name, v in kept.values.items()} | {f"mean {n}": v for n, v in kept.mean.items()}
    named |= {f"{slot} {name}": v for name, state in kept.states.items() for slot, v in state.items()}
    card: dict[str, object] = {"step": kept.step, "recipe": _plain(recipe)}
    tensors = {name: value.detach().cpu().contiguous().numpy() for name, value in named.items()}
    write_weights(Weights(ARCHITECTURE, tensors, card), path)


def read_kept(path: Path, *, recipe: TrainRecipe, names: set[str]) -> Kept:
    """Read where a run stands.

    Parameters
    ----------
    path
        As `keep` wrote it.
    recipe
        Of the run that wants to go on.
    names
        Of the learner's values.

    Raises
    ------
    ValueError
        If the file is damaged, or is of another recipe or another learner; the message names what differs.
    """
    weights = read_weights(path)
    was, now = dict(weights.card["recipe"]), _plain(recipe)  # type: ignore[call-overload]
    if changed := sorted(name for name in now if was.get(name) != now[name]):
        told = ", ".join(f"{name} ({was.get(name)} then, {now[name]} now)" for name in changed)
        raise ValueError(
            f"{path.name} must be of the same recipe to go on from, got other {told}; remove it to begin anew"
        )
    groups: dict[str, Values] = {}
    for name, value in weights.tensors.items():
        group, own = name.split(" ", 1)
        groups.setdefault(group, {})[own] = torch.from_numpy(value.copy())
    values, mean = groups.pop("value", {}), groups.pop("mean", {})
    check_names(
        Weights(ARCHITECTURE, {n: v.numpy() for n, v in values.items()}), expected=names, architecture=ARCHITECTURE
    )
    states = {name: {slot: group[name] for slot, group in groups.items() if name in group} for name in mean}
    return Kept(int(str(weights.card["step"])), values, mean, states)


def _plain(recipe: TrainRecipe) -> dict[str, Any]:
    """As JSON gives it back."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(recipe).items()}
