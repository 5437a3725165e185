import json
import os
import time

import pytest

from savem3.blocks import Threads
from savem3.cli import run
from savem3.request import Work
from savem3.runs.selfcheck import Shuffled, Trial, changed, facts_of, records_in

SAME = {"boundary": "a", "fragments": "b", "labels": "c"}


def passed(*trials):
    return [row["passed"] for row in facts_of(trials, work=Work(), seconds=1.0)["trials"]]


def test_items_are_given_in_another_order_and_answered_under_their_own_numbers():
    seen = []

    def noted(number):
        seen.append(number)
        return number**2

    answers = list(Shuffled(Threads(1)).run(noted, range(12)))
    assert seen != sorted(seen)
    assert {answer.index: answer.result for answer in answers} == {n: n**2 for n in range(12)}


def test_a_trial_passes_only_with_the_same_volumes_no_block_done_twice_and_no_problem():
    first = Trial("one", SAME)
    assert passed(first, Trial("two", SAME, redone=0)) == [True, True]
    assert passed(first, Trial("two", {**SAME, "labels": "d"})) == [True, False]
    assert passed(first, Trial("two", SAME, redone=1)) == [True, False]
    assert passed(first, Trial("two", problem="killed")) == [True, False]


def test_nothing_passes_where_the_first_trial_has_no_result():
    facts = facts_of([Trial("one", problem="no model"), Trial("two")], work=Work(), seconds=1.0)
    assert not facts["passed"]
    assert not any(row["passed"] for row in facts["trials"])


def test_a_record_that_is_written_again_is_seen_and_one_that_is_new_is_not(tmp_path):
    folder = tmp_path / "done" / "labels"
    folder.mkdir(parents=True)
    for name in ("0", "1"):
        (folder / f"{name}.json").touch()
    before = records_in(tmp_path)
    os.utime(folder / "1.json", (time.time() + 5, time.time() + 5))
    (folder / "2.json").touch()
    assert changed(before, tmp_path) == {"labels/1.json"}


@pytest.mark.slow
def test_blocks_kills_and_damage_change_no_byte_and_nothing_is_left(tmp_path, capsys):
    code = run(["selfcheck", str(tmp_path), "--threads", "2", "--json"])
    facts = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [row["problem"] for row in facts["trials"]] == [""] * 4
    assert all(all(row["same"].values()) for row in facts["trials"])
    assert (code, facts["passed"]) == (0, True)
    assert [row["done_twice"] for row in facts["trials"]] == [None, None, 0, 0]
    assert list(tmp_path.iterdir()) == []
