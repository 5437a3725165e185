"""Each kind of damage is found where it is, and nowhere else."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from damage import CASES, VOXEL_SIZE, damaged, tissue
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from savem3.check import KINDS, Limits, check_image, choose_tiles, judge, limits_for, measure
from savem3.grid import Grid
from savem3.shipped import EXAMPLE
from savem3.store import open_image
from savem3.volume import Image

NAMES = [damage.__name__ for _, damage in CASES]
OFF = {
    "black": {"flat": 2.0, "faint": -1.0},
    "contrast": {"brighter": np.inf, "harsher": np.inf, "clipped": np.inf},
    "folded": {"band": np.inf},
    "duplicated": {"copied": -1.0},
    "shifted": {"moved": np.inf},
    "blurred": {"softer": np.inf},
}


def found(image, **off):
    limits = replace(limits_for(image.grid), **off)
    findings = judge(measure(image, choose_tiles(image.grid.shape)), limits=limits)
    return [(finding.section, finding.kind) for finding in findings]


@pytest.fixture(scope="module")
def crop():
    return open_image(f"{EXAMPLE}:raw").load()


@pytest.mark.parametrize(("kind", "damage"), CASES, ids=NAMES)
def test_planted_damage_is_found_where_it_is_and_nowhere_else(kind, damage):
    assert found(damaged(tissue(), damage, [5, 16])) == [(5, kind), (16, kind)]


@pytest.mark.parametrize(("kind", "damage"), CASES, ids=NAMES)
def test_damage_of_real_tissue_is_found(crop, kind, damage):
    assert found(damaged(crop, damage, [3, 20, 37, 61])) == [(3, kind), (20, kind), (37, kind), (61, kind)]


@pytest.mark.parametrize(("kind", "damage"), CASES, ids=NAMES)
def test_without_its_own_detector_no_damage_has_that_name(kind, damage):
    assert kind not in {name for _, name in found(damaged(tissue(), damage, [5, 16]), **OFF[kind])}


def test_clean_tissue_raises_nothing(crop):
    assert found(tissue()) == []
    assert found(crop) == []


def test_a_step_that_stays_is_a_jump_and_loses_no_section():
    wide = np.asarray(tissue(height=110, width=150).voxels)
    stepped = np.concatenate([wide[:11, :96, :128], wide[11:, 9:105, 12:140]])
    findings = judge(measure(Image(stepped, tissue().grid), choose_tiles(stepped.shape)))
    assert [(finding.section, finding.kind) for finding in findings] == [(11, "jump")]
    assert not findings[0].is_lost


def test_what_is_measured_against_a_black_section_accuses_none_of_its_neighbours():
    image = damaged(tissue(), CASES[0][1], [9, 10])
    assert found(image) == [(9, "black"), (10, "black")]


@settings(max_examples=12)
@given(seed=st.integers(0, 2**16), blur=st.floats(2.0, 8.0), sections=st.integers(1, 20))
def test_smooth_random_volumes_raise_nothing(seed, blur, sections):
    values = np.random.default_rng(seed).normal(size=(sections + 16, 40, 56))
    smooth = ndimage.gaussian_filter(values, (6, blur, blur), mode="wrap")[:sections]
    grey = np.rint(np.clip(128 + 40 * smooth / values.std() / smooth.std(), 0, 255)).astype(np.uint8)
    assert found(Image(grey, Grid(grey.shape, VOXEL_SIZE))) == []


def test_a_finding_says_what_was_measured_and_only_blur_and_jumps_lose_nothing():
    finding = judge(measure(damaged(tissue(), CASES[0][1], [5]), choose_tiles((24, 96, 128))))[0]
    assert finding.text.startswith("section 5 is empty, or most of it is (black: ")
    assert {name for name, kind in KINDS.items() if not kind.is_lost} == {"blurred", "jump"}


@pytest.mark.parametrize("shape", [(5000, 9000, 7000), (24, 96, 128), (300_000, 500, 700), (7, 3000, 200)])
def test_no_more_is_read_than_is_said(shape):
    sampling = choose_tiles(shape)
    height, width = sampling.edges
    assert sampling.voxels * shape[0] <= max(2**26, 64 * 64 * shape[0])
    assert all(0 <= y <= shape[1] - height and 0 <= x <= shape[2] - width for y, x in sampling.corners)
    assert sampling == choose_tiles(shape)


def test_the_largest_section_that_is_seen_as_a_whole_is():
    sampling = choose_tiles((20, 1024, 1000))
    seen = np.zeros((1024, 1000), bool)
    for y, x in sampling.corners:
        seen[y : y + sampling.edges[0], x : x + sampling.edges[1]] = True
    assert seen.all()


REAL = ["fib25_training_sample2", "fib25_validation_sample_raw", "vnc_stack1", "isbi2012_train", "isbi2012_test_raw"]


@pytest.mark.real
@pytest.mark.slow
def test_at_most_one_in_a_hundred_clean_real_sections_raises_anything():
    raised, sections = 0, 0
    for name in REAL:
        image = open_image(f"{Path(os.environ['SAVEM3_DATA']) / name}.h5:raw")
        raised, sections = raised + len(check_image(image).findings), sections + image.grid.shape[0]
    assert raised <= 0.01 * sections


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize(("kind", "damage"), CASES, ids=NAMES)
def test_damage_of_a_whole_real_volume_is_found(kind, damage):
    image = open_image(f"{Path(os.environ['SAVEM3_DATA']) / 'fib25_training_sample2'}.h5:raw").load()
    planted = list(range(4, 248, 9))
    hits = set(found(damaged(image, damage, planted))) & {(z, kind) for z in planted}
    assert len(hits) >= 0.95 * len(planted)


def test_limits_grow_with_the_distance_of_sections():
    assert limits_for(Grid((20, 90, 80), (45.0, 5.0, 5.0))).moved == 9
    assert limits_for(Grid((20, 90, 80), (8.0, 8.0, 8.0))).moved == Limits().moved
