"""The teacher: strides, heads that know no prompt, and its file."""

import numpy as np
import pytest

from savem3.distill import build_student, save_student
from savem3.saem2 import Saem2, Saem2Teacher, load_teacher, save_teacher
from savem3.store.weights import UnusableWeights


def test_maps_come_at_strides_one_two_and_eight():
    look = Saem2Teacher(Saem2().eval()).look_at(np.zeros((2, 16, 40), np.float32))
    assert look.boundary.shape == look.distance.shape == (2, 16, 40)
    assert look.feature.shape == (2, 32, 8, 20)
    assert look.embedding.shape == (2, 256, 2, 5)
    assert 0 <= look.boundary.min() <= look.boundary.max() <= 1


def test_sections_that_strides_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="multiples of 8 pixels"):
        Saem2Teacher(Saem2().eval()).look_at(np.zeros((1, 16, 20), np.float32))


def test_a_teacher_survives_its_file_and_a_student_is_no_teacher(tmp_path):
    network = Saem2().eval()
    save_teacher(network, tmp_path / "teacher.safetensors", card={"steps": 3})
    teacher, weights = load_teacher(tmp_path / "teacher.safetensors")
    sections = np.random.default_rng(0).random((1, 16, 24), np.float32)
    np.testing.assert_array_equal(teacher.look_at(sections).feature, Saem2Teacher(network).look_at(sections).feature)
    assert weights.card == {"steps": 3}
    save_student(build_student("fast"), tmp_path / "student.safetensors", card={})
    with pytest.raises(UnusableWeights, match="weights must be for saem2-tiny, got fast"):
        load_teacher(tmp_path / "student.safetensors")
