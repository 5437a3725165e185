"""A camera at infinity that looks at a box from above and aside: one ray for each point of a square picture."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float32, Int64

from savem3.grid import Shape

TURN_DEGREES, TILT_DEGREES = -35.0, 24.0
"""How far the box is turned about its y axis and tipped towards the viewer."""
MARGIN = 1.03
"""Width of the picture over the width of the box in it."""


@dataclass(frozen=True, slots=True)
class Rays:
    """The rays that cross the box.

    Parameters
    ----------
    points
        Where each lies in the flattened picture.
    starts, stops
        Where it enters and leaves the box in z, y, x, in samples; 0 is the middle of the first sample.
    turn
        Rows are depth, down and right of the picture, as directions in z, y, x.
    """

    points: Int64[np.ndarray, " ray"]
    starts: Float32[np.ndarray, "ray 3"]
    stops: Float32[np.ndarray, "ray 3"]
    turn: Float32[np.ndarray, "3 3"]


def aim(shape: Shape, *, size: int) -> Rays:
    """The rays of a picture of ``size`` × ``size`` points that a box of samples fills."""
    turn, half = _turn(), np.array(shape, np.float32) / 2
    screen = _screen(turn, half, size=size)
    with np.errstate(divide="ignore"):
        faces = (-half - screen) / turn[0], (half - screen) / turn[0]
    near, far = np.minimum(*faces).max(axis=1), np.maximum(*faces).min(axis=1)
    points = np.flatnonzero(near < far)
    first = screen[points] + half - np.float32(0.5)
    starts, stops = (first + length[points, None] * turn[0] for length in (near, far))
    return Rays(points.astype(np.int64), starts, stops, turn)


def rims(positions: Float32[np.ndarray, "ray 3"], shape: Shape) -> Float32[np.ndarray, " ray"]:
    """How far points on the faces of a box are from its nearest edge, in samples."""
    past = positions + np.float32(0.5)
    to_faces = np.minimum(past, np.array(shape, np.float32) - past)
    return np.sort(to_faces, axis=1)[:, 1]


def _turn() -> Float32[np.ndarray, "3 3"]:
    """Depth, down and right of the picture, as directions in z, y, x."""
    turned, tipped = np.deg2rad([TURN_DEGREES, TILT_DEGREES])
    about_y = [[np.cos(turned), 0, -np.sin(turned)], [0, 1, 0], [np.sin(turned), 0, np.cos(turned)]]
    about_x = [[np.cos(tipped), np.sin(tipped), 0], [-np.sin(tipped), np.cos(tipped), 0], [0, 0, 1]]
    return (np.array(about_x) @ np.array(about_y)).astype(np.float32)


def _screen(
    turn: Float32[np.ndarray, "3 3"], half: Float32[np.ndarray, " 3"], *, size: int
) -> Float32[np.ndarray, "point 3"]:
    """Every point of the picture's plane through the middle of the box, counted from there in z, y, x."""
    corners = np.array(list(product((-1, 1), repeat=3))) * half @ turn.T
    width = np.ptp(corners[:, 1:], axis=0).max() * MARGIN
    ticks = (((np.arange(size) + 0.5) / size - 0.5) * width).astype(np.float32)
    down, right = np.meshgrid(ticks, ticks, indexing="ij")
    return down.reshape(-1, 1) * turn[1] + right.reshape(-1, 1) * turn[2]
