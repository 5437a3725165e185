"""What ships with the package: a student, its teacher, and a real crop with its truth."""

from __future__ import annotations

from pathlib import Path

from savem3.distill import Student, load_student
from savem3.saem2 import Saem2Teacher, load_teacher
from savem3.saem2.over_sam import ARCHITECTURE as OVER_SAM
from savem3.saem2.over_sam import PublishedTeacher, base_of, load_published
from savem3.store import open_image, open_labels
from savem3.store.weights import Weights, architecture_of
from savem3.volume import Image, Labels

MODELS = Path(__file__).parent / "models"
EXAMPLE = Path(__file__).parent / "example" / "fib25_crop.h5"
STUDENT = "savem3-fast"
TEACHER = "saem2-tiny"

AnyTeacher = Saem2Teacher | PublishedTeacher
"""Both look at sections and give a prompter."""


def find_model(name: str) -> Path:
    """The weights file of a shipped model, or the one at a path.

    Raises
    ------
    FileNotFoundError
        If it is neither; the message lists what ships.
    """
    shipped = MODELS / f"{name}.safetensors"
    if shipped.is_file():
        return shipped
    if Path(name).is_file():
        return Path(name)
    known = ", ".join(sorted(p.stem for p in MODELS.glob("*.safetensors")))
    raise FileNotFoundError(f"model must be a shipped one ({known}) or a path of a .safetensors file, got '{name}'")


def read_student(name: str = STUDENT) -> tuple[Student, Weights]:
    """A student by name or path, with its card."""
    return load_student(find_model(name))


def read_teacher(name: str = TEACHER, *, device: str = "cpu") -> tuple[AnyTeacher, Weights]:
    """A teacher by name or path, with its card; one over a SAM finds that SAM where its card says."""
    path = find_model(name)
    if architecture_of(path) != OVER_SAM:
        return load_teacher(path, device=device)
    from savem3.sam import load_sam

    base = base_of(path)
    model = None if base is None else load_sam(base, device=device).model
    network, weights = load_published(path, model=model, device=device)
    return PublishedTeacher(network, device, overlap=min(64, network.tile // 16 * 8)), weights


def read_example() -> tuple[Image, Labels]:
    """The bundled crop of FIB-25 sample 2 (z ≥ 130, which trained nothing) and its truth."""
    return open_image(f"{EXAMPLE}:raw"), open_labels(f"{EXAMPLE}:labels")
