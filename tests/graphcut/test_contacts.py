"""Contacts: where two fragments meet, over how many faces, the same for every block."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from savem3.graphcut.contacts import find_contacts, find_pairs
from savem3.grid import Grid
from savem3.volume import Labels

VOXEL = (30.0, 6.0, 4.0)


def volume(labels):
    return Labels(np.array(labels, np.uint64), Grid(np.shape(labels), VOXEL))


def pairs(*rows):
    return np.array(rows, np.uint64).reshape(-1, 2)


def rows_of(contacts):
    return np.column_stack([contacts.pair, contacts.sections, contacts.faces, contacts.pixels]).tolist()


def test_a_contact_counts_its_faces_and_the_pixels_of_the_smaller_fragment():
    contacts = find_contacts(volume([[[1, 1, 2], [1, 1, 2]]]), pairs((1, 2)))
    assert rows_of(contacts) == [[0, 0, 0, 2, 2]]


def test_between_sections_each_fragment_stands_in_its_own():
    contacts = find_contacts(volume([[[2, 2, 2]], [[1, 1, 3]]]), pairs((1, 2), (2, 3)))
    assert rows_of(contacts) == [[0, 1, 0, 2, 2], [1, 0, 1, 1, 1]]


def test_two_fragments_may_meet_within_a_section_and_between_two():
    contacts = find_contacts(volume([[[1, 2]], [[2, 2]]]), pairs((1, 2)))
    assert rows_of(contacts) == [[0, 0, 0, 1, 1], [0, 0, 1, 1, 1]]


def test_background_and_pairs_that_nobody_asked_for_are_left_out():
    contacts = find_contacts(volume([[[1, 0, 2, 3]]]), pairs((1, 2)))
    assert rows_of(contacts) == []
    assert rows_of(find_contacts(volume([[[1, 2]]]), pairs())) == []


@given(seed=st.integers(0, 99), block=st.tuples(*(st.integers(1, n) for n in (6, 5, 8))), workers=st.integers(1, 3))
def test_blocks_and_workers_change_nothing(seed, block, workers):
    labels = volume(np.random.default_rng(seed).integers(0, 6, (5, 4, 7)))
    wanted = pairs(*[(u, v) for u in range(1, 6) for v in range(u + 1, 6)])
    found = find_contacts(labels, wanted, block=block, workers=workers)
    assert rows_of(found) == rows_of(find_contacts(labels, wanted, block=(5, 4, 7)))
    assert found.faces.sum() == faces_between(labels.voxels)


def faces_between(labels):
    sides = [(labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1]), (labels[:, :, 1:], labels[:, :, :-1])]
    return sum(((a != b) & (a > 0) & (b > 0)).sum() for a, b in sides)


@pytest.mark.parametrize(("pair", "place"), [((1, 2), 0), ((2, 3), 2), ((1, 9), -1), ((9, 10), -1)])
def test_a_pair_is_found_among_sorted_ones(pair, place):
    assert find_pairs(pairs(pair), pairs((1, 2), (1, 3), (2, 3))).tolist() == [place]
