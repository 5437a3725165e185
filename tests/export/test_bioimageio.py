import gc
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from savem3.cli import run
from savem3.distill import STUDENTS, build_student, load_student
from savem3.export import BLUEPRINTS, draw_student, prepare, write_bioimageio
from savem3.predict.engine import _import_openvino
from savem3.store.weights import Weights, write_weights

CARD = {"licence": "MIT; learned from data under: CC BY", "labels": ["some volume:train"], "voxel_size_nm": [6.0, 7.0]}
CARD |= {"teacher": None, "earlier_runs": [{"teacher": "an earlier teacher"}]}


def student(name: str, *, outputs: int = 1) -> tuple[torch.nn.Module, Weights]:
    """One whose means and variances differ from those of a fresh one."""
    torch.manual_seed(0)
    network = build_student(name, outputs=outputs).eval()
    for values in network.state_dict().values():
        if values.dtype.is_floating_point and values.ndim == 1:
            values += torch.rand_like(values) / 4
    return network, Weights(name, {key: value.numpy() for key, value in network.state_dict().items()}, CARD)


def ask(onnx: bytes, raw: np.ndarray) -> np.ndarray:
    """What another program, OpenVINO, answers with an ONNX file."""
    core = _import_openvino().Core()
    return core.compile_model(core.read_model(onnx), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([raw])[0]


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("name", STUDENTS)
def test_every_student_answers_the_same_as_onnx_at_any_size(name: str, outputs: int) -> None:
    network, weights = student(name, outputs=outputs)
    onnx, _ = draw_student(weights)
    for shape in ((1, 1, 3, 16, 24), (2, 1, 4, 32, 8)):
        raw = torch.rand(shape) * 2 - 1
        with torch.inference_mode():
            expected = network(raw).sigmoid().numpy()
        assert expected.std() > 0.01
        np.testing.assert_allclose(ask(onnx, raw.numpy()), expected, atol=5e-3 if name == "superhuman" else 1e-5)


def test_every_student_has_a_blueprint() -> None:
    assert set(BLUEPRINTS) == set(STUDENTS)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("package") / "fast.zip"
    assert run(["export", "bioimageio", "savem3-fast", str(path), "--author", "Somebody", "--json"]) == 0
    return path


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the library leaves the zip open
def test_the_specification_finds_nothing_wrong(package: Path) -> None:
    spec = pytest.importorskip("bioimageio.spec")
    described = spec.load_description(package, perform_io_checks=True)
    gc.collect()
    assert described.type == "model"
    assert described.validation_summary.status == "valid-format"
    assert [error for detail in described.validation_summary.details for error in detail.errors] == []
    assert str(described.license) == "Apache-2.0"
    assert [author.name for author in described.authors] == ["Somebody"]


def test_its_own_words_lead_from_the_test_input_to_the_test_output(package: Path) -> None:
    with zipfile.ZipFile(package) as files:
        described = json.loads(files.read("rdf.yaml"))
        raw, expected = (np.load(files.open(f"test_{name}.npy"), allow_pickle=False) for name in ("input", "output"))
        onnx = files.read("weights.onnx")
    steps = {step["id"]: step["kwargs"] for step in described["inputs"][0]["preprocessing"]}
    low, high = np.percentile(raw, [steps["scale_range"]["min_percentile"], steps["scale_range"]["max_percentile"]])
    seen = np.clip((raw - low) / (high - low), steps["clip"]["min"], steps["clip"]["max"])
    seen = seen * steps["scale_linear"]["gain"] + steps["scale_linear"]["offset"]
    np.testing.assert_allclose(ask(onnx, seen.astype(np.float32)), expected, atol=1e-4)
    assert expected.std() > 0.1


def test_nothing_inside_is_a_pickle_and_the_student_comes_back(package: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(package) as files:
        names = sorted(files.namelist())
        files.extract("student.safetensors", tmp_path)
        card = json.loads(files.read("card.json"))
    assert names == [
        *("README.md", "card.json", "cover.png", "rdf.yaml", "student.safetensors"),
        *("test_input.npy", "test_output.npy", "weights.onnx"),
    ]
    assert load_student(tmp_path / "student.safetensors")[1].card == card


def written(path: Path, *, shape: tuple[int, ...] = (17, 64, 72), name: str = "a student") -> dict[str, str]:
    network, weights = student("fast")
    stored = path.parents[1] / "fast.safetensors"
    if not stored.is_file():
        write_weights(weights, stored)
    raw = np.random.default_rng(0).integers(0, 256, (1, 1, *shape)).astype(np.uint8)
    with torch.inference_mode():
        boundary = network(torch.from_numpy(prepare(raw))).sigmoid().numpy()
    write_bioimageio(stored, path, name=name, raw=raw, boundary=boundary)
    with zipfile.ZipFile(path) as files:
        return {name: files.read(name).decode() for name in ("rdf.yaml", "README.md")}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "packages").mkdir()
    return tmp_path / "packages"


def test_the_card_decides_licence_voxels_and_what_is_said(folder: Path) -> None:
    files = written(folder / "a.zip")
    described = json.loads(files["rdf.yaml"])
    assert described["license"] == "MIT"
    assert [axis["scale"] for axis in described["inputs"][0]["axes"][2:]] == [7.0] * 3
    assert described["authors"] == []
    assert "some volume:train" in files["README.md"]
    assert "CC BY" in files["README.md"]
    assert "teacher: an earlier teacher" in files["README.md"]


def test_the_same_student_gives_the_same_bytes(folder: Path) -> None:
    for name in ("a.zip", "b.zip"):
        written(folder / name)
    assert (folder / "a.zip").read_bytes() == (folder / "b.zip").read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == ["a.zip", "b.zip"]


def test_what_cannot_be_described_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="name must be 5 to 64 letters"):
        written(folder / "a.zip", name="a/b/c/d")
    with pytest.raises(ValueError, match="raw must have 64 \\+ n × 8 voxels along y, got 56"):
        written(folder / "a.zip", shape=(16, 56, 64))
    with pytest.raises(ValueError, match="weights must be for one of fast, superhuman, got saem2"):
        draw_student(Weights("saem2", {}))
    assert run(["export", "bioimageio", "savem3-fast", str(folder / "a.tar"), "--json"]) == 2
    assert list(folder.iterdir()) == []
