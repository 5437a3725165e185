"""A student as a package of the BioImage Model Zoo: one zip that its programs can run.

Source: the model description of bioimage.io, format 0.5. Its weights are ONNX, which holds no code: the format's state
dict of torch is a pickle to the programs that read it. Our choices: an input's own 1st and 99th percentile stand for
those of the whole volume, the halo is half of what patches share in `savem3.predict`, and the description is JSON,
which is YAML as well.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Num

from savem3.export.blueprints import RAW, draw_student
from savem3.export.onnx import OPERATOR_SET
from savem3.resample import range_of
from savem3.store.weights import Weights, read_weights

FORMAT_VERSION = "0.5.4"

SMALLEST = {"z": 16, "y": 64, "x": 64}
"""Voxels of the smallest input."""
STEP = {"z": 1, "y": 8, "x": 8}
"""By how much more an input may have."""
HALO = {"z": 3, "y": 24, "x": 24}
"""Voxels at each side of an output that see less than they should."""

LICENCES = (
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC-BY-4.0",
    "CC-BY-NC-SA-4.0",
    "CC-BY-SA-4.0",
    "CC0-1.0",
    "MIT",
)
"""What a card's licence may begin with to be named in the description."""

SUMMARY = "Membranes between neurons in volume electron microscopy: the 3D student {architecture} of savem3."

METHOD = {
    "text": "Zhai et al. (2024), SAvEM3: Pretrained and Distilled Models for General-purpose 3D Neuron Reconstruction",
    "doi": "10.1109/BIBM62325.2024.10822494",
}
"""The paper whose method trains students."""


def prepare(raw: Num[np.ndarray, "1 1 z y x"]) -> Float32[np.ndarray, "1 1 z y x"]:
    """Grey values as a student sees them, as a reader of the description makes them: −1 and 1 at two percentiles."""
    low, high = np.percentile(raw.astype(np.float32), [1.0, 99.0])
    return (np.clip((raw.astype(np.float32) - low) / (high - low + 1e-6), -0.2, 1.2) * 2 - 1).astype(np.float32)


def write_bioimageio(
    student: Path,
    path: Path,
    *,
    name: str,
    raw: Num[np.ndarray, "1 1 z y x"],
    boundary: Float32[np.ndarray, "1 1 z y x"],
    author: str | None = None,
) -> None:
    """Write a package.

    Parameters
    ----------
    student
        Its weights file, which goes along as it is.
    path
        A new ``.zip``; see `savem3.store.completed`.
    name
        Of the model: 5 to 64 letters, digits, spaces and any of ``_+-()``.
    raw, boundary
        A test input, as it was recorded, and what the student answers to `prepare` of it.
    author
        Who made the model; nobody is named otherwise.

    Raises
    ------
    ValueError
        If the name has other characters, the test input is too small, or the file holds no student.
    """
    if not re.fullmatch(r"[A-Za-z0-9_+\-() ]{5,64}", name):
        raise ValueError(f"name must be 5 to 64 letters, digits, spaces and any of _+-(), got '{name}'")
    _refuse_size(raw.shape[2:])
    weights = read_weights(student)
    network, out = draw_student(weights)
    files = {
        "weights.onnx": network,
        "student.safetensors": student.read_bytes(),
        "test_input.npy": _array(raw.astype(np.float32)),
        "test_output.npy": _array(boundary),
        "cover.png": _cover(raw, boundary),
        "README.md": _read_me(weights, name).encode(),
        "card.json": json.dumps(weights.card, indent=1, sort_keys=True, ensure_ascii=False).encode(),
    }
    described = _description(weights, files, name=name, out=out, author=author)
    files["rdf.yaml"] = json.dumps(described, indent=1, ensure_ascii=False).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as package:
        for inside in sorted(files):
            package.writestr(zipfile.ZipInfo(inside), files[inside], zipfile.ZIP_DEFLATED)


def _description(
    weights: Weights, files: Mapping[str, bytes], *, name: str, out: str, author: str | None
) -> dict[str, Any]:
    """What is in rdf.yaml."""

    def file(inside: str) -> dict[str, str]:
        return {"source": inside, "sha256": sha256(files[inside]).hexdigest()}

    licence = _licence(weights)
    return {
        "type": "model",
        "format_version": FORMAT_VERSION,
        "name": name,
        "description": SUMMARY.format(architecture=weights.architecture),
        "authors": [{"name": author}] if author else [],
        **({"license": licence} if licence else {}),
        "covers": [file("cover.png")],
        "documentation": file("README.md"),
        "cite": [METHOD],
        "attachments": [file("student.safetensors"), file("card.json")],
        "tags": ["electron-microscopy", "3d", "neurons", "membrane", "segmentation", "onnx"],
        "inputs": [_input(weights, file("test_input.npy"))],
        "outputs": [_output(weights, out, file("test_output.npy"))],
        "weights": {"onnx": {**file("weights.onnx"), "opset_version": OPERATOR_SET}},
        "config": {"savem3": {"architecture": weights.architecture, "sha256": weights.sha256, "card": weights.card}},
    }


def _input(weights: Weights, test: dict[str, str]) -> dict[str, Any]:
    """The input: grey values in any unit, scaled by their percentiles."""
    space = [
        {**_length(axis, weights), "size": {"min": SMALLEST[axis], "step": STEP[axis]}, "concatenable": True}
        for axis in "zyx"
    ]
    return {
        "id": RAW,
        "description": "grey values; membranes dark",
        "axes": [{"type": "batch"}, {"type": "channel", "channel_names": ["grey"]}, *space],
        "data": {"type": "float32"},
        "test_tensor": test,
        "preprocessing": [
            {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}},
            {"id": "scale_range", "kwargs": {"min_percentile": 1.0, "max_percentile": 99.0}},
            {"id": "clip", "kwargs": {"min": -0.2, "max": 1.2}},
            {"id": "scale_linear", "kwargs": {"gain": 2.0, "offset": -1.0}},
            {"id": "ensure_dtype", "kwargs": {"dtype": "float32"}},
        ],
    }


def _output(weights: Weights, out: str, test: dict[str, str]) -> dict[str, Any]:
    """The output: membrane probability, on the input's voxels."""
    space = [
        {**_length(axis, weights), "size": {"tensor_id": RAW, "axis_id": axis}, "halo": HALO[axis]} for axis in "zyx"
    ]
    return {
        "id": out,
        "description": "membrane probability, 0 to 1",
        "axes": [{"type": "batch"}, {"type": "channel", "channel_names": ["membrane"]}, *space],
        "data": {"type": "float32", "range": [0.0, 1.0]},
        "test_tensor": test,
    }


def _length(axis: str, weights: Weights) -> dict[str, Any]:
    """A spatial axis, with the largest voxels that the student knows."""
    nm = range_of(weights.card.get("voxel_size_nm"))[1]
    return {"type": "space", "id": axis, "unit": "nanometer", "scale": nm}


def _licence(weights: Weights) -> str | None:
    """The licence that the card's words begin with, where it is one of `LICENCES`."""
    first = str(weights.card.get("licence") or "").split(";")[0].strip()
    return first if first in LICENCES else None


def _read_me(weights: Weights, name: str) -> str:
    """What a person reads first."""
    card = weights.card
    nm = range_of(card.get("voxel_size_nm"))
    trained = [f"- {kind}: {', '.join(map(str, _listed(card.get(kind)))) or 'none'}" for kind in ("labels", "raw")]
    lines = [
        f"# {name}",
        SUMMARY.format(architecture=weights.architecture),
        f"It knows voxels of {nm[0]:g} to {nm[1]:g} nm. It gives the membrane probability of each voxel; "
        "`savem3` makes neurons of it.",
        f"Licence: {card.get('licence') or 'not stated'}. SHA-256 of the values: `{weights.sha256}`.",
        "## What trained it",
        "\n".join([*trained, f"- teacher: {', '.join(_teachers(card)) or 'none'}"]),
        "`card.json` is its whole card, `student.safetensors` the student for savem3.",
        "## Validation",
        "Scores on its card (VoI in bits, lower is better): "
        f"`{json.dumps(card.get('scores') or {}, ensure_ascii=False)}`. To validate it on other data, reconstruct a "
        "volume that has a dense truth with `savem3 reconstruct --model` and compare with `savem3 score`.",
        "## Where it differs from savem3",
        "Grey values are scaled by the percentiles of what is given at once, in savem3 by those of the whole volume. "
        "savem3 also averages three directions where voxels are isotropic.",
    ]
    return "\n\n".join(lines) + "\n"


def _teachers(card: Mapping[str, object]) -> list[str]:
    """The teachers of all runs, earlier ones included."""
    runs = [*(run for run in _listed(card.get("earlier_runs")) if isinstance(run, dict)), card]
    return sorted({str(run["teacher"]) for run in runs if run.get("teacher")})


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []


def _refuse_size(shape: tuple[int, ...]) -> None:
    for axis, n in zip("zyx", shape, strict=True):
        if n < SMALLEST[axis] or (n - SMALLEST[axis]) % STEP[axis]:
            raise ValueError(f"raw must have {SMALLEST[axis]} + n × {STEP[axis]} voxels along {axis}, got {n}")


def _array(values: Float32[np.ndarray, "..."]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(values), allow_pickle=False)
    return buffer.getvalue()


def _cover(raw: Num[np.ndarray, "1 1 z y x"], boundary: Float32[np.ndarray, "1 1 z y x"]) -> bytes:
    """The middle section of the test input beside the answer, twice as wide as high."""
    from PIL import Image as Picture

    middle = raw.shape[2] // 2
    grey = np.clip((prepare(raw)[0, 0, middle] + 1) / 2, 0, 1)
    side = min(grey.shape)
    both = np.hstack([grey[:side, :side], boundary[0, 0, middle, :side, :side]])
    buffer = io.BytesIO()
    picture = Picture.fromarray(np.rint(both * 255).astype(np.uint8))
    picture.resize((512, 256), Picture.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()
