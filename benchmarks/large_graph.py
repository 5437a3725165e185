"""What each cutter takes on a large volume: a real boundary map, mirrored until it has 125 million voxels.

    python benchmarks/large_graph.py BOUNDARY.h5[:DATASET] [--edge 500] [--dynamics 0] [--beta 0.25] [--folder DIR]
        [--only STAGE …]

Prints Markdown: fragments, the sums over their faces block by block, the region graph, each cutter on that graph, and a
lifted multicut of the map as it is, without mirroring, with up to 100,000 lifted edges between fragments two contacts
apart. Each stage runs in a process of its own, one after the other, and hands on what it made in --folder (about 10
bytes a voxel; temporary if absent, and with it --only can do some stages now and others later). Before the clock starts
its input is in memory and its loops are compiled. Seconds are CPU time of one run; MB is the peak of the process, and
in brackets what it held when the clock started (Linux). Dynamics 0 gives the finest fragments, so the largest graph.
Mirroring repeats each edge in other surroundings: it shows what a graph of this size takes, not how well it is cut.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from savem3.blocks import each
from savem3.graphcut import (
    CUTTERS,
    CollectFaces,
    energy_of,
    join_graph,
    lifted_energy_of,
    memory_of,
    multicut,
    region_graph,
    weigh_edges,
    with_histogram,
)
from savem3.grid import Grid
from savem3.oversegment import OversegmentRecipe, oversegment
from savem3.regions import RegionGraph
from savem3.store.tables import TableFiles, write_table
from savem3.tiles import split
from savem3.volume import BoundaryMap, Labels

BLOCK = (128, 256, 256)
LIFTED = 100_000
VOLUME_STAGES = ("fragments", "faces", "graph", "histogram")
STAGES = (*VOLUME_STAGES, *(name for name in CUTTERS if name != "lifted"), "small", "lifted")

Stage = tuple[Callable[[], Any], Callable[[Any], str]]
"""What is timed, and what then writes down its result and says in a few words what it is."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("boundary")
    parser.add_argument("--edge", type=int, default=500)
    parser.add_argument("--dynamics", type=int, default=0)
    parser.add_argument("--beta", type=float, default=0.25)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage is not None:
        print(json.dumps(measure(options.stage, options)), flush=True)
        return
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) if options.folder is None else options.folder
        folder.mkdir(parents=True, exist_ok=True)
        print_table(folder, options)


def print_table(folder: Path, options: argparse.Namespace) -> None:
    """One line a stage, each as soon as it is done."""
    print(f"{date.today()}, one core of {processor()}; {options.edge}³ voxels, dynamics {options.dynamics}, ", end="")
    print(f"β {options.beta}\n\n| stage | gives | CPU s | peak MB (before) |\n|---|---|---|---|", flush=True)
    settings = [f"--{name}={getattr(options, name)}" for name in ("edge", "dynamics", "beta")]
    for stage in options.only:
        command = [sys.executable, __file__, options.boundary, *settings, f"--folder={folder}", f"--stage={stage}"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            print(f"| {stage} | exit code {done.returncode} | | |", flush=True)
            continue
        found = json.loads(done.stdout.splitlines()[-1])
        memory = f"{found['peak']} ({found['before']})"
        print(f"| {stage} | {found['gives']} | {found['seconds']:.1f} | {memory} |", flush=True)


def measure(stage: str, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds and memory of one stage, in this process; MB, 0 where the system does not tell."""
    call, finish = prepare(stage, options)
    before, begun = status("VmRSS"), time.process_time()
    result = call()
    seconds, peak = time.process_time() - begun, status("VmHWM")
    return {"gives": finish(result), "seconds": seconds, "peak": peak, "before": before}


def prepare(stage: str, options: argparse.Namespace) -> Stage:
    """The stage with its input in memory, after it has been done to something tiny."""
    if stage in VOLUME_STAGES:
        return {"fragments": fragments, "faces": faces, "graph": graph, "histogram": histogram}[stage](options)
    if stage == "small":
        return small(options)
    read = small_graph if stage == "lifted" else whole_graph
    weighed = weigh_edges(read(options.folder), beta=options.beta)
    if stage == "median":
        weighed = replace(weighed, histogram=np.load(options.folder / "histogram.npy"))
    energy = lifted_energy_of if stage == "lifted" else energy_of
    for tiny in (path_of(9), path_of(60)):
        CUTTERS[stage](tiny)

    def says(clusters: NDArray[np.int64]) -> str:
        return f"{clusters.max()} segments, energy {energy(weighed, clusters):.1f}"

    return lambda: CUTTERS[stage](weighed), says


def fragments(options: argparse.Namespace) -> Stage:
    recipe, boundary = OversegmentRecipe(dynamics=options.dynamics), mirrored(options)
    oversegment(tiny_part(boundary), recipe=recipe)

    def write(labels: Labels) -> str:
        np.save(options.folder / "fragments.npy", labels.voxels)
        return f"{int(labels.voxels.max())} fragments of {labels.grid.voxels / 1e6:.0f} Mvoxel"

    return lambda: oversegment(boundary, recipe=recipe), write


def faces(options: argparse.Namespace) -> Stage:
    boundary = mirrored(options)
    labels, folder = kept_fragments(options, boundary.grid), options.folder / "faces"
    folder.mkdir(exist_ok=True)
    region_graph(oversegment(tiny_part(boundary)), tiny_part(boundary))
    tiles = split(boundary.grid.shape, block=BLOCK)

    def collect() -> int:
        for number, product in enumerate(each(tiles, CollectFaces(labels, boundary), workers=1)):
            write_table(folder / f"{number}.safetensors", product.tables)
        return len(tiles)

    return collect, lambda number: f"{number} tables"


def graph(options: argparse.Namespace) -> Stage:
    boundary = mirrored(options)
    tables = TableFiles(options.folder / "faces", len(split(boundary.grid.shape, block=BLOCK)))
    region_graph(oversegment(tiny_part(boundary)), tiny_part(boundary))

    def write(whole: RegionGraph) -> str:
        write_graph(options.folder / "graph.npz", whole)
        edges, nodes = len(whole.edges), len(whole.sizes)
        return f"{edges} edges, {nodes} nodes; `memory_of` says {memory_of(edges, nodes) / 1e6:.0f} MB"

    return lambda: join_graph(tables), write


def histogram(options: argparse.Namespace) -> Stage:
    boundary = mirrored(options)
    labels, whole = kept_fragments(options, boundary.grid), whole_graph(options.folder)
    tiny = oversegment(tiny_part(boundary))
    with_histogram(region_graph(tiny, tiny_part(boundary)), tiny, tiny_part(boundary))

    def write(counted: RegionGraph) -> str:
        np.save(options.folder / "histogram.npy", counted.histogram)
        return f"{counted.histogram.shape[1]} bins an edge, for `median`"

    return lambda: with_histogram(whole, labels, boundary), write


def small(options: argparse.Namespace) -> Stage:
    """The graph of the map as it is, with lifted edges."""
    boundary = boundary_in(options.boundary)
    recipe = OversegmentRecipe(dynamics=options.dynamics)

    def build() -> RegionGraph:
        weighed = weigh_edges(region_graph(oversegment(boundary, recipe=recipe), boundary), beta=options.beta)
        return with_lifted(weighed, number=LIFTED)

    def write(own: RegionGraph) -> str:
        lifted = {"lifted_edges": own.lifted_edges, "lifted_costs": own.lifted_costs}
        write_graph(options.folder / "small.npz", own, **lifted)
        edges, nodes, far = len(own.edges), len(own.sizes), len(own.lifted_edges)
        needed = memory_of(edges, nodes, lifted=far) / 1e6
        return f"{edges} edges, {far} lifted ones, {nodes} nodes; `memory_of` says {needed:.0f} MB"

    return build, write


def with_lifted(weighed: RegionGraph, *, number: int) -> RegionGraph:
    """Lifted edges between nodes two contacts apart, drawn by chance; costs as the multicut has it, with noise."""
    rng, clusters = np.random.default_rng(0), multicut(weighed)
    u, v = (weighed.edges.astype(np.int64) - 1).T
    nodes = len(weighed.sizes)
    touch = coo_array((np.ones(len(u), np.int32), (u, v)), shape=(nodes, nodes)).tocsr()
    touch = touch + touch.T
    far = (touch @ touch).tocoo()
    apart = (far.row < far.col) & (np.asarray(touch.tocsr()[far.row, far.col]).ravel() == 0)
    pairs = np.stack([far.row[apart], far.col[apart]], axis=1).astype(np.int64)
    pairs = pairs[np.sort(rng.permutation(len(pairs))[:number])]
    pairs = pairs[np.lexsort(pairs.T[::-1])]
    alike = clusters[pairs[:, 0]] == clusters[pairs[:, 1]]
    costs = rng.normal(np.where(alike, 1.0, -1.0), 1.0)
    return replace(weighed, lifted_edges=(pairs + 1).astype(np.uint64), lifted_costs=costs)


def write_graph(path: Path, own: RegionGraph, **more: NDArray[Any]) -> None:
    columns = ("sizes", "edges", "count", "total", "minimum", "maximum")
    np.savez(path, **{name: getattr(own, name) for name in columns}, **more)


def whole_graph(folder: Path) -> RegionGraph:
    with np.load(folder / "graph.npz") as columns:
        return RegionGraph(**dict(columns))


def small_graph(folder: Path) -> RegionGraph:
    with np.load(folder / "small.npz") as columns:
        return RegionGraph(**dict(columns))


def path_of(nodes: int) -> RegionGraph:
    """A chain with chords and some lifted edges, too long to try all partitions."""
    pairs = np.array([(u, u + k) for u in range(1, nodes - 1) for k in (1, 2)], np.uint64)
    costs = np.random.default_rng(0).normal(0.5, 1, len(pairs))
    ones = np.ones(len(pairs), np.int64)
    lifted = np.array([(u, u + 3) for u in range(1, nodes - 2)], np.uint64)
    own = RegionGraph(np.ones(nodes, np.int64), pairs, ones, 90 * ones, 80 * ones, 99 * ones, costs=costs)
    histogram = np.eye(32, dtype=np.int64)[np.full(len(pairs), 11)]
    return replace(own, lifted_edges=lifted, lifted_costs=np.ones(len(lifted)), histogram=histogram)


def mirrored(options: argparse.Namespace) -> BoundaryMap:
    """The map mirrored at its faces until it has the wanted edge."""
    boundary = boundary_in(options.boundary)
    index = np.ix_(*(reflect(np.arange(options.edge), size) for size in boundary.grid.shape))
    voxels = np.ascontiguousarray(np.asarray(boundary.voxels)[index])
    return BoundaryMap(voxels, Grid(voxels.shape, boundary.grid.voxel_size))


def boundary_in(path: str) -> BoundaryMap:
    """A map of uint8, 255 is membrane; 10 nm where its file does not say."""
    name, _, dataset = path.partition(":")
    with h5py.File(name) as file:
        held = file[dataset or "boundary"]
        voxel_size = held.attrs.get("resolution_nm", file.attrs.get("resolution_nm", (10.0, 10.0, 10.0)))
        return BoundaryMap(held[:], Grid(held.shape, tuple(float(size) for size in voxel_size)))


def kept_fragments(options: argparse.Namespace, grid: Grid) -> Labels:
    return Labels(np.load(options.folder / "fragments.npy"), grid)


def tiny_part(boundary: BoundaryMap) -> BoundaryMap:
    voxels = np.ascontiguousarray(np.asarray(boundary.voxels)[:24, :24, :24])
    return BoundaryMap(voxels, Grid(voxels.shape, boundary.grid.voxel_size))


def reflect(index: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Where an index lies after mirroring at both ends of an axis."""
    there = index % (2 * size)
    return np.minimum(there, 2 * size - 1 - there)


def status(field: str) -> int:
    """A field of this process's status, in MB."""
    file = Path("/proc/self/status")
    lines = file.read_text().splitlines() if file.exists() else []
    return next((int(line.split()[1]) * 1024 // 10**6 for line in lines if line.startswith(f"{field}:")), 0)


def processor() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "an unknown model")


if __name__ == "__main__":
    main()
