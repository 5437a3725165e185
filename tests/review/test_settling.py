"""The laws of what becomes of verdicts: replayed on labels, and merged from several reviewers."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from queues import cells, make_folder, proposals_of

from savem3.grid import Box, Grid
from savem3.proposal import runs_of
from savem3.review import Record, decide, items_of, merge, open_folder, replay
from savem3.review.verdicts import BEGIN
from savem3.volume import Labels

SHAPE = (3, 28, 37)
VOXELS = cells(SHAPE)
LABELS = Labels(VOXELS, Grid(SHAPE, (30.0, 6.0, 4.0)))
ITEMS = items_of(proposals_of(VOXELS, count=99, dataset="wall"))
VERDICTS = ("old", "new", "reject", "mend", "skip")


def record(item: int, verdict: str, *, reviewer: str = "anna", time: str = "2026", seed: int = 0) -> Record:
    """A verdict on one of the items; what is drawn is noise."""
    edit = None
    if verdict == "mend":
        edit = tuple(runs_of(np.random.default_rng(seed).random(ITEMS[item].shape) < 0.5))
    return Record(0, ITEMS[item].id, verdict, reviewer, time, BEGIN, edit)


said = st.dictionaries(st.integers(0, len(ITEMS) - 1), st.sampled_from(VERDICTS), max_size=12)


def standing(verdicts: dict[int, str], **options: str) -> dict[str, Record]:
    return {ITEMS[item].id: record(item, verdict, seed=item, **options) for item, verdict in verdicts.items()}


@given(said)
def test_ids_are_kept_only_touched_items_change_and_no_other_labels_pixel_is_taken(verdicts: dict[int, str]) -> None:
    after = replay(LABELS, ITEMS, standing(verdicts)).load().voxels
    assert set(np.unique(after)) <= set(np.unique(VOXELS))
    touched = {(ITEMS[i].z, ITEMS[i].label) for i, verdict in verdicts.items() if verdict in ("new", "reject", "mend")}
    changed = np.argwhere(after != VOXELS)
    for place in map(tuple, changed):
        before, now = int(VOXELS[place]), int(after[place])
        assert before == 0 or now == 0 or before == now
        assert (int(place[0]), before or now) in touched
    for item in (ITEMS[i] for i, verdict in verdicts.items() if verdict == "reject"):
        assert not (after[item.z] == item.label).any()


@given(said, st.randoms())
def test_the_order_of_verdicts_and_of_blocks_changes_no_byte(verdicts: dict[int, str], random: object) -> None:
    pairs = list(standing(verdicts).items())
    settled = replay(LABELS, ITEMS, dict(pairs))
    random.shuffle(pairs)  # type: ignore[attr-defined]
    again = replay(LABELS, ITEMS[::-1], dict(pairs)).load().voxels
    assert settled.load().voxels.tobytes() == again.tobytes()
    for z, y, x in itertools.product((0, 2), (0, 11, 20), (0, 17)):
        box = Box((z, y, x), (min(3, z + 2), min(28, y + 10), min(37, x + 20)))
        np.testing.assert_array_equal(settled.read(box), again[box.slices])


def test_what_was_taken_is_the_new_mask_but_for_pixels_of_others() -> None:
    item = ITEMS[5]
    after = replay(LABELS, ITEMS, {item.id: record(5, "new")}).load().voxels[item.box.slices][0]
    before = VOXELS[item.box.slices][0]
    new = item.mask(item.new_runs)
    np.testing.assert_array_equal(after == item.label, new & ((before == 0) | (before == item.label)))
    assert (after != before).any()


def test_two_that_want_one_pixel_share_by_their_order_in_the_queue() -> None:
    first, second = ITEMS[0], ITEMS[1]
    everything = {
        item.id: Record(0, item.id, "mend", "anna", "2026", BEGIN, (0, item.shape[0] * item.shape[1]))
        for item in (second, first)
    }
    after = replay(LABELS, ITEMS, everything).load().voxels[0]
    contested = np.zeros(SHAPE[1:], bool)
    contested[first.box.slices[1:]] = True
    inside = np.zeros(SHAPE[1:], bool)
    inside[second.box.slices[1:]] = True
    both = contested & inside & (VOXELS[0] == 0)
    assert both.any()
    assert (after[both] == first.label).all()


def test_nothing_said_changes_nothing() -> None:
    assert replay(LABELS, ITEMS, {}) is LABELS
    assert replay(LABELS, ITEMS, standing(dict.fromkeys(range(5), "skip"))) is LABELS


three = st.dictionaries(st.sampled_from(["anna", "boris", "chen"]), said, min_size=1)


@given(three, st.randoms(), st.sampled_from(["old", "newest"]))
def test_the_order_of_logs_does_not_matter_and_none_is_lost(
    logs: dict[str, dict[int, str]], random: object, on_conflict: str
) -> None:
    times = {"anna": "2026-02", "boris": "2026-03", "chen": "2026-01"}
    all_said = {name: standing(verdicts, reviewer=name, time=times[name]) for name, verdicts in logs.items()}
    names = list(all_said)
    random.shuffle(names)  # type: ignore[attr-defined]
    merged = merge(all_said)
    assert merged == merge({name: all_said[name] for name in names})
    spoken = {item for verdicts in all_said.values() for item, r in verdicts.items() if r.verdict != "skip"}
    assert set(merged.verdicts) | set(merged.conflicts) == spoken
    assert not set(merged.verdicts) & set(merged.conflicts)
    decided = decide(merged, on_conflict=on_conflict)
    for item in spoken:
        records = [verdicts[item] for verdicts in all_said.values() if item in verdicts]
        records = [record for record in records if record.verdict != "skip"]
        if item in merged.verdicts:
            assert len({(r.verdict, r.edit) for r in records}) == 1
        elif on_conflict == "newest":
            assert decided[item].time == max(record.time for record in records)
        else:
            assert item not in decided


def test_two_who_drew_differently_differ() -> None:
    a = {ITEMS[0].id: record(0, "mend", reviewer="anna", seed=1)}
    b = {ITEMS[0].id: record(0, "mend", reviewer="boris", seed=2)}
    assert set(merge({"anna": a, "boris": b}).conflicts) == {ITEMS[0].id}
    assert merge({"anna": a, "boris": a}).conflicts == {}


def test_a_referee_goes_before_the_others_but_not_by_skipping() -> None:
    a, b = standing({0: "new", 1: "new"}, reviewer="anna"), standing({0: "old", 1: "old"}, reviewer="boris")
    c = standing({0: "reject", 1: "skip"}, reviewer="chen")
    merged = merge({"anna": a, "boris": b, "chen": c}, referee="chen")
    assert {item: r.verdict for item, r in merged.verdicts.items()} == {ITEMS[0].id: "reject"}
    assert set(merged.conflicts) == {ITEMS[1].id}
    with pytest.raises(ValueError, match="referee must be one of anna, boris, chen, got 'dora'"):
        merge({"anna": a, "boris": b, "chen": c}, referee="dora")


def test_a_queue_with_one_id_twice_is_refused() -> None:
    proposals = proposals_of(VOXELS, count=2, dataset="wall")
    with pytest.raises(ValueError, match="must differ"):
        items_of([*proposals, proposals[0]])


def test_a_folder_without_what_it_names_is_refused(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "q")
    assert len(open_folder(folder).items) == 8
    with pytest.raises(ValueError, match=r"intact review\.json"):
        open_folder(tmp_path)
    for name in ("../q", ".", "a/b", ""):
        (folder / "review.json").write_text(json.dumps({"datasets": [{"name": name}]}))
        with pytest.raises(ValueError, match="must have names"):
            open_folder(folder)
    (folder / "review.json").write_text('{"datasets": [{"name": "other"}]}')
    with pytest.raises((ValueError, OSError)):
        open_folder(folder)
