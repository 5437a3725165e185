"""Every stage of the way from raw to neurons beside what users would otherwise call, on the same arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
from scipy import ndimage

from savem3.bench.assembled import flood, slide, slide_plainly
from savem3.distill import Student
from savem3.evaluate import relabel_components, score
from savem3.graphcut import agglomerate_by_waterz, quantile, region_graph, relabel, weigh_edges
from savem3.graphcut.waterz import affinities_of
from savem3.oversegment import oversegment
from savem3.pipeline import Settings
from savem3.predict import fast_cpu, fastest_precision, predict, predict_box, student_views
from savem3.predict.recipe import Precision
from savem3.volume import BoundaryMap, Image, Labels, intensity_of

Call = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Scene:
    """What stages work on.

    Parameters
    ----------
    image, boundary, fragments, labels, truth
        On one grid.
    student
        Who draws.
    beta
        Where to cut.
    """

    image: Image
    boundary: BoundaryMap
    fragments: Labels
    labels: Labels
    truth: Labels
    student: Student
    beta: float


def scene_of(image: Image, truth: Labels, student: Student, settings: Settings) -> Scene:
    """All that stages work on, made once."""
    recipe = replace(settings.predict, views=1)
    boundary = predict(
        image, student, intensity=intensity_of(image), recipe=recipe, device="cpu", threads=settings.threads
    )
    fragments = oversegment(boundary)
    graph = weigh_edges(region_graph(fragments, boundary), beta=settings.beta)
    labels = relabel(fragments, quantile(graph))
    return Scene(image, boundary, fragments, labels, relabel_components(truth), student, settings.beta)


Pair = tuple[Call, dict[str, Call]]
"""Ours, and the peers' by name."""


def _predict(scene: Scene, *, threads: int) -> Pair:
    """Backend and precision that the package takes here, and the same window in torch as it comes."""
    import torch

    def drawing(precision: Precision) -> Call:
        recipe = replace(fast_cpu(), views=1, precision=precision)
        grid = scene.image.grid
        views = student_views(scene.student, grid, recipe=recipe, device="cpu", threads=threads)
        return partial(predict_box, scene.image, grid.box, views=views, intensity=intensity_of(scene.image))

    grey = intensity_of(scene.image).to_unit(np.asarray(scene.image.voxels))
    volume = torch.from_numpy(grey)[None, None]

    def eager(window: Any) -> None:
        torch.set_num_threads(threads)
        with torch.inference_mode():
            window(volume, lambda x: scene.student(x)[:, :1])

    peers: dict[str, Call] = {"torch, float32, plain sliding window": partial(eager, slide_plainly)}
    if _is_here("monai"):
        peers["torch, float32, MONAI's sliding window"] = partial(eager, slide)
    peers["ours, float32"] = drawing("float32")
    return drawing(fastest_precision(device="cpu")), peers


def _watershed(scene: Scene, *, threads: int) -> Pair:
    values = np.asarray(scene.boundary.voxels).astype(np.float32) / np.float32(255)
    peers: dict[str, Call] = {}
    if _is_here("skimage"):
        peers["scikit-image, seeds at peaks of the distance"] = partial(flood, values)
    return partial(oversegment, scene.boundary), peers


def _graph(scene: Scene, *, threads: int) -> Pair:
    graph = import_module("bioimage_cpp.graph")
    fragments, values = np.asarray(scene.fragments.voxels), np.asarray(scene.boundary.voxels).astype(np.float32)

    def theirs() -> None:
        regions = graph.region_adjacency_graph(fragments, number_of_threads=1)
        graph.features.edge_map_features(regions, fragments, values, number_of_threads=1)

    return partial(region_graph, scene.fragments, scene.boundary), {"bioimage-cpp, mean and count": theirs}


def _agglomeration(scene: Scene, *, threads: int) -> Pair:
    """From fragments and a boundary map to labels, region graph included, as WaterZ's call has it."""

    def ours() -> None:
        graph = weigh_edges(region_graph(scene.fragments, scene.boundary), beta=scene.beta)
        relabel(scene.fragments, quantile(graph))

    peers: dict[str, Call] = {}
    if _is_here("waterz"):
        peers["waterz, affinities included"] = partial(
            agglomerate_by_waterz, scene.boundary, scene.fragments, 1 - scene.beta
        )
        peers["(making affinities alone)"] = partial(affinities_of, scene.boundary)
    return ours, peers


def _components(scene: Scene, *, threads: int) -> Pair:
    voxels = np.asarray(scene.labels.voxels)
    inside = voxels % 2 == 1

    def theirs() -> None:
        ndimage.label(inside)

    peers: dict[str, Call] = {"scipy.ndimage.label, of a mask only": theirs}
    if _is_here("skimage"):
        label = import_module("skimage.measure").label
        peers["scikit-image, label"] = lambda: label(voxels, connectivity=1)
    return partial(relabel_components, scene.labels), peers


def _scores(scene: Scene, *, threads: int) -> Pair:
    peers: dict[str, Call] = {}
    if _is_here("skimage"):
        metrics = import_module("skimage.metrics")
        truth, labels = (np.asarray(v.voxels).astype(np.int64) for v in (scene.truth, scene.labels))

        def theirs() -> None:
            metrics.variation_of_information(truth, labels, ignore_labels=(0,))
            metrics.adapted_rand_error(truth, labels, ignore_labels=(0,))

        peers["scikit-image"] = theirs
    return partial(score, scene.labels, scene.truth), peers


def _is_here(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is not None


STAGES: dict[str, Callable[..., Pair]] = {
    "predict, one view": _predict,
    "fragments": _watershed,
    "region graph": _graph,
    "agglomeration, 50-quantile": _agglomeration,
    "components of labels": _components,
    "VoI and ARand": _scores,
}
"""In the order of the way: of a `Scene` and a number of threads, ours and the peers' calls."""
