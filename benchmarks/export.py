"""Export a run of 512³ voxels, mirrored from a smaller one, in every format: seconds, memory and bytes of each.

python benchmarks/export.py RUN OUT [EDGE [FORMAT …]]: each format in a process of its own, on one core. RUN has kept
its fragments and is no larger.
"""

import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from savem3.export import write_meshes
from savem3.grid import Grid
from savem3.request import Machine
from savem3.runs.export import Exported, run_precomputed, run_skeletons, run_tables, run_volume, run_webknossos
from savem3.store import open_boundary, open_labels, write_boundary, write_labels
from savem3.watch import Watch, peak_memory_bytes

ONE_CORE = Machine(threads=1)
COMMON = {"overwrite": True, "watch": Watch()}


def precomputed(run: Exported, out: Path) -> None:
    plain = {"meshes": False, "skeletons": False, "error_nm": 20.0, "smallest": 1000}
    run_precomputed(run, out, **plain, machine=ONE_CORE, **COMMON)


def volume(ending: str) -> Callable[[Exported, Path], None]:
    return lambda run, out: run_volume(run, out.with_suffix(ending), kind="labels", **COMMON)


FORMATS: dict[str, Callable[[Exported, Path], object]] = {
    "precomputed": precomputed,
    "meshes": lambda run, out: write_meshes(run.labels(), out, error_nm=20.0),
    "skeletons": lambda run, out: run_skeletons(run, out, ids=[], smallest=1000, machine=ONE_CORE, **COMMON),
    "webknossos": lambda run, out: run_webknossos(run, out, name="view", machine=ONE_CORE, **COMMON),
    "tables": lambda run, out: run_tables(
        run, out, form="parquet", skeletons=False, smallest=1000, machine=ONE_CORE, **COMMON
    ),
    "ngff05": volume(".zarr"),
    "ngff04": volume(".v2.zarr"),
    "hdf5": volume(".h5"),
    "tiff": volume(".tif"),
}


def mirror(run: Path, out: Path, edge: int) -> None:
    """A run directory of edge³ voxels with the fragments, graph and neurons of a smaller one."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for name in ("graph.safetensors", "run.json"):
        shutil.copy(run / name, out)
    steps = {"labels": (open_labels, write_labels), "fragments": (open_labels, write_labels)}
    for name, (read, write) in {**steps, "boundary": (open_boundary, write_boundary)}.items():
        small = read(f"{run}/{name}.zarr").load()
        after = [(0, max(0, edge - n)) for n in small.grid.shape]
        voxels = np.pad(small.voxels, after, mode="symmetric")[:edge, :edge, :edge]
        write(type(small)(voxels, Grid(voxels.shape, small.grid.voxel_size)), out / f"{name}.zarr")


def one(name: str, run: str, out: str) -> None:
    """Export in one format; the figures as a line of JSON."""
    before, start = peak_memory_bytes(), time.monotonic()
    FORMATS[name](Exported(run), Path(out))
    (made,) = Path(out).parent.glob(f"{name}*")
    files = [made] if made.is_file() else [path for path in made.rglob("*") if path.is_file()]
    worked = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    figures = {
        "format": name,
        "cpu_s": round(sum(used.ru_utime + used.ru_stime for used in worked), 1),
        "wall_s": round(time.monotonic() - start, 1),
        "peak_mib": peak_memory_bytes() >> 20,
        "peak_before_mib": before >> 20,
        "files": len(files),
        "mib": sum(path.stat().st_size for path in files) >> 20,
    }
    print(json.dumps(figures), flush=True)


def main(run: str, out: str, edge: str = "512", *names: str) -> None:
    mirrored = Path(out) / f"mirrored{edge}"
    if not (mirrored / "boundary.zarr").is_dir():
        subprocess.run([sys.executable, __file__, "--mirror", run, str(mirrored), edge], check=True)
    for name in names or FORMATS:
        made = Path(out) / "made"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        subprocess.run([sys.executable, __file__, "--one", name, str(mirrored), str(made / name)], check=True)
        shutil.rmtree(made)


if __name__ == "__main__":
    if sys.argv[1] == "--one":
        one(*sys.argv[2:])
    elif sys.argv[1] == "--mirror":
        mirror(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
    else:
        main(*sys.argv[1:])
