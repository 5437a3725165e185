"""The site's sources: links, anchors, the navigation, and pages that are written by the program."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CARDS = sorted((ROOT / "src" / "savem3" / "models").glob("*.md"))
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md")), *CARDS]
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s]*)\)")
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def load(name: str) -> ModuleType:
    """A program of `docs/_site`, which is no package."""
    spec = importlib.util.spec_from_file_location(f"site_{name}", DOCS / "_site" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def anchors_of(text: str) -> set[str]:
    """What headings can be called by, on GitHub and on the site alike."""
    headings = re.findall(r"^#{1,6} +(.+?) *$", FENCE.sub("", text), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()) for heading in headings]
    return {heading.strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    lost = []
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        there = target.exists() and target.is_relative_to(ROOT)
        if there and anchor and target.suffix == ".md":
            there = anchor in anchors_of(target.read_text(encoding="utf-8"))
        if not there:
            lost.append(link)
    assert lost == []


def test_a_link_to_a_heading_that_is_not_there_would_be_seen() -> None:
    assert anchors_of("# One\n\n## Who *can* see `it`?\n\n```\n# no heading\n```\n") == {"one", "who-can-see-it"}


def test_the_navigation_names_every_page_once() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = re.findall(r"([\w-]+\.md)$", text[text.index("\nnav:") :], re.MULTILINE)
    there = {page.name for page in DOCS.glob("*.md")} | {f"model-{card.name}" for card in CARDS} | {"index.md"}
    assert sorted(named) == sorted(there)


def test_the_reference_of_commands_is_what_the_program_says() -> None:
    """If this fails: `make commands`."""
    commands = load("commands")
    assert commands.PAGE.read_text(encoding="utf-8") == commands.commands()


def test_the_reference_of_python_names_modules_and_rooms_that_are_there() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in DOCS.glob("reference-*.md"))
    named = re.findall(r"^::: (\S+)", text, re.MULTILINE)
    paths = [ROOT / "src" / name.replace(".", "/") for name in named]
    assert [str(path) for path in paths if not (path.is_dir() or path.with_suffix(".py").is_file())] == []
    doors = {f"savem3.{door.parent.name}" for door in (ROOT / "src" / "savem3").glob("*/__init__.py")}
    inner = {"savem3.cli", "savem3.runs", "savem3.bench"}
    assert doors - inner <= set(named)


def test_pages_load_nothing_from_elsewhere() -> None:
    foreign = re.compile(r"!\[[^\]]*\]\(https?:|<(?:img|script|link)[^>]+https?:|@import|url\(")
    found = {path.name: foreign.findall(path.read_text(encoding="utf-8")) for path in [*PAGES, *DOCS.glob("*.css")]}
    assert {name: hits for name, hits in found.items() if hits} == {}


def test_pictures_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in DOCS.glob("limits-*.png")}
    assert {name: size for name, size in sizes.items() if size > 150_000} == {}
    assert sum(sizes.values()) <= 600_000
