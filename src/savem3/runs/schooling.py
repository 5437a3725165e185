"""What a teacher learns from, and who learns: names and paths in, lessons and a learner out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from savem3 import saem2
from savem3.bank import (
    Annotated,
    Card,
    InstanceIndex,
    SectionDraws,
    SelectionRules,
    card_of,
    cards_in,
    index_instances,
    load_named,
    own_sample,
    plan_epoch,
    refuse_leakage,
    refuse_tissues,
    sections_of_epoch,
)
from savem3.request import Source
from savem3.saem2 import TrainRecipe
from savem3.saem2.over_sam import (
    KeptEmbeddings,
    PublishedLearner,
    PublishedTeacher,
    Saem2OverSam,
    digest_of,
)
from savem3.shipped import read_teacher
from savem3.store import open_labels
from savem3.store.weights import Weights
from savem3.volume import Sample

Scholar = saem2.TinyLearner | PublishedLearner

RECIPES: dict[str, Callable[..., TrainRecipe]] = {
    "h200_half_hour": saem2.h200_half_hour,
    "heads_small_cpu": saem2.heads_small_cpu,
    "paper": saem2.paper,
    "small_cpu": saem2.small_cpu,
}


OWN_TISSUE = (
    "volumes of --own name no tissue, so nothing keeps them apart from --tests; a card.toml in the data folder does "
    "(docs/how-to-bank.md)"
)


@dataclass(frozen=True, slots=True)
class Schooling:
    """What a teacher learns from, and how; see the command line for each."""

    data: Path
    labels: tuple[str, ...] = ()
    own: tuple[tuple[str, str], ...] = ()
    tests: tuple[str, ...] = ()
    recipe: str = "small_cpu"
    steps: int | None = None
    start: str | None = None
    over: str | None = None
    kept: Path | None = None
    frozen: bool = False
    without_heads: bool = False
    seed: int = 0
    voxel_size: str | None = None

    def settings(self) -> TrainRecipe:
        """The recipe, with what was asked for in its place."""
        recipe = RECIPES[self.recipe](seed=self.seed)
        if self.steps is not None:
            recipe = replace(recipe, steps=self.steps)
        return replace(recipe, boundary_weight=0.0, distance_weight=0.0) if self.without_heads else recipe


def read_samples(schooling: Schooling) -> list[Sample]:
    """All annotated volumes, once it is certain that none is of a test set's tissue.

    Raises
    ------
    ValueError
        If there are none, or one shares its superset with a declared test set.
    """
    cards = cards_in(schooling.data)
    refuse_leakage(cards_of(schooling), [card_of(name, cards=cards) for name in schooling.tests])
    if schooling.own and schooling.tests:
        warnings.warn(OWN_TISSUE, stacklevel=2)
    samples = [s for name in schooling.labels for s in load_named(name, schooling.data, cards=cards)]
    for raw, labels in schooling.own:
        image = Source(voxel_size=schooling.voxel_size).open_image(raw).load()
        truth = open_labels(labels, voxel_size=image.grid.voxel_size).load()
        samples.append(own_sample(Path(raw).name, image, truth, licence="the user's own"))
    if not samples:
        raise ValueError("labels must name at least one annotated volume, got none")
    return samples


def cards_of(schooling: Schooling) -> list[Card]:
    """The cards that are learned from, the user's own in the data folder among them."""
    cards = cards_in(schooling.data)
    return [card_of(name, cards=cards) for name in schooling.labels if not name.startswith("synthetic:")]


def make_learner(schooling: Schooling, recipe: TrainRecipe, device: str) -> tuple[Scholar, Weights | None]:
    """A fresh teacher, or one that goes on; and the weights it goes on from.

    Raises
    ------
    ValueError
        If a teacher to go on from does not stand on the SAM that is named, is of another kind, or learned from the
        tissue of a declared test set; or embeddings are to be kept that no later epoch could use.
    """
    teacher, weights = (None, None) if schooling.start is None else read_teacher(schooling.start, device=device)
    refuse_kin(weights, schooling.tests, cards=cards_in(schooling.data))
    is_over_sam = schooling.over is not None or isinstance(teacher, PublishedTeacher)
    if schooling.kept is not None and (recipe.grey_changes or not is_over_sam):
        raise ValueError(
            "--kept must go with a teacher over a SAM and a recipe that leaves grey values as they are (paper)"
        )
    if schooling.frozen and is_over_sam:
        raise ValueError("--frozen must go with the small teacher, got one over a SAM, whose encoder stays as it is")
    if isinstance(teacher, PublishedTeacher) or (schooling.over is not None and teacher is None):
        return learner_over_sam(schooling, recipe, teacher, device=device), weights
    if schooling.over is not None:
        raise ValueError(f"--start must be a teacher over a SAM where --over is given, got '{schooling.start}'")
    network, decoder = (saem2.Saem2(), None) if teacher is None else (teacher.network, teacher.decoder)
    if recipe.prompts and decoder is None:
        decoder = saem2.PromptDecoder()
    learner = saem2.TinyLearner(network, decoder, recipe=recipe, frozen=schooling.frozen)
    return learner.to(device=device, memory_format=torch.channels_last), weights  # type: ignore[call-overload]


def refuse_kin(weights: Weights | None, tests: Sequence[str], *, cards: dict[str, Card]) -> None:
    """Refuse a teacher that learned, in any run, from the tissue of a declared test set."""
    card: Mapping[str, Any] = {} if weights is None else weights.card
    named = {str(label).split(":")[0].partition("/")[0] for label in card.get("labels", [])}
    tested = [card_of(name, cards=cards) for name in tests]
    refuse_leakage([cards[name] for name in sorted(named & set(cards))], tested)
    refuse_tissues([str(tissue) for tissue in card.get("supersets", [])], tested)


def learner_over_sam(
    schooling: Schooling, recipe: TrainRecipe, teacher: PublishedTeacher | None, *, device: str
) -> PublishedLearner:
    """Heads over the SAM that is named, or over that of a teacher; its encoder stays as it is."""
    if teacher is not None:
        network = teacher.network
    else:
        from savem3.sam import load_sam

        assert schooling.over is not None
        network = Saem2OverSam(load_sam(schooling.over, device=device).model, base=schooling.over)
    kept = None
    if schooling.kept is not None:
        kept = KeptEmbeddings(schooling.kept, encoder=digest_of(network.model.vision_encoder))
    return PublishedLearner(network, recipe=recipe, kept=kept).to(device)


def make_lessons(
    schooling: Schooling, samples: Sequence[Sample], recipe: TrainRecipe, ranks: int
) -> saem2.RandomLessons | saem2.EpochLessons:
    """Random crops; or, where grey values stay as they are, epochs with equally many instances of each imaging method.

    Source: METHOD §2, 30,000 instances of each imaging method in each epoch.
    """
    if recipe.grey_changes or not recipe.prompts:
        return saem2.RandomLessons(samples, recipe)
    cards = cards_in(schooling.data)
    listed = [annotated(sample, number, cards) for number, sample in enumerate(samples)]
    index = index_instances(listed, rules=SelectionRules(smallest=recipe.smallest))

    def plan(epoch: int) -> list[saem2.Asked]:
        draws = plan_epoch(index, seed=recipe.seed, epoch=epoch)
        return [_asked(index, section) for section in sections_of_epoch(index, draws)]

    return saem2.EpochLessons(samples, plan, recipe=recipe, ranks=ranks)


def annotated(sample: Sample, number: int, cards: Mapping[str, Card]) -> Annotated:
    """A sample with its dataset and imaging method; drawn ones and others are each of one of their own."""
    card = cards.get(sample.name.split("/")[0])
    drawn = "synthetic" if sample.name.startswith("synthetic") else "own"
    dataset, imaging = (drawn, drawn) if card is None else (card.dataset, card.imaging)
    return Annotated(f"{number} {sample.name}", dataset, imaging, sample.labels)


def _asked(index: InstanceIndex, section: SectionDraws) -> saem2.Asked:
    drawn = index.instances[section.instances]
    places = np.stack([drawn["y_start"], drawn["x_first"]], 1).astype(np.int64)
    return saem2.Asked(section.volume, section.z, places)
