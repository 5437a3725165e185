"""The command line: one verb a command, paths in, paths out; an error is one sentence and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from cyclopts import CycloptsError
from cyclopts.config import Dict
from rich.markup import escape
from rich.prompt import Prompt

from savem3.blocks import DISK_FULL, BlocksFailed, Terminated
from savem3.cli import (
    bank,
    bank_sampling,
    benching,
    checking,
    cleansing,
    exporting,
    models,
    parts,
    quality,
    reviewing,
    scoring,
    teaching,
    viewing,
    whole,
)
from savem3.cli.configuration import BadConfiguration, read_configuration, take_flag, take_value
from savem3.cli.options import ERRORS, app, fail
from savem3.home import forbid_network, refuse_remote
from savem3.store.errors import MissingVoxelSize

__all__ = [
    "app",
    "bank",
    "bank_sampling",
    "benching",
    "checking",
    "cleansing",
    "exporting",
    "main",
    "models",
    "parts",
    "quality",
    "reviewing",
    "run",
    "scoring",
    "teaching",
    "viewing",
    "whole",
]

app.help_epilogue = (
    "Every command also takes --config FILE.toml, options in one table a command ([reconstruct]), behind those of the "
    "command line; and --offline, which refuses whatever lies on another machine."
)


def main() -> None:
    """Run a command; an error is one sentence and an exit code.

    0 done, 2 bad input, 3 bad configuration, 4 output exists, 5 some blocks failed or are damaged, or the disk is
    full, 130 stopped by Ctrl-C, 143 by SIGTERM.
    """
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run a command; its exit code."""
    try:
        words, offline = take_flag(arguments, "--offline")
        words, file = take_value(words, "--config")
        if offline:
            forbid_network()
        for word in words:
            refuse_remote(word.partition("=")[2] if word.startswith("--") else word)
        with _configured(file):
            answer = app(words, result_action="return_value", exit_on_error=False, print_error=False)
    except BadConfiguration as error:
        return fail(error, 3)
    except CycloptsError as error:
        error.verbose = False
        return fail(ValueError(" ".join(str(error).split())), 2)
    except MissingVoxelSize as question:
        return _ask_for_voxel_size(arguments, question)
    except FileExistsError as error:
        return fail(error, 4)
    except OSError as error:
        return fail(error, 5 if error.errno in DISK_FULL else 2)
    except (ValueError, TypeError) as error:
        return fail(error, 2)
    except BlocksFailed as error:
        return fail(error, 5)
    except Terminated:
        ERRORS.print("stopped; a run goes on with --resume from what is done")
        return 143
    except KeyboardInterrupt:
        ERRORS.print("stopped; a run goes on with --resume from what is done")
        return 130
    return answer if isinstance(answer, int) else 0


@contextmanager
def _configured(file: str | None) -> Iterator[None]:
    """The options of a file stand behind those of the command line, for one command."""
    before = app.config
    if file is not None:
        options = read_configuration(file, app)
        app.config = (Dict(options, source=file),)
    try:
        yield
    finally:
        app.config = before


def _ask_for_voxel_size(arguments: list[str], question: MissingVoxelSize) -> int:
    """At a terminal the missing size is asked for, once; elsewhere the question is the error."""
    if not sys.stdin.isatty() or "--voxel-size" in arguments:
        return fail(question, 2)
    ERRORS.print(escape(str(question)), soft_wrap=True)
    return run([*arguments, "--voxel-size", Prompt.ask("Voxel size in nm, as Z,Y,X", console=ERRORS)])
