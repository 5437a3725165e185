"""The students: sizes, taps, and that they do not depend on where a crop lies."""

import pytest
import torch

from savem3.distill import STUDENTS, Adapters, build_student, count_parameters
from savem3.distill.student import fold_pixels, unfold_pixels


def test_superhuman_has_exactly_the_published_number_of_parameters():
    assert count_parameters(build_student("superhuman")) == 6_721_825


def test_fast_has_about_four_tenths_of_a_million_parameters():
    assert 350_000 < count_parameters(build_student("fast")) < 450_000


@pytest.mark.parametrize("name", sorted(STUDENTS))
@pytest.mark.parametrize("outputs", [1, 2])
def test_every_student_keeps_the_shape_and_taps_at_half_and_an_eighth(name, outputs):
    student = build_student(name, outputs=outputs).eval()
    raw = torch.randn(2, 1, 3, 16, 24)
    taps = student.taps(raw)
    assert taps.boundary.shape == raw.shape
    assert (taps.distance is None) == (outputs == 1)
    assert taps.feature.shape[2:] == (3, 8, 12)
    assert taps.embedding.shape[2:] == (3, 2, 3)
    torch.testing.assert_close(student(raw), taps.boundary)


def test_the_published_widths_need_no_adapter_and_others_get_one():
    assert count_parameters(Adapters(build_student("superhuman"))) == 0
    student = build_student("fast").eval()
    feature, embedding = Adapters(student)(student.taps(torch.randn(1, 1, 2, 8, 16)))
    assert feature.shape == (1, 32, 2, 4, 8)
    assert embedding.shape == (1, 256, 2, 1, 2)


def test_folding_pixels_and_back_is_identity():
    x = torch.arange(2 * 3 * 2 * 4 * 6.0).reshape(2, 3, 2, 4, 6)
    torch.testing.assert_close(unfold_pixels(fold_pixels(x)), x)


def test_an_unknown_student_is_refused_by_name():
    with pytest.raises(ValueError, match="name must be one of fast, superhuman, got tiny"):
        build_student("tiny")
    with pytest.raises(ValueError, match="outputs must be 1"):
        build_student("fast", outputs=3)
