"""A student's weights file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from savem3.distill.fast import Fast
from savem3.distill.student import Student
from savem3.distill.superhuman import Superhuman
from savem3.store.weights import UnusableWeights, Weights, check_names, read_weights, write_weights

STUDENTS: dict[str, type[Student]] = {"fast": Fast, "superhuman": Superhuman}
"""Every student by the name that commands and model cards use."""


def build_student(name: str, *, outputs: int = 1) -> Student:
    """A fresh student.

    Parameters
    ----------
    name
        A key of `STUDENTS`.
    outputs
        1 for the boundary, 2 for boundary and distance.

    Raises
    ------
    ValueError
        If no student has that name.
    """
    if name not in STUDENTS:
        raise ValueError(f"name must be one of {', '.join(STUDENTS)}, got {name}")
    return STUDENTS[name](outputs=outputs)


def save_student(student: Student, path: Path, *, card: dict[str, object]) -> None:
    """Write a student's values with a card that says what trained it."""
    name = next(name for name, kind in STUDENTS.items() if type(student) is kind)
    tensors = {key: value.detach().cpu().numpy() for key, value in student.state_dict().items()}
    write_weights(Weights(name, tensors, {**card, "outputs": student.outputs}), path)


def load_student(path: Path) -> tuple[Student, Weights]:
    """Read a student; also its weights record, for the card and the digest.

    Raises
    ------
    savem3.store.weights.UnusableWeights
        If the file is damaged or holds no student.
    """
    weights = read_weights(path)
    outputs = weights.card.get("outputs", 1)
    student = build_student(weights.architecture, outputs=int(str(outputs)))
    check_names(weights, expected=set(student.state_dict()), architecture=weights.architecture)
    student.load_state_dict({name: torch.from_numpy(np.asarray(value)) for name, value in weights.tensors.items()})
    return student.eval(), weights


@dataclass(frozen=True, slots=True)
class StoredStudent:
    """A student on disk, read by whoever calls this, in whichever process.

    Parameters
    ----------
    path
        Its weights file.
    sha256
        The digest that the file must have.
    """

    path: Path
    sha256: str

    def __call__(self) -> Student:
        """The student.

        Raises
        ------
        savem3.store.weights.UnusableWeights
            If the file holds another student by now.
        """
        student, weights = load_student(self.path)
        if weights.sha256 != self.sha256:
            raise UnusableWeights(f"weights must have digest {self.sha256}, got {weights.sha256} in '{self.path}'")
        return student
