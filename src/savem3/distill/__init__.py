"""A teacher and an unlabelled image enter, a 3D student leaves (METHOD §5)."""

from savem3.distill.lessons import Lesson
from savem3.distill.recipe import DistillRecipe, paper, small_cpu, smoke
from savem3.distill.student import Adapters, Student, Taps, count_parameters
from savem3.distill.training import Progress, distill
from savem3.distill.weights import STUDENTS, StoredStudent, build_student, load_student, save_student

__all__ = [
    "STUDENTS",
    "Adapters",
    "DistillRecipe",
    "Lesson",
    "Progress",
    "StoredStudent",
    "Student",
    "Taps",
    "build_student",
    "count_parameters",
    "distill",
    "load_student",
    "paper",
    "save_student",
    "small_cpu",
    "smoke",
]
