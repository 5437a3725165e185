"""Kept embeddings: found again, never another section's, within their budget, and made anew when damaged."""

import os

import numpy as np
import torch
from tiny_sam import greys

from savem3.saem2.over_sam.embeddings import KeptEmbeddings, digest_of
from savem3.saem2.over_sam.parts import Seen


def seen(*, value=1.0):
    return Seen(torch.full((1, 4, 2, 3), value), torch.full((1, 2, 3, 5), -value))


def folder(path, *, encoder="one", budget=10**9):
    return KeptEmbeddings(path, encoder=encoder, budget_bytes=budget)


def grey(seed=0):
    return greys(batch=1, seed=seed)[0]


def test_what_was_kept_is_found_rounded_to_half_precision(tmp_path):
    kept = folder(tmp_path)
    given = kept.keep("a", grey(), seen(value=1.0001))
    found = folder(tmp_path).find("a", grey())
    for one, other, exact in zip(given, found, seen(value=1.0001), strict=True):
        assert torch.equal(one, other)
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, exact, rtol=2**-11, atol=0)


def test_another_name_other_grey_values_or_another_encoder_find_nothing(tmp_path):
    kept = folder(tmp_path)
    kept.keep("a", grey(), seen())
    assert kept.find("b", grey()) is None
    assert kept.find("a", grey(1)) is None
    assert kept.find("a", grey()[:, :16]) is None
    assert folder(tmp_path, encoder="other").find("a", grey()) is None


def test_a_damaged_file_is_not_believed_and_may_be_written_anew(tmp_path):
    kept = folder(tmp_path)
    kept.keep("a", grey(), seen())
    path = kept.path_of("a", grey())
    for damage in (lambda b: b[:-3], lambda b: b[:-9] + bytes([b[-9] ^ 1]) + b[-8:], lambda b: b""):
        path.write_bytes(damage(path.read_bytes()))
        assert kept.find("a", grey()) is None
        kept.keep("a", grey(), seen())
        assert kept.find("a", grey()) is not None


def test_what_was_not_asked_for_the_longest_makes_room(tmp_path):
    big = Seen(torch.zeros(1, 64, 16, 16), torch.zeros(1, 16, 16, 64))  # 64 KiB
    kept = folder(tmp_path, budget=220_000)
    for age, name in enumerate("abc"):
        kept.keep(name, grey(), big)
        os.utime(kept.path_of(name, grey()), (1000 + age, 1000 + age))
    kept.find("a", grey())
    kept.keep("d", grey(), big)
    assert [name for name in "abcd" if kept.find(name, grey()) is not None] == ["a", "c", "d"]
    assert sum(p.stat().st_size for p in tmp_path.iterdir()) <= 220_000


def test_a_folder_that_was_filled_before_counts(tmp_path):
    big = Seen(torch.zeros(1, 64, 16, 16), torch.zeros(1, 16, 16, 64))
    for name in "abc":
        folder(tmp_path).keep(name, grey(), big)
    folder(tmp_path, budget=150_000).keep("d", grey(), big)
    assert len(list(tmp_path.iterdir())) == 2


def test_what_half_precision_cannot_hold_is_handed_back_and_not_kept(tmp_path):
    kept, huge = folder(tmp_path), seen(value=1e5)
    assert kept.keep("a", grey(), huge) is huge
    assert kept.find("a", grey()) is None


def test_a_digest_knows_every_value_and_its_name():
    one, other = torch.nn.Linear(3, 2).bfloat16(), torch.nn.Linear(3, 2)
    before = digest_of(one)
    assert digest_of(one, without={"bias"}) != before
    with torch.no_grad():
        one.bias[0] += 1
    assert digest_of(one) != before
    assert digest_of(one, without={"bias", "weight"}) == digest_of(other, without={"bias", "weight"})
    assert np.unique([digest_of(one), digest_of(other)]).size == 2
