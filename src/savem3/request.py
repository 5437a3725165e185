"""What a user asks for: which part of which volume, and what computes. One field is one option of the command line."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Parameter

from savem3.blocks import Executor, Slurm, executor_of
from savem3.check import hide_bad_values
from savem3.evaluate import relabel_components
from savem3.graphcut import AskRecipe, EnergyRecipe, PromptRecipe
from savem3.grid import Box, Grid, Nanometres, Shape
from savem3.store import image_of, open_boundary, open_labels, open_stored
from savem3.volume import BoundaryMap, Image, Labels

LIFTED_WEIGHT = 0.5
"""λ of pairs that do not touch, beside 1 for those that do; the ratio that was chosen on FIB-25 z 100–119."""


@dataclass(frozen=True, slots=True)
class Source:
    """Which part of a volume is meant, and how it is to be read.

    Parameters
    ----------
    voxel_size
        Z,Y,X in nm, such as 40,4,4; goes before what the file says.
    sections
        Only sections FIRST:STOP, such as 130:250; the stop is left out.
    channel
        Which channel is meant, from 0, of a volume with several.
    invert
        Whether membranes are bright, so that bright and dark are exchanged; auto looks, and says so where they are.
    nan
        Whether values that are NaN or infinite are refused, or masked: taken for padding.
    """

    voxel_size: str | None = None
    sections: str | None = None
    channel: int | None = None
    invert: Literal["auto", "yes", "no"] = "auto"
    nan: Literal["refuse", "mask"] = "refuse"

    def open_image(self, path: str, *, inverted: bool = False) -> Image:
        """The image at a path, as far as it is meant.

        Parameters
        ----------
        path
            Of the volume.
        inverted
            What was found out of its membranes, for ``auto``.
        """
        stored = open_stored(path, channel=self.channel)
        if self.nan == "mask":
            stored = hide_bad_values(stored)
        invert = self.invert == "yes" or (self.invert == "auto" and inverted)
        image = image_of(stored, voxel_size=lengths_of(self.voxel_size), invert=invert)
        return image if self.sections is None else image.window(self._box(image.grid.shape))

    def open_labels(self, path: str, *, relabel: bool = False) -> Labels:
        """The labels at a path, as far as they are meant; with ``relabel``, 6-connected components of them."""
        labels = open_labels(path, voxel_size=lengths_of(self.voxel_size), channel=self.channel)
        labels = labels if self.sections is None else labels.window(self._box(labels.grid.shape))
        return relabel_components(labels) if relabel else labels

    def open_boundary(self, path: str) -> BoundaryMap:
        """The boundary map at a path, as far as it is meant."""
        boundary = open_boundary(path, voxel_size=lengths_of(self.voxel_size), channel=self.channel)
        return boundary if self.sections is None else boundary.window(self._box(boundary.grid.shape))

    def _box(self, shape: tuple[int, int, int]) -> Box:
        sections = sections_of(self.sections or f"0:{shape[0]}")
        if sections.stop > shape[0]:
            raise ValueError(f"--sections must lie within 0:{shape[0]}, got {self.sections}")
        return Box((sections.start, 0, 0), (sections.stop, shape[1], shape[2]))


@dataclass(frozen=True, slots=True)
class Machine:
    """What computes.

    Parameters
    ----------
    device
        Where networks run; auto takes a GPU if there is one.
    threads
        CPU threads; 0 takes all cores.
    """

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    threads: int = 0

    @property
    def workers(self) -> int:
        """Threads to use."""
        return self.threads or os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Work:
    """How the work is shared out; none of it changes a label.

    Parameters
    ----------
    executor
        local (threads of this process), processes, dask:ADDRESS of a running scheduler, or slurm.
    workers
        Processes for processes and slurm; 0 takes as many as there are threads.
    block
        Z,Y,X in voxels, such as 128,256,256: what a worker holds at a time; a run is gone on with in the same blocks.
    queue
        The SLURM partition.
    memory
        Of a SLURM job, such as 16GB.
    walltime
        Of a SLURM job, such as 04:00:00.
    """

    executor: str = "local"
    workers: int = 0
    block: str | None = None
    queue: str | None = None
    memory: str = "16GB"
    walltime: str = "04:00:00"

    def executor_on(self, machine: Machine) -> Executor:
        """Who works."""
        slurm = Slurm(memory=self.memory, walltime=self.walltime, queue=self.queue)
        return executor_of(self.executor, workers=self.workers or machine.workers, slurm=slurm)

    def threads_of_a_worker(self, machine: Machine) -> int:
        """CPU threads that one worker's network uses."""
        if self.executor == "local":
            return machine.workers
        return max(1, machine.workers // (self.workers or machine.workers))

    @property
    def block_shape(self) -> Shape | None:
        """The block, if one was asked for.

        Raises
        ------
        ValueError
            If it is not three whole numbers above 0, or one.
        """
        if self.block is None:
            return None
        parts = self.block.split(",")
        if len(parts) not in (1, 3) or not all(part.strip().isdigit() and int(part) > 0 for part in parts):
            raise ValueError(f"--block must be Z,Y,X in voxels, such as 128,256,256, got {self.block!r}")
        edges = [int(part) for part in parts]
        return edges[0], edges[len(edges) // 2], edges[-1]


@dataclass(frozen=True, slots=True)
class Asking:
    """What a teacher is asked about doubtful contacts before the cut.

    Parameters
    ----------
    prompts
        At most this many prompts; 0 asks nothing. On FIB-25 they brought no gain beyond the spread so far.
    tau
        Only contacts whose cost lies nearer to 0 than this are asked about.
    energy
        How answers are heard: ours reads them as log-odds, paper adds the published sums.
    lifted
        Also hear answers about fragments that do not touch; with the cutters multicut and mutex.
    """

    prompts: int = 0
    tau: float = 3.0
    energy: Literal["ours", "paper"] = "ours"
    lifted: Annotated[bool, Parameter(negative="--no-lifted")] = False

    def recipe_for(self, grid: Grid) -> PromptRecipe:
        """The recipe for a volume; that of a run without prompts does not depend on the other options.

        Where sections are as close as pixels, two contacts of a pair are asked about, each in its own sections; where
        they are far apart one is, and its prompts are carried to the sections before and after it.
        """
        if self.prompts == 0:
            return PromptRecipe()
        contacts, reach = (2, 0) if grid.is_isotropic else (1, 1)
        ask = AskRecipe(doubt=self.tau, prompts=self.prompts, contacts=contacts, reach=reach)
        return PromptRecipe(ask, EnergyRecipe(lifted=LIFTED_WEIGHT if self.lifted else 0.0), self.energy)


@dataclass(frozen=True, slots=True)
class Keep:
    """What happens to an earlier result under the same name.

    Parameters
    ----------
    resume
        Go on with it, if it is the same run: what is done stays, what is missing or damaged is done again.
    overwrite
        Replace it once the new one is complete.
    """

    resume: bool = False
    overwrite: bool = False


def lengths_of(text: str | None) -> Nanometres | None:
    """Three lengths in nm from ``Z,Y,X``, or from one number for isotropic voxels.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if text is None:
        return None
    try:
        lengths = [float(part) for part in text.split(",")]
    except ValueError:
        lengths = []
    if len(lengths) not in (1, 3):
        raise ValueError(f"--voxel-size must be Z,Y,X in nm, such as 40,4,4, got {text!r}")
    return lengths[0], lengths[len(lengths) // 2], lengths[-1]


def sections_of(text: str) -> range:
    """Sections from ``FIRST:STOP``, the stop left out.

    Raises
    ------
    ValueError
        If it is not two whole numbers in order.
    """
    first, _, stop = text.partition(":")
    if not (first.isdigit() and stop.isdigit() and int(first) < int(stop)):
        raise ValueError(f"--sections must be FIRST:STOP, such as 130:250, got {text!r}")
    return range(int(first), int(stop))
