"""What decides every byte of a run: the input, the models, the settings, the program. Two runs alike in it are one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from savem3 import __version__
from savem3.blocks import Survey
from savem3.graphcut import AskRecipe, EnergyRecipe, PromptRecipe
from savem3.grid import Grid
from savem3.oversegment import OversegmentRecipe
from savem3.pipeline import Settings
from savem3.predict import PredictRecipe, choose_backend
from savem3.resample import Scale

LIBRARIES = ("numba", "numpy", "openvino", "tensorstore", "torch")
"""Packages of whose versions the bytes may depend."""

Identity = dict[str, Any]


def identity_of(
    grid: Grid,
    seen: Survey,
    *,
    settings: Settings,
    models: Mapping[str, str],
    adapt_steps: int | str,
    calibrates: bool = False,
) -> Identity:
    """Plain JSON values that name all that decides a run's bytes.

    Parameters
    ----------
    grid, seen
        Of the input.
    settings
        All choices; threads change nothing and are left out.
    models
        SHA-256 by name.
    adapt_steps
        Steps of training on this volume, or in words what decides how many.
    calibrates
        Whether where to cut is chosen on this volume; the β of the settings is then that of the model.
    """
    backend, device = choose_backend("auto", device=settings.device)
    computing = {"backend": backend, "device": device}
    chosen = {name: value for name, value in asdict(settings).items() if name not in ("threads", "device")}
    identity = {
        "program": {"savem3": __version__, "code": digest_of_code(), **versions()},
        "input": {**asdict(grid), "sha256": seen.sha256},
        "models": dict(models),
        "settings": {**chosen, "adapt_steps": adapt_steps, "calibrates": calibrates, **computing},
    }
    plain: Identity = json.loads(json.dumps(identity))
    return plain


def outputs_of(identity: Identity) -> tuple[Grid, Settings]:
    """The grid and the settings of a run, from what its run.json says of it.

    Raises
    ------
    ValueError
        If the record is not one of this version's.
    """
    try:
        place, plain = identity["input"], identity["settings"]
        grid = Grid(*(_tuple(place[name]) for name in ("shape", "voxel_size", "origin")))
        predict = PredictRecipe(**{name: _tuple(value) for name, value in plain["predict"].items()})
        oversegment = OversegmentRecipe(**plain["oversegment"])
        block, asked = _tuple(plain["block"]), plain["prompts"]
        prompts = PromptRecipe(AskRecipe(**asked["ask"]), EnergyRecipe(**asked["weights"]), asked["energy"])
        settings = Settings(plain["beta"], plain["cutter"], predict=predict, oversegment=oversegment, block=block)
        scale = Scale(**{name: _tuple(value) for name, value in plain["scale"].items()})
        return grid, replace(settings, prompts=prompts, scale=scale)
    except (KeyError, TypeError) as error:
        raise ValueError(f"run must hold a record that this version wrote, got: {error!r}") from error


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def digest_of(identity: Identity) -> str:
    """SHA-256 of an identity, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def differences(before: Identity, now: Identity) -> list[str]:
    """What changed, a phrase each: ``settings.beta was 0.4 and is 0.5``."""
    old, new = dict(_flat(before)), dict(_flat(now))
    keys = [*old, *(key for key in new if key not in old)]
    return [
        f"{key} was {_short(old.get(key))} and is {_short(new.get(key))}"
        for key in keys
        if old.get(key) != new.get(key)
    ]


def versions() -> dict[str, str]:
    """Versions of the libraries that compute; ``absent`` where one is not installed."""
    return {name: _version(name) for name in LIBRARIES}


@cache
def digest_of_code() -> str:
    """SHA-256 of this package's source, so that a changed program is noticed even under the same version."""
    total, root = hashlib.sha256(), Path(__file__).parent
    for file in sorted(root.rglob("*.py")):
        total.update(f"{file.relative_to(root).as_posix()}\n".encode())
        total.update(file.read_bytes())
    return total.hexdigest()


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def _flat(content: Mapping[str, Any], *, above: str = "") -> Iterator[tuple[str, object]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, above=f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _short(value: object) -> str:
    text = "absent" if value is None else str(value)
    return text if len(text) <= 24 else f"{text[:12]}…"
