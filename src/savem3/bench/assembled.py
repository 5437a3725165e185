"""The chain that a user would otherwise assemble: torch, a sliding window, scikit-image's watershed, WaterZ.

    python -m savem3.bench.assembled RAW STUDENT.safetensors BOUNDARY.npy LABELS.npy [--threads 2] [--views 1]

RAW is any volume that the store opens. The network, its weights and what it is shown are the package's own; nothing
else here is but reading and the intensity map. With MONAI installed its sliding window is used, with its defaults
(a quarter of overlap, constant blending), else the plain one below, which does the same.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Patch = tuple[int, int, int]
PATCH: Patch = (32, 256, 256)
OVERLAP = 0.25
"""Share of a patch, MONAI's default."""
THRESHOLD = 0.5
MEDIAN = "OneMinus<HistogramQuantileAffinity<RegionGraphType,50,ScoreValue,256>>"
"""WaterZ's 50-quantile, with which the paper runs it."""


def main() -> None:
    """From raw to labels, all in memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("raw")
    parser.add_argument("student", type=Path)
    parser.add_argument("boundary", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--views", type=int, default=1, choices=(1, 3))
    options = parser.parse_args()
    grey = read_grey(options.raw)
    boundary = draw(grey, options.student, threads=options.threads, views=options.views)
    np.save(options.boundary, np.rint(boundary * 255).astype(np.uint8))
    np.save(options.labels, agglomerate(boundary, flood(boundary), THRESHOLD))


def read_grey(place: str) -> NDArray[np.float32]:
    """What the network is shown."""
    from savem3.store import open_image
    from savem3.volume import intensity_of

    image = open_image(place).load()
    return intensity_of(image).to_unit(np.asarray(image.voxels))


def draw(grey: NDArray[np.float32], student: Path, *, threads: int, views: int) -> NDArray[np.float32]:
    """Boundary probability, the mean over views along z, y and x; torch as it comes."""
    import torch

    from savem3.distill import load_student

    torch.set_num_threads(threads)
    network = load_student(student)[0].eval()
    total = np.zeros(grey.shape, np.float32)
    for axis in range(views):
        turned = np.ascontiguousarray(np.moveaxis(grey, axis, 0))
        with torch.inference_mode():
            logits = slide(torch.from_numpy(turned)[None, None], lambda x: network(x)[:, :1])
        total += np.moveaxis(torch.sigmoid(logits)[0, 0].numpy(), 0, axis)
    return total / np.float32(views)


def slide(volume: Any, network: Callable[[Any], Any]) -> Any:
    """Logits of a volume, batch, channel, z, y, x, window by window."""
    if find_spec("monai") is None:
        return slide_plainly(volume, network)
    inferers = import_module("monai.inferers")
    return inferers.sliding_window_inference(volume, PATCH, 1, network, overlap=OVERLAP)


def slide_plainly(volume: Any, network: Callable[[Any], Any]) -> Any:
    """What MONAI's sliding window does by default: even steps, the mean where windows overlap."""
    import torch
    from torch.nn import functional

    shape = tuple(volume.shape[2:])
    short = [max(0, p - n) for p, n in zip(PATCH, shape, strict=True)]
    room = [size for s in reversed(short) for size in (s // 2, s - s // 2)]
    padded = functional.pad(volume, room) if any(short) else volume
    total, times = torch.zeros_like(padded), torch.zeros_like(padded)
    steps = [max(1, int(p * (1 - OVERLAP))) for p in PATCH]
    starts = [starts_along(n, p, s) for n, p, s in zip(padded.shape[2:], PATCH, steps, strict=True)]
    for corner in product(*starts):
        window: Any = (..., *(slice(a, a + p) for a, p in zip(corner, PATCH, strict=True)))
        total[window] += network(padded[window])
        times[window] += 1
    inner: Any = tuple(slice(s // 2, s // 2 + n) for s, n in zip(short, shape, strict=True))
    return (total / times)[(..., *inner)]


def starts_along(size: int, patch: int, step: int) -> list[int]:
    """Where windows begin along one axis; the last ends with the volume."""
    return [min(a, size - patch) for a in range(0, max(1, size - patch + step), step)]


def flood(boundary: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Seeds at the peaks of the smoothed distance to membrane, flooded by scikit-image."""
    segmentation = import_module("skimage.segmentation")
    depth = ndimage.gaussian_filter(ndimage.distance_transform_edt(boundary < 0.5), 2)
    peaks = (depth == ndimage.maximum_filter(depth, 5)) & (depth > 0)
    seeds, _ = ndimage.label(peaks, np.ones((3, 3, 3)))
    height = 0.9 * boundary + 0.1 * (1 - depth / max(depth.max(), 1e-6))
    flooded: NDArray[np.uint64] = segmentation.watershed(height, seeds).astype(np.uint64)
    return flooded


def agglomerate(boundary: NDArray[np.float32], fragments: NDArray[np.uint64], threshold: float) -> NDArray[np.uint64]:
    """WaterZ on nearest-neighbour affinities."""
    affinities = np.zeros((3, *boundary.shape), np.float32)
    for axis in range(3):
        here, there = (np.moveaxis(boundary, axis, 0)[part] for part in (slice(1, None), slice(None, -1)))
        np.moveaxis(affinities[axis], axis, 0)[1:] = 1 - np.maximum(here, there)
    waterz = import_module("waterz")
    joined = next(waterz.agglomerate(affinities, [threshold], fragments=fragments.copy(), scoring_function=MEDIAN))
    return np.asarray(joined)


if __name__ == "__main__":
    main()
