"""Writes the command line reference from the program itself: `make site` and a test call it."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[1] / "reference-commands.md"
HEAD = """# Commands

Written by `make commands` from the program itself. `savem3 COMMAND --help` says the same.
Every command also takes `--config FILE.toml` ([how](how-to-configure.md)) and `--offline`;
[exit codes](reference-configuration.md#exit-codes).
"""


def commands() -> str:
    """The page: a section a command, its arguments, options and defaults."""
    from savem3.cli import app

    text = app.generate_docs(output_format="markdown")
    text = text[text.index("\n## savem3 bank") :]
    text = re.sub(r"^```console\n(.*?)```", r"```text\n\1```", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^(savem3(?: [a-z]+)+) -m \w+", r"\1", text, flags=re.MULTILINE)  # of python -m, if there is one
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    return HEAD + re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(commands(), encoding="utf-8")
