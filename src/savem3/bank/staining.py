"""Synthetic tissue as the electron microscope shows it: cytoplasm, organelles, membranes, then optics and noise.

Grey values are 0 (black) to 1 (white) until the photograph. Each step draws from its own range, so that volumes differ
as preparations do. Source: ours, looked at beside sections of FIB-25 and of the larval nerve cord.
"""

from __future__ import annotations

import fastremap
import numpy as np
from bioimage_cpp.distance import distance_transform
from jaxtyping import Float32, UInt8
from numpy.random import Generator
from scipy import ndimage

from savem3.bank.neurites import Tissue, smooth_noise
from savem3.bank.targets import contacts
from savem3.volume import Labels

SEEN_THROUGH = 1.7
"""How much stronger grain is drawn in layers of sections, of which the mean is seen."""

Grey = Float32[np.ndarray, "z y x"]


def stain(tissue: Tissue, rng: Generator) -> Grey:
    """Grey values of the tissue, as if each voxel were seen sharply and without noise."""
    membrane_nm = _distance_to_membrane(tissue)
    grey = _cytoplasm(tissue, rng)
    grey = _add_reticulum(grey, tissue, rng, membrane_nm=membrane_nm)
    grey = _add_vesicles(grey, tissue, rng, membrane_nm=membrane_nm)
    grey = _add_mitochondria(grey, tissue, rng, membrane_nm=membrane_nm)
    grey = _add_membranes(grey, tissue, rng, membrane_nm=membrane_nm)
    return _add_densities(grey, tissue, rng, membrane_nm=membrane_nm)


def project(grey: Grey, *, layers: int) -> Float32[np.ndarray, "section y x"]:
    """Sections of ``layers`` voxels each, seen through: the mean along z."""
    z, y, x = grey.shape
    return grey.reshape(z // layers, layers, y, x).mean(axis=1)


def photograph(grey: Grey, rng: Generator, *, pixel_nm: float, isotropic: bool) -> UInt8[np.ndarray, "z y x"]:
    """Blur of the optics, noise of the detector, and grey values 0–255; cut sections differ in brightness."""
    blur = rng.uniform(3, 9) / pixel_nm
    grey = ndimage.gaussian_filter(grey, (blur if isotropic else 0, blur, blur))
    noise = rng.standard_normal(grey.shape, np.float32)
    correlated = rng.uniform(0, 0.8)
    noise = ndimage.gaussian_filter(noise, (correlated if isotropic else 0, correlated, correlated))
    strength = rng.uniform(0.01, 0.05) if isotropic else rng.uniform(0.03, 0.09)
    grey = grey + np.float32(strength) * noise / noise.std()
    if not isotropic:
        sections = (len(grey), 1, 1)
        grey = grey * rng.uniform(0.92, 1.08, sections) + rng.normal(0, 0.02, sections)
    low, high = np.percentile(grey, (0.5, 99.5))
    darkest, brightest = rng.uniform(20, 70), rng.uniform(190, 240)
    return np.clip(np.rint((grey - low) / (high - low) * (brightest - darkest) + darkest), 0, 255).astype(np.uint8)


def _distance_to_membrane(tissue: Tissue) -> Grey:
    """Distance to the nearest face between two cells, nm, to about half a voxel."""
    pixel_nm = min(tissue.grid.voxel_size)
    touching = contacts(Labels(tissue.labels, tissue.grid), sectionwise=False, width_nm=max(tissue.grid.voxel_size))
    if not touching.any():
        return np.full(tissue.grid.shape, 1e3, np.float32)
    return distance_transform(~touching, sampling=tissue.grid.voxel_size) + np.float32(pixel_nm / 2)


def _cytoplasm(tissue: Tissue, rng: Generator) -> Grey:
    """Cells from light and smooth to dark and granular, mixed anew in every volume."""
    cell, names = fastremap.renumber(tissue.labels, in_place=False)
    cells = len(names) + 1
    darkness = rng.beta(0.7, rng.uniform(0.8, 2.5), cells).astype(np.float32)
    grain = rng.uniform(0.06, 0.14) + rng.uniform(-0.03, 0.05) * darkness
    contrast = rng.uniform(0.4, 1.6, cells) * (1 if tissue.grid.is_isotropic else SEEN_THROUGH)
    grain = (grain * contrast).astype(np.float32)
    light = np.float32(rng.uniform(0.75, 0.9))
    grey = (light - np.float32(rng.uniform(0.25, 0.45)) * darkness)[cell]
    fine = smooth_noise(rng, grid=tissue.grid, scale_nm=rng.uniform(7, 11))
    coarse = smooth_noise(rng, grid=tissue.grid, scale_nm=rng.uniform(16, 30))
    texture = 0.6 * fine + 0.8 * coarse
    granules = np.maximum(texture - 0.6, 0)
    cloud = smooth_noise(rng, grid=tissue.grid, scale_nm=rng.uniform(100, 250))
    return grey + grain[cell] * (0.6 * texture - granules) + np.float32(0.03) * cloud


def _add_reticulum(grey: Grey, tissue: Tissue, rng: Generator, *, membrane_nm: Grey) -> Grey:
    """Thin dark sheets and tubules inside some places of the cells: lines that are no cell borders."""
    sheet = smooth_noise(rng, grid=tissue.grid, scale_nm=rng.uniform(40, 70))
    place = smooth_noise(rng, grid=tissue.grid, scale_nm=rng.uniform(90, 160))
    line = np.exp(-((sheet / rng.uniform(0.08, 0.16)) ** 2)).astype(np.float32)
    here = np.clip(2 * (place - rng.uniform(0.6, 1.4)), 0, 1) * np.clip((membrane_nm - 35) / 20, 0, 1)
    return grey - np.float32(rng.uniform(0.1, 0.3)) * line * here


def _add_vesicles(grey: Grey, tissue: Tissue, rng: Generator, *, membrane_nm: Grey) -> Grey:
    """Clouds of round vesicles with a dark wall, some with a dark core."""
    cloud = smooth_noise(rng, grid=tissue.grid, scale_nm=rng.uniform(80, 160)) > rng.uniform(-0.5, 1.5)
    per_voxel = rng.uniform(0.5, 4) * float(np.prod(tissue.grid.voxel_size)) / 70.0**3
    centre = (rng.random(grey.shape, np.float32) < per_voxel) & cloud & (membrane_nm > 45)
    if not centre.any():
        return grey
    away_nm = distance_transform(~centre, sampling=tissue.grid.voxel_size)
    radius_nm = rng.uniform(16, 26)
    wall = np.exp(-(((away_nm - radius_nm) / 7) ** 2)) - 0.4 * np.exp(-((away_nm / (0.6 * radius_nm)) ** 2))
    core = rng.choice([0.0, 1.0], p=[0.7, 0.3]) * np.exp(-((away_nm / radius_nm) ** 2))
    return grey - np.float32(rng.uniform(0.08, 0.25)) * (wall + 1.4 * core).astype(np.float32)


def _add_mitochondria(grey: Grey, tissue: Tissue, rng: Generator, *, membrane_nm: Grey) -> Grey:
    """Dark bodies with a darker rim, smooth or with cristae, kept off the cell's membrane."""
    surface_nm = np.maximum(tissue.mitochondrion_nm, 25 - membrane_nm)
    inside = np.clip(0.5 - surface_nm / 8, 0, 1)
    rim = np.exp(-((surface_nm / 9) ** 2)) * (tissue.mitochondrion_nm < 20)
    fold = smooth_noise(rng, grid=tissue.grid, scale_nm=rng.uniform(30, 50))
    cristae = rng.choice([0.0, 1.0]) * rng.uniform(0.03, 0.12) * np.sin(fold * rng.uniform(3, 6))
    fine = smooth_noise(rng, grid=tissue.grid, scale_nm=9)
    matrix = np.float32(rng.uniform(0.3, 0.55)) + cristae + 0.015 * fine
    filled = grey + inside * (matrix - grey) - rng.uniform(0.05, 0.2) * rim
    return filled.astype(np.float32)


def _add_membranes(grey: Grey, tissue: Tissue, rng: Generator, *, membrane_nm: Grey) -> Grey:
    """A dark line two or three voxels wide between any two cells, with no space between them; its stain varies."""
    profile = np.exp(-((membrane_nm / rng.uniform(9, 14)) ** 2))
    strength = 1 + 0.25 * smooth_noise(rng, grid=tissue.grid, scale_nm=rng.uniform(50, 120))
    black = rng.uniform(0.15, 0.4)
    share = np.clip(profile * np.clip(strength, 0.3, 1.5) * rng.uniform(0.6, 1), 0, 1)
    return (grey + share * (black - grey)).astype(np.float32)


def _add_densities(grey: Grey, tissue: Tissue, rng: Generator, *, membrane_nm: Grey) -> Grey:
    """Dark patches of synapses along some membranes."""
    place = smooth_noise(rng, grid=tissue.grid, scale_nm=rng.uniform(35, 60))
    patch = np.clip(3 * (place - rng.uniform(1.8, 2.4)), 0, 1) * np.clip((50 - membrane_nm) / 20, 0, 1)
    return (grey + np.float32(0.8) * patch * (rng.uniform(0.1, 0.3) - grey)).astype(np.float32)
