"""What a run leaves besides volumes: run.json for machines, report.html and picture.png for people."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from savem3 import __version__
from savem3.evaluate import Scores
from savem3.pipeline import Settings
from savem3.plan import Plan, describe
from savem3.store.weights import Weights
from savem3.view import ReportFacts, draw_solid, figure, write_report
from savem3.volume import BoundaryMap, Image, Labels
from savem3.watch import Watch, peak_memory_bytes


def write_pages(
    folder: Path,
    *,
    facts: ReportFacts,
    image: Image,
    boundary: BoundaryMap,
    fragments: Labels,
    labels: Labels,
    truth: Labels | None = None,
) -> None:
    """``report.html`` and ``picture.png``."""
    solid = draw_solid(image, labels)
    write_report(
        folder / "report.html",
        facts=facts,
        image=image,
        boundary=boundary,
        fragments=fragments,
        labels=labels,
        truth=truth,
        solid=solid,
    )
    figure(image, boundary, fragments, labels, truth, solid=solid).save(folder / "picture.png", optimize=True)


def facts_of(
    raw: str,
    *,
    plan: Plan,
    image: Image,
    settings: Settings,
    models: Sequence[tuple[str, Weights]],
    scores: Scores | None,
    watch: Watch,
) -> ReportFacts:
    """A run in words and numbers."""
    return ReportFacts(
        title=f"Neurons of {Path(raw).name}",
        input={"path": raw, "volume": describe(image.grid)},
        run={
            "device": f"{plan.facts['backend']} on {plan.device}, {settings.threads} threads",
            "views": f"{plan.facts['views']} (directions looked along and averaged)",
            "cut": f"{settings.cutter}, β = {settings.beta:g}",
            "fragments": f"dynamics {settings.oversegment.dynamics}, at least {settings.oversegment.min_size} voxels",
            "peak memory": f"{peak_memory_bytes() / 2**30:.2f} GiB",
            "command": shlex.join(["savem3", *sys.argv[1:]]),
            "version": f"savem3 {__version__}",
        },
        timings=watch.seconds,
        models=[{"name": name, "sha256": weights.sha256, "licence": licence_of(weights)} for name, weights in models],
        warnings=list(watch.warnings),
        scores=None if scores is None else scores.to_dict(),
        next_steps={
            "savem3 cut fragments.zarr boundary.zarr other.zarr --beta 0.3": "Join more (lower β) or less.",
            "savem3 score labels.zarr TRUTH": "Compare with labels of yours.",
            "savem3 reconstruct RAW OUT --adapt 500": "Let the model learn from this volume first.",
        },
    )


def record_of(
    facts: ReportFacts, *, plan: Plan, settings: Settings, choices: object, source: object, watch: Watch
) -> dict[str, object]:
    """What run.json says of a finished run: all that is needed to do the same again, and what came out."""
    return {
        "savem3": __version__,
        "plan": plan.facts,
        "choices": asdict(choices),  # type: ignore[call-overload]
        "source": asdict(source),  # type: ignore[call-overload]
        "settings": asdict(settings),
        "models": list(facts.models),
        "seconds": dict(facts.timings),
        "peak_memory_bytes": peak_memory_bytes(),
        "peak_memory_bytes_by_stage": dict(watch.memory),
        "scores": facts.scores,
        "warnings": list(facts.warnings),
    }


def licence_of(weights: Weights) -> str:
    """What the card says about the licence."""
    return str(weights.card.get("licence", "not stated"))
