"""Pictures of a result."""

from __future__ import annotations

from pathlib import Path

from savem3.plan import describe
from savem3.record import write_pages
from savem3.request import Source
from savem3.runs.output import refuse_existing
from savem3.store import completed
from savem3.view import ReportFacts, write_pictures


def run_view(
    labels: str, raw: str, out: Path, *, source: Source, boundary: str | None, fragments: str | None, overwrite: bool
) -> None:
    """PNG sections in a folder; with boundary and fragments also report.html and picture.png."""
    refuse_existing(out, overwrite=overwrite)
    image, neurons = source.open_image(raw), source.open_labels(labels)
    with completed(out, overwrite=overwrite) as folder:
        folder.mkdir(parents=True)
        write_pictures(folder, image=image, labels=neurons)
        if boundary and fragments:
            facts = ReportFacts(Path(labels).name, {"path": raw, "volume": describe(image.grid)})
            membranes, pieces = source.open_boundary(boundary), source.open_labels(fragments)
            write_pages(folder, facts=facts, image=image, boundary=membranes, fragments=pieces, labels=neurons)
