"""The page that reports a run."""

from __future__ import annotations

import hashlib
import io
import re
import subprocess
import sys
from base64 import b64decode, b64encode
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from savem3.grid import Grid
from savem3.view import ReportFacts, colours_of, write_report
from savem3.view.layers import section_layers
from savem3.volume import BoundaryMap, Image, Labels

GRID = Grid((4, 12, 10), (30.0, 6.0, 4.0))
GREY = np.random.default_rng(0).integers(0, 256, GRID.shape, dtype=np.uint8)
BLOCKS = (np.indices(GRID.shape) // 4).sum(axis=0).astype(np.uint64)
VOLUMES = {
    "image": Image(GREY, GRID),
    "boundary": BoundaryMap(GREY, GRID),
    "fragments": Labels(BLOCKS, GRID),
    "labels": Labels(BLOCKS // 2, GRID),
}
HOSTILE = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7 * 7 }}"


class Tags(HTMLParser):
    """Every tag with its attributes, and what stands inside scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("savem3.view.report.SOLID_PIXELS", 24)


@pytest.fixture
def page(tmp_path: Path) -> str:
    return written(tmp_path, ReportFacts("A title", input={"path": "a.tif"}))


def written(folder: Path, facts: ReportFacts, **others: Labels) -> str:
    path = folder / "report.html"
    write_report(path, facts=facts, **VOLUMES, **others)
    return path.read_text("utf-8")


def test_every_string_is_escaped(tmp_path: Path) -> None:
    named = {HOSTILE: HOSTILE}
    facts = ReportFacts(
        HOSTILE, input=named, run=named, timings={HOSTILE: 1.0}, models=[named], warnings=[HOSTILE],
        scores={HOSTILE: HOSTILE, "voi": 1.0}, next_steps=named,
    )  # fmt: skip
    page = written(tmp_path, facts)
    tags = Tags(page)
    assert len(tags.named("script")) == 1
    assert [image["src"][:11] for image in tags.named("img") if image["src"]] == ["data:image/"]
    assert not [name for _, attributes in tags.found for name in attributes if name.startswith("on")]
    assert page.count("{{ 7 * 7 }}") >= 10


def test_nothing_is_loaded_from_elsewhere(page: str) -> None:
    tags = Tags(page)
    addresses = [value for _, attributes in tags.found for name, value in attributes.items() if name in ("src", "href")]
    assert len(addresses) == 1 + 4 * GRID.shape[0]
    assert all(address is not None and address.startswith("data:image/webp;base64,") for address in addresses)
    assert not re.search(r"https?:|url\(|@import", page)


def test_the_policy_admits_the_one_style_and_the_one_script_and_no_inline_attribute(page: str) -> None:
    tags = Tags(page)
    policy = next(meta["content"] or "" for meta in tags.named("meta") if "http-equiv" in meta)
    for tag in ("style", "script"):
        text = re.search(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        assert text
        digest = b64encode(hashlib.sha256(text[1].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert not [attributes for _, attributes in tags.found if "style" in attributes]


def test_the_middle_section_is_shown_before_any_script_runs(page: str) -> None:
    shown = [image["data-layer"] for image in Tags(page).named("image") if "on" in (image["class"] or "").split()]
    assert shown == ["raw", "neurons"]


def test_truth_can_be_chosen_only_if_there_is_one(tmp_path: Path, page: str) -> None:
    def choices(page: str) -> list[str | None]:
        return [field["value"] for field in Tags(page).named("input") if field.get("name") == "above"]

    assert choices(page) == ["neurons", "fragments", ""]
    with_truth = written(tmp_path, ReportFacts("", input={}), truth=VOLUMES["labels"])
    assert choices(with_truth) == ["neurons", "fragments", "truth", ""]


def test_scores_stand_beside_their_oracle_with_what_they_mean(tmp_path: Path) -> None:
    scores = {"voi": 1.25, "oracle_voi": 0.5, "voxels": 1234567, "unsegmented": "ignore", "new_score": 2.0}
    page = written(tmp_path, ReportFacts("", input={}, scores=scores))
    rows = re.findall(
        r'<th scope="row">([^<]*)</th><td class="number">([^<]*)</td><td[^>]*>([^<]*)</td><td[^>]*>([^<]*)', page
    )
    assert [row[:3] for row in rows] == [
        ("VoI, bits", "1.250", "0.500"),
        ("voxels compared", "1,234,567", ""),
        ("unsegmented count as", "ignore", ""),
        ("new_score", "2.000", ""),
    ]
    assert rows[2][3] == "A voxel without a label is not compared."


def test_without_scores_warnings_and_steps_their_parts_are_left_out(page: str) -> None:
    for heading in ("Scores", "warning", "What to do next", "oracle"):
        assert not re.search(f"<h2>[^<]*{heading}", page)


def test_a_file_name_that_is_no_text_does_not_stop_the_report(tmp_path: Path) -> None:
    assert "a\\udcff.tif" in written(tmp_path, ReportFacts("", input={"path": "a\udcff.tif"}))


def test_volumes_without_a_single_neuron_are_reported(tmp_path: Path) -> None:
    empty = Labels(np.zeros(GRID.shape, np.uint64), GRID)
    path = tmp_path / "report.html"
    nothing = VOLUMES | {"image": Image(np.zeros(GRID.shape, np.uint8), GRID), "fragments": empty, "labels": empty}
    write_report(path, facts=ReportFacts("Empty", input={}), **nothing)
    page = path.read_text("utf-8")
    assert "<b>0</b><span>neurons</span>" in page
    assert "Objects and their sizes" not in page


def test_a_report_that_cannot_be_made_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    smaller = Labels(np.zeros((4, 12, 9), np.uint64), Grid((4, 12, 9), GRID.voxel_size))
    with pytest.raises(ValueError, match="Labels must have the shape of the image"):
        write_report(path, facts=ReportFacts("", input={}), **(VOLUMES | {"labels": smaller}))
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]


def test_coloured_layers_keep_their_colours() -> None:
    section = section_layers(VOLUMES["image"], VOLUMES["boundary"], {"neurons": VOLUMES["labels"]}, count=1)[0]
    with Picture.open(io.BytesIO(b64decode(section.layers["neurons"].partition(",")[2]))) as picture:
        seen = np.asarray(picture.convert("RGBA"))
    meant = colours_of(VOLUMES["labels"].voxels[section.z])
    labelled = VOLUMES["labels"].voxels[section.z] > 0
    np.testing.assert_array_equal(seen[labelled][:, :3], meant[labelled][:, :3])
    assert (seen[~labelled][:, 3] == 0).all()
    assert set(np.unique(seen[labelled][:, 3])) <= {150, 255}


def test_sections_become_coarser_until_they_fit() -> None:
    grid = Grid((2, 96, 80), GRID.voxel_size)
    noise = np.random.default_rng(1).integers(0, 256, grid.shape, dtype=np.uint8)
    image, boundary = Image(noise, grid), BoundaryMap(noise, grid)
    sections = section_layers(image, boundary, {}, budget=8000)
    sizes = [len(b64decode(uri.partition(",")[2])) for section in sections for uri in section.layers.values()]
    assert 2000 < sum(sizes) < 9000


def test_the_room_opens_quickly_without_torch_and_without_what_only_pictures_need() -> None:
    heavy = "{'torch', 'matplotlib', 'numba', 'jinja2', 'scipy'}"
    code = f"import sys, savem3.view; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
