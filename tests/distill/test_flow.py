"""Block matching on a few sections: what is known to move is found to the pixel, what is no tissue is left out."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from savem3.distill.flow import find_flow, warp
from savem3.distill.second_stage import motion, second_stage, smooth


def tissue(*, seed=0, shape=(48, 56)):
    """A smooth random picture, −1…1."""
    rough = np.random.default_rng(seed).normal(size=shape)
    soft = ndimage.gaussian_filter(rough, 1.5, mode="wrap")
    return torch.from_numpy((soft / np.abs(soft).max()).astype(np.float32))


@pytest.mark.parametrize("shift", [(0, 0), (3, -2), (-7, 5)])
def test_a_known_shift_is_found_to_the_pixel(shift):
    here = tissue(shape=(72, 80))
    flow = find_flow(torch.stack([here, here.roll(shift, (0, 1))])[None])
    inner = (slice(22, -22), slice(22, -22))
    assert flow.valid[0, 0][inner].all()
    for axis in range(2):
        assert (flow.shift[0, axis, 0][inner] == shift[axis]).all()


def test_places_that_lie_beyond_the_section_do_not_count():
    here = tissue()
    flow = find_flow(torch.stack([here, here.roll((4, 0), (0, 1))])[None])
    assert not flow.valid[0, 0, -2:].any()


def test_a_replaced_section_is_masked_on_both_its_sides_and_no_other():
    sections = torch.stack([tissue(), tissue(), torch.randn(48, 56, generator=torch.manual_seed(3)), tissue()])
    valid = find_flow(sections[None]).valid[0].float().mean((1, 2))
    assert valid[0] == 1
    assert valid[1:].max() < 0.1


def test_an_empty_section_is_masked():
    assert not find_flow(torch.stack([tissue(), torch.zeros(48, 56)])[None]).valid.any()


def test_warping_fetches_what_stands_a_shift_away():
    maps = torch.arange(12.0).reshape(1, 1, 3, 4)
    shift = torch.tensor([1, -1]).reshape(1, 2, 1, 1).expand(1, 2, 3, 4)
    torch.testing.assert_close(warp(maps, shift)[0, 0, 0], torch.tensor([4.0, 4.0, 5.0, 6.0]))


def moving(shift=(4, -6)):
    """Raw that moves from section to section, and features that move with it, at half of its y and x."""
    still = tissue(shape=(144, 160))
    raw = torch.stack([still, still.roll(shift, (0, 1))])
    feature = torch.randn(1, 3, 72, 80, generator=torch.manual_seed(0))
    return raw[None, None], torch.stack([feature, feature.roll((shift[0] // 2, shift[1] // 2), (2, 3))], 2)


def test_features_that_move_with_the_tissue_cost_no_motion_but_are_not_smooth():
    raw, feature = moving()
    mask = torch.zeros_like(raw)
    mask[..., 48:-48, 48:-48] = 1
    terms = second_stage(feature, raw, mask=mask)
    assert terms["motion"] < 1e-6
    assert terms["smooth"] > 1


def test_smoothness_is_the_distance_of_vectors_less_what_is_free():
    raw = torch.stack([tissue(), tissue()])[None, None]
    feature = torch.zeros(1, 2, 2, 24, 28)
    feature[:, :, 1] = torch.tensor([3.0, 4.0]).reshape(1, 2, 1, 1)
    terms = second_stage(feature, raw, mask=torch.ones_like(raw))
    torch.testing.assert_close(terms["smooth"], torch.tensor(4.9))
    torch.testing.assert_close(terms["motion"], torch.tensor(3.5))


@pytest.mark.parametrize("term", [motion, smooth])
def test_defects_and_masked_sections_cost_nothing(term):
    same, other = tissue()[:24, :28], torch.randn(24, 28, generator=torch.manual_seed(3))
    feature = torch.arange(3.0).reshape(1, 1, 3, 1, 1).expand(1, 2, 3, 24, 28)
    everywhere, first_lost = torch.ones(1, 1, 3, 24, 28), torch.ones(1, 1, 3, 24, 28)
    first_lost[:, :, 0] = 0
    flow = find_flow(torch.stack([same, same, other])[None])
    assert term(feature, flow, mask=everywhere) > 0.8
    lost = find_flow(torch.stack([same, same, torch.zeros(24, 28)])[None])
    assert term(feature, lost, mask=first_lost) == 0


@pytest.mark.parametrize("name", ["motion", "smooth"])
def test_each_term_pulls_neighbouring_sections_together(name):
    raw = torch.stack([tissue(), tissue()])[None, None]
    feature = torch.zeros(1, 2, 2, 24, 28)
    feature[:, :, 1] = 1
    feature.requires_grad_()
    second_stage(feature, raw, mask=torch.ones_like(raw))[name].backward()
    assert feature.grad[:, :, 1].mean() > 0 > feature.grad[:, :, 0].mean()
