"""The page in a real browser without a window, driven by keys."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from chromium import Browser, browsing
from PIL import Image as Picture
from queues import make_folder

pytest.importorskip("fastapi", reason='needs fastapi: pip install "savem3[review]"')
pytest.importorskip("uvicorn", reason='needs uvicorn: pip install "savem3[review]"')
from savem3.proposal import mask_of
from savem3.review import Folder, Session, open_folder, read_log, replay, standing, writing
from savem3.review.serving import serving
from savem3.view.screenshot import find_browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_browser() is None, reason="needs a browser of Chromium's family"),
]

KEYS = {"1": "old", "2": "new", "3": "reject", "4": "skip", "o": "old", "n": "new", "x": "reject", "s": "skip"}
MIDDLE = """(() => { const place = document.getElementById("middle").getBoundingClientRect();
return [place.x + place.width / 2, place.y + place.height / 2]; })()"""


def shows(number: int) -> str:
    """Whether the page shows an item, as the page can be asked."""
    return f"document.documentElement.dataset.item === '{number}'"


def settled(folder: Folder, log: Path) -> bytes:
    """All bytes of the labels that a log makes."""
    labels = folder.datasets["wall"].labels
    return replay(labels, folder.items, standing(read_log(log).records)).load().voxels.tobytes()


def wait_for(browser: Browser, is_true: Callable[[], bool]) -> None:
    """Wait for something that the page causes here."""
    for _ in range(1000):
        if is_true():
            return
        browser.ask("new Promise((done) => setTimeout(done, 10))")
    raise AssertionError(f"nothing came of it; the page: {browser.complaints}")


def test_fifty_items_are_settled_by_keys_and_a_reload_in_the_middle_loses_nothing(tmp_path: Path) -> None:
    folder = open_folder(make_folder(tmp_path / "q", count=60, shape=(7, 40, 52)))
    pressed = "".join(np.random.default_rng(0).choice(list(KEYS), 50))
    with writing(folder.path, "anna") as log, serving(Session(folder, log, {})) as page, browsing() as browser:
        browser.go(page.url_once)
        for number, key in enumerate(pressed[:25], start=1):
            browser.press(key)
            browser.wait(shows(number))
        browser.reload()
        assert browser.ask("document.getElementById('progress').textContent") == "25 of 60 settled"
        assert browser.ask("document.documentElement.dataset.item") == "25"
        for number, key in enumerate(pressed[25:], start=26):
            browser.press(key)
            browser.wait(shows(number))
        picture = np.asarray(Picture.open(io.BytesIO(browser.picture())).convert("RGB")).astype(int)
        assert browser.complaints == []
    records = read_log(log.path).records
    assert [record.verdict for record in records] == [KEYS[key] for key in pressed]
    assert [record.item for record in records] == [item.id for item in folder.items[:50]]
    assert settled(folder, log.path) == settled(open_folder(folder.path), log.path)
    for colour in ((230, 159, 0), (86, 180, 233)):
        assert (np.abs(picture - colour).max(-1) < 24).sum() > 100


def test_undo_brush_eraser_and_filters_do_what_their_keys_say(tmp_path: Path) -> None:
    folder = open_folder(make_folder(tmp_path / "q", count=12))
    with writing(folder.path, "anna") as log, serving(Session(folder, log, {})) as page, browsing() as browser:
        browser.go(page.url_once)
        for key, number in (("2", 1), ("2", 2), ("u", 1)):
            browser.press(key)
            browser.wait(shows(number))
        x, y = browser.ask(MIDDLE)
        browser.press("Enter")
        browser.press("b")
        everywhere = [(x + side, y + height) for height in range(-280, 281, 80) for side in (-300, 300)]
        browser.drag(*everywhere)
        browser.press("z")
        browser.drag(*everywhere)
        browser.press("e")
        browser.drag(*everywhere[::3])
        browser.press("Enter")
        wait_for(browser, lambda: len(log.reading.records) == 4)
        browser.wait(shows(2))
        browser.press("ArrowRight")
        browser.wait(shows(3))
        browser.ask("document.getElementById('wanted').value = 'mend'")
        browser.ask("document.getElementById('wanted').dispatchEvent(new Event('change', {bubbles: true}))")
        browser.wait(shows(1))
        assert browser.complaints == []
    record, item = log.reading.records[3], folder.items[1]
    assert (record.verdict, record.item) == ("mend", item.id)
    assert record.edit is not None
    drawn, new = mask_of(record.edit, item.shape), item.mask(item.new_runs)
    assert (drawn & ~new).any()
    assert (new & ~drawn).any()
    others = folder.datasets["wall"].labels.read(item.box)[0]
    assert not (drawn & (others > 0) & (others != item.label)).any()


def test_a_key_that_is_pressed_twice_says_nothing_of_an_item_that_was_not_seen(tmp_path: Path) -> None:
    folder = open_folder(make_folder(tmp_path / "q"))
    press = "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: '2', bubbles: true}))"
    with writing(folder.path, "anna") as log, serving(Session(folder, log, {})) as page, browsing() as browser:
        browser.go(page.url_once)
        browser.ask(f"{press}; {press}")
        browser.wait(shows(1))
        browser.press("1")
        browser.wait(shows(2))
    assert [(record.item, record.verdict) for record in log.reading.records] == [
        (folder.items[0].id, "new"),
        (folder.items[1].id, "old"),
    ]


def test_a_second_tab_that_is_behind_looks_again(tmp_path: Path) -> None:
    folder = open_folder(make_folder(tmp_path / "q"))
    with writing(folder.path, "anna") as log, serving(Session(folder, log, {})) as page, browsing() as browser:
        browser.go(page.url_once)
        page.answers.session.say(0, "old", seen=0)
        browser.press("2")
        browser.wait("document.getElementById('message').textContent.includes('another page')")
        assert browser.ask("document.getElementById('state').textContent") == "old kept"
        browser.press("2")
        wait_for(browser, lambda: len(log.reading.records) == 2)
    assert [record.verdict for record in log.reading.records] == ["old", "new"]


def test_thousands_of_items_are_listed_and_the_last_is_reached(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "q", count=3000, shape=(20, 160, 200))
    opened = open_folder(folder)
    assert len(opened.items) > 2500
    with writing(folder, "anna") as log, serving(Session(opened, log, {})) as page, browsing() as browser:
        browser.go(page.url_once)
        browser.press("ArrowLeft")
        browser.wait(shows(len(opened.items) - 1))
        browser.press("2")
        browser.wait(shows(0))
    assert log.reading.records[0].item == opened.items[-1].id
