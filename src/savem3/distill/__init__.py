"""A teacher and an unlabelled image enter, a 3D student leaves (METHOD §5)."""

from savem3.distill.cache import CachedLooks, Tiling
from savem3.distill.caching import cache_looks
from savem3.distill.lessons import Lesson, mean_boundary
from savem3.distill.recipe import DistillRecipe, h200_half_hour, paper, small_cpu, smoke
from savem3.distill.student import Adapters, Student, Taps, count_parameters
from savem3.distill.training import Progress, distill
from savem3.distill.weights import STUDENTS, StoredStudent, build_student, load_student, save_student

__all__ = [
    "STUDENTS",
    "Adapters",
    "CachedLooks",
    "DistillRecipe",
    "Lesson",
    "Progress",
    "StoredStudent",
    "Student",
    "Taps",
    "Tiling",
    "build_student",
    "cache_looks",
    "count_parameters",
    "distill",
    "h200_half_hour",
    "load_student",
    "mean_boundary",
    "paper",
    "save_student",
    "small_cpu",
    "smoke",
]
