"""Cut the example that ships with the package from FIB-25 training sample 2.

    python scripts/bundle_example.py fib25_training_sample2.h5

The crop lies in the validation part (z from 130 on), so that no model here was trained on it. The truth is relabelled
by 6-connected components within the crop, and nothing is left out of it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cc3d
import h5py
import numpy as np

CROP = (slice(186, 250), slice(30, 222), slice(58, 250))
"""Of the validation part, the place with the most bodies: elsewhere one axon fills two thirds of such a crop."""
LARGEST_BYTES = 2_500_000
TARGET = Path(__file__).parents[1] / "src" / "savem3" / "example" / "fib25_crop.h5"
COPIED = ("license", "citation", "source", "modality", "species", "region")


def bundle(source: Path, target: Path) -> None:
    """Write the crop of ``raw`` and ``labels`` with its origin and its licence."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(source) as whole, h5py.File(target, "w") as crop:
        raw = whole["raw"][CROP]
        labels = cc3d.connected_components(whole["labels"][CROP], connectivity=6)
        for name, voxels in (("raw", raw), ("labels", labels.astype(np.uint16))):
            crop.create_dataset(
                name, data=voxels, chunks=(32, 96, 96), compression="gzip", compression_opts=9, shuffle=True
            )
        voxel_size = np.asarray(whole.attrs["resolution_nm"], np.float64)
        offset = np.array([part.start for part in CROP])
        crop.attrs.update({key: whole.attrs[key] for key in COPIED})
        crop.attrs["resolution_nm"] = voxel_size
        crop.attrs["origin_nm"] = offset * voxel_size
        crop.attrs["crop_offset_voxels"] = offset
        crop.attrs["changes"] = "cropped; labels relabelled by 6-connected components within the crop"


def main() -> None:
    """Read the command line, bundle, and refuse a crop that is too large to ship."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="fib25_training_sample2.h5 with raw and labels")
    parser.add_argument("--target", type=Path, default=TARGET)
    arguments = parser.parse_args()
    bundle(arguments.source, arguments.target)
    size = arguments.target.stat().st_size
    if size > LARGEST_BYTES:
        parser.exit(1, f"the example must have at most {LARGEST_BYTES} bytes to ship, got {size}\n")


if __name__ == "__main__":
    main()
