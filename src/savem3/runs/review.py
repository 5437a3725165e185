"""Review: a person settles a queue on a page of this machine; then what all reviewers said becomes labels."""

from __future__ import annotations

import getpass
import hashlib
import json
import re
import webbrowser
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event
from types import ModuleType
from typing import Any

from rich.table import Table

from savem3 import __version__
from savem3.review import Folder, Item, Merged, OnConflict, Reading, Record, Session, decide, merge, open_folder, replay
from savem3.review.folder import QUEUE
from savem3.review.log import log_path, writing
from savem3.runs.output import refuse_existing
from savem3.store import completed, write_labels
from savem3.watch import Watch

Say = Callable[[str], None]
SETTLED = "settled.json"
MOST_LISTED = 20
"""Conflicts that an error names."""


def run_review(
    folder: Path,
    *,
    say: Say,
    reviewer: str | None = None,
    datasets: Sequence[str] = (),
    port: int = 0,
    opens_browser: bool = True,
    stop: Event | None = None,
) -> None:
    """Serve the queue of a review folder until Ctrl-C.

    Parameters
    ----------
    folder
        With a queue, its volumes, and the logs of those who reviewed it before.
    say
        Told each sentence that a person should read.
    reviewer
        Whose log is gone on with; the name of the user if absent.
    datasets
        Those whose items are shown; all if empty.
    port
        Where to listen, on 127.0.0.1; 0 takes a free one.
    opens_browser
        Whether the person's browser is opened.
    stop
        Ends the serving when it is set; otherwise Ctrl-C does.

    Raises
    ------
    FileExistsError
        If another page writes the log of this reviewer.
    ValueError
        If the folder is damaged, or what serves is not installed.
    """
    served, name = _serving(), reviewer or _user()
    opened = open_folder(folder)
    only = opened.only(datasets)
    path = log_path(folder, name)
    with writing(folder, name) as log:
        opened.check(log.reading, path)
        others = opened.read_logs(but=path)
        for remark in [*log.reading.remarks, *(r for reading in others.values() for r in reading.remarks)]:
            say(remark)
        session = Session(only, log, {who: reading.standing.verdicts for who, reading in others.items()})
        with served.serving(session, port=port) as page:
            say(f"{len(only.items)} masks to look at; '{name}' has settled {len(log.reading.standing.verdicts)}")
            say(f"open {page.url} in a browser of this machine; Ctrl-C ends it")
            if opens_browser:
                webbrowser.open(page.url_once)
            with suppress(KeyboardInterrupt):
                (stop or Event()).wait()
        say(f"verdicts are in '{path}'; savem3 settle makes labels of them")


def run_settle(
    folder: Path,
    out: Path,
    *,
    watch: Watch,
    reviewers: Sequence[str] = (),
    on_conflict: OnConflict = "refuse",
    referee: str | None = None,
    overwrite: bool = False,
) -> Merged:
    """Make labels of what was said of a queue.

    Parameters
    ----------
    folder
        A review folder; it is only read.
    out
        A new folder: ``DATASET/labels.zarr`` for each dataset, and ``settled.json``.
    watch
        Shows progress; warned of torn lines.
    reviewers
        Whose logs count; all if empty.
    on_conflict
        What settles items on which reviewers differ.
    referee
        A reviewer whose verdicts go before those of the others.
    overwrite
        Whether an older result may be replaced.

    Raises
    ------
    FileExistsError
        If the output exists and may not be replaced.
    ValueError
        If reviewers differ and nothing settles it, or the folder is damaged.
    """
    refuse_existing(out, overwrite=overwrite)
    opened = open_folder(folder)
    logs = _chosen(opened.read_logs(), reviewers)
    for remark in (remark for reading in logs.values() for remark in reading.remarks):
        watch.say(remark)
    merged = merge({name: reading.standing.verdicts for name, reading in logs.items()}, referee=referee)
    if on_conflict == "refuse" and merged.conflicts:
        raise ValueError(_conflicting(merged))
    verdicts = decide(merged, on_conflict=on_conflict)
    facts = {"on_conflict": on_conflict, "referee": referee, **_facts_of(opened, logs, merged, verdicts)}
    with completed(out, overwrite=overwrite) as place:
        for name, dataset in opened.datasets.items():
            items = [item for item in opened.items if item.dataset == name]
            with watch.stage(f"settle {name}") as counter:
                settled = replay(dataset.labels, items, verdicts)
                write_labels(settled, place / name / "labels.zarr", progress=counter)
        (place / SETTLED).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    return merged


def table_of(merged: Merged) -> Table:
    """The items on which reviewers differ, a column each."""
    names = sorted({record.reviewer for records in merged.conflicts.values() for record in records})
    table = Table("item", *names, box=None, pad_edge=False)
    for item, records in sorted(merged.conflicts.items()):
        said = {record.reviewer: record.verdict for record in records}
        table.add_row(item, *(said.get(name, "") for name in names))
    return table


def _chosen(logs: Mapping[str, Reading], reviewers: Sequence[str]) -> dict[str, Reading]:
    """The logs that count."""
    missing = sorted(set(reviewers) - set(logs))
    if missing or not logs:
        there = ", ".join(logs) or "none: savem3 review FOLDER makes one"
        raise ValueError(f"logs must be among those of the folder, {there}; got {', '.join(missing) or 'none'}")
    return {name: reading for name, reading in logs.items() if not reviewers or name in reviewers}


def _conflicting(merged: Merged) -> str:
    """A sentence on what reviewers differ on."""
    listed = [
        f"{item} ({', '.join(f'{r.reviewer}: {r.verdict}' for r in rs)})" for item, rs in merged.conflicts.items()
    ]
    more = f" and {len(listed) - MOST_LISTED} more" if len(listed) > MOST_LISTED else ""
    return (
        f"reviewers must agree, got {len(listed)} items on which they differ: {'; '.join(listed[:MOST_LISTED])}{more}. "
        "Settle them with savem3 review --reviewer NAME under 'conflicts' and pass --referee NAME, "
        "or pass --on-conflict"
    )


def _facts_of(
    folder: Folder, logs: Mapping[str, Reading], merged: Merged, verdicts: Mapping[str, Record]
) -> dict[str, Any]:
    """What settled.json says: whence, by whom, and what became of each item."""
    queue = hashlib.sha256((folder.path / QUEUE).read_bytes()).hexdigest()
    counts = Counter(_outcome(item, verdicts) for item in folder.items)
    said = {name: {"records": len(log.records), "digest": log.digest} for name, log in sorted(logs.items())}
    return {
        "version": __version__,
        "queue": {"items": len(folder.items), "sha256": queue},
        "logs": said,
        "outcomes": dict(sorted(counts.items())),
        "conflicts": sorted(merged.conflicts),
        "items": {item.id: _outcome(item, verdicts) for item in folder.items},
    }


def _outcome(item: Item, verdicts: Mapping[str, Record]) -> str:
    return verdicts[item.id].verdict if item.id in verdicts else "open"


def _user() -> str:
    """A reviewer's name from that of the user."""
    try:
        name = re.sub(r"[^A-Za-z0-9_-]+", "-", getpass.getuser()).strip("-_")[:40]
    except (OSError, KeyError, ImportError):
        name = ""
    return name or "reviewer"


def _serving() -> ModuleType:
    """What serves; needs packages that are not always there."""
    try:
        from savem3.review import serving
    except ModuleNotFoundError as error:
        raise ValueError(f'the review page needs the package {error.name}: pip install "savem3[review]"') from error
    return serving
