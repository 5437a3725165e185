"""The students as ONNX: each network once more, in the words of that format, from the names of its values alone.

Folding 2 × 2 voxels into channels is a convolution with ones and zeros there, so that any length of y and x fits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from savem3.export.onnx import Blueprint
from savem3.store.weights import Weights

RAW = "raw"
"""Name of the input: grey values as the student sees them."""

AXES = ("batch", 1, "z", "y", "x")
HALF = (1, 2, 2)


def draw_student(weights: Weights) -> tuple[bytes, str]:
    """A student as the bytes of an ONNX file, grey values in, membrane probability out; the name of its output.

    Parameters
    ----------
    weights
        The student's values.

    Raises
    ------
    ValueError
        If these are no student's.
    """
    if weights.architecture not in BLUEPRINTS:
        raise ValueError(f"weights must be for one of {', '.join(BLUEPRINTS)}, got {weights.architecture}")
    plan = Blueprint(weights.tensors)
    out = plan.add("Sigmoid", [BLUEPRINTS[weights.architecture](plan, RAW)])
    about = f"savem3 student {weights.architecture}, values {weights.sha256}"
    return plan.encode(weights.architecture, enters=RAW, leaves=out, axes=AXES, about=about), out


def _fast(plan: Blueprint, raw: str) -> str:
    x = _convolve(plan, _fold(plan, raw), "stem")
    skips = []
    for level in range(3):
        x = _fast_block(plan, x if level == 0 else _pool(plan, x), f"down.{level}")
        skips.append(x)
    for step, skip in enumerate(skips[-2::-1]):
        grown = _repeat(plan, _convolve(plan, x, f"narrow.{step}"))
        x = _fast_block(plan, plan.add("Add", [grown, skip]), f"up.{step}")
    return _unfold(plan, _convolve(plan, x, "out", first=4))


def _fast_block(plan: Blueprint, x: str, name: str) -> str:
    skip = plan.add("Relu", [_norm(plan, _convolve(plan, x, f"{name}.enter"), f"{name}.enter_norm")])
    inner = _norm(plan, _convolve(plan, skip, f"{name}.one"), f"{name}.one_norm")
    return plan.add("Relu", [plan.add("Add", [skip, inner])])


def _superhuman(plan: Blueprint, raw: str) -> str:
    x = plan.add("Elu", [_convolve(plan, raw, "first")])
    skips = []
    for level in range(4):
        x = _residual(plan, x if level == 0 else _pool(plan, x), f"down.{level}")
        skips.append(x)
    for step, skip in enumerate(skips[-2::-1]):
        grown = _convolve(plan, _spread(plan, x, f"grow.{step}.spread"), f"grow.{step}.mix")
        joined = _norm(plan, plan.add("Concat", [grown, skip], {"axis": 1}), f"mix.{step}")
        x = _residual(plan, plan.add("Elu", [joined]), f"up.{step}")
    return _convolve(plan, plan.add("Elu", [_convolve(plan, x, "last")]), "out", first=1)


def _residual(plan: Blueprint, x: str, name: str) -> str:
    skip = plan.add("Elu", [_norm(plan, _convolve(plan, x, f"{name}.enter"), f"{name}.enter_norm")])
    inner = plan.add("Elu", [_norm(plan, _convolve(plan, skip, f"{name}.one"), f"{name}.one_norm")])
    both = plan.add("Add", [skip, _convolve(plan, inner, f"{name}.two")])
    return plan.add("Elu", [_norm(plan, both, f"{name}.two_norm")])


BLUEPRINTS: Mapping[str, Callable[[Blueprint, str], str]] = {"fast": _fast, "superhuman": _superhuman}
"""Membrane logits from raw, for each student."""


def _convolve(plan: Blueprint, x: str, name: str, *, first: int | None = None) -> str:
    """A convolution that keeps the size; ``first`` leaves the other outputs out."""
    kernel = plan.given[f"{name}.weight"].shape[2:]
    around = tuple((n - 1) // 2 for n in kernel)
    parts = [part for part in ("weight", "bias") if f"{name}.{part}" in plan.given]
    inputs = [x, *(plan.keep(f"{name}.{part}", first=first) for part in parts)]
    return plan.add("Conv", inputs, {"kernel_shape": tuple(kernel), "pads": around * 2})


def _norm(plan: Blueprint, x: str, name: str) -> str:
    values = [plan.keep(f"{name}.{part}") for part in ("weight", "bias", "running_mean", "running_var")]
    return plan.add("BatchNormalization", [x, *values], {"epsilon": 1e-5})


def _pool(plan: Blueprint, x: str) -> str:
    return plan.add("MaxPool", [x], {"kernel_shape": HALF, "strides": HALF})


def _repeat(plan: Blueprint, x: str) -> str:
    """Every voxel twice along y and x."""
    scales = plan.constant("twice", np.array([1, 1, *HALF], np.float32))
    how = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return plan.add("Resize", [x, "", scales], how)


def _spread(plan: Blueprint, x: str, name: str) -> str:
    """A depthwise transposed convolution."""
    settings = {"group": plan.given[f"{name}.weight"].shape[0], "kernel_shape": HALF, "strides": HALF}
    return plan.add("ConvTranspose", [x, plan.keep(f"{name}.weight"), plan.keep(f"{name}.bias")], settings)


def _fold(plan: Blueprint, x: str) -> str:
    return plan.add("Conv", [x, _picks(plan)], {"kernel_shape": HALF, "strides": HALF})


def _unfold(plan: Blueprint, x: str) -> str:
    return plan.add("ConvTranspose", [x, _picks(plan)], {"kernel_shape": HALF, "strides": HALF})


def _picks(plan: Blueprint) -> str:
    """Four kernels, each of which takes one of 2 × 2 voxels."""
    return plan.constant("picks", np.eye(4, dtype=np.float32).reshape(4, 1, *HALF))
