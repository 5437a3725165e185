"""Masks of everything in a section, section by section: what a teacher finds without being told where to look."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture

from savem3 import __version__
from savem3.blocks import Stage, Survey, survey
from savem3.directory import Directory, run_directory
from savem3.grid import Grid
from savem3.identity import Identity, digest_of_code, versions
from savem3.plan import describe
from savem3.predict import choose_backend
from savem3.prompt import Proposer
from savem3.request import Keep, Machine, Source, Work
from savem3.runs.asking import OneThreadPrompter, StoredPrompter, StoredTeacher
from savem3.runs.check import facts_of_check, open_checked
from savem3.runs.course import go_through
from savem3.sam import RECIPES, AutomaticRecipe, load_sam
from savem3.sam.sections import FindMasks
from savem3.shipped import TEACHER, find_model, read_teacher
from savem3.stages import coarser
from savem3.store import PyramidFile
from savem3.store.weights import UnusableWeights
from savem3.tiles import Blocks
from savem3.view import overlay
from savem3.view.pictures import stretch
from savem3.view.planes import Plane, read_plane, shown_box, spread
from savem3.volume import BoundaryMap, Image, IntensityMap, Labels
from savem3.watch import Watch, peak_memory_bytes

SHOWN = 3
"""Sections in the picture."""
PANEL = 700
"""Pixels that a section has at least along its longer side in the picture; small ones are enlarged."""
GAP = 6
"""Pixels between two sections in the picture."""


@dataclass(frozen=True, slots=True)
class Masking:
    """How masks are found; see the command line for each."""

    teacher: str = TEACHER
    recipe: str | None = None
    side: int | None = None
    fill: bool = False

    def recipe_for(self, teacher: Path) -> AutomaticRecipe:
        """The recipe that is wanted; without a wish, the one for the kind of teacher."""
        recipe = RECIPES[self.recipe or ("dense_neuropil" if teacher.is_dir() else "for_tiny")]()
        return recipe if self.side is None else replace(recipe, points="grid", side=self.side)


@dataclass(frozen=True, slots=True)
class MaskFiles:
    """Where the masks of a volume go.

    Parameters
    ----------
    folder
        Of the run.
    grid
        Of the volume; one section is written at once.
    """

    folder: Path
    grid: Grid

    @property
    def labels(self) -> PyramidFile:
        """uint64, 0 is background; no number is in two sections."""
        return PyramidFile(self.folder / "labels.zarr", self.grid, "uint64", "mode", (1, *self.grid.shape[1:]))

    @property
    def boundary(self) -> PyramidFile:
        """uint8, 255 is membrane."""
        return PyramidFile(self.folder / "boundary.zarr", self.grid, "uint8", "mean", (1, *self.grid.shape[1:]))


@dataclass(frozen=True, slots=True)
class StoredSam:
    """A SAM in a folder, read by whoever calls this, in whichever process; it answers on one thread.

    Parameters
    ----------
    folder
        A checkpoint as transformers saves it.
    sha256
        Of its files, as they must be.
    intensity
        The map of the volume that sections come from.
    device
        Where torch computes.
    """

    folder: Path
    sha256: str
    intensity: IntensityMap
    device: str = "cpu"

    def __call__(self) -> Proposer:
        """Who answers prompts."""
        return OneThreadPrompter(_read_sam(self))


def run_masks(
    raw: str,
    out: Path,
    *,
    source: Source,
    masking: Masking,
    machine: Machine,
    work: Work,
    keep: Keep,
    watch: Watch,
) -> None:
    """A run directory: labels.zarr, boundary.zarr if the teacher draws it, tables of the masks, run.json, a picture."""
    image, checked = open_checked(raw, source=source, watch=watch)
    watch.say(describe(image.grid))
    with watch.stage("survey") as counter:
        seen = survey(image, workers=machine.workers, progress=counter)
    find, sha256 = finder_of(image, seen, masking=masking, machine=machine)
    identity = identity_of(image.grid, seen, find, teacher={masking.teacher: sha256})
    with run_directory(out, identity, resume=keep.resume, overwrite=keep.overwrite, watch=watch) as directory:
        files = MaskFiles(out, image.grid)
        stages = list(stages_of(find, files))
        go_through(stages, directory, sha256, executor=work.executor_on(machine), watch=watch)
        asked: dict[str, object] = {"choices": asdict(masking), "source": asdict(source)}
        asked["check"] = facts_of_check(checked)
        _finish(directory, files, stages[0], find, asked=asked, watch=watch)


def finder_of(image: Image, seen: Survey, *, masking: Masking, machine: Machine) -> tuple[FindMasks, str]:
    """The block function, and the digest of the teacher: a shipped one, a weights file or the folder of a SAM.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such teacher, or it cannot do what the recipe needs.
    """
    _, device = choose_backend("torch", device=machine.device)
    folder = Path(masking.teacher)
    if folder.is_dir():
        sha256 = digest_of_folder(folder)
        sam = StoredSam(folder.absolute(), sha256, seen.intensity, device)
        return FindMasks(image, sam, masking.recipe_for(folder), intensity=seen.intensity, fill=masking.fill), sha256
    path = find_model(masking.teacher).absolute()
    teacher, weights = read_teacher(str(path))
    teacher.prompter(seen.intensity)
    stored = StoredTeacher(path, weights.sha256, device)
    answers = StoredPrompter(stored, seen.intensity)
    find = FindMasks(image, answers, masking.recipe_for(path), stored, seen.intensity, masking.fill)
    return find, weights.sha256


def stages_of(find: FindMasks, files: MaskFiles) -> Iterator[Stage]:
    """Sections, then the pyramids of what they left."""
    volumes = {"labels": files.labels}
    if find.teacher is not None:
        volumes["boundary"] = files.boundary
    tiles = Blocks(files.grid.shape, files.labels.block)
    finest = {name: pyramid.levels[0] for name, pyramid in volumes.items()}
    yield Stage("masks", tiles, find, finest, tables=files.folder / "masks")
    for name, pyramid in volumes.items():
        yield from coarser(name, "masks", pyramid)


def identity_of(grid: Grid, seen: Survey, find: FindMasks, *, teacher: dict[str, str]) -> Identity:
    """Plain JSON values that name all that decides a run's bytes."""
    identity = {
        "program": {"savem3": __version__, "code": digest_of_code(), **versions()},
        "input": {**asdict(grid), "sha256": seen.sha256},
        "models": teacher,
        "settings": {"verb": "masks", "recipe": asdict(find.recipe), "fill": find.fill},
    }
    plain: Identity = json.loads(json.dumps(identity))
    return plain


def digest_of_folder(folder: Path) -> str:
    """SHA-256 of the configuration and weights in a folder.

    Raises
    ------
    FileNotFoundError
        If there are none.
    """
    files = sorted([*folder.glob("*.json"), *folder.glob("*.safetensors")])
    if not any(file.suffix == ".safetensors" for file in files):
        raise FileNotFoundError(f"teacher must be a folder with config.json and .safetensors, got '{folder}'")
    total = hashlib.sha256()
    for file in files:
        with file.open("rb") as content:
            total.update(f"{file.name}\n{hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def draw_masks(image: Image, labels: Labels, boundary: BoundaryMap | None) -> Picture.Image:
    """A few sections of the middle of a volume: outlines in colour, labels in colour, and the boundary map if any."""
    planes = spread(shown_box(image.grid), axis="z", count=SHOWN)
    rows = [_row(plane, image, labels, boundary) for plane in planes]
    return Picture.fromarray(_join(rows, axis=0))


@lru_cache(maxsize=1)
def _read_sam(stored: StoredSam) -> Proposer:
    """A SAM that a process asks again and again, read once.

    Raises
    ------
    savem3.store.weights.UnusableWeights
        If the folder holds another one by now.
    """
    if (found := digest_of_folder(stored.folder)) != stored.sha256:
        raise UnusableWeights(f"weights must have digest {stored.sha256}, got {found} in '{stored.folder}'")
    sam: Proposer = replace(load_sam(str(stored.folder), device=stored.device), intensity=stored.intensity)
    return sam


def _finish(
    directory: Directory, files: MaskFiles, stage: Stage, find: FindMasks, *, asked: dict[str, object], watch: Watch
) -> None:
    """Give the volumes their metadata, draw the picture, and call the run finished."""
    boundary = None
    files.labels.finish()
    if find.teacher is not None:
        files.boundary.finish()
        boundary = BoundaryMap(files.boundary.levels[0].voxels, files.grid)
    with watch.stage("picture"):
        labels = Labels(files.labels.levels[0].voxels, files.grid)
        draw_masks(find.image, labels, boundary).save(files.folder / "picture.png", optimize=True)
    masks = sum(len(table["area"][...]) for table in stage.table_files)
    objects = sum(int(table["objects"][0:1][0]) for table in stage.table_files)
    facts = {"sections": files.grid.shape[0], "masks": masks, "objects": objects}
    directory.finish(
        savem3=__version__,
        **asked,
        **facts,
        seconds=dict(watch.seconds),
        peak_memory_bytes=peak_memory_bytes(),
        warnings=list(watch.warnings),
    )
    watch.say(f"{masks:,} masks became {objects:,} objects in {files.grid.shape[0]:,} sections", **facts)


def _row(plane: Plane, image: Image, labels: Labels, boundary: BoundaryMap | None) -> NDArray[np.uint8]:
    """One section in two or three ways, side by side."""
    raw, numbers = stretch(read_plane(image, plane)), read_plane(labels, plane)
    panels = [overlay(raw, numbers, alpha=0.0), overlay(raw, numbers, contours=False)]
    if boundary is not None:
        panels.append(np.repeat(read_plane(boundary, plane)[..., None], 3, axis=2))
    times = max(1, -(-PANEL // max(raw.shape)))
    return _join([panel.repeat(times, axis=0).repeat(times, axis=1) for panel in panels], axis=1)


def _join(pictures: list[NDArray[np.uint8]], *, axis: int) -> NDArray[np.uint8]:
    """Pictures of equal size in a row or column, with white between them."""
    shape = list(pictures[0].shape)
    shape[axis] = GAP
    white = np.full(shape, 255, np.uint8)
    return np.concatenate([part for picture in pictures for part in (white, picture)][1:], axis=axis)
