"""The models at hand: what each is, where it lies, and whether it is whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal

from savem3.distill.weights import STUDENTS
from savem3.home import weights_folder
from savem3.saem2 import Saem2Teacher
from savem3.saem2.over_sam import ARCHITECTURE as OVER_SAM
from savem3.saem2.teacher import ARCHITECTURE as TEACHER
from savem3.saem2.teacher import PROMPTS
from savem3.shipped import MODELS, find_model, read_student, read_teacher
from savem3.store.declared import Declared, check_finite, read_declared
from savem3.store.weights import UnusableWeights, Weights, read_weights

LARGEST_TENSOR = 2**28
"""Values of one tensor beyond which no architecture here goes."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model at hand.

    Parameters
    ----------
    name
        What commands call it by.
    path
        Its weights file.
    where
        ``shipped`` with the package, ``home`` in the user's folder, or a ``path``.
    told
        What its header says; absent where that cannot be read.
    problem
        Why it cannot be used, a sentence; empty where nothing is known against it.
    """

    name: str
    path: Path
    where: Literal["shipped", "home", "path"]
    told: Declared | None
    problem: str = ""

    @property
    def facts(self) -> dict[str, Any]:
        """Plain values: what a person or a program wants to know before choosing it."""
        plain: dict[str, Any] = {"name": self.name, "where": self.where, "path": str(self.path)}
        if self.told is None:
            return {**plain, "problem": self.problem}
        card = self.told.card
        return {
            **plain,
            "architecture": self.told.architecture,
            "sha256": self.told.sha256,
            "bytes": self.path.stat().st_size,
            "licence": str(card.get("licence", "not stated")),
            "trained_on": trained_on(card),
            "scores": card.get("scores") or {},
        }


def trained_on(card: dict[str, Any]) -> list[str]:
    """The datasets that a card names: those with labels, then those of which only the raw was seen."""
    labels, raw = ([str(name) for name in card.get(key) or []] for key in ("labels", "raw"))
    return list(dict.fromkeys([*labels, *(f"{name} (raw)" for name in raw)]))


def models_at_hand() -> list[Model]:
    """What ships and what lies in the user's folder, by their headers alone; broken ones are named as such."""
    return [*_models_in(MODELS, "shipped"), *_models_in(weights_folder(), "home")]


def _models_in(folder: Path, where: Literal["shipped", "home"]) -> Iterator[Model]:
    for path in sorted(folder.glob("*.safetensors")) if folder.is_dir() else []:
        try:
            yield Model(path.stem, path, where, read_declared(path))
        except (OSError, ValueError) as error:
            yield Model(path.stem, path, where, None, str(error))


def model_called(name: str) -> Model:
    """A model by name or path, with its header.

    Raises
    ------
    FileNotFoundError
        If there is none.
    savem3.store.weights.UnusableWeights
        If its header is damaged or hostile.
    """
    path = find_model(name)
    where: Literal["shipped", "home", "path"] = "path"
    if path.parent == MODELS:
        where = "shipped"
    elif path.parent == weights_folder():
        where = "home"
    return Model(path.stem, path, where, read_declared(path))


def verify_model(name: str) -> Model:
    """Look whether a model is whole: header, card, digest, finite values, and exactly its architecture's keys.

    Raises
    ------
    FileNotFoundError
        If there is none.
    savem3.store.weights.UnusableWeights
        If anything is wrong; the message says what.
    """
    model = model_called(name)
    verify_file(model.path)
    return model


def verify_file(path: Path) -> Weights:
    """Read a weights file and believe nothing; see `verify_model`."""
    told = read_declared(path)
    known = (*STUDENTS, TEACHER, OVER_SAM)
    if told.architecture not in known:
        raise UnusableWeights(f"{path} must be for one of {', '.join(known)}, got {told.architecture}")
    largest = max((prod(shape) for shape in told.shapes.values()), default=0)
    if largest > LARGEST_TENSOR:
        raise UnusableWeights(f"{path} must have at most {LARGEST_TENSOR} values in a tensor, got {largest}")
    if told.architecture == OVER_SAM:  # its keys are known only beside the SAM that it stands on
        weights = read_weights(path)
        check_finite(weights.tensors, name=str(path))
        return weights
    if told.architecture in STUDENTS:
        student, weights = read_student(str(path))
        wanted = student.state_dict()
    else:
        teacher, weights = read_teacher(str(path))
        assert isinstance(teacher, Saem2Teacher)
        decoder = {} if teacher.decoder is None else teacher.decoder.state_dict()
        wanted = {**teacher.network.state_dict(), **{PROMPTS + name: value for name, value in decoder.items()}}
    _check_types(weights, {name: str(value.dtype) for name, value in wanted.items()}, path=path)
    return weights


def _check_types(weights: Weights, wanted: Mapping[str, str], *, path: Path) -> None:
    for name, kind in wanted.items():
        got = str(weights.tensors[name].dtype)
        if kind.removeprefix("torch.") != got:
            raise UnusableWeights(f"{path} must hold '{name}' as {kind.removeprefix('torch.')}, got {got}")
