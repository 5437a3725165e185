"""What the pages tell a reader to type: commands are run in order, a folder a page, and what is not run is checked.

In a page, ```console holds commands behind ``$`` and is run, ```python is run; ```sh holds commands on a reader's own
files: these are held against the program's options. A comment above a block says what else there is to know:
``<!-- not run: needs SLURM -->``, ``<!-- file: options.toml -->`` (the block is that file), ``<!-- exit code: 2 -->``.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import warnings
from dataclasses import dataclass
from pathlib import Path

import pytest

from savem3.cli import app, run

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"(?:<!-- (?P<key>not run|file|exit code): (?P<value>[^>]+?) -->\n+)?"
    r"^```(?P<language>[a-z]*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
SECONDS = 60
"""The most that one command of a shell may take."""
QUICK = {"how-to-cut.md", "how-to-masks.md", "how-to-trust.md"}
"""Pages that take less than a few seconds; the others wait for ``-m slow``."""
INTERACTIVE = {"view", "review", "demo", "selfcheck", "bench", "bank fetch", "bank check", "bank sample"}
INTERACTIVE |= {"bank statistics", "export bioimageio", "doctor"}
"""Commands that no page runs: they open a page, want data that is not here, or have slow tests of their own."""


@dataclass(frozen=True)
class Block:
    """A block of a page, and what the comment above it says."""

    language: str
    text: str
    line: int
    key: str
    value: str

    @property
    def commands(self) -> list[str]:
        """Its commands, as a shell would be given them."""
        text = re.sub(r"\\\n\s*(?:> )?", " ", self.text)
        lines = [line.partition(" #")[0].strip() for line in text.splitlines()]
        if self.language == "console":
            return [line[2:] for line in lines if line.startswith("$ ")]
        return [line for line in lines if line.startswith(("savem3 ", "pip ")) and self.language != "text"]


def blocks_of(text: str) -> list[Block]:
    """All blocks of a page, in order."""
    return [
        Block(m["language"], m["text"], text[: m.start("text")].count("\n"), m["key"] or "", m["value"] or "")
        for m in BLOCK.finditer(text)
    ]


def runs(block: Block) -> bool:
    """Whether a test runs it."""
    return block.language in ("console", "python") and block.key != "not run"


def read(page: Path) -> list[Block]:
    """The blocks of a page."""
    return blocks_of(page.read_text(encoding="utf-8"))


def type_command(command: str, expected: int) -> None:
    """Run a command: savem3 in this process, anything else in a shell."""
    if not command.startswith("savem3 "):
        done = subprocess.run(["bash", "-ec", command], timeout=SECONDS, check=False)
        assert done.returncode == expected, command
        return
    assert run(shlex.split(command)[1:]) == expected, command


def all_that_run() -> list[object]:
    """A parameter a page that has something to run."""
    pages = [page for page in PAGES if any(runs(block) for block in read(page))]
    return [pytest.param(p, marks=() if p.name in QUICK else pytest.mark.slow, id=p.name) for p in pages]


@pytest.mark.parametrize("page", all_that_run())
def test_a_page_does_what_it_says(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SAVEM3_HOME", str(tmp_path / "home"))
    names: dict[str, object] = {"__name__": "__page__"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for block in read(page):
            if block.key == "file":
                Path(block.value).write_text(block.text, encoding="utf-8")
            elif runs(block) and block.language == "python":
                exec(compile("\n" * block.line + block.text, page.name, "exec"), names)
            elif runs(block):
                for command in block.commands:
                    type_command(command, int(block.value) if block.key == "exit code" else 0)


def typed(command: str) -> list[str]:
    """The words of a command for savem3; placeholders stay words."""
    return shlex.split(command.replace("…", "more"))[1:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_are_not_run_are_ones_that_the_program_knows(page: Path) -> None:
    for block in read(page):
        for command in [c for c in block.commands if c.startswith("savem3 ") and not runs(block)]:
            words = [word for word in typed(command) if word != "--offline"]
            if "--config" in words:
                del words[words.index("--config") : words.index("--config") + 2]
            app.parse_args(words, exit_on_error=False, print_error=False)


def test_a_command_that_the_program_does_not_know_would_be_seen() -> None:
    (block,) = blocks_of("```sh\nsavem3 cut a b c --betta 1  # no such option\n```\n")
    assert block.commands == ["savem3 cut a b c --betta 1"]
    with pytest.raises(Exception, match="betta"):
        app.parse_args(typed(block.commands[0]), exit_on_error=False, print_error=False)


def test_blocks_with_commands_say_in_which_of_the_ways_they_are_meant() -> None:
    blocks = [(page.name, block) for page in PAGES for block in read(page) if block.commands]
    unsaid = [(name, block.line) for name, block in blocks if block.language not in ("console", "sh", "")]
    assert unsaid == []


def test_every_block_that_is_not_run_says_why_and_they_are_few() -> None:
    left = {f"{page.name}:{b.line}": b.value for page in PAGES for b in read(page) if b.key == "not run"}
    assert {place: why for place, why in left.items() if not why.startswith("needs ")} == {}
    assert len(left) == 5, left


def test_every_command_is_run_by_some_page_but_for_those_that_cannot() -> None:
    ran = [" ".join(c.split()[1:3]) for page in PAGES for b in read(page) if runs(b) for c in b.commands]
    text = (ROOT / "docs" / "reference-commands.md").read_text(encoding="utf-8")
    verbs = set(re.findall(r"^```text\nsavem3 ((?:(?:bank|export|weights) )?\w+)", text, re.MULTILINE))
    assert {verb for verb in verbs if not any(f"{line} ".startswith(f"{verb} ") for line in ran)} == INTERACTIVE
