"""Who answers prompts: teachers with their decoders, SAMs as they are, and answers that know no decoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from savem3.bench.held_out import SMALLEST, Mask, Volume
from savem3.bench.manifest import digest_of_file
from savem3.bench.request import split_name
from savem3.bench.rivals import darkness, depth_in, fill_box, flood_box, fragments_of, height_in, pick_fragment
from savem3.bench.rivals import see_boundary as see
from savem3.prompt import Prompt, Proposer
from savem3.saem2 import load_teacher
from savem3.saem2.over_sam import ARCHITECTURE as OVER_SAM
from savem3.saem2.over_sam import PublishedTeacher, load_published
from savem3.shipped import find_model
from savem3.store.weights import read_weights

SAM_SCALE = 2.0
"""Pixels of SAM's encoder along an edge of a section's: 8 nm are shown at 4 nm (METHOD §1, Choice 1)."""

Answers = Callable[[Sequence[Prompt]], list[Mask]]
Looks = Callable[[NDArray[np.uint8]], Answers]


@dataclass(frozen=True, slots=True)
class Method:
    """Who answers.

    Parameters
    ----------
    name
        Row of the table.
    identity
        What its results depend on, beside the volume: digests of weights.
    open
        Makes ready for a volume; then for a section; then answers prompts.
    card
        Of its weights; empty where nothing is known of what trained it, absent where nothing did.
    kinds
        Prompts that it can answer; all, if absent.
    files
        That it reads.
    """

    name: str
    identity: str
    open: Callable[[Volume], Looks]
    card: Mapping[str, Any] | None = None
    kinds: tuple[str, ...] | None = None
    files: tuple[Path, ...] = ()


def rivals_of(given: str) -> list[Method]:
    """Answers that know no prompt decoder; the boundary map is a teacher's."""
    name, place = split_name(given)
    file = find_model(place)
    weights = read_weights(file)

    def raw(volume: Volume) -> Looks:
        intensity = volume.intensity
        return lambda section: flooding(darkness(section, intensity))

    def boundary(volume: Volume) -> Looks:
        teacher, intensity = open_teacher(file, None), volume.intensity
        return lambda section: flooding(see(section, teacher, intensity))

    def fragments(volume: Volume) -> Looks:
        teacher, intensity = open_teacher(file, None), volume.intensity
        return lambda section: picking(fragments_of(see(section, teacher, intensity), smallest=SMALLEST))

    digest, card, boxes = weights.sha256, weights.card, ("box",)
    return [
        Method("filled box", "", filling, kinds=boxes),
        Method("watershed in the box, raw", "", raw, kinds=boxes),
        Method(f"watershed in the box, {name}", digest, boundary, card, boxes, (file,)),
        Method(f"fragment that fits the box best, {name}", digest, fragments, card, boxes, (file,)),
        Method("the prompt itself", "", repeating, kinds=("noisy mask",)),
    ]


def filling(volume: Volume) -> Looks:
    """Every pixel of the box."""
    return lambda section: lambda prompts: [fill_box(p, section.shape) for p in prompts]  # type: ignore[arg-type]


def repeating(volume: Volume) -> Looks:
    """The mask that was given."""
    return lambda section: lambda prompts: [p.mask for p in prompts]  # type: ignore[union-attr]


def flooding(boundary: NDArray[np.uint8]) -> Answers:
    """Answers to boxes by a watershed in each."""
    height, depth = height_in(boundary), depth_in(boundary)
    return lambda prompts: [flood_box(p, height=height, depth=depth) for p in prompts]  # type: ignore[arg-type]


def picking(fragments: NDArray[np.int64]) -> Answers:
    """Answers to boxes by one fragment each."""
    return lambda prompts: [pick_fragment(p, fragments) for p in prompts]  # type: ignore[arg-type]


def sam_method(given: str) -> Method:
    """A SAM, HQ-SAM or micro-sam as its folder has it."""
    name, place = split_name(given)

    def open_sam(volume: Volume) -> Looks:
        from savem3.sam import load_sam

        return asking(replace(load_sam(place, device="cpu"), intensity=volume.intensity, pixel_scale=SAM_SCALE))

    folder = Path(place)
    identity = digest_of_file(folder) if folder.exists() else place
    return Method(name, identity, open_sam, {}, files=(folder,))


def saem2_method(given: str, *, base: Path | None) -> Method:
    """A SAEM², small or over a SAM, with its prompt decoder."""
    name, place = split_name(given)
    file = find_model(place)
    weights = read_weights(file)

    def open_saem2(volume: Volume) -> Looks:
        return asking(open_teacher(file, base).prompter(volume.intensity))

    return Method(name, weights.sha256, open_saem2, weights.card, files=(file,))


def open_teacher(file: Path, base: Path | None) -> Any:
    """A teacher of any architecture that ships or is taught here; one over a SAM stands on ``base``."""
    if read_weights(file).architecture != OVER_SAM:
        return load_teacher(file, device="cpu")[0]
    from savem3.sam import load_sam

    model = load_sam(base).model if base else None
    return PublishedTeacher(load_published(file, model=model, device="cpu")[0], "cpu")


def asking(prompter: Proposer) -> Looks:
    """Answers of whoever answers prompts; each section is encoded once."""

    def look(section: NDArray[np.uint8]) -> Answers:
        encoded = prompter.encode(section)
        return lambda prompts: [answer.mask for answer in prompter.answer(encoded, prompts)]

    return look
