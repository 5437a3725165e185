"""Rounds of train → unify: a teacher learns from labels, draws them anew where it agrees, and learns from that."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from rich.table import Table

from savem3 import __version__
from savem3.blocks import Survey, survey
from savem3.directory import Directory, run_directory
from savem3.engine import TAUGHT_GAIN, RedrawRecipe, UnifySections, refinement, unification
from savem3.identity import Identity, digest_of_code, versions
from savem3.request import Keep, Machine, Work
from savem3.runs.cleanse import digest_of_labels
from savem3.runs.course import go_through
from savem3.runs.pretrain import run_pretrain
from savem3.runs.schooling import Schooling
from savem3.runs.unify import (
    SETTLED,
    Asked,
    Cleansed,
    agreement,
    ask_whom,
    copy_volume,
    fates_of,
    marks_of,
    open_cleansed,
    queue_of,
    stages_of,
    write_settled,
)
from savem3.store import open_labels
from savem3.store.durable import write_durably
from savem3.store.proposals import write_proposals
from savem3.volume import Labels
from savem3.watch import Watch, peak_memory_bytes

Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Unifying:
    """How volumes are unified; see the command line for each."""

    teacher: str
    rounds: int = 2
    steps: int = 1000
    recipe: Literal["unification", "refinement"] = "unification"
    erode: int | None = None
    prompt: Literal["mask", "box"] = "mask"
    overlap: Literal["mask", "box"] = "mask"
    guard: bool = True
    truth: tuple[str, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.rounds < 1 or self.steps < 0:
            raise ValueError(f"rounds must be at least 1 and steps at least 0, got {self.rounds} and {self.steps}")

    @property
    def times(self) -> int:
        """Rounds; one where nothing is learned, since a teacher that stays the same has its say only once."""
        return self.rounds if self.steps else 1

    def redrawing(self, *, sees: bool) -> RedrawRecipe:
        """The recipe, with what was asked for in its place; a teacher that ``sees`` no boundaries guards none."""
        recipe = refinement() if self.recipe == "refinement" else unification()
        recipe = replace(recipe, prompt=self.prompt, overlap_of=self.overlap)
        recipe = recipe if self.erode is None else replace(recipe, erode=self.erode)
        recipe = replace(recipe, section_gain=TAUGHT_GAIN) if self.steps else recipe
        return recipe if self.guard and sees else replace(recipe, boundary_gain=None)


def run_rounds(
    folders: Sequence[Path],
    out: Path,
    *,
    unifying: Unifying,
    machine: Machine,
    work: Work,
    keep: Keep,
    watch: Watch,
) -> None:
    """A review folder: each volume with its labels drawn anew, a queue, run.json, and what each round left.

    Raises
    ------
    ValueError
        If there are no volumes, two have one name, or there is not one truth for each.
    """
    volumes = [open_cleansed(folder) for folder in folders]
    names = [volume.name for volume in volumes]
    if not volumes or len(set(names)) < len(names):
        raise ValueError(f"folders must be at least one, of names that differ, got {', '.join(names) or 'none'}")
    if unifying.truth and len(unifying.truth) != len(volumes):
        raise ValueError(f"--truth must name one volume for each folder, got {len(unifying.truth)} for {len(volumes)}")
    truths = [open_labels(path, voxel_size=volumes[i].labels.grid.voxel_size) for i, path in enumerate(unifying.truth)]
    with watch.stage("survey") as counter:
        seen = [survey(volume.image, workers=machine.workers, progress=counter) for volume in volumes]
        sha256 = digest_of_inputs(volumes, seen)
    if Path(unifying.teacher).is_dir() and unifying.steps:
        raise ValueError(f"--steps must be 0 with the folder of a SAM, which learns nothing here, got {unifying.steps}")
    first = ask_whom(unifying.teacher, seen[0].intensity, device=machine.device)
    identity = identity_of(volumes, sha256, unifying, first)
    with run_directory(out, identity, resume=keep.resume, overwrite=keep.overwrite, watch=watch) as directory:
        run = Run(directory, unifying, machine, work, watch, first)
        for volume in volumes:
            for part in ("raw.zarr", "mask.zarr"):
                if (volume.folder / part).is_dir():
                    copy_volume(volume.folder / part, out / volume.name / part)
        told = run.go(volumes, seen, truths)
        write_review(out, volumes)
        facts = {"rounds": told, "seconds": dict(watch.seconds), "warnings": list(watch.warnings)}
        directory.finish(savem3=__version__, choices=asdict(unifying), peak_memory_bytes=peak_memory_bytes(), **facts)
    show(told, watch)


@dataclass(frozen=True, slots=True)
class Run:
    """A run of rounds in its directory.

    Whose boundary map guards, the ``witness``, is the teacher that the run began with: it has learned from none of the
    labels that it is to judge. One that has sees boundaries where they have them, right or wrong.
    """

    directory: Directory
    unifying: Unifying
    machine: Machine
    work: Work
    watch: Watch
    witness: Asked

    def go(self, volumes: Sequence[Cleansed], seen: Sequence[Survey], truths: Sequence[Labels]) -> list[Line]:
        """All rounds, one after the other; a line a round and volume."""
        teacher, lines, queue = self.unifying.teacher, [], []
        lines += [self._line(0, v, v.labels, truths[i : i + 1]) for i, v in enumerate(volumes)]
        for number in range(1, self.unifying.times + 1):
            teacher = self._teach(number, volumes, teacher) if self.unifying.steps else teacher
            done = [self._unify(number, v, s, teacher) for v, s in zip(volumes, seen, strict=True)]
            volumes, queue = [volume for volume, _, _ in done], [one for _, _, queued in done for one in queued]
            for i, (volume, fates, queued) in enumerate(done):
                line = self._line(number, volume, volume.labels, truths[i : i + 1])
                lines.append({**line, **fates, "queued": len(queued)})
        write_proposals(self.directory.folder / "queue.jsonl", queue)
        return lines

    def _teach(self, number: int, volumes: Sequence[Cleansed], start: str) -> str:
        """The teacher of a round, which goes on from the one before; one that is there stays."""
        path = self._folder(number) / "teacher.safetensors"
        if not path.is_file():
            raws = (self.directory.folder / volume.name / "raw.zarr" for volume in volumes)
            own = tuple((str(raw), str(v.folder / "labels.zarr")) for raw, v in zip(raws, volumes, strict=True))
            seed = self.unifying.seed + number
            schooling = Schooling(Path("."), own=own, steps=self.unifying.steps, start=start, seed=seed)
            run_pretrain(
                path, schooling=schooling, machine=self.machine, resume=True, overwrite=False, watch=self.watch
            )
        return str(path)

    def _unify(
        self, number: int, volume: Cleansed, seen: Survey, teacher: str
    ) -> tuple[Cleansed, dict[str, int], list[Any]]:
        """A volume after a round, what became of its parts, and what is queued."""
        asked = ask_whom(teacher, seen.intensity, device=self.machine.device)
        unify = UnifySections(
            volume.name,
            volume.image,
            volume.labels,
            None if volume.weight is None else volume.weight.voxels,
            asked.prompter,
            self.witness.teacher,
            seen.intensity,
            asked.sha256,
            self.unifying.redrawing(sees=self.witness.teacher is not None),
            volume.settled,
        )
        folder = self._folder(number) / volume.name
        is_last = number == self.unifying.times
        target = self.directory.folder / volume.name if is_last else folder
        stages, pyramid = stages_of(f"round {number} {volume.name}", unify, target, tables=folder / "sections")
        executor = self.work.executor_on(self.machine)
        go_through(stages, self.directory, asked.sha256, executor=executor, watch=self.watch)
        pyramid.finish()
        settled = volume.settled | marks_of(stages[0])
        write_settled(target / SETTLED, settled)
        after = replace(volume, folder=target, labels=open_labels(target / "labels.zarr"), settled=settled)
        return after, fates_of(stages[0]), list(queue_of(stages[0]))

    def _folder(self, number: int) -> Path:
        return self.directory.folder / "rounds" / str(number)

    def _line(self, number: int, volume: Cleansed, labels: Labels, truth: Sequence[Labels]) -> Line:
        """What a volume's labels are worth after a round; 0 is before the first."""
        scores = agreement(labels, truth[0]) if truth else {}
        return {"round": number, "volume": volume.name, **scores}


def digest_of_inputs(volumes: Sequence[Cleansed], seen: Sequence[Survey]) -> str:
    """SHA-256 of all that is read: grey values, labels, masks, marks."""
    total = hashlib.sha256()
    for volume, survey_of in zip(volumes, seen, strict=True):
        total.update(f"{volume.name} {survey_of.sha256} {digest_of_labels(volume.labels)}\n".encode())
        total.update(b"" if volume.weight is None else digest_of_labels(volume.weight).encode())
        total.update(b"".join(sorted(volume.settled)))
    return total.hexdigest()


def identity_of(volumes: Sequence[Cleansed], sha256: str, unifying: Unifying, first: Asked) -> Identity:
    """Plain JSON values that name all that decides a run's bytes."""
    chosen = {name: value for name, value in asdict(unifying).items() if name not in ("teacher", "truth")}
    identity = {
        "program": {"savem3": __version__, "code": digest_of_code(), **versions()},
        "input": {"volumes": {v.name: asdict(v.labels.grid) for v in volumes}, "sha256": sha256},
        "models": {unifying.teacher: first.sha256},
        "settings": {"verb": "unify", **chosen, "redraw": asdict(unifying.redrawing(sees=first.teacher is not None))},
    }
    plain: Identity = json.loads(json.dumps(identity))
    return plain


def write_review(out: Path, volumes: Sequence[Cleansed]) -> None:
    """review.json, by which the folder can be opened to settle its queue."""
    datasets = [{"name": volume.name, "voxel_size": volume.labels.grid.voxel_size} for volume in volumes]
    content = {"datasets": datasets, "made_by": "savem3 unify", "version": __version__}
    write_durably(out / "review.json", (json.dumps(content, indent=1) + "\n").encode())


def show(lines: Sequence[Line], watch: Watch) -> None:
    """The table of before and after."""
    names = list(dict.fromkeys(name for line in lines for name in line))
    if watch.show == "bars":
        table = Table(*(name.replace("_", " ") for name in names), box=None, pad_edge=False, padding=(0, 1, 0, 0))
        for line in lines:
            table.add_row(*(_cell(line.get(name)) for name in names))
        watch.console.print(table)
    for line in lines:
        if watch.show == "lines":
            watch.say("", **line)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)
