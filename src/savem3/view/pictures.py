"""Sections as pictures: grey tissue, coloured labels over it, and both written to files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8, UInt64
from PIL import Image as Picture

from savem3.view.colours import colours_of
from savem3.view.planes import check_shapes, read_plane, shown_box, spread
from savem3.volume import Image, Labels

ALPHA = 0.6
"""How much of the colour is seen inside a label."""
SHADE = 0.45
"""How bright a colour stays over black tissue; over white it is as it is."""


def outline(labels: UInt64[np.ndarray, "y x"]) -> Bool[np.ndarray, "y x"]:
    """The pixels of labels that touch another label or background, to the right of them or below."""
    edge = np.zeros(labels.shape, np.bool_)
    edge[:-1] |= labels[:-1] != labels[1:]
    edge[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    return edge & (labels != 0)


def overlay(
    raw: UInt8[np.ndarray, "y x"], labels: UInt64[np.ndarray, "y x"], *, alpha: float = ALPHA, contours: bool = True
) -> UInt8[np.ndarray, "y x 3"]:
    """A section with its labels in colour over it, darker where the tissue is; background stays grey.

    Parameters
    ----------
    raw
        Grey values of the section.
    labels
        Labels of the same pixels.
    alpha
        0 shows tissue alone, 1 colour that the tissue only shades.
    contours
        Whether outlines are drawn in full colour.

    Raises
    ------
    ValueError
        If ``alpha`` lies outside 0–1.
    """
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must lie in 0–1, got {alpha}")
    colours = colours_of(labels)
    grey = raw[..., None].astype(np.float32)
    weight = np.float32(alpha) * (colours[..., 3:] > 0)
    mixed = grey * (1 - weight) + colours[..., :3] * (SHADE + (1 - SHADE) / 255 * grey) * weight
    if contours:
        edge = outline(labels)
        mixed[edge] = colours[edge, :3]
    return np.rint(mixed).astype(np.uint8)


def stretch(grey: UInt8[np.ndarray, "y x"]) -> UInt8[np.ndarray, "y x"]:
    """Grey values drawn out so that the darkest 0.5 % are black and the brightest 0.5 % white; for the eye alone."""
    low, high = np.percentile(grey, (0.5, 99.5))
    scaled = (grey.astype(np.float32) - low) / max(high - low, 1)
    return np.rint(np.clip(scaled, 0, 1) * 255).astype(np.uint8)


def write_pictures(
    folder: Path, *, image: Image, labels: Labels, count: int = 5, alpha: float = ALPHA, contours: bool = True
) -> list[Path]:
    """Write sections of the middle of a volume, labels over tissue, one PNG each, voxels as pixels.

    Parameters
    ----------
    folder
        Where they go; made if missing. A file is called ``section-00042.png`` after its place in the volume.
    image
        Grey values.
    labels
        Labels of the same grid.
    count
        How many sections, evenly spread.
    alpha, contours
        As in `overlay`.

    Returns
    -------
    The files in the order of sections.
    """
    check_shapes(image, labels)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for plane in spread(shown_box(image.grid), axis="z", count=count):
        raw = stretch(read_plane(image, plane))
        picture = overlay(raw, read_plane(labels, plane), alpha=alpha, contours=contours)
        paths.append(folder / f"section-{plane.index:05d}.png")
        Picture.fromarray(picture).save(paths[-1])
    return paths
