"""Queues of proposals: what was written is read, and what is damaged is named."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from savem3.proposal import Proposal
from savem3.store.proposals import KEYS, line_of, proposal_of, read_proposals, write_proposals


def proposal(number=1, *, shape=(3, 5), seed=0, **changes):
    old, new = np.random.default_rng(seed).random((2, *shape)) < 0.5
    facts = {"z": 2, "label": 2**64 - 1, "y_start": 4, "x_start": 0, "iou": 0.25, "score": 1.0, "reason": "ähnlich\n"}
    return Proposal(**{"id": f"a:{number}", "dataset": "a", "old": old, "new": new, **facts, **changes})


def same(one, two):
    names = KEYS - {"shape", "old", "new"}
    assert {n: getattr(one, n) for n in names} == {n: getattr(two, n) for n in names}
    np.testing.assert_array_equal(one.old, two.old)
    np.testing.assert_array_equal(one.new, two.new)


@settings(max_examples=25)
@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 999))
def test_a_line_read_again_is_the_proposal(height, width, seed):
    made = proposal(shape=(height, width), seed=seed)
    assert line_of(made).count("\n") == 1
    same(proposal_of(line_of(made)), made)


def test_a_queue_keeps_its_order(tmp_path):
    made = [proposal(n, seed=n) for n in (3, 1, 2)]
    write_proposals(tmp_path / "queue.jsonl", made)
    for one, two in zip(read_proposals(tmp_path / "queue.jsonl"), made, strict=True):
        same(one, two)
    write_proposals(tmp_path / "queue.jsonl", [])
    assert list(read_proposals(tmp_path / "queue.jsonl")) == []


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"z": True}, "z must be of its type"),
        ({"z": -1}, "z, y_start and x_start must be at least 0"),
        ({"iou": 1}, "iou must be of its type"),
        ({"iou": 1.5}, "iou and score must lie in 0–1"),
        ({"label": 0}, "label 1 to"),
        ({"shape": [3]}, "shape must be of its type"),
        ({"shape": [0, 5]}, "shape must be of its type"),
        ({"shape": [2**20, 2**20]}, "its crop must have at most 268,435,456 pixels"),
        ({"old": [16]}, "runs must fill the 3 × 5 pixels of their crop, got 16"),
        ({"old": [3, 0, 12]}, "runs must be whole numbers above 0"),
        ({"old": [-1, 16]}, "runs must be whole numbers above 0"),
        ({"more": 1}, "its keys must be"),
    ],
)
def test_a_damaged_line_is_named(tmp_path, changes, says):
    told = {**json.loads(line_of(proposal())), **changes}
    path = tmp_path / "queue.jsonl"
    path.write_text(line_of(proposal()) + json.dumps(told) + "\n", encoding="utf-8")
    reading = read_proposals(path)
    next(reading)
    with pytest.raises(ValueError, match=f"queue.jsonl must hold one proposal a line, got line 2: .*{says}"):
        next(reading)


@pytest.mark.parametrize("line", ["", "{", "[1]", "[" * 100_000, '"a"'])
def test_what_is_no_proposal_is_refused(tmp_path, line):
    (tmp_path / "queue.jsonl").write_text(line + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match="got line 1"):
        list(read_proposals(tmp_path / "queue.jsonl"))
