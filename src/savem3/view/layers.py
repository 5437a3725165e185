"""Sections as layers of a page: tissue and boundary below, coloured labels above, each a picture inside the text."""

from __future__ import annotations

import io
from base64 import b64encode
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8, UInt64
from PIL import Image as Picture

from savem3.view.colours import colours_of
from savem3.view.pictures import outline, stretch
from savem3.view.planes import Plane, read_plane, shown_box, spread
from savem3.volume import BoundaryMap, Image, Labels

SECTIONS = 14
MOST_PIXELS = 768
"""Pixels that the longer side of a section has at most."""
COARSER = 0.85
"""What that side is multiplied with while sections weigh too much."""
BUDGET = 4_000_000
"""Bytes that all sections may take before they are written as text, which needs a third more."""
FILL_OPACITY = 150
"""Opacity 0–255 inside a label; its outline is opaque."""


@dataclass(frozen=True, slots=True)
class Section:
    """One section of the page.

    Parameters
    ----------
    z
        Its place in the volume.
    layers
        Data URIs by name: "raw", "boundary", then labels.
    """

    z: int
    layers: dict[str, str]


def section_layers(
    image: Image, boundary: BoundaryMap, labels: dict[str, Labels], *, count: int = SECTIONS, budget: int = BUDGET
) -> list[Section]:
    """Sections of the middle of a volume, as fine as the budget allows.

    Parameters
    ----------
    image, boundary
        What lies below.
    labels
        What lies above, by the name it is shown under.
    count
        How many sections, evenly spread.
    budget
        Bytes that all pictures may take together; coarser ones are made until the middle section takes its share.
    """
    planes = spread(shown_box(image.grid), axis="z", count=count)
    longest = min(MOST_PIXELS, max(planes[0].box.shape))
    share = budget / len(planes)
    while longest > 1 and _weight(_encode(planes[len(planes) // 2], longest, image, boundary, labels)) > share:
        longest = int(longest * COARSER)
    encoded = [_encode(plane, longest, image, boundary, labels) for plane in planes]
    return [
        Section(plane.index, {name: data_uri(webp) for name, webp in layers.items()})
        for plane, layers in zip(planes, encoded, strict=True)
    ]


def data_uri(webp: bytes) -> str:
    """A WebP picture as an address that contains it."""
    return "data:image/webp;base64," + b64encode(webp).decode("ascii")


def encode_webp(picture: UInt8[np.ndarray, "y x *channel"], *, lossless: bool) -> bytes:
    """A picture as WebP: without loss for flat colours, at quality 80 for grain."""
    file = io.BytesIO()
    Picture.fromarray(picture).save(file, "WEBP", lossless=lossless, quality=50 if lossless else 80, method=3)
    return file.getvalue()


def _encode(
    plane: Plane, longest: int, image: Image, boundary: BoundaryMap, labels: dict[str, Labels]
) -> dict[str, bytes]:
    """The layers of one section."""
    raw = encode_webp(stretch(read_plane(image, plane, longest=longest)), lossless=False)
    membrane = encode_webp(read_plane(boundary, plane, longest=longest), lossless=False)
    coloured = {
        name: encode_webp(_colour(read_plane(volume, plane, longest=longest)), lossless=True)
        for name, volume in labels.items()
    }
    return {"raw": raw, "boundary": membrane} | coloured


def _colour(labels: UInt64[np.ndarray, "y x"]) -> UInt8[np.ndarray, "y x 4"]:
    """Labels as colours to lie over tissue: translucent inside, opaque on outlines, nothing on background."""
    colours = colours_of(labels)
    colours[(labels != 0) & ~outline(labels), 3] = FILL_OPACITY
    return colours


def _weight(layers: dict[str, bytes]) -> int:
    """Bytes of all layers of a section."""
    return sum(len(layer) for layer in layers.values())
