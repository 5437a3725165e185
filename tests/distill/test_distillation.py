"""Distillation on volumes of a few thousand voxels: every term is felt, every seed repeats, learning learns."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from savem3.distill import (
    DistillRecipe,
    Lesson,
    build_student,
    distill,
    h200_half_hour,
    load_student,
    mean_boundary,
    paper,
    save_student,
    smoke,
)
from savem3.distill.lessons import batches
from savem3.distill.looks import look_at_crops
from savem3.distill.losses import Standardise, boundary_loss, distance_loss
from savem3.distill.training import Tutor
from savem3.grid import Grid
from savem3.store.weights import UnusableWeights
from savem3.teacher import Look
from savem3.volume import BoundaryMap, DistanceMap, Image


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
    recipe = DistillRecipe(steps=30, batch=2, crop=(3, 32, 32), learning_rate=5e-3, mean_decay=0.5)
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


def test_a_channel_far_from_zero_is_standardised_as_well():
    out = Standardise(1)(torch.randn(3, 1, 4, 8, 8) * 0.05 + 1000)
    torch.testing.assert_close(out.std(), torch.tensor(1.0), atol=1e-2, rtol=0)


def test_the_running_variance_is_that_of_everything_seen():
    layer, maps = Standardise(1), [torch.randn(2, 1, 2, 4, 4) * s + m for s, m in ((1, 0), (3, 5), (2, -4))]
    for each in maps:
        layer(each)
    whole = torch.cat(maps)
    torch.testing.assert_close(layer.mean[0], whole.mean())
    torch.testing.assert_close(layer.variance[0], whole.var(correction=0))


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


def full_recipe(**changes):
    """Every term, one step, float32."""
    weights = {"feature_weight": 0.5, "embedding_weight": 0.25, "distance_weight": 2.0}
    second = {"motion_weight": 0.3, "smooth_weight": 0.7}
    recipe = DistillRecipe(steps=1, batch=2, crop=(4, 32, 32), bfloat16=False, mean_decay=0.0, **weights, **second)
    return replace(recipe, **changes)


class Distant(Stripes):
    def look_at(self, sections):
        return replace(super().look_at(sections), distance=np.clip(sections, 0, 1))


def tutor_of(recipe, *, teachers=(), outputs=2):
    torch.manual_seed(7)
    return Tutor(build_student("fast", outputs=outputs), teachers=teachers, cached=0, recipe=recipe, device="cpu")


def batch_of(recipe, *lessons):
    return next(batches(lessons or [lesson()], recipe=recipe))


TERMS = ["boundary", "feature", "embedding", "distance", "motion", "smooth"]


def test_every_term_is_there_and_a_weight_of_zero_leaves_one_out():
    batch = batch_of(full_recipe())
    assert list(tutor_of(full_recipe(), teachers=[Distant()]).terms(batch)) == TERMS
    for name in TERMS[1:]:
        terms = tutor_of(full_recipe(**{f"{name}_weight": 0.0}), teachers=[Distant()]).terms(batch)
        assert set(terms) == set(TERMS) - {name}


def test_a_term_grows_with_its_weight_and_with_no_other():
    batch = batch_of(full_recipe())
    once = tutor_of(full_recipe(), teachers=[Distant()]).terms(batch)
    for name in TERMS[1:]:
        recipe = full_recipe()
        doubled = replace(recipe, **{f"{name}_weight": 2 * getattr(recipe, f"{name}_weight")})
        twice = tutor_of(doubled, teachers=[Distant()]).terms(batch)
        for other in TERMS:
            torch.testing.assert_close(twice[other], once[other] * (2 if other == name else 1))


def test_every_term_reaches_the_student():
    tutor, batch = tutor_of(full_recipe(), teachers=[Distant()]), batch_of(full_recipe())
    for name, term in tutor.terms(batch).items():
        tutor.student.zero_grad()
        term.backward(retain_graph=True)
        assert tutor.student.stem.weight.grad.abs().max() > 0, name


def test_the_second_stage_begins_after_its_steps():
    recipe = full_recipe(steps=3, second_stage_from=2)
    tutor = tutor_of(recipe, teachers=[Distant()])
    steps = [set(tutor.step(batch_of(recipe))) for _ in range(3)]
    assert ["motion" in names for names in steps] == [False, False, True]
    assert ["smooth" in names for names in steps] == [False, False, True]


def test_masked_voxels_count_in_no_term():
    masked = np.ones((12, 40, 48), np.uint8)
    masked[:, :, 24:] = 0
    whole = replace(lesson(), distance=DistanceMap(np.full((12, 40, 48), 32, np.float32), lesson().image.grid))
    recipe = full_recipe(batch=1)
    batch = batch_of(recipe, replace(whole, mask=masked))
    assert 0 < batch.mask.mean() < 1
    outside = ~batch.mask
    changed = replace(
        batch, boundary=np.where(outside, 1, batch.boundary), distance=np.where(outside, 1, batch.distance)
    )
    first, second = (tutor_of(recipe).terms(b) for b in (batch, changed))
    for name in ("boundary", "distance"):
        torch.testing.assert_close(first[name], second[name])
        unmasked = tutor_of(recipe).terms(replace(changed, mask=np.ones_like(batch.mask)))
        assert not torch.isclose(unmasked[name], first[name])


def test_a_mask_reaches_the_inner_terms_by_cells():
    recipe = full_recipe()
    batch = batch_of(recipe)
    half = replace(batch, mask=np.tile(np.arange(32) < 16, (2, 4, 32, 1)))
    tutor = tutor_of(recipe, teachers=[Distant()])
    (maps,) = look_at_crops([Distant()], batch.clean)
    tap, seen = torch.zeros(2, 32, 4, 16, 16), torch.from_numpy(maps.feature)
    tap[..., 8:] = 1e3
    match = tutor.matches[0]
    values = [match("feature", tap, seen, mask=torch.from_numpy(b.mask)[:, None].float()) for b in (batch, half)]
    assert values[0] > 100 > values[1]
    none = torch.zeros(2, 1, 4, 32, 32)
    assert match("feature", tap, seen, mask=none) == 0


def test_an_everywhere_true_mask_changes_nothing():
    recipe = full_recipe()
    one, other = (batch_of(recipe, replace(lesson(), mask=m)) for m in (None, np.ones((12, 40, 48), bool)))
    np.testing.assert_array_equal(one.mask, other.mask)


def test_a_lessons_own_distance_goes_before_the_teachers():
    near = DistanceMap(np.full((12, 40, 48), 16, np.float32), lesson().image.grid)
    batch = batch_of(full_recipe(), replace(lesson(), distance=near))
    assert (batch.distance == 0.25).all()
    assert np.isnan(batch_of(full_recipe()).distance).all()
    tutor = tutor_of(full_recipe(), teachers=[Distant()])
    looks = look_at_crops([Distant()], batch.clean)
    assert (tutor._distance_of(batch, looks) == 0.25).all()
    seen = tutor._distance_of(replace(batch, distance=np.full_like(batch.distance, np.nan)), looks)
    torch.testing.assert_close(seen, torch.from_numpy(looks[0].distance))


def test_a_distance_is_learned_only_where_it_is_known():
    target = torch.tensor([0.5, torch.nan]).reshape(1, 1, 1, 1, 2)
    drawn = torch.tensor([0.5, 0.9]).reshape(1, 1, 1, 1, 2).requires_grad_()
    loss = distance_loss(drawn, target)
    loss.backward()
    assert loss == 0
    assert drawn.grad.isfinite().all()
    assert distance_loss(drawn, torch.full_like(target, torch.nan)) == 0


def test_two_teachers_are_each_matched_through_their_own_adapter():
    class Loud(Stripes):
        def look_at(self, sections):
            look = super().look_at(sections)
            return replace(look, feature=look.feature * 100 + 7)

    recipe = full_recipe(distance_weight=0.0)
    batch = batch_of(recipe)
    tutor = tutor_of(recipe, teachers=[Stripes(), Loud()])
    both = tutor.terms(batch)["feature"]
    torch.testing.assert_close(both, tutor_of(recipe, teachers=[Stripes()]).terms(batch)["feature"])
    assert tutor.matches[0].adapters is not tutor.matches[1].adapters
    assert tutor.matches[1].standards["feature"].mean.abs().max() > tutor.matches[0].standards["feature"].mean.max()


def test_the_mean_of_boundary_maps_rounds_halves_up():
    grid = Grid((1, 1, 3), (30.0, 6.0, 4.0))
    maps = [BoundaryMap(np.array([[row]], np.uint8), grid) for row in ([255, 0, 2], [255, 1, 5])]
    np.testing.assert_array_equal(mean_boundary(maps).voxels, [[[255, 1, 4]]])
    with pytest.raises(ValueError, match="one grid"):
        mean_boundary([maps[0], replace(maps[1], grid=Grid((1, 1, 3), (30.0, 6.0, 5.0)))])


def test_a_listener_that_returns_true_ends_the_training_there(monkeypatch):
    monkeypatch.setattr("savem3.distill.training.REPORTED_EVERY", 2)
    recipe, lines = replace(smoke(), steps=9, batch=1), []

    def stop(progress, network):
        lines.append(progress.step)
        return progress.step == 4

    train(recipe, on_progress=stop)
    assert lines == [2, 4]


def test_a_log_line_is_the_mean_of_the_steps_that_had_a_term(monkeypatch):
    seen = iter([{"boundary": 1.0}, {"boundary": 2.0, "motion": 4.0}])
    monkeypatch.setattr(Tutor, "step", lambda self, batch: next(seen))
    lines = []
    train(smoke(), on_progress=lambda progress, network: lines.append(progress.losses))
    assert lines == [{"boundary": 1.5, "motion": 4.0}]


@pytest.mark.parametrize(
    ("outputs", "teacher", "told"),
    [
        (1, None, "student must have 2 outputs"),
        (2, None, "must give a distance"),
        (2, Stripes(), "must give a distance"),
    ],
)
def test_a_distance_that_cannot_be_learned_is_refused(outputs, teacher, told):
    student = build_student("fast", outputs=outputs)
    with pytest.raises(ValueError, match=told):
        distill(student, [lesson()], recipe=replace(smoke(), distance_weight=1.0), teacher=teacher)


def test_a_lesson_whose_volumes_do_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"mask must have the image's shape \(12, 40, 48\), got \(12, 40, 47\)"):
        replace(lesson(), mask=np.ones((12, 40, 47), bool))


def test_recipes_are_checked_and_the_papers_has_its_second_stage():
    with pytest.raises(ValueError, match="smooth_weight must be at least 0, got -1"):
        replace(smoke(), smooth_weight=-1)
    with pytest.raises(ValueError, match="crop must hold at least 2 sections"):
        replace(smoke(), crop=(1, 32, 32), motion_weight=1.0)
    published = paper()
    assert (published.motion_weight, published.smooth_weight, published.second_stage_from) == (0.05, 0.05, 20_000)
    assert (published.steps, published.batch, published.crop) == (200_000, 4, (18, 160, 160))
    assert (published.feature_weight, published.embedding_weight, published.membrane_weight) == (1, 1, 1)
    assert h200_half_hour().has_second_stage
