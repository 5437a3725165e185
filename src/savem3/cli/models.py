"""Commands for models: which there are, whether they are whole, how they travel."""

from __future__ import annotations

import json as json_text
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter
from rich.console import Console

from savem3.cli.options import AsJson, Overwrite, app

weights = App(name="weights", help="Models: which there are, whether they are whole, how they travel.")
app.command(weights)

Names = Annotated[
    list[str] | None, Parameter(help="Shipped models, models in the user's folder, or paths of .safetensors files.")
]


@weights.command(name="list")
def list_models(*, json: AsJson = False) -> None:
    """Models at hand: shipped with the package, and in the folder weights of SAVEM3_HOME."""
    from savem3.shelf import models_at_hand

    facts = [model.facts for model in models_at_hand()]
    _print(facts, as_json=json)


@weights.command
def verify(names: Names = None, /, *, json: AsJson = False) -> int:
    """Whether models are whole: header, card, digest, finite values, exactly their keys. Exit code 2 if not."""
    from savem3.shelf import models_at_hand, verify_model

    wanted = names or [str(model.path) for model in models_at_hand()]
    found: list[dict[str, Any]] = []
    for name in wanted:
        try:
            found.append({**verify_model(name).facts, "problem": ""})
        except (OSError, ValueError) as error:
            found.append({"name": Path(name).stem, "path": name, "problem": str(error)})
    _print(found, as_json=json)
    return 2 if any(one["problem"] for one in found) else 0


@weights.command
def pack(
    out: Annotated[Path, Parameter(help="The archive, OUT.tar.")],
    names: Annotated[list[str], Parameter(help="Models, by name or path.")],
    /,
    *,
    overwrite: Overwrite = False,
) -> None:
    """Models with their cards and a manifest of digests in one archive, for a machine without a network."""
    from savem3.parcel import pack as pack_models

    for one in pack_models(names, out, overwrite=overwrite):
        Console(highlight=False).print(
            f"{one.file}  {one.size:,} bytes  {one.sha256}", soft_wrap=True, markup=False, emoji=False
        )


@weights.command
def unpack(
    parcel: Annotated[Path, Parameter(help="The archive.")],
    /,
    *,
    overwrite: Overwrite = False,
) -> None:
    """Put the models of an archive into the folder weights of SAVEM3_HOME; all, or none if anything is wrong."""
    from savem3.parcel import unpack as unpack_models

    for path in unpack_models(parcel, overwrite=overwrite):
        Console(highlight=False).print(f"{path.stem}  {path}", soft_wrap=True, markup=False, emoji=False)


def _print(facts: list[dict[str, Any]], *, as_json: bool) -> None:
    console = Console(highlight=False)
    if as_json:
        console.out(json_text.dumps(facts), highlight=False)
        return
    for one in facts:
        problem = one.get("problem", "")
        mark = f"must not be used: {problem}" if problem else "whole" if "problem" in one else one["where"]
        console.print(f"{one['name']}  {mark}", soft_wrap=True, markup=False, emoji=False, style="bold")
        for line in _lines(one):
            console.print(f"  {line}", soft_wrap=True, markup=False, emoji=False)


def _lines(one: dict[str, Any]) -> list[str]:
    """What is known about a model, a line each."""
    if "architecture" not in one:
        return [str(one["path"])]
    scores = [f"{where}: {json_text.dumps(score)}" for where, score in dict(one["scores"]).items()]
    return [
        f"{one['architecture']}, {one['bytes']:,} bytes, SHA-256 of the values {one['sha256']}",
        f"licence: {one['licence']}",
        f"trained on: {', '.join(one['trained_on']) or 'not stated'}",
        *(f"score, {line}" for line in scores),
        str(one["path"]),
    ]
