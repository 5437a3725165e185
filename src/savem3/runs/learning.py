"""How a student learned a volume, made ready for the report: curves, the decision, features as pictures."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float32, UInt8

from savem3.adaptation import Course
from savem3.distill import Student
from savem3.grid import Box, Shape
from savem3.teacher import Teacher
from savem3.view import Learning, colour_features
from savem3.volume import Image, IntensityMap

SEEN: Shape = (9, 256, 256)
"""Voxels around the middle section that a student looks at for the pictures."""
NAMES = {
    "boundary": "loss: boundary",
    "feature": "loss: HQ feature",
    "embedding": "loss: embedding",
    "criterion": "criterion: how unsteady the neurons are",
}
"""What the curves are called; others keep their names."""

Maps = Float32[np.ndarray, "channel y x"]


def show_learning(
    course: Course, image: Image, teacher: Teacher, before: Student, after: Student, *, intensity: IntensityMap
) -> Learning:
    """What the report shows of an adaptation.

    Parameters
    ----------
    course
        How it went.
    image, intensity
        The volume; a few sections in its middle are looked at.
    teacher
        Whose features were learned.
    before, after
        The student that it began with, and the one that went on.
    """
    raw = _middle_sections(image, intensity)
    section = raw[len(raw) // 2]
    look, own = teacher.look_at(section[None]), [_taps_of(student, raw) for student in (before, after)]
    pictures = {
        "HQ feature": _row(section, look.feature[0], own[0][0], own[1][0]),
        "Image embedding": _row(section, look.embedding[0], own[0][1], own[1][1]),
    }
    curves = {NAMES.get(name, name): line for name, line in course.curves.items()}
    return Learning(course.reason, curves, course.kept_step, pictures)


def _middle_sections(image: Image, intensity: IntensityMap) -> Float32[np.ndarray, "z y x"]:
    """A few sections as networks see them, their y and x multiples of 8; mirrored on where there are too few voxels."""
    shape = image.grid.shape
    start = [max(0, (n - most) // 2) for n, most in zip(shape, SEEN, strict=True)]
    stop = [min(n, a + most) for a, n, most in zip(start, shape, SEEN, strict=True)]
    raw = image.read(Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2])))
    missing = [(0, 0), *((0, -n % 8) for n in raw.shape[1:])]
    return intensity.to_unit(np.pad(raw, missing, mode="symmetric"))


def _taps_of(student: Student, raw: Float32[np.ndarray, "z y x"]) -> tuple[Maps, Maps]:
    """The student's feature and embedding in the middle one of some sections."""
    with torch.inference_mode():
        taps = student.cpu().eval().taps(torch.from_numpy(raw)[None, None])
    middle = len(raw) // 2
    return taps.feature[0, :, middle].float().numpy(), taps.embedding[0, :, middle].float().numpy()


def _row(
    section: Float32[np.ndarray, "y x"], teacher: Maps, before: Maps, after: Maps
) -> dict[str, UInt8[np.ndarray, "height width 3"]]:
    grey = np.rint(np.clip((section + 1) / 2, 0, 1) * 255).astype(np.uint8)
    own = colour_features(before, after)
    return {
        "raw": np.repeat(grey[..., None], 3, axis=-1),
        "teacher": colour_features(teacher)[0],
        "student before": own[0],
        "student after": own[1],
    }
