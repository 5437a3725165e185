"""Distillation on volumes of a few thousand voxels: every term is felt, every seed repeats, learning learns."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from savem3.distill import DistillRecipe, Lesson, build_student, distill, load_student, save_student, smoke
from savem3.distill.lessons import batches
from savem3.distill.losses import Standardise, boundary_loss
from savem3.grid import Grid
from savem3.store.weights import UnusableWeights
from savem3.teacher import Look
from savem3.volume import BoundaryMap, Image


class Stripes:
    """A teacher that finds its feature and embedding in the raw itself."""

    def __init__(self):
        self.looks = 0

    def look_at(self, sections):
        self.looks += 1
        half, eighth = sections[:, ::2, ::2], sections[:, ::8, ::8]
        feature = np.repeat(half[:, None], 32, axis=1)
        return Look(sections, None, feature, np.repeat(eighth[:, None], 256, axis=1))


def lesson(voxel_size=(10.0, 10.0, 10.0), *, labelled=False, seed=0):
    """Dark planes every eight voxels along x are membrane."""
    rng = np.random.default_rng(seed)
    dark = np.zeros((12, 40, 48), bool)
    dark[:, :, ::8] = True
    raw = np.where(dark, 60, 190) + rng.integers(-20, 20, dark.shape)
    grid = Grid(dark.shape, voxel_size)
    return Lesson(Image(raw.astype(np.uint8), grid), BoundaryMap((dark * 255).astype(np.uint8), grid), labelled)


def values(student):
    return torch.cat([p.detach().flatten() for p in student.parameters()])


def train(recipe, **options):
    torch.manual_seed(7)
    return distill(build_student("fast"), [lesson()], recipe=recipe, **options)


def test_the_same_seed_gives_the_same_student_and_another_seed_another():
    first, again, other = (values(train(replace(smoke(), seed=s))) for s in (1, 1, 2))
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert not torch.equal(first, other)


def test_feature_and_embedding_terms_change_what_is_learned():
    recipe = replace(smoke(), steps=1, mean_decay=0.0)
    alone = values(train(recipe))
    for term in ("feature_weight", "embedding_weight"):
        other = "embedding_weight" if term == "feature_weight" else "feature_weight"
        with_term = train(replace(recipe, **{term: 5.0, other: 0.0}), teacher=Stripes())
        assert not torch.allclose(alone, values(with_term))


def test_the_teacher_looks_once_a_step_and_progress_names_each_term():
    teacher, lines = Stripes(), []
    train(smoke(), teacher=teacher, on_progress=lambda progress, network: lines.append(progress))
    assert teacher.looks == smoke().steps
    assert set(lines[-1].losses) == {"boundary", "feature", "embedding"}


def test_membranes_are_learned_from_a_boundary_map():
    recipe = DistillRecipe(steps=40, batch=2, crop=(4, 32, 32), learning_rate=5e-3, mean_decay=0.5)
    losses = []
    train(recipe, on_progress=lambda progress, network: losses.append(progress.losses["boundary"]))
    student = train(recipe)
    raw = torch.from_numpy(np.where(np.arange(32) % 8 == 0, -1.0, 1.0).astype(np.float32)).expand(1, 1, 4, 32, 32)
    with torch.no_grad():
        chance = student(raw).sigmoid()[0, 0, 2, 16]
    assert chance[8::8].min() > chance[4::8].max()


def test_raw_and_target_are_turned_alike():
    recipe = DistillRecipe(steps=1, batch=8, crop=(8, 32, 32))
    batch = next(batches([lesson()], recipe=recipe))
    assert (batch.clean[batch.boundary == 1] < 0).all()
    assert (batch.clean[batch.boundary == 0] > 0).all()


def test_the_labelled_share_decides_where_crops_come_from():
    light = lesson(labelled=True)
    lessons = [replace(light, boundary=BoundaryMap(np.full((12, 40, 48), 255, np.uint8), light.image.grid)), lesson()]
    recipe = DistillRecipe(steps=1, batch=6, crop=(4, 32, 32), labelled_share=1.0)
    assert (next(batches(lessons, recipe=recipe)).boundary == 1).all()
    recipe = replace(recipe, labelled_share=0.0)
    assert (next(batches(lessons, recipe=recipe)).boundary < 1).any(axis=(1, 2, 3)).all()


def test_a_certain_and_right_student_loses_nothing():
    target = torch.tensor([0.0, 1.0]).reshape(1, 1, 1, 1, 2)
    assert boundary_loss(torch.where(target > 0, 40.0, -40.0), target, membrane_weight=3) < 1e-6
    assert boundary_loss(torch.where(target > 0, -4.0, 4.0), target, membrane_weight=3) > 4


def test_standardised_maps_have_no_mean_and_unit_spread():
    layer = Standardise(2)
    maps = torch.randn(3, 2, 4, 8, 8) * torch.tensor([100.0, 0.01]).reshape(1, 2, 1, 1, 1) + 7
    out = layer(maps)
    torch.testing.assert_close(out.mean((0, 2, 3, 4)), torch.zeros(2), atol=1e-2, rtol=0)
    torch.testing.assert_close(out.std((0, 2, 3, 4))[0], torch.tensor(1.0), atol=2e-2, rtol=0)


def test_a_student_survives_its_file_and_a_flipped_bit_is_noticed(tmp_path):
    student = build_student("fast")
    path = tmp_path / "student.safetensors"
    save_student(student, path, card={"licence": "CC BY"})
    loaded, weights = load_student(path)
    torch.testing.assert_close(values(loaded), values(student), rtol=0, atol=0)
    assert weights.card["licence"] == "CC BY"
    content = bytearray(path.read_bytes())
    content[-5] ^= 4
    path.write_bytes(bytes(content))
    with pytest.raises(UnusableWeights, match="SHA-256"):
        load_student(path)


def test_nothing_to_learn_from_is_refused():
    with pytest.raises(ValueError, match="lessons must hold"):
        distill(build_student("fast"), [], recipe=smoke())
