"""Whether memory is bounded by the block: one real volume, mirrored to several sizes, reconstructed in blocks.

    python benchmarks/memory.py VOLUME.h5:raw --voxel-size 10,10,10 [--gigavoxels 0.1 0.5 2] [--block 128,256,256]

Prints Markdown: for each size the peak memory of the process, seconds, and what the run left on the disk. Each size
runs in a process of its own. One view, no adaptation and no report, to save time: views do not change what a block
needs. Everything is written to a temporary folder (--folder), which needs about 2 bytes a voxel.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from savem3.request import lengths_of
from savem3.store import VoxelFile, open_image
from savem3.tiles import Blocks

BLOCK = (64, 256, 256)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("volume")
    parser.add_argument("--voxel-size", required=True)
    parser.add_argument("--gigavoxels", type=float, nargs="+", default=[0.1, 0.5, 2.0])
    parser.add_argument("--block", default="128,256,256")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    raw = np.asarray(open_image(options.volume, voxel_size=lengths_of(options.voxel_size)).voxels[...])
    print("| Gvoxel | shape | peak GiB | seconds | Mvox/s | GB on disk |\n|---|---|---|---|---|---|", flush=True)
    for gigavoxels in options.gigavoxels:
        with TemporaryDirectory(dir=options.folder) as folder:
            edge = round((gigavoxels * 1e9) ** (1 / 3))
            write_mirrored(raw, Path(folder) / "raw.zarr", shape=(edge, edge, edge))
            print(reconstruct(Path(folder), edge, options=options), flush=True)


def write_mirrored(raw: NDArray[np.uint8], folder: Path, *, shape: tuple[int, int, int]) -> None:
    """The volume mirrored at its faces until it has a shape."""
    file = VoxelFile(folder, shape, "uint8", BLOCK)
    file.create()
    for tile in Blocks(shape, BLOCK):
        axes = zip(tile.write.start, tile.write.stop, raw.shape, strict=True)
        index = np.ix_(*(reflect(np.arange(a, b), n) for a, b, n in axes))
        file.write(tile.write, np.ascontiguousarray(raw[index]))


def reflect(index: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Where an index lies after mirroring at both ends of an axis."""
    there = index % (2 * size)
    return np.minimum(there, 2 * size - 1 - there)


def reconstruct(folder: Path, edge: int, *, options: argparse.Namespace) -> str:
    """Reconstruct the volume of a folder; a line of the table."""
    out = folder / "out"
    command = [sys.executable, "-m", "savem3", "reconstruct", str(folder / "raw.zarr"), str(out)]
    command += ["--voxel-size", options.voxel_size, "--block", options.block, "--views", "1", "--skip-report", "--json"]
    begun = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        return f"| {edge**3 / 1e9:.2f} | {edge}³ | exit code {process.returncode} | | | |"
    seconds = time.monotonic() - begun
    disk = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    times = json.loads((out / "run.json").read_text())["seconds"]
    print(f"<!-- {edge}³: {json.dumps(times)} -->")
    return (
        f"| {edge**3 / 1e9:.2f} | {edge}³ | {used.ru_maxrss / 2**20:.2f} | {seconds:.0f} | "
        f"{edge**3 / seconds / 1e6:.2f} | {disk / 1e9:.2f} |"
    )


if __name__ == "__main__":
    main()
