"""What other tools leave on the disk: read as labels on the grid of a volume; their programs are never imported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from savem3.bench.request import split_name, split_volume
from savem3.bench.volumes import Truth
from savem3.store import UnreadableVolume, open_labels
from savem3.volume import Labels

PYTC = "main"
"""The dataset that pytorch_connectomics writes into a .h5 file."""


def read_peers(given: tuple[str, ...], *, volume: str) -> dict[str, str]:
    """Names and paths of the peers whose output is of one volume, from NAME=PATH@VOLUME.

    Raises
    ------
    ValueError
        If one names no volume.
    """
    named = [(split_name(place), where) for place, where in map(split_volume, given)]
    return {name: place for (name, place), where in named if where == volume}


def open_peer(path: str, truth: Truth) -> Labels:
    """The labels of another tool, on the part of a volume that is scored.

    Read are what micro-sam writes (TIFF, Zarr), SegNeuron (TIFF, HDF5), cellpose (``_masks.tif``, plain ``.npy``),
    pytorch_connectomics (HDF5, dataset ``main``), and whatever else the store opens. A file may hold the scored part
    alone or the whole volume that it is a part of. 0 is unsegmented.

    Raises
    ------
    ValueError
        If the file is of another shape, or is a pickle.
    """
    voxels = _read_npy(Path(path)) if path.endswith(".npy") else _open(path, truth)
    whole, box = truth.whole
    scored = truth.labels.grid.shape
    if voxels.shape == scored:
        return Labels(np.ascontiguousarray(voxels), truth.labels.grid)
    if voxels.shape == whole:
        return Labels(np.ascontiguousarray(voxels[box.slices]), truth.labels.grid)
    raise ValueError(f"{Path(path).name} must have the shape {scored} or {whole} of {truth.name}, got {voxels.shape}")


def _open(path: str, truth: Truth) -> NDArray[np.uint64]:
    size = truth.labels.grid.voxel_size
    try:
        labels = open_labels(path, voxel_size=size)
    except UnreadableVolume:
        if Path(path).suffix not in (".h5", ".hdf5"):
            raise
        labels = open_labels(f"{path}:{PYTC}", voxel_size=size)
    return labels.read(labels.grid.box)


def _read_npy(path: Path) -> NDArray[np.uint64]:
    try:
        voxels = np.load(path, allow_pickle=False)
    except ValueError as error:
        told = "let cellpose write _masks.tif (--save_tif) instead"
        raise ValueError(f"{path.name} must hold plain numbers, got a pickle, which can run code: {told}") from error
    if voxels.dtype.kind not in "iub" or voxels.ndim != 3:
        raise ValueError(f"{path.name} must hold whole numbers in z, y, x, got {voxels.dtype} of shape {voxels.shape}")
    return np.asarray(voxels.astype(np.uint64))
