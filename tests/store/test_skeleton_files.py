"""Skeletons in files: what we write is read back, what WEBKNOSSOS writes is read, and the rest is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from savem3.export.skeletons import Skeleton, write_swc
from savem3.store import UnreadableVolume
from savem3.store import skeletons as files
from savem3.store.skeletons import open_skeletons

NML = """<?xml version="1.0" encoding="utf-8"?>
<things>
  <parameters>
    <experiment name="Bulb" />
    <scale x="11.24" y="11.5" z="25"{unit} />
  </parameters>
  <thing color.a="1.0" color.b="0.1" groupId="5" id="1" name="cell &quot;A&quot; &lt;dendrite&gt;">
    <nodes>
      <node id="7" radius="120" x="3" y="1.0" z="2" inMag="1" time="1" />
      <node id="2" x="3.25" y="1" z="0" />
      <node id="4" x="0" y="1" z="2" />
    </nodes>
    <edges>
      <edge source="7" target="2" />
      <edge source="7" target="4" />
    </edges>
  </thing>
  <thing id="6" name=""><nodes><node id="9" x="10" y="3" z="4" /></nodes><edges /></thing>
  <thing id="9" name="empty"><nodes /><edges /></thing>
  <branchpoints><branchpoint id="7" /></branchpoints>
  <comments><comment content="first" node="7" /></comments>
  <groups><group id="5" name="cells"><group id="8" name="nested" /></group></groups>
</things>
"""


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def forest(body: int, seed: int) -> Skeleton:
    """Two trees of five and three points that branch, in no order."""
    rng = np.random.default_rng(seed)
    edges = np.array([[4, 0], [4, 2], [2, 7], [2, 1], [5, 3], [3, 6]], np.uint32)
    return Skeleton(
        body, rng.uniform(0, 9000, (8, 3)).astype(np.float32), edges, np.ones(8, np.float32), factor=(1, 1, 1)
    )


def lengths(points: np.ndarray, edges: np.ndarray) -> list[float]:
    return sorted(np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1).tolist())


def test_what_the_export_writes_is_read_back(tmp_path: Path) -> None:
    bodies = [forest(3, 0), forest(12, 1)]
    for body in bodies:
        write_swc(body, tmp_path / f"{body.body}.swc")
    found = open_skeletons(tmp_path)
    assert found.names == ("12", "3")
    for row, body in enumerate(reversed(bodies)):
        own = found.points[found.body == row]
        expected = body.points[:, ::-1].astype(float)
        np.testing.assert_allclose(np.sort(own, axis=0), np.sort(expected, axis=0), rtol=1e-7)
        mine = found.lengths_nm[found.owner == row]
        assert sorted(mine.tolist()) == pytest.approx(lengths(expected, body.edges.astype(int)), rel=1e-6)
    assert len(found.edges) == 12
    assert open_skeletons(tmp_path / "3.swc").names == ("3",)


def test_an_swc_is_read_as_others_write_it(tmp_path: Path) -> None:
    """Comments, blank lines, points before their parents, numbers from anywhere, micrometres, extra columns."""
    text = "# from elsewhere\n\n12 3 1.5 2 3 0.1 40 # a leaf\n 40 1 1 2 3.25 0.2 -1 7\n"
    found = open_skeletons(written(tmp_path, "cell.SWC", text), unit="um")
    assert found.points.tolist() == [[3000, 2000, 1500], [3250, 2000, 1000]]
    assert found.edges.tolist() == [[1, 0]]


def test_nml_counts_voxels_and_means_their_middles(tmp_path: Path) -> None:
    found = open_skeletons(written(tmp_path, "a.nml", NML.format(unit="")))
    assert found.names == ('1 cell "A" <dendrite>', "6")
    assert found.body.tolist() == [0, 0, 0, 1]
    np.testing.assert_allclose(
        found.points,
        [
            [2.5 * 25, 1.5 * 11.5, 3.5 * 11.24],
            [0.5 * 25, 1.5 * 11.5, 3.25 * 11.24],
            [2.5 * 25, 1.5 * 11.5, 0.5 * 11.24],
            [4.5 * 25, 3.5 * 11.5, 10.5 * 11.24],
        ],
    )
    assert found.edges.tolist() == [[0, 1], [0, 2]]


@pytest.mark.parametrize(("unit", "factor"), [("nanometer", 1), ("micrometer", 1000), ("Å", 0.1)])
def test_nml_says_its_unit(tmp_path: Path, unit: str, factor: float) -> None:
    found = open_skeletons(written(tmp_path, "a.nml", NML.format(unit=f' unit="{unit}"')))
    assert found.points[3, 0] == pytest.approx(4.5 * 25 * factor)


BAD_SWC = {
    "words": ("1 0 1 2 x 1 -1", "line 1, must be number, type"),
    "columns": ("1 0 1 2 3 1", "line 1, must be number, type"),
    "twice": ("1 0 1 2 3 1 -1\n1 0 1 2 4 1 -1", "must have its own number, got 1 twice"),
    "orphan": ("1 0 1 2 3 1 8", "must join its points, got 8, which is none"),
    "infinite": ("1 0 1 2 inf 1 -1", "points must be finite"),
    "large": (f"{2**80} 0 1 2 3 1 -1", "numbers below"),
    "empty": ("# nothing", "at least one point, got none"),
}


@pytest.mark.parametrize("name", BAD_SWC)
def test_a_broken_swc_is_refused_by_a_sentence(tmp_path: Path, name: str) -> None:
    text, message = BAD_SWC[name]
    with pytest.raises(UnreadableVolume, match=message):
        open_skeletons(written(tmp_path, "a.swc", text))


LAUGHS = '<!DOCTYPE things [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><things><thing id="1" name="&b;"/></things>'
BAD_NML = {
    "entities": (LAUGHS, "without a document type or entities"),
    "document type": ('<!DOCTYPE things SYSTEM "file:///etc/hostname"><things/>', "without a document type"),
    "scale": ("<things><thing id='1'><nodes><node id='1' x='1' y='1' z='1'/></nodes></thing></things>", "scale"),
    "unit": (NML.format(unit=' unit="parsec"'), "as WEBKNOSSOS writes it, got <scale"),
    "place": (NML.format(unit="").replace('x="3.25"', ""), 'got <node id="2"'),
    "edge": (NML.format(unit="").replace('target="4"', 'target="9"'), "got 9, which is none"),
    "outside": ("<things><nodes><node id='1' x='1' y='1' z='1'/></nodes></things>", "got <node"),
    "end": (NML.format(unit="")[:400], "must be XML"),
    "no numbers": (NML.format(unit="").replace('x="10"', 'x="nan"'), "must be NML|must be finite"),
}


@pytest.mark.parametrize("name", BAD_NML)
def test_a_broken_or_hostile_nml_is_refused_by_a_sentence(tmp_path: Path, name: str) -> None:
    text, message = BAD_NML[name]
    with pytest.raises(UnreadableVolume, match=message):
        open_skeletons(written(tmp_path, "a.nml", text))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.k.zip", "KNOSSOS annotation"),
        ("a.json", "no one layout"),
        ("a.pkl", "which can run code"),
        ("a.txt", r"skeletons must be file\.swc, a folder of \.swc files, or file\.nml"),
        ("gone.swc", r"skeletons must be file\.swc"),
    ],
)
def test_what_is_not_read_is_said_with_a_cure(tmp_path: Path, name: str, message: str) -> None:
    if name != "gone.swc":
        written(tmp_path, name, "{}")
    with pytest.raises(UnreadableVolume, match=message):
        open_skeletons(tmp_path / name)


def test_a_folder_without_skeletons_and_an_unknown_unit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableVolume, match="skeletons must be"):
        open_skeletons(tmp_path)
    written(tmp_path, "a.swc", "1 0 1 2 3 1 -1")
    with pytest.raises(UnreadableVolume, match="unit must be one of length, such as nm or um, got 'voxels'"):
        open_skeletons(tmp_path, unit="voxels")


def test_sizes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    swc = written(tmp_path, "a.swc", "".join(f"{n} 0 1 2 3 1 -1\n" for n in range(1, 9)))
    nml = written(tmp_path, "a.nml", NML.format(unit=""))
    monkeypatch.setattr(files, "MOST_POINTS", 3)
    for path in (swc, nml):
        with pytest.raises(UnreadableVolume, match="at most 3 points"):
            open_skeletons(path)
    monkeypatch.setattr(files, "MOST_BYTES", 20)
    with pytest.raises(UnreadableVolume, match="at most 20 bytes"):
        open_skeletons(swc)
