"""Whether all that a run needs is here and works: each thing is really touched, and the cure said where one fails."""

from __future__ import annotations

import importlib
import json
import os
import platform
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Literal

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from savem3 import __version__
from savem3.blocks import kernel
from savem3.plan import free_memory_bytes, memory_limit_bytes, size_text
from savem3.shipped import MODELS
from savem3.store.weights import read_weights

State = Literal["ok", "absent", "broken"]

NEEDED = {
    "numpy": "numpy",
    "numba": "numba",
    "torch": "torch",
    "openvino": "openvino",
    "tensorstore": "tensorstore",
    "h5py": "h5py",
    "bioimage-cpp": "bioimage_cpp",
    "connected-components-3d": "cc3d",
    "fastremap": "fastremap",
    "safetensors": "safetensors",
    "imagecodecs": "imagecodecs",
    "tifffile": "tifffile",
    "scipy": "scipy",
    "matplotlib": "matplotlib",
}
"""Packages that runs compute, read and draw with, and the modules they are imported as."""
EXTRAS: dict[str, tuple[str, ...]] = {
    "bench": ("monai", "skimage.metrics", "waterz"),
    "cluster": ("dask", "distributed", "dask_jobqueue"),
    "export": ("pyarrow", "zmesh"),
    "napari": ("npe2",),
    "review": ("fastapi", "uvicorn"),
    "sam": ("transformers",),
    "train": ("accelerate",),
    "view": ("neuroglancer",),
}
"""What each extra brings, by the modules that are imported."""
BUSY_S = 0.5
"""How long each of two speeds is measured."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    group
        What it belongs to.
    name
        What it is.
    state
        ok; absent and not needed; or broken, so that runs fail or are wrong.
    text
        What was found, and the cure where it is needed.
    """

    group: str
    name: str
    state: State
    text: str


def run_doctor(*, as_json: bool) -> bool:
    """Look at everything and tell; whether nothing that is needed is broken."""
    findings = [*programs(), *machine(), *places(), *models(), *extras(), *speeds()]
    healthy = all(finding.state != "broken" for finding in findings)
    console = Console(highlight=False)
    if as_json:
        facts = {"healthy": healthy, "findings": [asdict(finding) for finding in findings]}
        console.out(json.dumps(facts), highlight=False)
    else:
        show(findings, console=console)
    return healthy


def programs() -> list[Finding]:
    """This package and all that it cannot do without, imported."""
    own = [
        Finding("program", "python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        Finding("program", "savem3", "ok", __version__),
    ]
    return [*own, *(_needed(package, module) for package, module in NEEDED.items())]


def machine() -> list[Finding]:
    """Processors, devices, memory."""
    finds: dict[str, Callable[[], str]] = {
        "processor": _processor,
        "bfloat16": _bfloat16,
        "devices": _devices,
        "threads": _threads,
        "memory": _memory,
    }
    return [_look("machine", name, find) for name, find in finds.items()]


def places() -> list[Finding]:
    """Folders that runs write to: here, for temporary files, and for compiled loops."""
    here = Path.cwd()
    return [
        _look("folders", "here", lambda: _writable(here)),
        _look("folders", "temporary", lambda: _writable(Path(gettempdir()))),
        _compiled_loops(),
    ]


def models() -> list[Finding]:
    """The shipped models, each value read and compared with its digest."""
    files = sorted(MODELS.glob("*.safetensors"))
    none = Finding("models", "shipped", "broken", "none found: pip install --force-reinstall savem3")
    return [_look("models", path.stem, partial(_intact, path)) for path in files] or [none]


def extras() -> list[Finding]:
    """The optional parts, each imported and used once."""
    return [_extra(name, modules) for name, modules in EXTRAS.items()]


def speeds() -> list[Finding]:
    """A product of matrices on all cores, and a copy of memory on one."""
    return [_look("speed", "products", _products), _look("speed", "copy", _copies)]


def show(findings: list[Finding], *, console: Console) -> None:
    """A table for people."""
    signs = {"ok": "[green]✓[/]", "absent": "[dim]–[/]", "broken": "[red]✗[/]"}
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    group = ""
    for finding in findings:
        if finding.group != group:
            table.add_row(*([] if not group else [""]), end_section=False)
        heading, group = (f"[bold]{finding.group}[/]" if finding.group != group else ""), finding.group
        table.add_row(heading, signs[finding.state], finding.name, escape(finding.text))
    console.print(table)
    broken = [finding.name for finding in findings if finding.state == "broken"]
    verdict = f"[red]broken: {', '.join(broken)}[/]" if broken else "[green]all that is needed is here and works[/]"
    console.print(f"\n{verdict}")


def _needed(package: str, module: str) -> Finding:
    cure = f'pip install "{_requirement(package)}"'
    try:
        importlib.import_module(module)
        return Finding("program", package, "ok", version(package))
    except ModuleNotFoundError:
        return Finding("program", package, "broken", f"not installed: {cure}")
    except Exception as error:
        return Finding("program", package, "broken", f"cannot be imported ({_short(error)}): {cure}")


def _requirement(package: str) -> str:
    """A package with the versions that this program asks for."""
    try:
        listed = [line for line in requires("savem3") or [] if "extra ==" not in line]
    except PackageNotFoundError:
        listed = []
    return next((line for line in listed if line.startswith(package)), package)


def _look(group: str, name: str, find: Callable[[], str]) -> Finding:
    try:
        return Finding(group, name, "ok", find())
    except Exception as error:
        return Finding(group, name, "broken", _short(error))


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:160]


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{named[0] if named else platform.processor() or 'unknown'}, {os.cpu_count()} cores"


def _bfloat16() -> str:
    from savem3.predict import fastest_precision

    has = fastest_precision(device="cpu") == "bfloat16"
    return "has units; prediction takes it" if has else "no units; prediction takes float32"


def _devices() -> str:
    import torch

    graphics = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    apple = ["Apple graphics (mps)"] if torch.backends.mps.is_available() else []
    for device in ["cuda"] * bool(graphics) + ["mps"] * bool(apple):
        torch.ones(8, device=device).sum().item()
    return ", ".join([*graphics, *apple]) or "no graphics processor; networks run on the CPU"


def _threads() -> str:
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = [f"{name}={os.environ[name]}" for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS") if name in os.environ]
    return ", ".join([f"{allowed} may be used", *limits])


def _memory() -> str:
    free, limit = free_memory_bytes(), memory_limit_bytes()
    told = "the system does not tell what is free" if free is None else f"{size_text(free)} free"
    return told if limit is None else f"{told}; the control group allows {size_text(limit)}"


def _writable(folder: Path) -> str:
    with TemporaryDirectory(prefix=".savem3-doctor-", dir=folder):
        return f"{folder}, {size_text(shutil.disk_usage(folder).free)} free"


def _compiled_loops() -> Finding:
    """Where compiled loops are kept; without such a folder each process compiles them anew."""
    cure = "set NUMBA_CACHE_DIR to a folder that can be written"
    try:
        total = add_up(10)
        assert total == 45, total
        folder = getattr(getattr(add_up, "stats", None), "cache_path", None)
    except Exception as error:
        return Finding("folders", "compiled loops", "broken", f"{_short(error)}: {cure}")
    if folder is None or not os.access(folder, os.W_OK):
        return Finding("folders", "compiled loops", "absent", f"kept nowhere, so each process starts slowly: {cure}")
    return Finding("folders", "compiled loops", "ok", f"{folder}, can be written")


@kernel
def add_up(number: int) -> int:
    """The sum of all numbers below one; a loop to be compiled."""
    total = 0
    for each in range(number):
        total += each
    return total


def _intact(path: Path) -> str:
    weights = read_weights(path)
    return f"{weights.architecture}, sha256 {weights.sha256[:12]}…, intact"


def _cluster() -> str:
    distributed = importlib.import_module("distributed")
    one = {"n_workers": 1, "threads_per_worker": 1, "processes": False}
    with distributed.Client(**one, dashboard_address=None, set_as_default=False) as client:
        answer = client.submit(sum, [1, 2]).result(timeout=20)
    return f"a scheduler and a worker came up, 1 + 2 is {answer}"


def _bench() -> str:
    a = np.repeat(np.arange(1, 5), 4)
    importlib.import_module("skimage.metrics").variation_of_information(a, a)
    return "scored a test"


def _export() -> str:
    cube = np.pad(np.ones((2, 2, 2), np.uint64), 1)
    mesher = importlib.import_module("zmesh").Mesher((1.0, 1.0, 1.0))
    mesher.mesh(cube)
    return f"a cube of 8 voxels has a surface of {len(mesher.get(1).faces)} triangles"


def _view() -> str:
    importlib.import_module("neuroglancer").ViewerState()
    return f"neuroglancer {version('neuroglancer')}"


def _review() -> str:
    importlib.import_module("fastapi").FastAPI()
    return f"fastapi {version('fastapi')}"


def _napari() -> str:
    importlib.import_module("npe2").PluginManifest(name="savem3")
    return f"npe2 {version('npe2')}"


def _sam() -> str:
    importlib.import_module("transformers").SamConfig()
    return f"transformers {version('transformers')}"


def _train() -> str:
    importlib.import_module("accelerate").DataLoaderConfiguration()
    return f"accelerate {version('accelerate')}"


WORKS: dict[str, Callable[[], str]] = {
    "bench": _bench,
    "cluster": _cluster,
    "export": _export,
    "napari": _napari,
    "review": _review,
    "sam": _sam,
    "train": _train,
    "view": _view,
}
"""How each extra is touched."""


def _extra(name: str, modules: tuple[str, ...]) -> Finding:
    cure = f'pip install "savem3[{name}]"'
    missing = [module for module in modules if find_spec(module.partition(".")[0]) is None]
    if missing:
        return Finding("extras", name, "absent", f"not installed: {cure}")
    try:
        for module in modules:
            importlib.import_module(module)
    except Exception as error:
        return Finding("extras", name, "absent", f"installed, but {_short(error)}: {cure}")
    found = _look("extras", name, WORKS[name])
    return replace(found, state="absent", text=f"installed, but {found.text}") if found.state == "broken" else found


def _products() -> str:
    a = np.random.default_rng(0).random((1024, 1024), np.float32)
    calls, seconds = _repeat(lambda: a @ a)
    return f"{calls * 2 * 1024**3 / seconds / 1e9:.0f} GFLOP/s in float32"


def _copies() -> str:
    a = np.ones(64 << 20, np.uint8)
    calls, seconds = _repeat(a.copy)
    return f"{calls * a.nbytes / seconds / 1e9:.1f} GB/s on one core"


def _repeat(work: Callable[[], object]) -> tuple[int, float]:
    """How often something was done within half a second, and the seconds it took."""
    work()
    begun, calls = time.perf_counter(), 0
    while (seconds := time.perf_counter() - begun) < BUSY_S or not calls:
        work()
        calls += 1
    return calls, seconds
