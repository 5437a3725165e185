"""Points for Neuroglancer: as its own writer writes them, as a state, and on the page of a run."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import GRID, make_run
from PIL import Image as Picture

from savem3.grid import Grid
from savem3.view.annotations import Point, annotation_layer, read_points, state_of_points, write_annotations
from savem3.view.contents import PLACES, contents_of
from savem3.view.screenshot import find_browser, take_picture

KINDS = ("merge", "split", "seam")
POINTS = [
    Point((2.0, 9.5, 14.0), "split", (1, 2), 0.25, 120.0, "parted at this contact"),
    Point((1.0, 3.0, 20.0), "merge", (2,), float("nan"), 30.0, "joined over this contact"),
    Point((5.0, 10.0, 7.0), "seam", (), 1.0, 0.0, "borders pile up"),
]


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_holds_what_neuroglancers_own_writer_writes(tmp_path: Path) -> None:
    neuroglancer = pytest.importorskip("neuroglancer", reason='needs neuroglancer: pip install "savem3[view]"')
    from neuroglancer.write_annotations import AnnotationWriter

    write_annotations(POINTS, tmp_path / "ours", grid=GRID, kinds=KINDS)
    space = neuroglancer.CoordinateSpace(names=["x", "y", "z"], units="m", scales=[4e-9, 6e-9, 30e-9])
    properties = [
        neuroglancer.AnnotationPropertySpec(id=name, type=kind)
        for name, kind in {"rank": "int32", "probability": "float32", "impact": "float32", "kind": "uint8"}.items()
    ]
    writer = AnnotationWriter(space, annotation_type="point", relationships=["segments"], properties=properties)
    for number, point in enumerate(POINTS, start=1):
        z, y, x = (a + 0.5 + o / s for a, o, s in zip(point.at, GRID.origin, GRID.voxel_size, strict=True))
        told = {"rank": number, "impact": point.impact, "kind": KINDS.index(point.kind)}
        chance = -1 if np.isnan(point.probability) else point.probability
        writer.add_point([x, y, z], id=number, probability=chance, segments=list(point.labels), **told)
    writer.write(tmp_path / "theirs")
    (tmp_path / "theirs" / "rel_segments").rename(tmp_path / "theirs" / "by_segment")
    ours, theirs = files_in(tmp_path / "ours"), files_in(tmp_path / "theirs")
    info, reference = json.loads(ours.pop("info")), json.loads(theirs.pop("info"))
    assert ours == theirs
    assert set(info) == set(reference)
    assert [p["type"] for p in info["properties"]] == [p["type"] for p in reference["properties"]]
    for axis in "xyz":
        edge, unit = reference["dimensions"][axis]
        assert info["dimensions"][axis] == [pytest.approx(edge), unit]


def test_the_bounds_of_a_folder_are_those_of_the_volume(tmp_path: Path) -> None:
    write_annotations(POINTS, tmp_path / "ours", grid=GRID, kinds=KINDS)
    info = json.loads((tmp_path / "ours" / "info").read_text())
    assert info["lower_bound"] == [10.0, 0.0, 2.0]
    assert info["upper_bound"] == [38.0, 20.0, 8.0]
    assert info["spatial"][0]["chunk_size"] == [28, 20, 6]


def test_a_list_without_places_is_a_folder_too(tmp_path: Path) -> None:
    write_annotations([], tmp_path / "none", grid=GRID, kinds=KINDS)
    assert (tmp_path / "none" / "spatial0" / "0_0_0").read_bytes() == bytes(8)
    assert "position" not in state_of_points([], grid=GRID)


def test_a_state_puts_each_point_in_the_middle_of_its_voxel_and_says_its_sentence() -> None:
    state = state_of_points(POINTS, grid=GRID)
    first = state["layers"][0]["annotations"][0]
    assert first["point"] == [24.5, 10.0, 4.5] == state["position"]
    assert first["description"] == "1. split: parted at this contact"
    assert first["segments"] == [["1", "2"]]
    assert {axis: edge for axis, (edge, _) in state["dimensions"].items()} == pytest.approx(
        {"x": 4e-9, "y": 6e-9, "z": 30e-9}
    )
    assert "linkedSegmentationLayer" not in state["layers"][0]


def test_what_was_written_is_read_and_nothing_else_of_it(tmp_path: Path) -> None:
    state = state_of_points(POINTS, grid=GRID)
    listed = state["layers"][0]["annotations"]
    state["layers"][0]["source"] = "precomputed://https://elsewhere.example"
    state["layers"][0]["annotations"] = [{**one, "props": ["x"], "shader": "x"} for one in listed]
    (tmp_path / "places.json").write_text(json.dumps(state))
    assert read_points(tmp_path / "places.json") == listed


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "{}",
        '{"layers": []}',
        '{"layers": [{"annotations": [{"id": "1", "point": [1, 2], "description": "", "segments": []}]}]}',
        '{"layers": [{"annotations": [{"id": "1", "point": [1, 2, NaN], "description": "", "segments": []}]}]}',
        '{"layers": [{"annotations": [{"id": "1", "point": [1, 2, 3], "description": "", "segments": [["a"]]}]}]}',
    ],
)
def test_a_file_that_is_no_list_is_refused_and_the_run_is_shown_without_it(tmp_path: Path, content: str) -> None:
    run = make_run(tmp_path)
    (run / PLACES).parent.mkdir()
    (run / PLACES).write_text(content)
    with pytest.raises(ValueError, match="must hold annotations that 'savem3 quality' wrote"):
        read_points(run / PLACES)
    contents = contents_of(run)
    assert contents.points == ()
    assert any("must hold annotations" in remark for remark in contents.remarks)


def add_report(run: Path, points: list[Point]) -> Path:
    """What a quality report leaves for the page."""
    (run / PLACES).parent.mkdir()
    (run / PLACES).write_text(json.dumps(state_of_points(points, grid=GRID)))
    write_annotations(points, run / "quality" / "annotations", grid=GRID, kinds=KINDS)
    return run


def test_the_page_of_a_run_has_a_layer_of_places_tied_to_its_neurons(tmp_path: Path) -> None:
    pytest.importorskip("neuroglancer", reason='needs neuroglancer: pip install "savem3[view]"')
    from savem3.view.panels import state_of

    contents = contents_of(add_report(make_run(tmp_path), POINTS))
    urls = {pyramid.name: f"http://127.0.0.1/{pyramid.name}" for pyramid in contents.pyramids}
    state = state_of(contents.pyramids, urls=urls, points=contents.points)
    layer = state["layers"][-1]
    assert layer == annotation_layer(contents.points, GRID, linked="neurons")
    assert [one["id"] for one in layer["annotations"]] == ["1", "2", "3"]
    assert layer["source"]["url"] == "local://annotations"
    assert state_of(contents.pyramids, urls=urls)["layers"] == state["layers"][:-1]
    assert contents.surfaces == contents.skeletons == ()


def test_points_lie_where_the_voxels_of_the_page_do() -> None:
    grid = Grid((6, 20, 28), (30.0, 6.0, 4.0), (60.0, 12.0, 40.0))
    (one,) = state_of_points(POINTS[:1], grid=grid)["layers"][0]["annotations"]
    assert one["point"] == [14.5 + 10, 10.0 + 2, 2.5 + 2]


@pytest.mark.slow
@pytest.mark.skipif(find_browser() is None, reason="needs a browser of Chromium's family")
def test_a_browser_draws_the_places(tmp_path: Path) -> None:
    pytest.importorskip("neuroglancer", reason='needs neuroglancer: pip install "savem3[view]"')
    from savem3.view.serving import serving

    middle = [Point((3.0, 10.0, 14.0), "merge", (1,), 0.5, 10.0, "here")]
    contents = contents_of(add_report(make_run(tmp_path), middle))

    def yellow(**shown: Any) -> int:
        with serving(contents.pyramids[-1:], **shown) as page:
            drawn = np.asarray(Picture.open(io.BytesIO(take_picture(page, size=(500, 400)))).convert("RGB"))
        near = np.abs(drawn.astype(int) - np.array([255, 210, 60])).max(axis=2) < 12
        return int(near.sum())

    assert yellow(points=contents.points) > yellow() + 20
