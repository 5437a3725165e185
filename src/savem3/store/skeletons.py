"""Skeletons in files: SWC, one or a folder of them, and NML as WEBKNOSSOS writes it.

Source: SWC is a line a point (number, type, x, y, z, radius, parent or −1); its unit is whatever the program meant, so
it is asked for, nm as our own export has it by default. NML is XML: ``things/parameters/scale`` is the voxel size (nm,
or its ``unit``), each ``thing`` a tree of nodes, whose x, y, z count voxels, and edges.
Our choice: a whole number names a voxel and means its middle, else rounding would put it into its neighbour.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

import numpy as np

from savem3.skeleton import Skeletons
from savem3.store.errors import UnreadableVolume
from savem3.store.units import nanometres_of

MOST_BYTES = 2**30
"""Bytes of all files of one set of skeletons; more is refused unread."""

MOST_POINTS = 2**25
"""Points of one set of skeletons."""

LOOKS_LIKE = "file.swc, a folder of .swc files, or file.nml"

ELSEWHERE = {
    ".k.zip": "a KNOSSOS annotation: load it in WEBKNOSSOS and download it as NML, or convert it to SWC",
    ".json": "a JSON file, of which there is no one layout: convert it to SWC",
    ".pkl": "a pickle, which can run code: convert it to SWC",
}
"""Skeletons that are met and not read, by the end of their path, and what to do."""


def open_skeletons(path: str | Path, *, unit: str = "nm") -> Skeletons:
    """The skeletons of a file or folder, in nm.

    Parameters
    ----------
    path
        ``file.swc``, a folder of such (a file is a body, whatever number of trees it holds), or ``file.nml`` (a tree
        is a body).
    unit
        Of the positions in SWC files: nm, µm or another unit of length. NML says its own.

    Raises
    ------
    UnreadableVolume
        If it is none of these, too large, or broken.
    """
    place = Path(path)
    files = sorted(place.glob("*.swc")) if place.is_dir() else [place]
    named = str(path).lower()
    for end, cure in ELSEWHERE.items():
        if named.endswith(end):
            raise UnreadableVolume(f"{path} must be {LOOKS_LIKE}, got {cure}")
    if not files or not all(file.is_file() for file in files) or files[0].suffix.lower() not in (".swc", ".nml"):
        raise UnreadableVolume(f"skeletons must be {LOOKS_LIKE}, got '{path}'")
    size = sum(file.stat().st_size for file in files)
    if size > MOST_BYTES:
        raise UnreadableVolume(f"{path} must have at most {MOST_BYTES} bytes, got {size}")
    if files[0].suffix.lower() == ".nml":
        return _joined(_read_nml(files[0]), name=str(path))
    length = nanometres_of(unit)
    if length is None:
        raise UnreadableVolume(f"unit must be one of length, such as nm or um, got {unit!r}")
    return _joined((_read_swc(file, length) for file in files), name=str(path))


@dataclass(slots=True)
class _Tree:
    """A body as its file has it: numbered points x, y, z, and pairs of numbers."""

    name: str
    numbers: list[int] = field(default_factory=list)
    places: list[tuple[float, float, float]] = field(default_factory=list)
    edges: list[tuple[int, int]] = field(default_factory=list)
    nm: tuple[float, float, float] = (1.0, 1.0, 1.0)


def _joined(trees: Iterable[_Tree], *, name: str) -> Skeletons:
    """All trees as one set, z, y, x in nm."""
    names, body, points, edges, first = [], [], [], [], 0
    for tree in trees:
        names.append(tree.name)
        body.append(np.full(len(tree.numbers), len(names) - 1, np.int64))
        places = np.array(tree.places, np.float64).reshape(-1, 3) * tree.nm
        points.append(places[:, ::-1])
        edges.append(_rows(tree, name) + first)
        first += len(tree.numbers)
        if first > MOST_POINTS:
            raise UnreadableVolume(f"{name} must have at most {MOST_POINTS} points, got more")
    if not first:
        raise UnreadableVolume(f"{name} must hold at least one point, got none")
    try:
        return Skeletons(tuple(names), np.concatenate(body), np.concatenate(points), np.concatenate(edges))
    except ValueError as error:
        raise UnreadableVolume(f"{name}: {error}") from error


def _rows(tree: _Tree, name: str) -> np.ndarray:
    """Edges between rows, instead of between numbers of points."""
    try:
        numbers = np.array(tree.numbers, np.int64)
        edges = np.array(tree.edges, np.int64).reshape(-1, 2)
    except OverflowError as error:
        raise UnreadableVolume(f"{name}: points must have numbers below 2**63, got larger ones") from error
    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    if (ordered[1:] == ordered[:-1]).any():
        twice = int(ordered[1:][ordered[1:] == ordered[:-1]][0])
        raise UnreadableVolume(f"{name}: each point of {tree.name} must have its own number, got {twice} twice")
    if not len(edges):
        return edges
    at = np.searchsorted(ordered, edges)
    known = at < len(ordered)
    known[known] = ordered[at[known]] == edges[known]
    if not known.all():
        lost = int(edges[~known][0])
        raise UnreadableVolume(f"{name}: edges of {tree.name} must join its points, got {lost}, which is none")
    return order[at]


def _read_swc(file: Path, length: float) -> _Tree:
    """A file's forest."""
    tree = _Tree(file.stem, nm=(length, length, length))
    with file.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, start=1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            try:
                point, parent = int(words[0]), int(words[6])
                x, y, z = (float(word) for word in words[2:5])
            except (ValueError, IndexError) as error:
                raise UnreadableVolume(
                    f"{file}, line {number}, must be number, type, x, y, z, radius, parent, got {line.strip()[:80]!r}"
                ) from error
            tree.numbers.append(point)
            tree.places.append((x, y, z))
            if parent >= 0:
                tree.edges.append((parent, point))
    return tree


def _read_nml(file: Path) -> list[_Tree]:
    """The trees of a file that have points; entities and document types are refused before they are looked at."""
    reading = _Nml(str(file))
    parser = expat.ParserCreate()
    parser.StartElementHandler = reading.begin
    parser.StartDoctypeDeclHandler = reading.refuse
    parser.EntityDeclHandler = reading.refuse
    try:
        with file.open("rb") as stream:
            parser.ParseFile(stream)
    except expat.ExpatError as error:
        raise UnreadableVolume(f"{file} must be XML, got: {error}") from error
    trees = [tree for tree in reading.trees if tree.numbers]
    if reading.scale is None:
        raise UnreadableVolume(f"{file} must say its voxel size in things/parameters/scale, got none")
    for tree in trees:
        tree.nm = reading.scale
    return trees


@dataclass(slots=True)
class _Nml:
    """What was read of a file so far."""

    name: str
    trees: list[_Tree] = field(default_factory=list)
    scale: tuple[float, float, float] | None = None
    points: int = 0

    def begin(self, tag: str, values: dict[str, str]) -> None:
        """An element begins."""
        try:
            if tag == "scale" and self.scale is None:
                self.scale = self._scale(values)
            elif tag == "thing":
                number = values.get("id", str(len(self.trees) + 1))
                self.trees.append(_Tree(f"{number} {values['name']}" if values.get("name") else number))
            elif tag == "node":
                self._node(values)
            elif tag == "edge":
                self.trees[-1].edges.append((int(values["source"]), int(values["target"])))
        except (KeyError, ValueError, IndexError) as error:
            if isinstance(error, UnreadableVolume):
                raise
            shown = " ".join(f'{key}="{value[:20]}"' for key, value in list(values.items())[:6])
            raise UnreadableVolume(f"{self.name} must be NML as WEBKNOSSOS writes it, got <{tag} {shown}>") from error

    def refuse(self, *_: object) -> None:
        """A document type or an entity begins."""
        raise UnreadableVolume(f"{self.name} must be NML without a document type or entities, got some")

    def _node(self, values: dict[str, str]) -> None:
        self.points += 1
        if self.points > MOST_POINTS:
            raise UnreadableVolume(f"{self.name} must have at most {MOST_POINTS} points, got more")
        x, y, z = (float(values[axis]) for axis in "xyz")
        tree = self.trees[-1]
        tree.numbers.append(int(values["id"]))
        tree.places.append((_middle(x), _middle(y), _middle(z)))

    def _scale(self, values: dict[str, str]) -> tuple[float, float, float]:
        length = nanometres_of(values.get("unit", "nm"))
        x, y, z = (float(values[axis]) for axis in "xyz")
        if length is None or not all(0 < edge < float("inf") for edge in (x, y, z)):
            raise ValueError("no lengths")
        return x * length, y * length, z * length


def _middle(place: float) -> float:
    """A position in voxels; that of a voxel's middle where it names a voxel."""
    return place + 0.5 if place.is_integer() else place
