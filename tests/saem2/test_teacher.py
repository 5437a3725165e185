"""The teacher: strides, heads that know no prompt, learning, and its file."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from savem3.distill import build_student, save_student
from savem3.grid import Grid
from savem3.saem2 import PretrainRecipe, Saem2, Saem2Teacher, heads_loss, load_teacher, pretrain, save_teacher, smoke
from savem3.saem2.network import Heads
from savem3.store.weights import UnusableWeights
from savem3.volume import BoundaryMap, DistanceMap, Image, Labels, Sample


def sample(shape=(12, 40, 48), voxel_size=(10.0, 10.0, 10.0)):
    """Dark planes every eight voxels along x are membrane."""
    grid = Grid(shape, voxel_size)
    x = np.broadcast_to(np.arange(shape[2]), shape)
    membrane = x % 8 == 0
    away = np.minimum(np.minimum(x % 8, 8 - x % 8) * voxel_size[2], 64).astype(np.float32)
    raw = np.where(membrane, 60, 190) + np.random.default_rng(0).integers(-20, 20, shape)
    return Sample(
        "planes",
        Image(raw.astype(np.uint8), grid),
        Labels((x // 8 + 1).astype(np.uint64), grid),
        BoundaryMap((membrane * 255).astype(np.uint8), grid),
        DistanceMap(away, grid),
        linked=True,
        licence="none",
    )


def test_maps_come_at_strides_one_two_and_eight():
    look = Saem2Teacher(Saem2().eval()).look_at(np.zeros((2, 16, 40), np.float32))
    assert look.boundary.shape == look.distance.shape == (2, 16, 40)
    assert look.feature.shape == (2, 32, 8, 20)
    assert look.embedding.shape == (2, 256, 2, 5)
    assert 0 <= look.boundary.min() <= look.boundary.max() <= 1


def test_sections_that_strides_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="multiples of 8 pixels"):
        Saem2Teacher(Saem2().eval()).look_at(np.zeros((1, 16, 20), np.float32))


@pytest.mark.parametrize("voxel_size", [(10.0, 10.0, 10.0), (30.0, 6.0, 4.0)])
def test_membranes_and_distances_are_learned(voxel_size):
    recipe = PretrainRecipe(steps=60, batch=4, crop=32, learning_rate=5e-3, scales=(1.0,), bfloat16=False)
    network = pretrain([sample(voxel_size=voxel_size)], recipe=recipe)
    section = np.where(np.arange(48) % 8 == 0, -1.0, 1.0).astype(np.float32)
    look = Saem2Teacher(network).look_at(np.broadcast_to(section, (1, 32, 48)))
    membrane, middle = np.arange(8, 41, 8), np.arange(12, 40, 8)
    assert look.boundary[0, 16, membrane].min() > look.boundary[0, 16, middle].max()
    assert look.distance[0, 16, middle].min() > look.distance[0, 16, membrane].max()


def test_the_same_seed_gives_the_same_teacher():
    first, again, other = (pretrain([sample()], recipe=replace(smoke(), seed=s)) for s in (1, 1, 2))
    for a, b in zip(first.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True))


def test_volumes_thinner_than_a_crop_are_continued_by_reflection():
    pretrain([sample(shape=(1, 20, 24))], recipe=smoke())


def test_the_dice_term_rewards_overlap():
    recipe = replace(smoke(), dice_weight=1.0, distance_weight=0.0)
    target = torch.zeros(1, 8, 8)
    target[:, :, ::4] = 1

    def loss(logits):
        heads = Heads(logits, logits, torch.zeros(1, 32, 4, 4), torch.zeros(1, 256, 1, 1))
        return heads_loss(heads, boundary=target, distance=target, recipe=recipe).item()

    assert loss(target * 20 - 10) < 0.01 < 1 < loss(10 - target * 20)


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
