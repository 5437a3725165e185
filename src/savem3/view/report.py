"""The report: one HTML page that holds a whole run, with its pictures inside, and opens without a server or network."""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy.typing import NDArray

from savem3.grid import Grid
from savem3.view.figure import draw_solid, length_label, scale_bar_um
from savem3.view.layers import data_uri, encode_webp, section_layers
from savem3.view.learning import Learning, describe_learning
from savem3.view.planes import check_shapes, shown_box
from savem3.view.sizes import count_by_volume, volumes_um3
from savem3.volume import BoundaryMap, Image, Labels

MEANINGS = {
    "voi": ("VoI, bits", "Variation of information: split and merge together. 0 is perfect."),
    "voi_split": ("VoI split, bits", "H(segmentation | truth): bodies cut into pieces. More joining lowers it."),
    "voi_merge": ("VoI merge, bits", "H(truth | segmentation): bodies grown together. More cutting lowers it."),
    "arand_skimage": (
        "ARand error",
        "1 − F over pairs of voxels, scikit-image's convention. 0 is perfect, 1 is worst.",
    ),
    "arand_cremi": ("ARand error, CREMI", "The same where each unsegmented voxel is a segment of its own."),
    "cremi_score": ("CREMI score", "√(VoI · ARand error of CREMI)."),
    "voxels": ("voxels compared", "Those that the truth names; truth 0 is left out."),
    "unsegmented": ("unsegmented count as", ""),
    "unsegmented_share": ("unsegmented share", "Share of the voxels named by the truth that have no label."),
    "bodies": ("bodies", "Labels of the truth among the compared voxels."),
    "segments": ("segments", "Labels of the segmentation among them."),
    "fragments": ("fragments", "Labels of the fragments among them."),
}
"""How scores are shown, in this order; scores that are not here follow under their own names."""

UNSEGMENTED = {
    "segment": "A voxel without a label counts as part of one large segment, as scikit-image has it.",
    "ignore": "A voxel without a label is not compared.",
    "singletons": "A voxel without a label counts as a segment of its own.",
}

SOLID_PIXELS = 720
"""Pixels along each side of the three-dimensional picture."""

Score = float | int | str


@dataclass(frozen=True, slots=True)
class ReportFacts:
    """What a report says in words and numbers. Strings may hold anything: all of them are escaped.

    Parameters
    ----------
    title
        Heading of the page.
    input
        Path, shape, voxel size, physical size, as they shall be read.
    run
        Device, recipe, peak memory, command line, versions.
    timings
        Seconds of each stage, in their order.
    models
        Name, sha256, licence of each model.
    warnings
        What went wrong or was skipped, a sentence each.
    scores
        What `savem3.evaluate` found, as its ``Scores.to_dict`` gives it; absent without truth.
    next_steps
        Commands and what they are good for.
    learning
        How the student learned this volume; absent where it did not.
    """

    title: str
    input: Mapping[str, str]
    run: Mapping[str, str] = field(default_factory=dict)
    timings: Mapping[str, float] = field(default_factory=dict)
    models: Sequence[Mapping[str, str]] = ()
    warnings: Sequence[str] = ()
    scores: Mapping[str, Score] | None = None
    next_steps: Mapping[str, str] = field(default_factory=dict)
    learning: Learning | None = None


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """One line of the table of scores."""

    name: str
    value: str
    oracle: str
    meaning: str


def write_report(
    path: Path,
    *,
    facts: ReportFacts,
    image: Image,
    boundary: BoundaryMap,
    fragments: Labels,
    labels: Labels,
    truth: Labels | None = None,
    solid: UInt8[np.ndarray, "side side 4"] | None = None,
) -> None:
    """Write ``report.html``: below about 6 MiB, complete in itself, replaced as a whole.

    Pictures and counts are of the middle of the volume if it is large; the page then says so.

    Parameters
    ----------
    path
        The file.
    facts
        What to say.
    image, boundary, fragments, labels, truth
        What to show; volumes of one shape.
    solid
        The neurons in three dimensions, where they are drawn already (`draw_solid`).

    Raises
    ------
    ValueError
        If shapes differ.
    """
    check_shapes(image, boundary, fragments, labels, truth)
    above = {"neurons": labels, "fragments": fragments} | ({"truth": truth} if truth is not None else {})
    page = _page(
        _describe(facts, image.grid)
        | _pictures(image, boundary, above, solid)
        | _counts(facts, fragments, labels)
        | describe_learning(facts.learning)
    )
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_bytes(page.encode("utf-8", errors="backslashreplace"))
    os.replace(unfinished, path)


def _page(content: Mapping[str, Any]) -> str:
    """The filled template, its style and script inside and named by hash as the only ones that may act."""
    from jinja2 import Environment, StrictUndefined  # slow to import

    folder = files("savem3.view")
    template, style, script = (
        folder.joinpath(name).read_text("utf-8") for name in ("report.html.j2", "report.css", "report.js")
    )
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    policy = _policy(style, script)
    return environment.from_string(template).render(content, style=style, script=script, policy=policy)


def _policy(style: str, script: str) -> str:
    """A content security policy under which nothing is loaded and nothing runs but these two texts."""
    return (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {_hash(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    """The source expression of an inline text."""
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _describe(facts: ReportFacts, grid: Grid) -> dict[str, Any]:
    """Words and numbers."""
    shown, scores = shown_box(grid), _score_rows(facts.scores or {})
    return {
        "facts": facts,
        "extent": f"{_times(grid.shape)} voxels of {_times(grid.voxel_size)} nm · {_times(grid.size_um)} µm (z, y, x)",
        "part": "" if shown == grid.box else f"the middle {_times(shown.shape)} voxels",
        "scores": scores,
        "with_oracle": any(row.oracle for row in scores),
        "longest": max([1e-9, *facts.timings.values()]),
        "duration": _duration,
        "decade_label": _decade_label,
    }


def _pictures(
    image: Image, boundary: BoundaryMap, above: dict[str, Labels], solid: NDArray[np.uint8] | None
) -> dict[str, Any]:
    """Sections, three dimensions, and the scale bar."""
    if solid is None:
        solid = draw_solid(image, above["neurons"], size=SOLID_PIXELS)
    sections = section_layers(image, boundary, above)
    _, height, width = image.grid.crop(shown_box(image.grid)).size_um
    bar = scale_bar_um(width, share=0.25)
    return {
        "sections": sections,
        "first_index": len(sections) // 2,
        "first_shown": sections[len(sections) // 2],
        "below": ["raw", "boundary"],
        "above": list(above),
        "width": width,
        "height": height,
        "bar": bar,
        "bar_label": length_label(bar),
        "solid": data_uri(encode_webp(solid, lossless=False)),
    }


def _counts(facts: ReportFacts, fragments: Labels, labels: Labels) -> dict[str, Any]:
    """Numbers of objects, for the head of the page and the plot of sizes."""
    volumes = {"fragments": volumes_um3(fragments), "neurons": volumes_um3(labels)}
    tiles = {kind: f"{len(found):,}" for kind, found in reversed(volumes.items())}
    if facts.scores and "voi" in facts.scores:
        tiles["VoI, bits"] = _value(facts.scores["voi"])
    if facts.scores and "arand_skimage" in facts.scores:
        tiles["ARand error"] = _value(facts.scores["arand_skimage"])
    if facts.timings:
        tiles["time"] = _duration(sum(facts.timings.values()))
    return {"tiles": tiles, "histogram": count_by_volume(volumes)}


def _score_rows(scores: Mapping[str, Score]) -> list[ScoreRow]:
    """Scores in the order of `MEANINGS`, then the others; what the oracle reaches stands beside."""
    others = [name for name in scores if name not in MEANINGS and not name.startswith("oracle_")]
    rows = []
    for name in [name for name in MEANINGS if name in scores] + others:
        shown, meaning = MEANINGS.get(name, (name, ""))
        meaning = UNSEGMENTED.get(str(scores[name]), "") if name == "unsegmented" else meaning
        oracle = scores.get(f"oracle_{name}")
        rows.append(ScoreRow(shown, _value(scores[name]), "" if oracle is None else _value(oracle), meaning))
    return rows


def _value(score: Score) -> str:
    """A score as people read it."""
    return f"{score:.3f}" if isinstance(score, float) else f"{score:,}" if isinstance(score, int) else score


def _times(lengths: Sequence[float]) -> str:
    """Three lengths with a times sign between."""
    return " × ".join(f"{length:.4g}" if isinstance(length, float) else str(length) for length in lengths)


def _duration(seconds: float) -> str:
    """Seconds, minutes or hours, whichever is short."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def _decade_label(power: int) -> str:
    """A power of ten as a number, or with an exponent where that would be long."""
    return (
        f"{10.0**power:g}"
        if -4 <= power <= 4
        else "10" + str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    )
