"""Neurons in three dimensions without a graphics card: lit from the left above, the raw tissue on the walls behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from numpy.typing import NDArray
from PIL import Image as Picture
from scipy import ndimage

from savem3.grid import Shape
from savem3.view.camera import Rays, aim, rims
from savem3.view.colours import colours_of
from savem3.view.lattice import LATTICE, keep_largest, sample_evenly
from savem3.view.rays import REACH, cast_rays
from savem3.volume import Image, Labels

OVERSAMPLE = 2
"""Rays along each side of a pixel."""
LIGHT = (-0.64, -0.62, -0.45)
"""Where the light comes from, in depth, down and right of the picture."""
WALLS = (0.95, 0.8, 0.7)
"""Brightness of the walls across z, y and x, so that the corner between them shows."""
RIM = 0.35
"""Half the width of the box's edges, in samples."""
CREVICES = ((8.0, 6.0), (24.0, 14.0))
"""Widths over which a point is compared with its surroundings, and how much deeper it must lie to be quite dark."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What the rays of a picture met.

    Parameters
    ----------
    hit
        Whether a ray met a neuron; else it ends on a wall.
    colours
        Red, green, blue 0–255 of what it met, unlit.
    normals
        Which way that faces, in depth, down, right of the picture; 0 on walls.
    depth
        How far away it is, 0 for the nearest to 1 for the farthest.
    crevice
        How far it lies behind its surroundings, 0–1.
    """

    hit: Bool[np.ndarray, " ray"]
    colours: Float32[np.ndarray, "ray 3"]
    normals: Float32[np.ndarray, "ray 3"]
    depth: Float32[np.ndarray, " ray"]
    crevice: Float32[np.ndarray, " ray"]


def render_neurons(
    labels: Labels, *, image: Image | None = None, count: int = 20, size: int = 800
) -> UInt8[np.ndarray, "{size} {size} 4"]:
    """The largest neurons in the middle of a volume, seen from above and aside, on a transparent ground.

    A neuron that fills more than `TOO_LARGE` of the box is left out, unless all do.

    Parameters
    ----------
    labels
        The neurons; some five million samples of them are read, section by section.
    image
        Grey values for the three walls behind; walls are plain if absent.
    count
        How many neurons are shown.
    size
        Pixels along each side of the picture.
    """
    lattice = sample_evenly(labels)
    rays = aim(_shape(lattice), size=size * OVERSAMPLE)
    names, numbered = keep_largest(lattice, count=count)
    scene = _look(rays, names, numbered, walls=_walls(rays, _shape(lattice), image), size=size * OVERSAMPLE)
    return _develop(rays, _draw_edges(rays, _light(scene), scene.hit, _shape(lattice)), size=size)


def _shape(lattice: NDArray[np.generic]) -> Shape:
    z, y, x = lattice.shape
    return z, y, x


def _look(
    rays: Rays, names: NDArray[np.uint64], numbered: NDArray[np.uint16], *, walls: NDArray[np.float32], size: int
) -> Scene:
    """Follow every ray to what it meets first."""
    met, travelled, normals = cast_rays(np.pad(numbered, REACH), rays.starts + REACH, rays.stops + REACH)
    colours = colours_of(np.concatenate([np.zeros(1, np.uint64), names]))[met, :3].astype(np.float32)
    colours[met == 0] = walls[met == 0]
    away = (rays.starts @ rays.turn[0]).astype(np.float32) + travelled
    depth = (away - away.min()) / max(float(np.ptp(away)), 1.0)
    turned = (normals @ rays.turn.T).astype(np.float32)
    return Scene(met != 0, colours, turned, depth, _crevices(rays, away, size=size))


def _walls(rays: Rays, shape: Shape, image: Image | None) -> NDArray[np.float32]:
    """Colour of the wall that each ray would end on, with the raw tissue if there is any."""
    past = (rays.stops + 0.5) / np.array(shape)
    wall = np.minimum(past, 1 - past) * shape
    brightness = np.array(WALLS, np.float32)[wall.argmin(axis=1)]
    grey = np.full(len(past), 110, np.float32)
    if image is not None:
        raw = sample_evenly(image, longest=2 * LATTICE)
        at = np.clip(past * raw.shape - 0.5, 0, np.array(raw.shape) - 1)
        grey = ndimage.map_coordinates(raw, at.T, output=np.float32, order=1)
    return np.repeat((grey * brightness)[:, None], 3, axis=1)


def _crevices(rays: Rays, away: NDArray[np.float32], *, size: int) -> NDArray[np.float32]:
    """How far each point lies behind its surroundings: a cheap stand-in for the light that does not get there."""
    picture = np.full((size, size), away.max(), np.float32)
    picture.ravel()[rays.points] = away
    coarse = picture[::4, ::4]
    dark = np.zeros_like(picture)
    for width, depth in CREVICES:
        around = ndimage.gaussian_filter(coarse, width * size / 4000)
        dark += np.clip((picture - _enlarge(around, size)) / depth, 0, 1) / len(CREVICES)
    return dark.ravel()[rays.points]


def _enlarge(coarse: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """A smooth picture at full size again."""
    return np.asarray(Picture.fromarray(coarse).resize((size, size), Picture.Resampling.BILINEAR))


def _light(scene: Scene) -> NDArray[np.float32]:
    """Colours as they are seen: neurons shaded by the light with a little gloss, walls by crevices alone."""
    towards = np.array(LIGHT) / np.linalg.norm(LIGHT)
    between = towards + (-1, 0, 0)
    gloss = np.clip(scene.normals @ (between / np.linalg.norm(between)), 0, 1) ** 40
    grazing = np.clip(1 + scene.normals[:, 0], 0, 1) ** 3
    shade = (0.36 + 0.8 * np.clip(scene.normals @ towards, 0, 1)) * (1 - 0.75 * scene.crevice)
    shade *= (1.1 - 0.35 * scene.depth) * (1 - 0.3 * grazing)
    neurons = scene.colours * shade[:, None] + (70 * gloss * (1 - scene.crevice))[:, None]
    walls = scene.colours * (1 - 0.65 * scene.crevice)[:, None]
    return np.where(scene.hit[:, None], neurons, walls).astype(np.float32)


def _draw_edges(rays: Rays, colours: NDArray[np.float32], hit: NDArray[np.bool_], shape: Shape) -> NDArray[np.float32]:
    """Edges of the box: those behind where nothing hides them, those in front thinly over everything."""
    behind = (rims(rays.stops, shape) < RIM) & ~hit
    before = rims(rays.starts, shape) < RIM
    drawn = np.where(behind[:, None], np.float32(150), colours)
    return np.where(before[:, None], drawn * np.float32(0.4) + np.float32(150), drawn)


def _develop(rays: Rays, colours: NDArray[np.float32], *, size: int) -> NDArray[np.uint8]:
    """The picture at its final size, its outline smooth."""
    fine = size * OVERSAMPLE
    picture = np.zeros((fine * fine, 4), np.uint8)
    picture[rays.points, :3] = np.clip(colours, 0, 255)
    picture[rays.points, 3] = 255
    small = Picture.fromarray(picture.reshape(fine, fine, 4)).resize((size, size), Picture.Resampling.LANCZOS)
    return np.asarray(small)
