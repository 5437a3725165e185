"""Losses are small for what is right."""

import pytest
import torch

from savem3.saem2 import boundary_loss, distance_loss, prompt_losses


def test_a_right_mask_costs_little_and_a_wrong_belief_costs_more():
    truth = torch.zeros(1, 8, 12)
    truth[:, 2:5, 3:9] = 1
    sure, doubtful = torch.full((1,), 8.0), torch.full((1,), -8.0)
    right, wrong = truth * 20 - 10, 10 - truth * 20
    assert [t.item() < 0.01 for t in prompt_losses(right, sure, truth=truth)] == [True, True]
    assert prompt_losses(right, doubtful, truth=truth)[1].item() == pytest.approx(1, abs=0.1)
    assert prompt_losses(wrong, doubtful, truth=truth)[0] > 5


def test_the_dice_term_rewards_overlap():
    target = torch.zeros(1, 8, 8)
    target[:, :, ::4] = 1

    def loss(logits):
        return boundary_loss(logits, target, membrane_weight=3.0, dice_weight=1.0).item()

    assert loss(target * 20 - 10) < 0.01 < 1 < loss(10 - target * 20)


def test_a_missed_membrane_weighs_as_much_as_it_is_told_to():
    target = torch.ones(1, 4, 6)
    one, three = (boundary_loss(-target, target, membrane_weight=w, dice_weight=0.0).item() for w in (1.0, 3.0))
    assert three == pytest.approx(3 * one)


def test_a_right_distance_costs_nothing():
    distance = torch.tensor([[[0.2, 0.5, 0.9]]])
    assert distance_loss(distance.logit(), distance).item() == pytest.approx(0, abs=1e-9)
    assert distance_loss(-distance.logit(), distance).item() > 0.1
