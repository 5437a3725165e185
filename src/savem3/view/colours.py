"""A colour for every label: the same label has the same colour in every picture, on every machine."""

from __future__ import annotations

from functools import cache

import numpy as np
from jaxtyping import UInt8, UInt64
from numpy.typing import NDArray

HUES = 96
STYLES = ((0.70, 0.17), (0.80, 0.16), (0.60, 0.19), (0.84, 0.15))
"""Lightness and chroma (OKLCH) that a hue comes in: vivid on grey tissue, in a dark page and in a light one."""


def colours_of(labels: UInt64[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape 4"]:
    """Red, green, blue and opacity of each label, 0–255; label 0 is transparent, all others are opaque.

    The label is scrambled first, so that neighbouring numbers, which are often neighbouring cells, differ in colour.
    """
    palette = _palette()
    chosen = _scramble(labels) % np.uint64(len(palette) - 1) + np.uint64(1)
    return palette[np.where(labels == 0, 0, chosen).astype(np.intp)]


def _scramble(labels: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A one-to-one mixing of 64 bits. Source: the finaliser of SplitMix64 (Steele, Lea, Flood 2014)."""
    mixed = labels + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


@cache
def _palette() -> NDArray[np.uint8]:
    """Transparent black, then every hue in every style."""
    hue, style = np.meshgrid(np.arange(HUES), np.arange(len(STYLES)), indexing="ij")
    lightness, chroma = np.moveaxis(np.array(STYLES)[style.ravel()], -1, 0)
    opaque = np.full((hue.size, 1), 255)
    colours = np.hstack([_oklch_to_srgb(lightness, chroma, 2 * np.pi * hue.ravel() / HUES), opaque])
    return np.vstack([np.zeros((1, 4)), colours]).astype(np.uint8)


def _oklch_to_srgb(
    lightness: NDArray[np.float64], chroma: NDArray[np.float64], hue: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Red, green, blue 0–255, clipped. Source: the OKLab colour space (Ottosson 2020)."""
    a, b = chroma * np.cos(hue), chroma * np.sin(hue)
    cone = np.stack(
        [
            lightness + 0.3963377774 * a + 0.2158037573 * b,
            lightness - 0.1055613458 * a - 0.0638541728 * b,
            lightness - 0.0894841775 * a - 1.2914855480 * b,
        ]
    )
    mixing = [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
    linear = np.clip(np.array(mixing) @ cone**3, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(encoded.T * 255)
