"""Losses at drawn points: where points lie, what is read there, and what it costs."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from savem3.saem2.over_sam.points import PointSampling, draw_places, point_losses, read_at


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def slope(shape=(6, 10)):
    """Rises by 1 a row and by 100 a column."""
    rows, columns = (torch.arange(n, dtype=torch.float32) for n in shape)
    return (rows[:, None] + 100 * columns)[None]


def test_between_pixel_centres_maps_are_linear():
    centre_of_row_2_column_7 = [2.5 / 6, 7.5 / 10]
    between_rows_3_and_4 = [4 / 6, 1.5 / 10]
    read = read_at(slope(), torch.tensor([[centre_of_row_2_column_7, between_rows_3_and_4]]))
    torch.testing.assert_close(read, torch.tensor([[702.0, 103.5]]))


def test_beyond_the_outermost_centres_maps_go_on():
    read = read_at(slope(), torch.tensor([[[0.0, 0.0], [1.0, 1.0]]]))
    torch.testing.assert_close(read, torch.tensor([[0.0, 905.0]]))


@given(st.integers(1, 40), st.integers(1, 4), st.floats(0, 1), st.integers(0, 9))
def test_there_are_as_many_points_as_asked_for_and_all_lie_within(number, oversample, uncertain, seed):
    sampling = PointSampling(number, oversample, uncertain)
    places = draw_places(torch.randn(2, 5, 9, generator=rng(seed)), sampling=sampling, rng=rng(seed))
    assert places.shape == (2, number, 2)
    assert 0 <= places.min() <= places.max() <= 1


@given(st.integers(1, 4), st.integers(0, 9))
def test_uncertain_points_are_the_least_sure_of_those_drawn(oversample, seed):
    logits, sampling = torch.randn(2, 5, 9, generator=rng(seed)), PointSampling(20, oversample, 0.75)
    drawn = torch.rand(2, 20 * oversample, 2, generator=rng(seed))
    least = read_at(logits, drawn).abs().sort(1).values[:, :15]
    chosen = read_at(logits, draw_places(logits, sampling=sampling, rng=rng(seed)))[:, :15]
    torch.testing.assert_close(chosen.abs().sort(1).values, least)


def test_points_gather_at_an_edge():
    logits = slope((8, 40)) / 100 - 19.5  # nothing between columns 19 and 20
    away = [
        (draw_places(logits, sampling=PointSampling(400, 3, share), rng=rng())[..., 1] - 0.5).abs().mean()
        for share in (0.0, 0.75)
    ]
    assert 0.23 < away[0] < 0.27
    assert away[1] < 0.15


def test_the_same_seed_draws_the_same_points():
    logits, sampling = torch.randn(1, 5, 9, generator=rng()), PointSampling(30)
    first, again, other = (draw_places(logits, sampling=sampling, rng=rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_right_mask_costs_little_and_each_map_pays_for_itself():
    truth = torch.zeros(3, 12, 20)
    truth[:, 3:9, 5:15] = 1
    logits = (truth * 2 - 1) * torch.tensor([20.0, 2.0, -20.0])[:, None, None]
    anywhere = PointSampling(500, 1, 0.0)
    right, unsure, wrong = point_losses(logits, truth, sampling=anywhere, rng=rng())
    assert right < unsure < 0.1 * wrong
    (alone,) = point_losses(logits[:1], truth[:1], sampling=anywhere, rng=rng())
    assert alone < 1.1 * right


def test_the_loss_is_bce_and_dice_of_what_is_read():
    truth = torch.ones(1, 4, 6)
    loss = point_losses(torch.zeros(1, 2, 3), truth, sampling=PointSampling(10), rng=rng())
    torch.testing.assert_close(loss, torch.tensor([0.6931472 + 1 - (2 * 5 + 1) / (5 + 10 + 1)]))


def test_truth_may_be_finer_than_the_logits():
    truth = torch.zeros(1, 8, 12)
    truth[:, :, 6:] = 1
    logits = truth[:, ::2, ::2] * 30 - 15
    assert point_losses(logits, truth, sampling=PointSampling(300, 1, 0.0), rng=rng()) < 0.3
    assert point_losses(logits.flip(2), truth, sampling=PointSampling(300, 1, 0.0), rng=rng()) > 5


def test_the_gradient_makes_the_loss_smaller():
    logits, truth = torch.zeros(1, 6, 10, requires_grad=True), torch.zeros(1, 6, 10)
    truth[:, 2:4, 3:8] = 1
    anywhere = PointSampling(200, 1, 0.0)  # the uncertain points are others once the logits have changed
    loss = point_losses(logits, truth, sampling=anywhere, rng=rng()).sum()
    loss.backward()
    better = point_losses(logits.detach() - 5 * logits.grad, truth, sampling=anywhere, rng=rng()).sum()
    assert better < loss


@pytest.mark.parametrize("wrong", [{"number": 0}, {"oversample": 0}, {"uncertain": 1.5}])
def test_impossible_samplings_are_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        PointSampling(**wrong)
