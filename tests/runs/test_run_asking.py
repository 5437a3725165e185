"""Prompts as stages: the same bytes for all blocks, workers and interruptions; nothing is asked in vain or twice."""

import hashlib
import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
from volumes import Interrupting, go
from witnesses import ASK, GRID, LIFTED, OURS, PAPER, SHAPE, Knower, many_bodies, prompted_stages, witness_of

from savem3.blocks import Threads
from savem3.cli import run
from savem3.graphcut import CUTTERS, PromptRecipe
from savem3.graphcut.cutting import ARRAYS
from savem3.pipeline import Settings, cut_fragments
from savem3.request import Asking
from savem3.runs.asking import Asked, StoredPrompter, StoredTeacher, one_thread, read_asked
from savem3.shipped import find_model, read_teacher
from savem3.stages import cut_stages
from savem3.store import open_labels, write_boundary, write_labels
from savem3.store.tables import TableFile
from savem3.store.weights import UnusableWeights
from savem3.volume import BoundaryMap, IntensityMap, Labels

every_recipe = pytest.mark.parametrize("recipe", [OURS, LIFTED, PAPER], ids=["ours", "lifted", "paper"])


def bytes_of(out):
    labels = np.asarray(out.labels.levels[0].voxels[...])
    return [hashlib.sha256(content).hexdigest() for content in (labels.tobytes(), out.graph.read_bytes())]


def made(folder, recipe, *, block=SHAPE, executor=Threads(1), volume=None, knower=None, cutter="multicut"):
    knower = knower or Knower()
    out, stages = prompted_stages(folder, volume or many_bodies(), knower, recipe=recipe, block=block, cutter=cutter)
    go(folder, stages, executor=executor)
    return out


def graph_of(out):
    return TableFile(out.graph).load()


@every_recipe
@pytest.mark.parametrize(("block", "workers"), [((2, 11, 13), 1), ((1, 24, 36), 3), ((5, 5, 36), 2)])
def test_blocks_and_workers_change_no_byte(tmp_path, recipe, block, workers):
    expected = bytes_of(made(tmp_path / "whole", recipe))
    assert bytes_of(made(tmp_path / "blocks", recipe, block=block, executor=Threads(workers))) == expected


@every_recipe
def test_interruptions_change_no_byte_and_no_section_is_encoded_twice(tmp_path, recipe):
    expected, knower = bytes_of(made(tmp_path / "whole", recipe)), Knower()
    out, stages = prompted_stages(tmp_path / "cut", many_bodies(), knower, recipe=recipe, block=(3, 12, 36))
    for answers in (3, 7, 4, 2, 5):
        with pytest.raises(KeyboardInterrupt):
            go(tmp_path / "cut", stages, executor=Interrupting(Threads(1), [answers]))
    go(tmp_path / "cut", stages)
    assert bytes_of(out) == expected
    assert len(knower.shown) == len(set(knower.shown)) == SHAPE[0]
    assert len(knower.seen) == len(set(knower.seen)) == SHAPE[0]


@every_recipe
def test_on_disk_and_in_memory_the_neurons_are_the_same(tmp_path, recipe):
    image, fragments, boundary = many_bodies()
    out = made(tmp_path, recipe, block=(2, 11, 13))
    graph, labels = cut_fragments(fragments, boundary, settings=out.settings, witness=witness_of(image, Knower()))
    np.testing.assert_array_equal(labels.voxels, out.labels.levels[0].voxels[...])
    np.testing.assert_array_equal(graph.costs, graph_of(out)["costs"])


def test_without_prompts_the_stages_and_the_graph_are_those_of_the_boundary_alone(tmp_path):
    out = made(tmp_path, PromptRecipe())
    assert set(graph_of(out)) == {*ARRAYS, "clusters"}
    _, fragments, boundary = many_bodies()
    plain = [stage.name for stage in cut_stages(out, fragments, boundary)]
    assert plain[:3] == ["faces", "cut", "labels"]
    assert Asking(tau=1.0, energy="paper", lifted=True).recipe_for(GRID) == PromptRecipe()


def test_a_budget_that_buys_nothing_leaves_neurons_and_costs_as_they_were(tmp_path):
    plain, knower = made(tmp_path / "plain", PromptRecipe()), Knower()
    asked = made(tmp_path / "asked", PromptRecipe(replace(ASK, prompts=1)), knower=knower)
    assert bytes_of(plain)[0] == bytes_of(asked)[0]
    np.testing.assert_array_equal(graph_of(plain)["costs"], graph_of(asked)["costs"])
    assert knower.shown == knower.seen == []
    assert read_asked(asked.graph, seconds=1.0) == Asked(0, len(graph_of(plain)["edges"]), 0, 1.0)


def test_sections_in_which_nothing_is_asked_are_not_encoded(tmp_path):
    knower = Knower()
    made(tmp_path, PromptRecipe(replace(ASK, prompts=2, reach=0, contacts=1)), knower=knower)
    assert len(knower.shown) == len(knower.seen) == 1


def test_answers_change_the_costs_of_the_edges_they_are_about_and_of_no_other(tmp_path):
    plain = graph_of(made(tmp_path / "plain", PromptRecipe()))
    said = graph_of(made(tmp_path / "asked", PromptRecipe(replace(ASK, smallest=30))))
    change, answered = said["costs"] - plain["costs"], said["prompt_answers"] > 0
    assert 0 < answered.sum() < len(answered)
    assert (change[~answered] == 0).all()
    assert (change[answered] != 0).any()
    np.testing.assert_array_equal(said["agreement"], change * np.sign(plain["costs"]))
    np.testing.assert_array_equal(np.isfinite(said["prompt_overlap"]), answered)
    assert (said["prompt_weight"][answered] > 0).all()


def test_answers_pull_fragments_of_a_body_together_and_others_apart(tmp_path):
    image, fragments, _ = many_bodies()
    graph = graph_of(made(tmp_path, OURS))
    grey = np.zeros(int(fragments.voxels.max()) + 1, int)
    grey[fragments.voxels[:, 3:, 3:]] = image.voxels[:, 3:, 3:]
    u, v = grey[graph["edges"].astype(int)].T
    said = graph["prompt_overlap"][graph["prompt_answers"] > 0], (u == v)[graph["prompt_answers"] > 0]
    np.testing.assert_array_equal(said[0] > 0.5, said[1])
    assert (graph["cosine"][u == v] > 0.999).all()


@every_recipe
def test_background_stays_background_and_no_fragment_is_split(tmp_path, recipe):
    _, fragments, _ = many_bodies()
    out = made(tmp_path, recipe)
    labels = np.asarray(out.labels.levels[0].voxels[...])
    np.testing.assert_array_equal(labels == 0, fragments.voxels == 0)
    assert len(np.unique(np.stack([labels.ravel(), fragments.voxels.ravel()]), axis=1)[0]) == 121
    assert graph_of(out)["edges"].min() > 0


def test_lifted_edges_are_kept_with_the_graph_and_only_cutters_that_hear_them_are_taken(tmp_path):
    graph = graph_of(made(tmp_path / "multicut", LIFTED))
    assert len(graph["lifted_edges"]) == len(graph["lifted_costs"]) > 0
    assert "lifted_edges" not in graph_of(made(tmp_path / "ours", OURS))
    made(tmp_path / "mutex", LIFTED, cutter="mutex")
    with pytest.raises(ValueError, match="cutter must be one of lifted, multicut, mutex to hear lifted edges"):
        replace(Settings(0.4, cutter="quantile"), prompts=LIFTED)
    with pytest.raises(ValueError, match="energy must be ours to hear lifted edges"):
        replace(LIFTED, energy="paper")


@pytest.mark.parametrize(
    ("recipe", "cutter", "solver"),
    [
        (LIFTED, "multicut", "lifted"),
        (LIFTED, "mutex", "mutex"),
        (OURS, "multicut", "multicut"),
        (OURS, "mean", "mean"),
    ],
)
def test_the_multicut_hears_lifted_edges_where_there_are_some(tmp_path, recipe, cutter, solver):
    _, stages = prompted_stages(tmp_path, many_bodies(), Knower(), recipe=recipe, block=SHAPE, cutter=cutter)
    assert next(stage for stage in stages if stage.name == "cut").function.cutter is CUTTERS[solver]


def test_a_volume_without_fragments_has_nothing_to_ask_about(tmp_path):
    image, _, boundary = many_bodies()
    empty, knower = Labels(np.zeros(SHAPE, np.uint64), GRID), Knower()
    out, stages = prompted_stages(tmp_path, (image, empty, boundary), knower, recipe=OURS, block=(2, 24, 20))
    go(tmp_path, [stage for stage in stages if not stage.volumes])
    assert len(graph_of(out)["clusters"]) == 0
    assert knower.shown == []


def test_few_prompts_are_answered_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("savem3.graphcut.asking.AT_ONCE", 5)
    knower = Knower()
    few = bytes_of(made(tmp_path / "few", OURS, knower=knower))
    assert max(knower.most) == 5
    monkeypatch.undo()
    assert few == bytes_of(made(tmp_path / "many", OURS))


def test_nobody_to_ask_is_an_error():
    _, fragments, boundary = many_bodies()
    with pytest.raises(ValueError, match="witness must be given"):
        cut_fragments(fragments, boundary, settings=Settings(0.4, prompts=OURS))


def test_what_was_asked_is_one_line():
    asked = Asked(25, 1000, 90, 4.5)
    assert asked.text == "asked 25 of 1,000 contacts (2.5 %), 20 prompts/s"
    assert asked.facts["prompts_per_second"] == 20
    assert replace(asked, seconds=None).text == "asked 25 of 1,000 contacts (2.5 %)"


def test_another_teacher_under_the_same_name_is_refused():
    stored = StoredTeacher(find_model("saem2-tiny").absolute(), "another")
    with pytest.raises(UnusableWeights, match="weights must have digest another"):
        stored()


def test_a_stored_prompter_answers_as_its_teacher_does_and_gives_threads_back():
    torch = pytest.importorskip("torch")
    teacher, weights = read_teacher()
    stored = StoredTeacher(find_model("saem2-tiny").absolute(), weights.sha256)
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
    sections = np.random.default_rng(0).random((1, 16, 24), np.float32)
    with one_thread():
        expected = teacher.look_at(sections).feature
    np.testing.assert_array_equal(stored().look_at(sections).feature, expected)
    assert StoredPrompter(stored, IntensityMap(0.0, 255.0))().ask(np.zeros((16, 24), np.uint8), []) == []


@pytest.fixture
def files(tmp_path):
    """Raw, fragments and boundary on the disk; the boundary leaves room for doubt."""
    image, fragments, boundary = many_bodies()
    with h5py.File(tmp_path / "raw.h5", "w") as file:
        file["raw"] = image.voxels
    write_labels(fragments, tmp_path / "fragments.zarr")
    write_boundary(BoundaryMap(boundary.voxels // 2 + 64, GRID), tmp_path / "boundary.zarr")
    return tmp_path


def command(folder, out, *more):
    places = [str(folder / name) for name in ("fragments.zarr", "boundary.zarr", out)]
    return ["cut", *places, "--threads", "1", "--voxel-size", "30,6,4", *more]


def test_the_command_asks_the_shipped_teacher_and_says_so(files, capsys):
    raw = ("--raw", f"{files}/raw.h5:raw")
    assert run(command(files, "prompted.zarr", *raw, "--prompts", "40", "--lifted")) == 0
    said = capsys.readouterr().out
    assert "asked " in said
    assert " contacts (" in said
    assert open_labels(files / "prompted.zarr").grid.shape == SHAPE
    assert run(command(files, "again.zarr", *raw, "--prompts", "40", "--lifted", "--block", "2,9,20")) == 0
    both = [open_labels(files / name).load().voxels for name in ("prompted.zarr", "again.zarr")]
    np.testing.assert_array_equal(*both)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--prompts", "5"), "--raw must name the volume"),
        (("--prompts", "-1"), "prompts must be at least 0"),
        (("--prompts", "5", "--lifted", "--cutter", "mean"), "to hear lifted edges, got mean"),
        (("--prompts", "5", "--lifted", "--energy", "paper"), "energy must be ours"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_sentence(files, capsys, more, message):
    assert run(command(files, "none.zarr", *more)) == 2
    assert message in capsys.readouterr().err
    assert not (files / "none.zarr").exists()


@pytest.mark.slow
def test_a_prompted_run_is_verified_gone_on_with_and_told_from_another(files, capsys):
    raw, out = f"{files}/raw.h5:raw", str(files / "run")
    options = ("--voxel-size", "30,6,4", "--threads", "1", "--skip-report", "--prompts", "30", "--tau", "50")
    assert run(["reconstruct", raw, out, *options]) == 0
    record = json.loads((files / "run" / "run.json").read_text())
    assert record["asked"]["prompts"] <= 30
    assert record["identity"]["settings"]["prompts"]["ask"]["doubt"] == 50
    assert record["identity"]["models"]["saem2-tiny"] == read_teacher()[1].sha256
    assert run(["verify", out]) == 0
    before = (files / "run" / "graph.safetensors").read_bytes()
    (files / "run" / "graph.safetensors").write_bytes(before[:-8] + b"damaged!")
    assert run(["verify", out]) == 5
    assert run(["reconstruct", raw, out, *options, "--resume"]) == 0
    assert (files / "run" / "graph.safetensors").read_bytes() == before
    assert run(["reconstruct", raw, out, *options[:-1], "40", "--resume"]) == 4
    assert "settings.prompts.ask.doubt was 50.0 and is 40.0" in capsys.readouterr().err


@pytest.mark.slow
def test_processes_ask_as_threads_do(files):
    raw = ("--raw", f"{files}/raw.h5:raw", "--prompts", "40", "--tau", "50")
    assert run(command(files, "threads.zarr", *raw)) == 0
    assert run(command(files, "processes.zarr", *raw, "--executor", "processes", "--workers", "2")) == 0
    both = [open_labels(files / name).load().voxels for name in ("threads.zarr", "processes.zarr")]
    np.testing.assert_array_equal(*both)
