"""The house rules that no single room can keep: the public face, the doors, the files, the first page."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "savem3"
ROOMS = sorted(door.parent.name for door in PACKAGE.glob("*/__init__.py"))
MODULES = sorted(PACKAGE.rglob("*.py"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

MAY_BE_LARGE = ("src/savem3/models/", "src/savem3/example/", "noncommercial/")
LARGEST, LARGEST_SHIPPED = 1 << 20, 8 << 20
MACHINE_PATH = re.compile(r"(?<![\w.)}\]])/(?:tmp|work|root|home|Users|opt|mnt|farm)/\w")


def tracked() -> list[str]:
    """Files that a commit of the working tree would hold."""
    if not (ROOT / ".git").exists():
        pytest.skip("needs the git repository")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return sorted(set(listed.split("\0")) - {""})


def run_python(program: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True).stdout


def test_importing_savem3_takes_less_than_half_a_second() -> None:
    program = "import time; t = time.process_time(); import savem3; print(time.process_time() - t)"
    assert min(float(run_python(program)) for _ in range(3)) < 0.5


def test_importing_savem3_imports_nothing_heavy() -> None:
    loaded = set(json.loads(run_python("import json, sys, savem3; print(json.dumps(list(sys.modules)))")))
    assert loaded & {"torch", "openvino", "matplotlib", "numba", "scipy", "tensorstore", "transformers"} == set()


def test_the_version_is_the_same_everywhere() -> None:
    import savem3

    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert cited
    assert savem3.__version__ == version("savem3") == cited[1]


@pytest.mark.parametrize("room", ["", *ROOMS])
def test_every_door_says_what_is_inside(room: str) -> None:
    door = importlib.import_module(f"savem3.{room}".rstrip("."))
    assert door.__doc__
    assert len(door.__doc__.split()) >= 10
    assert len(door.__all__) == len(set(door.__all__))
    assert [name for name in door.__all__ if not hasattr(door, name)] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_is_short_enough_to_read(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    too_long = {f.name: f.end_lineno - f.lineno for f in functions if f.end_lineno and f.end_lineno - f.lineno > 60}
    assert too_long == {}
    assert text.count("\n") <= 400


def test_no_two_files_of_tests_share_a_name() -> None:
    """pytest imports them by their base name: the second of two would not be collected."""
    names = [path.name for path in (ROOT / "tests").rglob("*.py") if path.name != "conftest.py"]
    assert sorted({name for name in names if names.count(name) > 1}) == []


def test_no_module_is_a_drawer_for_everything() -> None:
    assert {path.stem for path in MODULES} & {"utils", "util", "helpers", "common", "misc"} == set()


def test_every_file_of_the_repository_exists() -> None:
    assert [name for name in tracked() if not (ROOT / name).is_file()] == []


def test_only_shipped_models_and_the_example_are_large() -> None:
    sizes = {name: (ROOT / name).stat().st_size for name in tracked()}
    limit = {name: LARGEST_SHIPPED if name.startswith(MAY_BE_LARGE) else LARGEST for name in sizes}
    assert {name: size for name, size in sizes.items() if size > limit[name]} == {}


def test_no_file_names_a_path_of_one_machine() -> None:
    found = {}
    for name in tracked():
        text = (ROOT / name).read_bytes().decode("utf-8", "ignore")
        if name.endswith((".h5", ".png", ".safetensors", ".npz")) or name == "tests/test_house.py":
            continue
        if hit := MACHINE_PATH.search(text):
            found[name] = text[hit.start() : hit.start() + 40]
    assert found == {}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_between_pages_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_ci_runs_the_commands_of_the_first_page() -> None:
    commands = set(re.findall(r"^make (\w+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
    ran = set(re.findall(r"make (\w+)$", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE))
    rules = dict(re.findall(r"^(\w+): ([^#\n]*)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for target in sorted(ran):
        ran |= set(rules[target].split())
    assert commands >= {"demo", "test"}
    assert commands <= ran


def test_every_dependency_is_locked_to_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    wanted = {re.sub(r"[-_.]+", "-", re.split(r"[=<>~!\[; ]", line)[0]) for group in groups for line in group}
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    locked = {re.sub(r"[-_.]+", "-", line.split("==")[0].lower()) for line in lines}
    assert wanted <= locked
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []


def test_a_wheel_holds_all_that_the_package_needs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    wanted = {name.removeprefix("src/") for name in tracked() if name.startswith("src/savem3/")}
    assert "savem3/py.typed" in wanted
    assert wanted <= held
