"""A student becomes a function from patches to membrane probability, compiled for the device it will run on."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import deepcopy
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float32
from torch import nn

from savem3.grid import Shape
from savem3.predict.recipe import Precision

Patches = Float32[np.ndarray, "batch 1 z y x"]
Network = Callable[[Patches], Patches]
"""From grey values in −1…1 to membrane probability 0–1, for one fixed batch and patch."""
Backend = Literal["auto", "openvino", "torch"]


def compile_network(
    student: nn.Module,
    *,
    batch: int,
    patch: Shape,
    backend: Backend = "auto",
    device: str = "auto",
    threads: int = 1,
    precision: Precision = "float32",
) -> Network:
    """Make a student ready to predict, in evaluation mode; the student itself is left as it is.

    The answer for a patch depends neither on ``threads`` nor on the other patches of its batch (a test says so); it
    does depend on backend, device and precision. Several threads may call the function; they take turns.

    Parameters
    ----------
    student
        Takes float32 (batch, 1, z, y, x), gives boundary logits of the same shape.
    batch, patch
        The one input shape.
    backend
        "openvino" or "torch"; "auto" takes OpenVINO on a CPU where it is installed.
    device
        "cpu", "cuda", "mps" or another device of torch; "auto" takes CUDA where there is a device.
    threads
        CPU threads of one call. OpenVINO shares a patch among them; torch gives each a patch of its own, so that
        ``batch`` should be at least as many.
    precision
        What products are taken in.

    Raises
    ------
    ValueError
        If a number is below 1, or OpenVINO is asked for on another device than a CPU.
    """
    if batch < 1 or threads < 1:
        raise ValueError(f"batch and threads must be at least 1, got {batch} and {threads}")
    backend, device = choose_backend(backend, device=device)
    network = nn.Sequential(deepcopy(student).eval(), nn.Sigmoid())
    if backend == "openvino":
        return _compile_openvino(network.cpu(), shape=(batch, 1, *patch), threads=threads, precision=precision)
    return _compile_torch(network, device=device, threads=threads, precision=precision)


def choose_backend(backend: Backend, *, device: str) -> tuple[Literal["openvino", "torch"], str]:
    """Which backend and device will be used, given what was asked for and what is there."""
    if backend not in ("auto", "openvino", "torch"):
        raise ValueError(f"backend must be 'auto', 'openvino' or 'torch', got {backend!r}")
    if backend == "openvino" and device not in ("auto", "cpu"):
        raise ValueError(f"device must be 'cpu' or 'auto' for OpenVINO, got {device!r}")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() and backend != "openvino" else "cpu"
    if backend == "torch" or device != "cpu":
        return "torch", device
    if find_spec("openvino") is not None:
        return "openvino", device
    if backend == "openvino":
        warnings.warn("OpenVINO is not installed, so torch predicts, more slowly: pip install openvino", stacklevel=3)
    return "torch", device


def fastest_precision(backend: Backend = "auto", *, device: str = "auto") -> Precision:
    """bfloat16 where OpenVINO computes on a CPU that has units for it, else float32."""
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").is_file() else ""
    has_units = "avx512_bf16" in flags or "amx_bf16" in flags
    return "bfloat16" if has_units and choose_backend(backend, device=device) == ("openvino", "cpu") else "float32"


def _import_openvino() -> Any:
    """OpenVINO, with its sender of usage data shut out (it then takes its own silent stand-in)."""
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


def _compile_openvino(network: nn.Module, *, shape: tuple[int, ...], threads: int, precision: Precision) -> Network:
    openvino = _import_openvino()
    core = openvino.Core()
    if precision == "bfloat16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        warnings.warn("This CPU has no bfloat16 products, so they are taken in float32.", stacklevel=4)
        precision = "float32"
    # One stream: all threads work on one patch, so memory does not grow with their number.
    settings = {
        "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[precision],
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
    }
    request = core.compile_model(_convert(network, shape=shape), "CPU", settings).create_infer_request()
    turn = Lock()

    def call(patches: Patches) -> Patches:
        with turn:
            answer: Patches = request.infer([patches], share_inputs=True)[0]
        return answer

    return call


def _convert(network: nn.Module, *, shape: tuple[int, ...]) -> Any:
    openvino = _import_openvino()
    with torch.no_grad(), warnings.catch_warnings():  # inference_mode would mark the weights, which export refuses
        warnings.simplefilter("ignore", FutureWarning)  # of torch about its own classes, when a program is copied
        return openvino.convert_model(torch.export.export(network, (torch.zeros(shape),)))


def _compile_torch(network: nn.Module, *, device: str, threads: int, precision: Precision) -> Network:
    kind = torch.device(device).type
    network = network.to(device)

    def look(patches: Patches) -> Patches:
        with torch.inference_mode(), torch.autocast(kind, torch.bfloat16, enabled=precision == "bfloat16"):
            answer: Patches = network(torch.from_numpy(patches).to(device)).float().cpu().numpy()
        return answer

    if kind != "cpu":
        return look
    # Measured for `fast`: 0.28 Mvox/s a core as it is, 0.34 with channels last.
    network = network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    return _one_patch_a_thread(look, threads=threads)


def _one_patch_a_thread(look: Network, *, threads: int) -> Network:
    """The same function, its batch dealt out to threads that take one patch each.

    Torch chooses some kernels by batch and number of threads, and their last bits differ (1 channel in, 1 and 2
    threads: nearly every voxel). One patch on one thread is the same work however many there are.
    """
    workers = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
    turn = Lock()

    def call(patches: Patches) -> Patches:
        with turn, _torch_threads(1):
            return np.concatenate(list(workers.map(look, np.split(patches, len(patches)))))

    return call


@contextmanager
def _torch_threads(threads: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
