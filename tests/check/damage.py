"""Tissue that no microscope saw, and sections damaged as microscopes and microtomes damage them."""

import numpy as np
from scipy import ndimage

from savem3.grid import Grid
from savem3.volume import Image

VOXEL_SIZE = (12.0, 10.0, 10.0)


def tissue(*, sections=24, height=96, width=128, seed=0, noise=6.0):
    """Cells between dark membranes that move slowly from section to section, each section with its own noise."""
    rng = np.random.default_rng(seed)
    values = ndimage.gaussian_filter(rng.normal(size=(sections, height, width)), (4, 5, 5), mode="wrap")
    values /= values.std()
    membranes = np.exp(-((values / 0.12) ** 2))
    grey = 170 + 12 * values - 110 * membranes + rng.normal(0, noise, values.shape)
    return Image(np.clip(np.rint(grey), 0, 255).astype(np.uint8), Grid(values.shape, VOXEL_SIZE))


def damaged(image, damage, sections, *, seed=0):
    """The image with some of its sections damaged."""
    rng, voxels = np.random.default_rng(seed), np.array(image.voxels[...])
    clean = voxels.copy()
    for z in sections:
        voxels[z] = damage(clean, z, rng)
    return Image(voxels, image.grid)


def noisy(section, rng, sigma):
    return np.clip(np.rint(section + rng.normal(0, sigma, section.shape)), 0, 255).astype(np.uint8)


def blackened(voxels, z, rng):
    return np.zeros_like(voxels[z])


def partly_lost(voxels, z, rng):
    section = voxels[z].copy()
    section[: section.shape[0] // 2] = 255
    return section


def copied(voxels, z, rng):
    return voxels[z - 1]


def copied_with_noise(voxels, z, rng):
    return noisy(voxels[z - 1], rng, 2)


def shifted(voxels, z, rng, *, far=10):
    angle = rng.uniform(0, 2 * np.pi)
    y, x = (round(float(part * far)) for part in (np.sin(angle), np.cos(angle)))
    height, width = voxels[z].shape
    wide = np.pad(voxels[z], far + 1, mode="symmetric")
    return wide[far + 1 - y : far + 1 - y + height, far + 1 - x : far + 1 - x + width]


def folded(voxels, z, rng, *, thick=6, apart=6):
    angle, section = rng.uniform(0, np.pi), voxels[z]
    y, x = np.mgrid[: section.shape[0], : section.shape[1]]
    middle = np.array(section.shape) * rng.uniform(0.35, 0.65, 2)
    beyond = (y - middle[0]) * np.sin(angle) + (x - middle[1]) * np.cos(angle)
    moved = np.roll(section, (round(apart * np.sin(angle)), round(apart * np.cos(angle))), (0, 1))
    crossed = np.where(beyond > 0, moved, section)
    dark = noisy(np.full(section.shape, np.quantile(voxels, 0.002) * 0.5), rng, 3)
    return np.where(np.abs(beyond) < thick / 2, dark, crossed)


def blurred(voxels, z, rng):
    return noisy(ndimage.gaussian_filter(voxels[z].astype(np.float32), 2), rng, 1)


def harsh(voxels, z, rng):
    mean = voxels[z].mean()
    return np.clip(np.rint((voxels[z] - mean) * 2.2 + mean), 0, 255).astype(np.uint8)


def darkened(voxels, z, rng):
    return np.clip(voxels[z].astype(np.int32) - 60, 0, 255).astype(np.uint8)


DAMAGES = {
    "black": (blackened, partly_lost),
    "contrast": (harsh, darkened),
    "folded": (folded,),
    "duplicated": (copied, copied_with_noise),
    "shifted": (shifted,),
    "blurred": (blurred,),
}
CASES = [(kind, damage) for kind, damages in DAMAGES.items() for damage in damages]
