"""Whom a run asks: a teacher on disk, who sees and answers the same in every worker; and what is told of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from savem3.graphcut import Witness
from savem3.prompt import Answer, Prompt, Proposer
from savem3.shipped import AnyTeacher, find_model, read_teacher
from savem3.store.tables import TableFile
from savem3.store.weights import UnusableWeights, Weights
from savem3.teacher import Look, Teacher
from savem3.volume import Image, IntensityMap


@dataclass(frozen=True, slots=True)
class StoredTeacher:
    """A teacher on disk, read by whoever calls this, in whichever process; it looks on one thread.

    Parameters
    ----------
    path
        Its weights file.
    sha256
        The digest that the file must have.
    device
        Where torch computes.
    """

    path: Path
    sha256: str
    device: str = "cpu"

    def __call__(self) -> Teacher:
        """The teacher."""
        return OneThreadTeacher(_read(self))


@dataclass(frozen=True, slots=True)
class StoredPrompter:
    """Who answers prompts: a stored teacher, with the intensity map of a volume; it answers on one thread."""

    teacher: StoredTeacher
    intensity: IntensityMap

    def __call__(self) -> Proposer:
        """The prompter."""
        return OneThreadPrompter(_read(self.teacher).prompter(self.intensity))


@dataclass(frozen=True, slots=True)
class OneThreadTeacher:
    """A teacher that looks on one thread of torch, since last bits may depend on their number; see `one_thread`."""

    teacher: Teacher

    def look_at(self, sections: Float32[np.ndarray, "batch y x"]) -> Look:
        """See `Teacher`."""
        with one_thread():
            return self.teacher.look_at(sections)


@dataclass(frozen=True, slots=True)
class OneThreadPrompter:
    """A prompter that answers on one thread of torch, since last bits may depend on their number."""

    prompter: Proposer

    def ask(self, section: UInt8[np.ndarray, "y x"], prompts: list[Prompt]) -> list[Answer]:
        """See `Proposer`."""
        with one_thread():
            return self.prompter.ask(section, prompts)

    def encode(self, section: UInt8[np.ndarray, "y x"]) -> Any:
        """See `Proposer`."""
        with one_thread():
            return self.prompter.encode(section)

    def answer(self, encoded: Any, prompts: Sequence[Prompt]) -> list[Answer]:
        """See `Proposer`."""
        with one_thread():
            return self.prompter.answer(encoded, prompts)

    def propose(self, encoded: Any, prompts: Sequence[Prompt]) -> list[list[Answer]]:
        """See `Proposer`."""
        with one_thread():
            return self.prompter.propose(encoded, prompts)


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for what torch computes in the calling thread; workers look at sections side by side instead."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def find_witness(name: str, image: Image, intensity: IntensityMap, *, device: str) -> tuple[Witness, Weights]:
    """Who is asked about an image, and the weights record of the teacher.

    Parameters
    ----------
    name
        A shipped teacher, or the path of a weights file.
    image, intensity
        The volume, and its intensity map.
    device
        Where torch computes.

    Raises
    ------
    ValueError
        If the teacher answers no prompts.
    """
    teacher, weights = read_teacher(name)
    teacher.prompter(intensity)
    stored = StoredTeacher(find_model(name).absolute(), weights.sha256, device)
    return Witness(image, stored, StoredPrompter(stored, intensity), intensity), weights


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked in a run.

    Parameters
    ----------
    contacts, of
        Contacts about which there are answers, and all.
    prompts
        That were answered.
    seconds
        That it took; absent where an earlier run answered some.
    """

    contacts: int
    of: int
    prompts: int
    seconds: float | None

    @property
    def text(self) -> str:
        """One line for people."""
        share = 100 * self.contacts / max(1, self.of)
        rate = f", {self.prompts / self.seconds:.0f} prompts/s" if self.seconds and self.prompts else ""
        return f"asked {self.contacts:,} of {self.of:,} contacts ({share:.1f} %){rate}"

    @property
    def facts(self) -> dict[str, object]:
        """Plain values."""
        return {
            "asked_contacts": self.contacts,
            "contacts": self.of,
            "prompts": self.prompts,
            "prompts_per_second": round(self.prompts / self.seconds, 2) if self.seconds else None,
        }


def read_asked(graph: Path, *, seconds: float | None) -> Asked:
    """What was asked, from the graph that a cut left; ``seconds`` are those of the stage ``ask``."""
    table = TableFile(graph)
    answers = table["prompt_answers"][...]
    return Asked(int(np.count_nonzero(answers)), len(answers), int(table["prompts"][0:1][0]), seconds)


@lru_cache(maxsize=1)
def _read(stored: StoredTeacher) -> AnyTeacher:
    """A teacher that a process asks again and again, read once.

    Raises
    ------
    savem3.store.weights.UnusableWeights
        If the file holds another teacher by now.
    """
    teacher, weights = read_teacher(str(stored.path), device=stored.device)
    if weights.sha256 != stored.sha256:
        raise UnusableWeights(f"weights must have digest {stored.sha256}, got {weights.sha256} in '{stored.path}'")
    return teacher
