import json
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from savem3.cli import run
from savem3.forecast import Line, forecast, line_through, patched_voxels, read_along, with_seams
from savem3.graphcut import AskRecipe, PromptRecipe
from savem3.grid import Grid
from savem3.pipeline import Settings
from savem3.plan import Crew, Needs, Room, compare, needs_of, room_for, size_text
from savem3.predict import PredictRecipe, fit_block
from savem3.probe import Call, Left, Probe, seam_voxels
from savem3.runs.planning import joined, learning_rows, time_text
from savem3.runs.reconstruct import Choices
from savem3.stages import Outputs, stages_of
from savem3.teaching import Teaching
from savem3.tiles import Blocks
from savem3.volume import Image

GRID = Grid((60, 500, 700), (30, 6, 4))
STAGES = ("predict", "drain", "settle", "fragments", "faces", "cut", "labels")
LEVELS = ("boundary level", "fragments level", "labels level")


def needs(*, memory=100.0, whole=0.0, disk=100.0, crew=Crew()):
    return Needs(crew, memory, whole, memory, disk, 0.0, 1e3)


def left(*, cuts):
    """Every call takes 1 s and 1 s a million voxels, twice that of cores, and 8 bytes a voxel."""
    voxels = 4_000_000 // cuts**3
    call = Call(voxels, 1 + voxels / 1e6, 2 + 2 * voxels / 1e6, 8 * voxels)
    calls = {name: [call] * cuts**3 for name in (*STAGES, *LEVELS)}
    calls["settle"] = calls["cut"] = [Call(4_000_000, 4.0 + (cuts - 1), 4.0, 0)]
    disk = {"labels": 4_000_000, "graph": 0, "drained": 0 if cuts == 1 else 1_000_000}
    return Left(4_000_000, 0 if cuts == 1 else 100_000, calls, disk, 400, 40, 80)


MEASURED = Probe(
    start=Call(0, 3.0, 2.0, 300_000_000),
    worker_bytes=600_000_000,
    resting_bytes=500_000_000,
    compiled=Call(0, 4.0, 3.0),
    patches=(Call(1_000_000, 0.5, 1.0),),
    survey=Call(4_000_000, 0.1, 0.1),
    left=(left(cuts=1), left(cuts=2)),
    seconds=12.0,
)


def told(crew=Crew(), settings=Settings(0.5, block=(30, 125, 175))):
    return forecast(MEASURED, GRID, settings=settings, crew=crew)


def row(made, name):
    return next(row for row in made.rows if row.stage == name)


def test_a_line_is_found_again_and_one_that_falls_goes_through_zero():
    assert line_through([(1, 5), (2, 7), (4, 11)]) == Line(3, 2)
    assert line_through([(10, 4), (30, 0)]) == Line(0, 0.1)
    assert line_through([(10, 4), (10, 6)]) == Line(0, 0.5)
    assert line_through([]) == Line(0, 0)


def test_halos_are_counted_as_far_as_the_volume_goes():
    tiles = Blocks((10, 20, 7), (4, 20, 3), (1, 5, 2))
    along = read_along(tiles)
    assert along == [[5, 6, 3], [20], [5, 6, 3]]
    assert sum(z * y * x for z in along[0] for y in along[1] for x in along[2]) == sum(
        tile.read.shape[0] * tile.read.shape[1] * tile.read.shape[2] for tile in tiles
    )


def test_seams_are_counted_on_both_sides_and_not_between_single_sections():
    tiles = Blocks((10, 20, 30), (5, 20, 10))
    assert seam_voxels(tiles, linked=True) == 2 * 20 * 30 + 2 * 2 * 10 * 20
    assert seam_voxels(tiles, linked=False) == 2 * 2 * 10 * 20


def test_what_lies_at_seams_is_told_from_what_grows_with_voxels():
    assert with_seams(MEASURED, 8_000_000, 0, lambda part: part.disk["drained"]) == 0
    assert with_seams(MEASURED, 8_000_000, 5000, lambda part: part.disk["drained"]) == 50_000
    assert with_seams(MEASURED, 8_000_000, 5000, lambda part: part.disk["labels"]) == 8_000_000


@pytest.mark.parametrize("grid", [GRID, Grid((130, 90, 70), (8, 8, 8))], ids=["anisotropic", "isotropic"])
def test_patches_are_counted_as_they_are_laid(grid):
    recipe = PredictRecipe(patch=(12, 64, 48), overlap=(4, 16, 16))
    settings = Settings(0.5, predict=recipe, block=(20, 60, 70))
    counted = patched_voxels(grid, Blocks(grid.shape, (20, 60, 70)), settings=settings)
    one = patched_voxels(grid, Blocks(grid.shape, grid.shape), settings=settings)
    fitting = Blocks(grid.shape, fit_block(grid, recipe=recipe, block=settings.block))
    assert patched_voxels(grid, fitting, settings=settings) == one
    assert len(counted) == len(recipe.axes_of(grid))
    assert all(more >= whole >= grid.voxels for more, whole in zip(counted, one, strict=True))


def test_every_stage_of_the_run_has_a_row_and_takes_what_its_line_says():
    made = told()
    stages = stages_of(lambda tile: None, Outputs(Path("run"), GRID, Settings(0.5, block=(30, 125, 175))))
    assert [row.stage for row in made.rows] == ["start", "survey", *(stage.name for stage in stages), "report"]
    labels = row(made, "labels")
    assert labels.blocks == 2 * 4 * 4
    assert labels.seconds == pytest.approx(32 + 21.0)
    assert labels.cpu_seconds == pytest.approx(64 + 42.0)
    assert labels.call_bytes == pytest.approx(8 * 30 * 125 * 175)
    assert row(made, "predict").seconds > 4.0 + GRID.voxels / 1e6 * 0.5


def test_prompts_take_so_much_for_each_section_that_is_seen_and_each_answer():
    asked = replace(MEASURED, answers=(Call(2, 0.5, 0.5, 100), Call(12, 1.5, 1.5, 300)), asked_voxels=70_000)
    recipe = PromptRecipe(AskRecipe(prompts=50))
    settings = Settings(0.5, block=(30, 125, 175), prompts=recipe)
    made = forecast(asked, GRID, settings=settings, crew=Crew(2))
    stages = stages_of(lambda tile: None, Outputs(Path("run"), GRID, settings))
    assert [row.stage for row in made.rows] == ["start", "survey", *(stage.name for stage in stages), "report"]
    sections, scale = 25, 500 * 700 / 70_000
    assert row(made, "vectors").cpu_seconds == pytest.approx(sections * scale * 0.3)
    assert row(made, "ask").cpu_seconds == pytest.approx(sections * scale * 0.3 + 50 * 0.1)
    assert row(made, "ask").seconds == pytest.approx(row(made, "ask").cpu_seconds / 2)
    assert row(made, "ask").call_bytes == pytest.approx(2 * scale * 300)
    assert row(made, "contacts").seconds == pytest.approx(row(made, "faces").seconds)
    every = replace(settings, prompts=replace(recipe, energy="paper"))
    every_section = forecast(asked, GRID, settings=every, crew=Crew(2))
    assert row(every_section, "vectors").cpu_seconds == pytest.approx(60 * scale * 0.3)


def test_more_workers_take_less_time_and_the_same_of_the_cores():
    alone, four = told(), told(Crew(4))
    assert row(four, "labels").seconds == pytest.approx(row(alone, "labels").seconds / 4)
    assert row(four, "labels").cpu_seconds == pytest.approx(row(alone, "labels").cpu_seconds)
    assert row(four, "labels").call_bytes == pytest.approx(4 * row(alone, "labels").call_bytes)
    assert row(four, "predict").seconds == pytest.approx(row(alone, "predict").seconds)


def test_memory_is_that_of_one_process_or_of_all_of_them_here():
    made = {place: told(Crew(3, place)).needs for place in ("threads", "processes", "elsewhere")}
    assert made["threads"].memory_bytes == made["threads"].coordinator_bytes
    here = made["processes"]
    assert here.memory_bytes == pytest.approx(here.coordinator_bytes + 3 * here.worker_bytes)
    assert made["elsewhere"].memory_bytes == made["elsewhere"].coordinator_bytes < here.memory_bytes


def test_from_the_shape_alone_smaller_blocks_need_less_memory_and_more_scratch():
    large, small = (needs_of(GRID, settings=Settings(0.5, block=b), crew=Crew()) for b in (GRID.shape, (20, 100, 100)))
    assert small.memory_bytes < large.memory_bytes
    assert small.scratch_bytes > large.scratch_bytes


def test_what_cannot_suffice_is_refused_with_the_numbers_and_the_cure():
    room = Room(memory_bytes=500, disk_bytes=50 << 30)
    with pytest.raises(ValueError, match=r"memory must have about 1.5 GiB free, got 500 B: choose a smaller --block"):
        compare(needs(memory=1.5 * 2**30), room, folder=Path("run"))
    with pytest.raises(ValueError, match=r"disk of 'run' must have about 60.0 GiB free, got 50.0 GiB: choose another"):
        compare(needs(disk=60 * 2**30), room, folder=Path("run"))
    compare(needs(disk=60 * 2**30), room, folder=Path("run"), present_bytes=40 << 30)


def test_a_graph_too_large_for_memory_is_announced_as_such():
    large, room = needs(whole=300.0), Room(250, 10**6)
    with pytest.raises(ValueError, match=r"region graph of 1,000 contacts .* 300 B free, got 250 B: take a part"):
        compare(large, room, folder=Path("run"))
    elsewhere = needs(whole=300.0, crew=Crew(4, "elsewhere"))
    assert compare(elsewhere, room, folder=Path("run")).startswith("about 100 B of 250 B free memory")
    processes = needs(whole=300.0, crew=Crew(3, "processes"))
    assert processes.memory_bytes == 100 + 2 * 100 + 300


def test_what_is_tight_is_warned_of_and_what_fits_is_not():
    with pytest.warns(UserWarning, match="memory will be tight: about 90 B of 100 B"):
        compare(needs(memory=90), Room(100, 10**6), folder=Path("run"))
    assert compare(needs(memory=79), Room(100, 10**6), folder=Path("run")).startswith("about 79 B of 100 B free memory")
    assert "memory" not in compare(needs(), Room(None, 10**6), folder=Path("run"))


def test_room_is_looked_up_for_a_folder_that_is_not_there(tmp_path):
    assert room_for(tmp_path / "not" / "there").disk_bytes > 0


def test_sizes_and_times_read_well():
    assert [size_text(n) for n in (999, 2_000, 1.5 * 2**30, 3 * 2**40)] == ["999 B", "2 KiB", "1.5 GiB", "3.0 TiB"]
    assert [time_text(s) for s in (0.42, 59, 200, 18_600, 200_000)] == [
        "0.4 s",
        "59 s",
        "3 min 20 s",
        "5 h 10 min",
        "2 d 7 h",
    ]


def test_levels_of_a_pyramid_are_one_row():
    names = [row.stage for row in joined(told().rows)]
    assert names.count("labels pyramid") == 1
    assert not any("level" in name for name in names)


def grey_of(grid):
    import numpy as np

    return Image(np.zeros(grid.shape, np.uint8), grid)


def test_adapting_by_itself_is_planned_with_the_time_that_it_may_take():
    choices = Choices(adapt="auto", adapt_seconds=240.0)
    (planned,) = learning_rows(grey_of(Grid((4, 40, 40), (40, 8, 8))), choices, Settings(0.5, threads=2))
    assert (planned.stage, planned.seconds, planned.cpu_seconds) == ("adapt, at most", 240.0, 480.0)
    assert planned.call_bytes > 1e9


def test_adapting_for_so_many_steps_is_planned_from_a_few_of_them_and_a_window(monkeypatch):
    now = [0.0]

    def takes(seconds):
        now[0] += seconds

    clock = SimpleNamespace(perf_counter=lambda: now[0], process_time=lambda: 2 * now[0])
    monkeypatch.setattr("savem3.runs.planning.time", clock)
    monkeypatch.setattr("savem3.runs.planning.read_teacher", lambda given, *, device: (None, None))
    monkeypatch.setattr("savem3.runs.planning.read_student", lambda given: (None, None))
    monkeypatch.setattr("savem3.runs.planning.teach", lambda window, teacher, *, teaching: takes(3.0))
    monkeypatch.setattr("savem3.runs.planning.draw_lessons", lambda grid, count: takes(0.5 * count))
    monkeypatch.setattr(
        "savem3.runs.planning.distill", lambda student, lessons, *, recipe, teacher, device: takes(7 + 2 * recipe.steps)
    )
    image = grey_of(Grid((8, 512, 256), (10, 10, 10)))
    made = {r.stage: r for r in learning_rows(image, Choices(adapt=100), Settings(0.5, device="cpu"))}
    assert list(made) == ["teach", "draw", "distill"]
    assert made["teach"].seconds == pytest.approx(image.grid.voxels / (4 * 256 * 256) * 3.0, rel=1e-2)
    assert made["draw"].blocks == Teaching().drawn_for(image.grid) > 1
    assert made["draw"].seconds == pytest.approx(0.5 * made["draw"].blocks)
    assert made["distill"].seconds == pytest.approx(7 + 2 * 100)
    assert made["distill"].cpu_seconds == pytest.approx(2 * (7 + 2 * 100))


def test_a_run_that_cannot_fit_is_refused_before_anything_is_written(tmp_path, monkeypatch, capsys):
    import h5py
    import numpy as np

    with h5py.File(tmp_path / "raw.h5", "w") as file:
        file["raw"] = np.random.default_rng(0).integers(0, 255, (6, 40, 48), dtype=np.uint8)
    monkeypatch.setattr("savem3.runs.reconstruct.room_for", lambda folder: Room(1 << 20, 1 << 40))
    command = ["reconstruct", f"{tmp_path}/raw.h5:raw", str(tmp_path / "run"), "--voxel-size", "30,6,4"]
    assert run(command) == 2
    said = capsys.readouterr().err
    assert "memory must have about" in said
    assert "--block" in said
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_plan_is_told_to_people_and_machines_and_leaves_nothing(tmp_path, capsys):
    import h5py

    from savem3.shipped import EXAMPLE

    with h5py.File(EXAMPLE) as file, h5py.File(tmp_path / "raw.h5", "w") as made:
        made["raw"] = file["raw"][:40, :64, :72]
    command = ["plan", f"{tmp_path}/raw.h5:raw", str(tmp_path / "run"), "--voxel-size", "10", "--views", "1"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert run([*command, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert {stage["stage"] for stage in facts["stages"]} >= {"predict", "drain", "settle", "cut", "report"}
    assert facts["memory_bytes"] > 3e8
    assert facts["disk_bytes"] > 40 * 64 * 72
    assert [path.name for path in tmp_path.iterdir()] == ["raw.h5"]
