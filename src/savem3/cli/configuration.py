"""Options from a file: ``--config FILE.toml``, one table a command, one key an option; the command line goes before it.

The file is strict. A misspelt table or key names the closest that there is, a value of another type says what is meant.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from inspect import Parameter
from math import isfinite
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from cyclopts import App

LARGEST = 2**20
"""Bytes of the longest file."""

Options = dict[str, Any]


class BadConfiguration(ValueError):
    """A configuration that cannot be meant; the message names the file, the key and the value."""


def take_value(arguments: Sequence[str], name: str) -> tuple[list[str], str | None]:
    """An option with a value that every command has, wherever it stands, and the other arguments.

    Raises
    ------
    BadConfiguration
        If it is there twice or without its value.
    """
    rest, value, waiting = [], None, list(arguments)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            rest += [word, *waiting]
            break
        if word != name and not word.startswith(f"{name}="):
            rest.append(word)
            continue
        if value is not None:
            raise BadConfiguration(f"{name} must be given once, got it twice")
        if word == name and not waiting:
            raise BadConfiguration(f"{name} must be followed by a file, got nothing")
        value = waiting.pop(0) if word == name else word.partition("=")[2]
    return rest, value


def take_flag(arguments: Sequence[str], name: str) -> tuple[list[str], bool]:
    """A flag that every command has, wherever it stands, and the other arguments."""
    end = list(arguments).index("--") if "--" in arguments else len(arguments)
    rest = [word for i, word in enumerate(arguments) if word != name or i > end]
    return rest, len(rest) < len(arguments)


def read_configuration(file: str | Path, app: App) -> Options:
    """The options in a file, by command.

    Parameters
    ----------
    file
        TOML, at most `LARGEST` bytes of UTF-8.
    app
        Whose commands and options there are.

    Raises
    ------
    BadConfiguration
        If the file cannot be read, or holds anything that is no option of a command or not of its type.
    """
    found = _parse(Path(file))
    for name, table in found.items():
        _check_command(app, name, table, file=str(file), above="")
    return found


def _parse(file: Path) -> Options:
    if "\0" in str(file) or not file.is_file():
        raise BadConfiguration(f"--config must be a TOML file, got {str(file)!r}")
    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST + 1)
    except OSError as error:
        raise BadConfiguration(f"{file} must be readable, got: {error.strerror}") from error
    if len(content) > LARGEST:
        raise BadConfiguration(f"{file} must have at most {LARGEST} bytes, got {file.stat().st_size}")
    try:
        return tomllib.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise BadConfiguration(f"{file} must be UTF-8, got byte {byte} at {error.start}") from error
    except RecursionError as error:
        raise BadConfiguration(f"{file} must be a table of plain values a command, got deeper ones") from error
    except ValueError as error:  # also a number of too many digits
        raise BadConfiguration(f"{file} must be valid TOML, got: {_one_line(str(error))}") from error


def _check_command(app: App, name: str, table: Any, *, file: str, above: str) -> None:
    """Look whether a table is that of a command, or of a group of them, and its keys are options."""
    commands = [command for command in app if not command.startswith("-")]
    if name not in commands:
        where = f"[{above.rstrip('.')}] of {file}" if above else file
        raise BadConfiguration(f"{where} must hold tables of commands, got '{name[:60]}'{_closest(name, commands)}")
    if not isinstance(table, dict):
        raise BadConfiguration(f"{file} must hold a table [{above}{name}] of options, got {_shown(table)}")
    inner = app[name]
    if [command for command in inner if not command.startswith("-")]:
        for key, value in table.items():
            _check_command(inner, key, value, file=file, above=f"{above}{name}.")
        return
    kinds = _options_of(inner)
    for key, value in table.items():
        _check_option(key.replace("_", "-"), value, kinds, place=f"[{above}{name}] of {file}")


def _options_of(command: App) -> dict[str, Any]:
    """The type of each option of a command, by its name; what stands at a place of its own is none."""
    found = {}
    for argument in command.assemble_argument_collection():
        stands_alone = not argument.keys and argument.field_info.kind is not Parameter.KEYWORD_ONLY
        if argument.parse and argument.name.startswith("--") and not stands_alone:
            found[argument.name.removeprefix("--")] = argument.hint
    return found


def _check_option(name: str, value: Any, kinds: Mapping[str, Any], *, place: str) -> None:
    if name not in kinds:
        raise BadConfiguration(f"{place} must hold options of the command, got '{name[:60]}'{_closest(name, kinds)}")
    wanted = expectation(kinds[name])
    if not _fits(value, kinds[name]):
        raise BadConfiguration(f"'{name}' in {place} must be {wanted}, got {_shown(value)}")


def expectation(hint: Any) -> str:
    """What a type asks for, in words."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return expectation(inner[0])
    if origin in (Union, UnionType):
        words = [expectation(one) for one in inner if one is not NoneType]
        return " or ".join(dict.fromkeys(words))
    if origin is Literal:
        return f"one of {', '.join(map(str, inner))}" if len(inner) > 1 else f"'{inner[0]}'"
    if origin in (list, tuple):
        return f"a list, each {expectation(inner[0])}"
    return {bool: "true or false", int: "a whole number", float: "a number"}.get(hint, "text")


def _fits(value: Any, hint: Any) -> bool:
    """Whether a TOML value is of a type; a whole number is a number, a truth value is neither."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _fits(value, inner[0])
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in inner if one is not NoneType)
    if origin is Literal:
        return any(value == one and type(value) is type(one) for one in inner)
    if origin in (list, tuple):
        return isinstance(value, list) and all(_fits(one, inner[0]) for one in value)
    plain: dict[Any, Callable[[Any], bool]] = {
        bool: lambda v: isinstance(v, bool),
        int: lambda v: type(v) is int,
        float: lambda v: type(v) in (int, float) and isfinite(v),
    }
    return plain.get(hint, lambda v: isinstance(v, str) and v.isprintable())(value)


def _closest(name: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; there are {', '.join(sorted(known))}"


def _shown(value: Any) -> str:
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else _one_line(repr(value))
    return text if len(text) <= 60 else f"{text[:59]}…"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]
