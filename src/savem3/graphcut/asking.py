"""Ask a prompter about one section after the other, and lay the answers over each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64, UInt64
from numpy.typing import NDArray
from scipy import ndimage

from savem3.blocks import Product, Progress, each
from savem3.graphcut.contacts import find_contacts
from savem3.graphcut.evidence import ONE, sum_observations
from savem3.graphcut.prompting import LABEL_BITS, AskRecipe, Plan, doubtful, plan_prompts
from savem3.grid import Box
from savem3.prompt import Answer, MaskPrompt, PointPrompt, Prompt, Prompter, Proposer
from savem3.regions import RegionGraph
from savem3.tiles import Tile, split
from savem3.volume import Image, Labels

ReadPrompter = Callable[[], Prompter]
"""Gives a prompter in the process that needs it."""

Mask = Bool[np.ndarray, "y x"]

AT_ONCE = 64
"""Prompts that are made and answered together: each answer is as large as its section until it is cropped."""


@dataclass(frozen=True, slots=True)
class AskSections:
    """The block function of prompt evidence. A block is one whole section, which is encoded once if at all.

    Parameters
    ----------
    image, fragments
        On one grid; may be lazy.
    prompter
        Gives who answers.
    plan
        What to ask; see `plan_prompts`.
    recipe
        How prompts are made.
    """

    image: Image
    fragments: Labels
    prompter: ReadPrompter
    plan: Plan
    recipe: AskRecipe

    def __call__(self, tile: Tile) -> Product:
        """The evidence that one section gives, as a table.

        Raises
        ------
        ValueError
            If the block is not one whole section.
        """
        z, (_, height, width) = tile.write.start[0], self.image.grid.shape
        if tile.write != Box((z, 0, 0), (z + 1, height, width)):
            raise ValueError(f"tile must be one whole section, got {tile.write}")
        rows = self.plan.take(np.arange(*np.searchsorted(self.plan.shown, [z, z + 1])))
        keys, place = np.unique(rows.keys, return_inverse=True)
        answers = self._ask(z, keys) if len(keys) else []
        weights, overlaps = lay_over(answers, place.reshape(-1, 2))
        summed = sum_observations(rows.pairs, weights, overlaps)
        return Product(tables={**summed, "prompts": np.array([len(keys)])})

    def _ask(self, z: int, keys: Int64[np.ndarray, " prompt"]) -> list[Seen]:
        """Answers in the order of the prompts' keys; a section is encoded once, however many prompts there are."""
        section = self.image.read(_section(z, self.image.grid.shape))[0]
        names, sources = ((keys // 3) & (2**LABEL_BITS - 1)).tolist(), (z + keys % 3 - 1).tolist()
        pieces = {s: find_pieces(self.fragments.read(_section(s, self.fragments.grid.shape))[0]) for s in set(sources)}

        def made(part: slice) -> list[Prompt]:
            chosen = zip(names[part], sources[part], strict=True)
            return [pieces[source].prompt(name, z=z, recipe=self.recipe) for name, source in chosen]

        prompter, parts = self.prompter(), [slice(i, i + AT_ONCE) for i in range(0, len(keys), AT_ONCE)]
        if not isinstance(prompter, Proposer):
            return [crop(answer) for answer in prompter.ask(section, made(slice(None)))]
        encoded = prompter.encode(section)
        return [crop(answer) for part in parts for answer in prompter.answer(encoded, made(part))]


@dataclass(frozen=True, slots=True)
class Seen:
    """An answer without the empty rest of its section.

    Parameters
    ----------
    start
        The first pixel of the mask in the section, y and x.
    mask
        The smallest box that holds all of it.
    predicted_iou
        See `Answer`.
    """

    start: tuple[int, int]
    mask: Mask
    predicted_iou: float


def crop(answer: Answer) -> Seen:
    """The answer cropped to its pixels, so that a section may have any number of answers."""
    rows, columns = (np.flatnonzero(answer.mask.any(axis)) for axis in (1, 0))
    if not len(rows):
        return Seen((0, 0), np.zeros((0, 0), bool), answer.predicted_iou)
    y, x = int(rows[0]), int(columns[0])
    return Seen((y, x), answer.mask[y : rows[-1] + 1, x : columns[-1] + 1].copy(), answer.predicted_iou)


def ask_sections(
    image: Image,
    fragments: Labels,
    graph: RegionGraph,
    prompter: Prompter,
    *,
    recipe: AskRecipe,
    workers: int = 1,
    progress: Progress | None = None,
) -> list[Mapping[str, NDArray[Any]]]:
    """What a prompter says about the doubtful edges of a graph, and about pairs two contacts apart.

    One table for each section, for `join_evidence`.

    Parameters
    ----------
    image, fragments
        On one grid.
    graph
        Of these fragments, weighed.
    prompter
        Answers prompts on single sections.
    recipe
        What is asked, and how.
    workers
        Threads.
    progress
        Told of each finished section.
    """
    asked = doubtful(graph, recipe=recipe)
    contacts = find_contacts(fragments, graph.edges[np.sort(asked)], workers=workers)
    depth, height, width = image.grid.shape
    plan = plan_prompts(graph, contacts, asked, depth=depth, recipe=recipe)
    tiles = split(image.grid.shape, block=(1, height, width), halo=(1, 0, 0))
    ask = AskSections(image, fragments, lambda: prompter, plan, recipe)
    return [product.tables for product in each(tiles, ask, workers=workers, progress=progress)]


@dataclass(frozen=True, slots=True)
class Pieces:
    """The fragments of one section.

    Parameters
    ----------
    labels
        Of the section.
    boxes
        The smallest box around each label.
    """

    labels: UInt64[np.ndarray, "y x"]
    boxes: Mapping[int, tuple[slice, slice]]

    def prompt(self, name: int, *, z: int, recipe: AskRecipe) -> Prompt:
        """A prompt for one fragment, from where it lies here, to be asked on section z."""
        box = self.boxes[name]
        own = self.labels[box] == name
        if recipe.points:
            return _points(own, box, z=z, number=recipe.points)
        mask = np.zeros(self.labels.shape, bool)
        mask[box] = erode(own, recipe.erosion)
        return MaskPrompt(z, mask)


def find_pieces(labels: UInt64[np.ndarray, "y x"]) -> Pieces:
    """Where each fragment of a section lies."""
    present, compact = np.unique(labels, return_inverse=True)
    boxes = ndimage.find_objects(compact.reshape(labels.shape) + 1)
    return Pieces(labels, dict(zip(present.tolist(), boxes, strict=True)))


def erode(mask: Mask, pixels: int) -> Mask:
    """The mask without its outermost pixels; whole where nothing would be left. What lies beyond it is not mask."""
    if not pixels:
        return mask
    inner: Mask = ndimage.binary_erosion(mask, iterations=pixels)
    return inner if inner.any() else mask


def deepest_points(mask: Mask, *, number: int) -> Int64[np.ndarray, "point 2"]:
    """Up to ``number`` pixels at peaks of the distance to the mask's edge, the deepest first.

    After each, the pixels nearer to it than its own depth are out of the question. Of equals the first in reading
    order is taken.
    """
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    y, x = np.indices(mask.shape)
    found: list[tuple[int, int]] = []
    while len(found) < number and depth.any():
        row, column = divmod(int(depth.argmax()), mask.shape[1])
        found.append((row, column))
        depth = np.where((y - row) ** 2 + (x - column) ** 2 < depth[row, column] ** 2, 0, depth)
    return np.array(found, np.int64)


def lay_over(
    answers: list[Seen], pairs: Int64[np.ndarray, "row 2"]
) -> tuple[Int64[np.ndarray, " row"], Int64[np.ndarray, " row"]]:
    """Weight and overlap of each two answers, in fixed point: predicted IoUs multiplied, and their IoU.

    An answer without a pixel says nothing, so its weight is 0.
    """
    if not len(pairs):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    belief = np.array([round(min(max(answer.predicted_iou, 0.0), 1.0) * ONE) for answer in answers], np.int64)
    area = np.array([np.count_nonzero(answer.mask) for answer in answers], np.int64)
    belief[area == 0] = 0
    u, v = pairs.T
    common = np.array([_common(answers[a], answers[b]) for a, b in pairs], np.int64)
    return belief[u] * belief[v] // ONE, common * ONE // np.maximum(area[u] + area[v] - common, 1)


def _common(one: Seen, other: Seen) -> int:
    """Pixels that two answers share."""
    starts = [max(a, b) for a, b in zip(one.start, other.start, strict=True)]
    stops = [min(m.start[i] + m.mask.shape[i] for m in (one, other)) for i in (0, 1)]
    if any(a >= b for a, b in zip(starts, stops, strict=True)):
        return 0
    here, there = (
        m.mask[tuple(slice(a - s, b - s) for a, b, s in zip(starts, stops, m.start, strict=True))] for m in (one, other)
    )
    return int(np.count_nonzero(here & there))


def _points(own: Mask, box: tuple[slice, slice], *, z: int, number: int) -> PointPrompt:
    y, x = deepest_points(own, number=number).T
    rows, columns = ((values + side.start).astype(float).tolist() for values, side in zip((y, x), box, strict=True))
    return PointPrompt(z, tuple(rows), tuple(columns), (True,) * len(rows))


def _section(z: int, shape: tuple[int, ...]) -> Box:
    return Box((z, 0, 0), (z + 1, shape[1], shape[2]))
