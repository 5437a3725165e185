from dataclasses import replace

import numpy as np
import pytest

from savem3.blocks import survey
from savem3.graphcut import AskRecipe, EnergyRecipe, PromptRecipe
from savem3.grid import Grid
from savem3.identity import differences, digest_of, identity_of, outputs_of
from savem3.oversegment import OversegmentRecipe
from savem3.pipeline import Settings
from savem3.volume import Image

GRID = Grid((5, 7, 9), (30.0, 6.0, 4.0), (0.0, 60.0, 4.0))
ASKED = PromptRecipe(AskRecipe(prompts=7), EnergyRecipe(features=0.5))
SETTINGS = Settings(0.4, cutter="mean", block=(4, 5, 6), oversegment=OversegmentRecipe(dynamics=900))


@pytest.fixture
def seen():
    return survey(Image(np.arange(5 * 7 * 9, dtype=np.int64).reshape(GRID.shape).astype(np.uint8), GRID))


def identity(seen, settings=SETTINGS, grid=GRID, model="a", steps=0, calibrates=False):
    models = {"savem3-fast": model}
    return identity_of(grid, seen, settings=settings, models=models, adapt_steps=steps, calibrates=calibrates)


def test_the_outputs_of_a_run_follow_from_its_record(seen):
    grid, settings = outputs_of(identity(seen))
    assert grid == GRID
    assert settings == replace(SETTINGS, device=settings.device, threads=settings.threads)


def test_what_was_asked_follows_from_the_record_too(seen):
    _, settings = outputs_of(identity(seen, replace(SETTINGS, prompts=ASKED)))
    assert settings.prompts == ASKED


def test_threads_are_no_part_of_it(seen):
    assert identity(seen, replace(SETTINGS, threads=7)) == identity(seen)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"settings": replace(SETTINGS, beta=0.3)}, "settings.beta"),
        ({"settings": replace(SETTINGS, cutter="multicut")}, "settings.cutter"),
        ({"settings": replace(SETTINGS, block=(4, 5, 7))}, "settings.block"),
        ({"settings": replace(SETTINGS, oversegment=OversegmentRecipe(dynamics=901))}, "settings.oversegment.dynamics"),
        ({"settings": replace(SETTINGS, predict=replace(SETTINGS.predict, mirrors=2))}, "settings.predict.mirrors"),
        ({"settings": replace(SETTINGS, prompts=PromptRecipe(energy="paper"))}, "settings.prompts.energy"),
        ({"settings": replace(SETTINGS, prompts=PromptRecipe(AskRecipe(prompts=8)))}, "settings.prompts.ask.prompts"),
        ({"grid": replace(GRID, voxel_size=(30.0, 6.0, 5.0))}, "input.voxel_size"),
        ({"model": "b"}, "models.savem3-fast"),
        ({"steps": 5}, "settings.adapt_steps"),
        ({"steps": "auto, 300 s"}, "settings.adapt_steps"),
        ({"calibrates": True}, "settings.calibrates"),
    ],
)
def test_every_change_is_named_and_changes_the_digest(seen, change, key):
    changed = identity(seen, **change)
    assert digest_of(changed) != digest_of(identity(seen))
    named = differences(identity(seen), changed)
    assert len(named) == 1
    assert named[0].startswith(f"{key} was ")


def test_a_changed_program_is_noticed(seen, monkeypatch):
    before = identity(seen)
    monkeypatch.setattr("savem3.identity.digest_of_code", lambda: "another")
    assert "program.code" in differences(before, identity(seen))[0]


def test_a_record_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="record that this version wrote"):
        outputs_of({"settings": {}})
