"""What ships with the package (a student, its teacher, a real crop with its truth), and how models are found."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from savem3.distill import Student, load_student
from savem3.grid import Grid
from savem3.home import refuse_remote, weights_folder
from savem3.resample import Scale, range_of, scale_for
from savem3.saem2 import Saem2Teacher, load_teacher
from savem3.saem2.over_sam import ARCHITECTURE as OVER_SAM
from savem3.saem2.over_sam import PublishedTeacher, base_of, load_published
from savem3.store import open_image, open_labels
from savem3.store.declared import Declared, check_finite, read_declared
from savem3.store.weights import UnusableWeights, Weights
from savem3.volume import Image, Labels

MODELS = Path(__file__).parent / "models"
EXAMPLE = Path(__file__).parent / "example" / "fib25_crop.h5"
STUDENT = "savem3-fast"
TEACHER = "saem2-tiny"

Network = TypeVar("Network")

AnyTeacher = Saem2Teacher | PublishedTeacher
"""Both look at sections and give a prompter."""


def find_model(name: str) -> Path:
    """The weights file of a shipped model, of one in the user's folder, or the one at a path.

    Raises
    ------
    FileNotFoundError
        If it is none of them; the message lists what there is.
    savem3.home.OfflineError
        If it lies on another machine and the network is forbidden.
    """
    refuse_remote(name)
    folders = (MODELS, weights_folder()) if Path(name).name == name else ()
    places = [*(folder / f"{name}.safetensors" for folder in folders), Path(name)]
    for place in places:
        if place.is_file():
            return place
    shipped, own = (sorted(p.stem for p in folder.glob("*.safetensors")) for folder in (MODELS, weights_folder()))
    known = ", ".join(shipped) + (f", or in {weights_folder()}: {', '.join(own)}" if own else "")
    raise FileNotFoundError(f"model must be a shipped one ({known}) or a path of a .safetensors file, got '{name}'")


def read_student(name: str = STUDENT) -> tuple[Student, Weights]:
    """A student by name or path, with its card.

    Raises
    ------
    savem3.store.weights.UnusableWeights
        If its file is damaged or hostile, or holds no student.
    """
    path = find_model(name)
    told = _believable(path)
    student, weights = _fitting(load_student, path, told)
    check_finite(weights.tensors, name=str(path))
    return student, weights


def read_teacher(name: str = TEACHER, *, device: str = "cpu") -> tuple[AnyTeacher, Weights]:
    """A teacher by name or path, with its card; one over a SAM finds that SAM where its card says.

    Raises
    ------
    savem3.store.weights.UnusableWeights
        If its file is damaged or hostile, or holds no teacher.
    """
    path = find_model(name)
    told = _believable(path)
    load: Callable[..., tuple[AnyTeacher, Weights]] = _load_over_sam if told.architecture == OVER_SAM else load_teacher
    teacher, weights = _fitting(partial(load, device=device), path, told)
    check_finite(weights.tensors, name=str(path))
    return teacher, weights


def _load_over_sam(path: Path, *, device: str) -> tuple[PublishedTeacher, Weights]:
    from savem3.sam import load_sam

    base = base_of(path)
    model = None if base is None else load_sam(base, device=device).model
    network, weights = load_published(path, model=model, device=device)
    return PublishedTeacher(network, device, overlap=min(64, network.tile // 16 * 8)), weights


def _believable(path: Path) -> Declared:
    """What a weights file declares, once that is known to be whole and to fit what is done with it."""
    told = read_declared(path)
    check_card(told.card, name=str(path))
    return told


def _fitting(load: Callable[[Path], tuple[Network, Weights]], path: Path, told: Declared) -> tuple[Network, Weights]:
    """A network with its values; whatever does not fit is said of the file."""
    try:
        return load(path)
    except ValueError as error:
        if str(path) in str(error):
            raise
        raise UnusableWeights(f"{path} must be usable here, got: {error}") from error
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        said = " ".join(lines[1:2] or lines)[:200]
        raise UnusableWeights(f"{path} must have the shapes of {told.architecture}, got: {said}") from error


def check_card(card: dict[str, Any], *, name: str) -> None:
    """Refuse a card whose values would be acted on and cannot be.

    Raises
    ------
    savem3.store.weights.UnusableWeights
        Naming the value.
    """
    beta, cutter, outputs = card.get("beta", 0.5), card.get("cutter", "multicut"), card.get("outputs", 1)
    if isinstance(beta, bool) or not isinstance(beta, int | float) or not 0 < beta < 1:
        raise UnusableWeights(f"card of {name} must have beta between 0 and 1, got {str(beta)[:40]!r}")
    if not isinstance(cutter, str):
        raise UnusableWeights(f"card of {name} must name its cutter, got {str(cutter)[:40]!r}")
    if type(outputs) is not int or outputs not in (1, 2):
        raise UnusableWeights(f"card of {name} must have outputs 1 or 2, got {str(outputs)[:40]!r}")
    for key in ("labels", "raw"):
        if not isinstance(card.get(key) or [], list):
            raise UnusableWeights(f"card of {name} must list {key}, got {str(card[key])[:40]!r}")
    try:
        range_of(card.get("voxel_size_nm"))
    except ValueError as error:
        raise UnusableWeights(f"card of {name} is wrong: {error}") from error


def scale_of(resample: Literal["auto", "off"], weights: Weights, grid: Grid) -> Scale:
    """How a model looks at a volume: with voxels as large as it knows them, or as the volume is."""
    return Scale() if resample == "off" else scale_for(grid, seen_nm=range_of(weights.card.get("voxel_size_nm")))


def read_example() -> tuple[Image, Labels]:
    """The bundled crop of FIB-25 sample 2 (z ≥ 130, which trained nothing) and its truth."""
    return open_image(f"{EXAMPLE}:raw"), open_labels(f"{EXAMPLE}:labels")
