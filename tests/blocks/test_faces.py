"""Faces between regions: each counted once, summed exactly, whatever the blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from savem3.blocks import collect_faces, join_faces
from savem3.blocks.faces import count_voxels, faces_of
from savem3.tiles import split

SHAPE = (5, 7, 9)
blocks = st.tuples(st.integers(1, 6), st.integers(1, 8), st.integers(1, 10))


def random_volume(seed, labels=12):
    rng = np.random.default_rng(seed)
    return rng.integers(0, labels, SHAPE).astype(np.uint64), rng.integers(0, 256, SHAPE).astype(np.uint8)


def by_hand(labels, values, linked=True):
    """(u, v) → all values of its faces, voxel by voxel in plain Python."""
    found = {}
    for p in np.ndindex(labels.shape):
        for axis in range(0 if linked else 1, 3):
            q = tuple(c + (k == axis) for k, c in enumerate(p))
            if q[axis] < labels.shape[axis] and labels[p] and labels[q] and labels[p] != labels[q]:
                pair = tuple(sorted((int(labels[p]), int(labels[q]))))
                found.setdefault(pair, []).append(int(max(values[p], values[q])))
    return found


def rows(faces):
    return np.column_stack([faces.pairs, faces.count, faces.total, faces.minimum, faces.maximum]).tolist()


@given(seed=st.integers(0, 99), linked=st.booleans())
def test_every_face_is_counted_as_by_hand(seed, linked):
    labels, values = random_volume(seed)
    faces = collect_faces(labels, values, tiles=split(SHAPE, block=SHAPE), linked=linked)
    expected = by_hand(labels, values, linked)
    assert rows(faces) == [[*pair, len(v), sum(v), min(v), max(v)] for pair, v in sorted(expected.items())]


@settings(max_examples=25)
@given(seed=st.integers(0, 99), block=blocks, order=st.randoms(use_true_random=False), workers=st.integers(1, 3))
def test_blocks_their_order_and_workers_change_nothing(seed, block, order, workers):
    labels, values = random_volume(seed)
    tiles = split(SHAPE, block=block)
    order.shuffle(tiles)
    whole = collect_faces(labels, values, tiles=split(SHAPE, block=SHAPE))
    assert rows(collect_faces(labels, values, tiles=tiles, workers=workers)) == rows(whole)


def test_more_pairs_than_the_first_table_holds_are_all_kept():
    labels = np.arange(1, 12 * 13 * 14 + 1, dtype=np.uint64).reshape(12, 13, 14)
    faces = collect_faces(labels, np.ones(labels.shape, np.uint8), tiles=split(labels.shape, block=labels.shape))
    assert len(faces.pairs) == 11 * 13 * 14 + 12 * 12 * 14 + 12 * 13 * 13
    assert (faces.count == 1).all()


def test_very_large_labels_stay_apart():
    labels = np.array([[[1, 2**33 + 1, 2**62]]], np.uint64)
    faces = collect_faces(labels, np.array([[[3, 7, 5]]], np.uint8), tiles=split((1, 1, 3), block=(1, 1, 2)))
    assert rows(faces) == [[1, 2**33 + 1, 1, 7, 7, 7], [2**33 + 1, 2**62, 1, 7, 7, 7]]


@pytest.mark.parametrize("label", [0, 4])
def test_one_region_or_none_has_no_faces(label):
    labels = np.full(SHAPE, label, np.uint64)
    assert rows(collect_faces(labels, labels, tiles=split(SHAPE, block=(2, 2, 2)))) == []


def test_large_sums_do_not_overflow():
    labels = np.broadcast_to(np.array([[[1, 2]]], np.uint64), (40, 60, 2))
    values = np.full(labels.shape, 2**30 + 1, np.int32)
    faces = collect_faces(labels, values, tiles=split(labels.shape, block=(16, 16, 16)))
    assert rows(join_faces([faces, faces])) == [[1, 2, 4800, 4800 * (2**30 + 1), 2**30 + 1, 2**30 + 1]]


@pytest.mark.parametrize("types", [(np.uint32, np.uint16), (np.int64, np.int32), (np.uint64, np.int16)])
def test_all_types_of_labels_and_values_give_the_same_faces(types):
    labels, values = random_volume(5)
    expected = rows(collect_faces(labels, values, tiles=split(SHAPE, block=SHAPE)))
    cast = labels.astype(types[0]), values.astype(types[1])
    assert rows(collect_faces(*cast, tiles=split(SHAPE, block=(2, 3, 4)))) == expected


def test_negative_values_keep_their_sign():
    faces = collect_faces(np.array([[[1, 2, 1]]]), np.array([[[-5, -7, -6]]]), tiles=split((1, 1, 3), block=(1, 1, 3)))
    assert rows(faces) == [[1, 2, 2, -11, -6, -5]]


def test_a_face_belongs_to_the_tile_of_its_lower_voxel():
    labels, values = np.array([[[1, 2], [3, 4]]], np.uint64), np.zeros((1, 2, 2), np.uint8)
    tiles = split((1, 2, 2), block=(1, 1, 1))
    pairs = [faces_of(labels, values, tile, linked=True).pairs.tolist() for tile in tiles]
    assert pairs == [[[1, 2], [1, 3]], [[2, 4]], [[3, 4]], []]


@given(seed=st.integers(0, 99), parts=st.integers(1, 9))
def test_parts_join_in_any_order(seed, parts):
    labels, values = random_volume(seed)
    tiles = split(SHAPE, block=(2, 4, 9))
    faces = [faces_of(labels, values, tile, linked=True) for tile in tiles]
    order = np.random.default_rng(parts).permutation(len(faces))
    assert rows(join_faces(iter([faces[k] for k in order]))) == rows(join_faces(faces))


@given(seed=st.integers(0, 99))
def test_voxels_are_counted_as_numpy_counts_them(seed):
    labels, _ = random_volume(seed)
    names, sizes = np.unique(labels[labels > 0], return_counts=True)
    assert [found.tolist() for found in count_voxels(labels)] == [names.tolist(), sizes.tolist()]


def test_far_labels_in_runs_of_all_lengths_are_counted():
    labels = np.array([[[2**62, 2**62, 0, 5]], [[5, 5, 0, 2**62]]], np.uint64)
    assert [found.tolist() for found in count_voxels(labels)] == [[5, 2**62], [3, 3]]
    many = np.arange(1, 3001, dtype=np.uint64).reshape(10, 15, 20)
    assert [found.tolist() for found in count_voxels(many)] == [list(range(1, 3001)), [1] * 3000]
