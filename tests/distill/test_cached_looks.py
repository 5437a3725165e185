"""Maps that are kept: the same as a look now for every turn of a crop; resumed, bounded, never another volume's."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from savem3.distill import DistillRecipe, Lesson, Tiling, build_student, cache_looks, distill
from savem3.distill.cells import place_on_cells
from savem3.distill.lessons import batches
from savem3.distill.looks import look_at_crops
from savem3.distill.training import Tutor
from savem3.grid import Grid
from savem3.store.weights import UnusableWeights, read_weights
from savem3.teacher import Look
from savem3.volume import BoundaryMap, Image, intensity_of

CROP = (4, 16, 24)


def pooled(sections, stride):
    n, y, x = sections.shape
    return sections.reshape(n, y // stride, stride, x // stride, stride).mean((2, 4))


class Pooling:
    """A teacher whose maps are turned when what it looks at is turned: means over its cells."""

    def __init__(self, *, distance=True):
        self.looks, self.distance = 0, distance

    def look_at(self, sections):
        self.looks += 1
        feature = pooled(sections, 2)[:, None] * np.linspace(-1, 30, 32, dtype=np.float32)[:, None, None]
        embedding = pooled(sections, 8)[:, None] + np.arange(256, dtype=np.float32)[:, None, None]
        return Look(sections, (sections + 1) / 2 if self.distance else None, feature, embedding)


def volume(voxel_size=(10.0, 10.0, 10.0), shape=(27, 37, 50)):
    rng = np.random.default_rng(0)
    return Image(rng.integers(20, 230, shape, np.uint8), Grid(shape, voxel_size))


def kept(image, folder, teacher=None, **changes):
    options = {"digest": "abc", "planes": 3, "budget_bytes": 10**8, "tiling": Tiling(32, 8)}
    return cache_looks(
        image, teacher or Pooling(), folder=folder, intensity=intensity_of(image), **{**options, **changes}
    )


def lesson(image, *looks):
    return Lesson(image, BoundaryMap(image.voxels, image.grid), looks=looks)


@pytest.fixture(scope="module")
def cached(tmp_path_factory):
    """Isotropic, three planes, uint8."""
    return kept(volume(), tmp_path_factory.mktemp("kept"))


@settings(max_examples=25)
@given(seed=st.integers(0, 2**31))
def test_turning_what_was_seen_is_seeing_what_was_turned(cached, seed):
    image = volume()
    turn, box = place_on_cells(np.random.default_rng(seed), within=image.grid.shape, shape=CROP, isotropic=True)
    crop = intensity_of(image).to_unit(turn.apply(image.read(box)))[None]
    (now,) = look_at_crops([Pooling()], crop)
    then = cached.maps(box, turn=turn, shape=CROP)
    for kind, scale in {"distance": 1, "feature": 30, "embedding": 1}.items():
        half_a_step = 2.4 * scale / 255 / 2
        np.testing.assert_allclose(getattr(then, kind), getattr(now, kind), atol=1.01 * half_a_step, rtol=0)


def test_every_turn_and_every_cell_is_drawn():
    rng, turns, starts = np.random.default_rng(0), set(), set()
    for _ in range(600):
        turn, box = place_on_cells(rng, within=(27, 37, 50), shape=CROP, isotropic=True)
        turns.add(turn)
        starts.add((turn.axes, box.start))
    assert len(turns) == 48
    assert {s[2] for axes, s in starts if axes == (0, 1, 2)} == {0, 8, 16, 24}
    assert {s[0] for axes, s in starts if axes == (0, 1, 2)} == set(range(24))


def test_a_batch_carries_the_maps_of_its_own_crops(cached):
    recipe = DistillRecipe(steps=1, batch=6, crop=CROP)
    batch = next(batches([lesson(volume(), cached)], recipe=recipe))
    (now,) = look_at_crops([Pooling()], batch.clean)
    np.testing.assert_allclose(batch.looks[0].feature, now.feature, atol=0.15)
    np.testing.assert_allclose(batch.looks[0].embedding, now.embedding, atol=0.01)


def test_too_few_sections_are_filled_up_in_maps_as_in_raw(tmp_path):
    image = volume((40.0, 4.0, 4.0), shape=(3, 32, 40))
    looks = kept(image, tmp_path, planes=1, storage="float16")
    batch = next(batches([lesson(image, looks)], recipe=DistillRecipe(steps=1, batch=3, crop=(5, 16, 24))))
    (now,) = look_at_crops([Pooling()], batch.clean)
    np.testing.assert_allclose(batch.looks[0].feature, now.feature, atol=0.02)


def test_half_precision_is_nearer_than_one_byte(tmp_path, cached):
    image = volume()
    fine = kept(image, tmp_path, storage="float16")
    exact = 30 * pooled(intensity_of(image).to_unit(image.voxels[:, :32, :48]), 2)
    box = replace(image.grid.box, stop=(27, 32, 48))
    near, far = (np.abs(looks.read("feature", box, plane=0)[:, 31] - exact).mean() for looks in (fine, cached))
    assert near < 0.02 < far < 0.15


def test_tilings_answer_for_each_cell_once_and_never_show(tmp_path):
    image = volume((40.0, 4.0, 4.0), shape=(3, 37, 50))
    maps = [
        kept(image, tmp_path / str(tile), planes=1, storage="float16", tiling=Tiling(tile, 8)).read(
            "embedding", replace(image.grid.box, stop=(3, 32, 48)), plane=0
        )
        for tile in (24, 32, 256)
    ]
    for other in maps[1:]:
        np.testing.assert_array_equal(maps[0], other)


def test_every_term_is_nearly_the_same_from_kept_maps_as_from_looks(cached):
    recipe = DistillRecipe(steps=1, batch=2, crop=CROP, bfloat16=False, distance_weight=1.0)
    batch = next(batches([lesson(volume(), cached)], recipe=recipe))
    found = []
    for teachers, own in (([], batch), ([Pooling()], replace(batch, looks=()))):
        torch.manual_seed(0)
        student = build_student("fast", outputs=2)
        tutor = Tutor(student, teachers=teachers, cached=len(own.looks), recipe=recipe, device="cpu")
        found.append(tutor.terms(own))
    assert set(found[0]) == {"boundary", "feature", "embedding", "distance"}
    torch.testing.assert_close(found[0], found[1], rtol=0.01, atol=0)


def test_a_student_learns_from_kept_maps_without_its_teacher(cached):
    lines, recipe = [], DistillRecipe(steps=1, batch=2, crop=CROP)
    lessons = [lesson(volume(), cached)]
    distill(build_student("fast"), lessons, recipe=recipe, on_progress=lambda p, _: lines.append(p.losses))
    assert set(lines[0]) == {"boundary", "feature", "embedding"}


def test_finished_blocks_are_kept_and_damaged_ones_are_seen_again(tmp_path):
    image = volume()
    looks = kept(image, tmp_path)
    files = sorted(tmp_path.glob("plane*/*"))
    teacher = Pooling()
    kept(image, tmp_path, teacher)
    assert teacher.looks == 1
    before = read_weights(files[3])
    content = files[3].read_bytes()
    files[3].write_bytes(content[:-9] + bytes(9))
    files[5].unlink()
    with pytest.raises(UnusableWeights, match="intact block"):
        looks.read("feature", replace(looks.blocks(0)[5].write), plane=0)
    kept(image, tmp_path, teacher)
    assert read_weights(files[3]).sha256 == before.sha256
    assert files[5].exists()


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"digest": "other"}, "teacher"), ({"storage": "float16"}, "storage"), ({"tiling": Tiling(40, 8)}, "tiling")],
)
def test_a_folder_of_other_maps_is_refused_by_what_differs(tmp_path, changes, told):
    kept(volume(), tmp_path)
    with pytest.raises(ValueError, match=f"same {told}, got others"):
        kept(volume(), tmp_path, **changes)


def test_a_folder_of_another_image_is_refused(tmp_path):
    kept(volume(), tmp_path)
    changed = volume().voxels.copy()
    changed[3, 4, 5] ^= 1
    with pytest.raises(ValueError, match="same image"):
        kept(Image(changed, volume().grid), tmp_path)


def test_maps_beyond_the_budget_are_refused_before_anything_is_written(tmp_path):
    image = volume(shape=(16, 32, 40))
    voxels = 16 * 32 * 40
    needed = voxels * (1 + 32 // 4 + 256 // 64)
    with pytest.raises(ValueError, match=f"hold the maps' {needed} bytes, got 1000; .* without a cache"):
        kept(image, tmp_path / "new", planes=1, budget_bytes=1000)
    assert not (tmp_path / "new").exists()
    looks = kept(image, tmp_path / "new", planes=1, budget_bytes=needed)
    stored = sum(file.stat().st_size for file in looks.folder.glob("plane*/*"))
    assert needed <= stored < 1.3 * needed


def test_a_full_disk_is_noticed_before_it_is(tmp_path, monkeypatch):
    from shutil import disk_usage

    monkeypatch.setattr("savem3.distill.caching.shutil.disk_usage", lambda path: disk_usage(path)._replace(free=7))
    with pytest.raises(ValueError, match="bytes free, got 7; choose another disk"):
        kept(volume(), tmp_path)


def test_sections_smaller_than_a_crop_are_refused_with_kept_maps(tmp_path):
    image = volume(shape=(16, 16, 16))
    looks = kept(image, tmp_path)
    with pytest.raises(ValueError, match="crop must fit into sections"):
        next(batches([lesson(image, looks)], recipe=DistillRecipe(steps=1, crop=CROP)))


def test_a_teacher_without_a_distance_and_one_with_nan_are_told_apart(tmp_path):
    looks = kept(volume(), tmp_path / "none", Pooling(distance=False))
    assert looks.kinds == ("feature", "embedding")

    class Broken(Pooling):
        def look_at(self, sections):
            return replace(super().look_at(sections), distance=np.full_like(sections, np.nan))

    with pytest.raises(ValueError, match="finite maps, got distance"):
        kept(volume(), tmp_path / "nan", Broken())


def test_kept_maps_replace_teachers_and_all_lessons_have_them_or_none(cached):
    image, recipe = volume(), DistillRecipe(steps=1, batch=1, crop=CROP)
    with pytest.raises(ValueError, match="teachers must be left out"):
        distill(build_student("fast"), [lesson(image, cached)], recipe=recipe, teacher=Pooling())
    with pytest.raises(ValueError, match=r"maps of the same teachers, got \[0, 1\]"):
        distill(build_student("fast"), [lesson(image, cached), lesson(image)], recipe=recipe)
