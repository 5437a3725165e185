"""Instances are listed as they lie in the labels, and every imaging method gets its exact share of an epoch."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from savem3.bank import (
    DATASETS,
    PUBLISHED_QUOTAS,
    Annotated,
    InstanceIndex,
    SelectionRules,
    index_instances,
    mask_of,
    plan_epoch,
    sections_of_epoch,
)
from savem3.bank.instances import INSTANCE
from savem3.bank.sampling import share_out
from savem3.grid import Grid
from savem3.volume import Labels

ALL = SelectionRules(smallest=1, border_share=1.0)


def volume(voxels: np.ndarray, name: str = "cord", **changes: object) -> Annotated:
    labels = Labels(voxels.astype(np.uint64), Grid(voxels.shape, (30.0, 6.0, 4.0)))  # type: ignore[arg-type]
    return replace(Annotated(name, "CREMI-A", "ssTEM", labels), **changes)  # type: ignore[arg-type]


def drawn_labels(seed: int = 0) -> np.ndarray:
    """Patches of few labels, some of which meet again elsewhere."""
    coarse = np.random.default_rng(seed).integers(0, 4, (3, 4, 5))
    return coarse.repeat(3, 1).repeat(4, 2)


def sized_index(*sizes: tuple[str, str, int]) -> InstanceIndex:
    """Volumes of an imaging method, a dataset and a number of instances, a few of them in each section."""
    rows = np.zeros(sum(n for _, _, n in sizes), INSTANCE)
    rows["volume"] = np.repeat(np.arange(len(sizes)), [n for *_, n in sizes])
    rows["z"] = np.concatenate([np.arange(n) // 4 for *_, n in sizes])
    rows["label"] = np.arange(len(rows)) + 1
    names = tuple(f"volume {i}" for i in range(len(sizes)))
    return InstanceIndex(names, tuple(d for _, d, _ in sizes), tuple(i for i, _, _ in sizes), rows)


def count_by_imaging(index: InstanceIndex, draws: np.ndarray) -> Counter[str]:
    return Counter(index.imagings[v] for v in index.instances["volume"][draws])


def count_by_dataset(index: InstanceIndex, draws: np.ndarray) -> Counter[str]:
    return Counter(index.datasets[v] for v in index.instances["volume"][draws])


mixtures = st.lists(
    st.tuples(st.sampled_from(["ssTEM", "SBEM", "FIB-SEM"]), st.sampled_from("abc"), st.integers(1, 40)),
    min_size=1,
    max_size=6,
)


def test_an_instance_is_a_connected_part_of_a_label_in_a_section() -> None:
    section = np.array([[[7, 7, 0, 7, 0], [0, 0, 0, 7, 7], [9, 9, 9, 0, 7]]])
    found = index_instances([volume(section)], rules=ALL).instances
    assert found["label"].tolist() == [7, 7, 9]
    assert found["area"].tolist() == [2, 4, 3]
    assert found[["y_start", "y_stop", "x_start", "x_stop", "x_first"]].tolist() == [
        (0, 1, 0, 2, 0),
        (0, 3, 3, 5, 3),
        (2, 3, 0, 3, 0),
    ]


def test_masks_of_a_sections_instances_are_its_labels_taken_apart() -> None:
    labels = volume(drawn_labels())
    index = index_instances([labels], rules=ALL)
    for z, section in enumerate(labels.labels.voxels):
        own = index.instances[index.instances["z"] == z]
        masks = [mask_of(section, row) for row in own]
        assert (sum(m.astype(int) for m in masks) == (section > 0)).all()
        assert all((section[m] == row["label"]).all() for m, row in zip(masks, own, strict=True))


def test_a_mask_is_told_from_another_part_of_its_label_in_its_box() -> None:
    hook = np.array([[[5, 5, 5, 5], [5, 0, 0, 0], [5, 0, 5, 0], [5, 0, 0, 0], [5, 5, 5, 5]]], np.uint64)
    index = index_instances([volume(hook)], rules=ALL)
    assert [int(mask_of(hook[0], row).sum()) for row in index.instances] == [11, 1]


def test_a_mask_need_not_begin_in_the_corner_of_its_box() -> None:
    slope = np.array([[[0, 0, 5, 5], [0, 5, 5, 0], [5, 5, 0, 5]]], np.uint64)
    index = index_instances([volume(slope)], rules=ALL)
    assert [int(mask_of(slope[0], row).sum()) for row in index.instances] == [6, 1]


def test_labels_of_another_section_are_refused() -> None:
    index = index_instances([volume(np.ones((1, 6, 9)))], rules=ALL)
    with pytest.raises(ValueError, match="labels must hold the 54 pixels"):
        mask_of(np.eye(6, 9, dtype=np.uint64), index.instances[0])


def test_small_instances_are_left_out() -> None:
    section = np.zeros((1, 10, 14))
    section[0, 2:5, 2:6], section[0, 6:9, 2:6] = 1, 2
    section[0, 8, 5] = 0
    index = index_instances([volume(section)], rules=SelectionRules(smallest=12, border_share=0.0))
    assert index.instances["label"].tolist() == [1]


def test_instances_that_the_section_cuts_in_half_are_left_out() -> None:
    section = np.zeros((1, 10, 14))
    section[0, 0:3, 2:6], section[0, 6:9, 1:5] = 1, 2
    share = 4 / 14
    labels = [
        index_instances([volume(section)], rules=SelectionRules(1, s)).instances["label"].tolist()
        for s in (share - 0.01, share)
    ]
    assert labels == [[2], [1, 2]]


def test_a_section_that_is_one_instance_lies_all_on_its_edge() -> None:
    rules = SelectionRules(smallest=1, border_share=0.99)
    with pytest.warns(UserWarning, match="cord has no instance that the rules keep"):
        assert len(index_instances([volume(np.ones((2, 5, 8)))], rules=rules).instances) == 0


def test_a_rule_about_labels_keeps_myelin_out() -> None:
    kept = index_instances([volume(drawn_labels(), is_wanted=lambda label: label != 2)], rules=ALL).instances
    assert set(kept["label"].tolist()) == {1, 3}


def test_of_fib_sem_every_third_section_is_looked_at() -> None:
    voxels = np.ones((8, 4, 6))
    index = index_instances([volume(voxels), volume(voxels, "medulla", imaging="FIB-SEM")], rules=ALL)
    z, of = index.instances["z"], index.instances["volume"]
    assert (z[of == 0].tolist(), z[of == 1].tolist()) == (list(range(8)), [0, 3, 6])


def test_the_cards_name_imaging_methods_as_the_quotas_do() -> None:
    assert {card.imaging for card in DATASETS.values()} <= set(PUBLISHED_QUOTAS)


def test_published_quotas_are_30_000_for_each_imaging_method() -> None:
    assert {sum(quotas.values()) for quotas in PUBLISHED_QUOTAS.values()} == {30_000}


@given(mixtures, st.integers(1, 90), st.integers(0, 5), st.integers(0, 3))
def test_an_epoch_has_exactly_its_share_of_each_imaging_method(
    sizes: list[tuple[str, str, int]], share: int, seed: int, epoch: int
) -> None:
    index = sized_index(*sizes)
    draws = plan_epoch(index, per_imaging=share, seed=seed, epoch=epoch)
    assert count_by_imaging(index, draws) == dict.fromkeys({i for i, _, _ in sizes}, share)


@given(mixtures, st.integers(1, 90), st.integers(0, 5), st.integers(0, 3))
def test_quotas_keep_the_share_and_are_in_proportion(
    sizes: list[tuple[str, str, int]], share: int, seed: int, epoch: int
) -> None:
    index, quotas = sized_index(*sizes), {"a": 30, "b": 20, "c": 7}
    draws = plan_epoch(index, per_imaging=share, quotas=quotas, seed=seed, epoch=epoch)
    assert count_by_imaging(index, draws) == dict.fromkeys({i for i, _, _ in sizes}, share)
    for imaging in {i for i, _, _ in sizes}:
        own = {d for i, d, _ in sizes if i == imaging}
        found = Counter(
            d for d in (index.datasets[v] for v in index.instances["volume"][draws] if index.imagings[v] == imaging)
        )
        for dataset in own:
            assert abs(found[dataset] - share * quotas[dataset] / sum(quotas[d] for d in own)) < 1


@given(st.integers(1, 40), st.integers(1, 90), st.integers(0, 4))
def test_each_instance_is_drawn_as_often_as_any_other_or_once_more(size: int, share: int, seed: int) -> None:
    index = sized_index(("ssTEM", "a", size))
    so_far = np.zeros(size, int)
    for epoch in range(4):
        times = np.bincount(plan_epoch(index, per_imaging=share, seed=seed, epoch=epoch), minlength=size)
        so_far += times
        assert {share // size, -(-share // size)} >= set(times.tolist())
        assert {(epoch + 1) * share // size, -(-(epoch + 1) * share // size)} >= set(so_far.tolist())


def test_published_quotas_hold_whatever_the_datasets_hold() -> None:
    sizes = [(i, d, 900 + 5_000 * n) for i, own in PUBLISHED_QUOTAS.items() for n, d in enumerate(own)]
    index = sized_index(*sizes)
    quotas = {dataset: count for own in PUBLISHED_QUOTAS.values() for dataset, count in own.items()}
    draws = plan_epoch(index, quotas=quotas, seed=3, epoch=2)
    assert count_by_dataset(index, draws) == quotas


@given(mixtures, st.integers(1, 90))
def test_an_epoch_visits_each_section_once(sizes: list[tuple[str, str, int]], share: int) -> None:
    index = sized_index(*sizes)
    draws = plan_epoch(index, per_imaging=share, seed=1, epoch=1)
    sections = list(sections_of_epoch(index, draws))
    assert np.concatenate([s.instances for s in sections]).tolist() == draws.tolist()
    places = [(s.volume, s.z) for s in sections]
    assert len(set(places)) == len(places)
    for section in sections:
        rows = index.instances[section.instances]
        assert (set(rows["volume"].tolist()), set(rows["z"].tolist())) == ({section.volume}, {section.z})


def test_an_epoch_can_be_gone_on_with_from_any_draw() -> None:
    index = sized_index(("ssTEM", "a", 23), ("SBEM", "b", 9))
    first, again = (plan_epoch(index, per_imaging=30, seed=5, epoch=2) for _ in range(2))
    assert first.tolist() == again.tolist()
    left = np.concatenate([s.instances for s in sections_of_epoch(index, again[17:])])
    assert left.tolist() == first[17:].tolist()
    assert list(sections_of_epoch(index, again[60:])) == []


def test_epochs_and_seeds_differ() -> None:
    index = sized_index(("ssTEM", "a", 400))
    plans = [plan_epoch(index, per_imaging=60, seed=s, epoch=e).tolist() for s, e in ((0, 0), (0, 1), (1, 0))]
    assert len({tuple(plan) for plan in plans}) == 3
    assert not set(plans[0]) & set(plans[1])


def test_all_published_masks_fit_into_25_megabytes() -> None:
    index = sized_index(("ssTEM", "a", 300_000), ("SBEM", "b", 349_000))
    assert index.instances.nbytes < 25e6
    assert len(plan_epoch(index, seed=0, epoch=0)) == 60_000


@given(st.integers(1, 1000), st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 50), min_size=1))
def test_shares_add_up(total: int, quotas: dict[str, int]) -> None:
    if not any(quotas.values()):
        with pytest.raises(ValueError, match="quotas must be at least 0"):
            share_out(total, quotas)
        return
    shares = share_out(total, quotas)
    assert sum(shares.values()) == total
    assert all(abs(shares[n] - total * q / sum(quotas.values())) < 1 for n, q in quotas.items())


def test_a_dataset_without_a_quota_is_named() -> None:
    with pytest.raises(ValueError, match="quotas must name each dataset of the index, got none for b"):
        plan_epoch(sized_index(("ssTEM", "a", 3), ("SBEM", "b", 3)), quotas={"a": 9}, seed=0, epoch=0)


def test_what_cannot_be_drawn_is_refused() -> None:
    index = sized_index(("ssTEM", "a", 3))
    with pytest.raises(ValueError, match="index must hold at least one instance"):
        plan_epoch(replace(index, instances=index.instances[:0]), seed=0, epoch=0)
    with pytest.raises(ValueError, match="per_imaging must be at least 1"):
        plan_epoch(index, per_imaging=0, seed=0, epoch=0)
    with pytest.raises(ValueError, match="each with a name of its own"):
        index_instances([volume(np.ones((1, 3, 4)))] * 2)
    with pytest.raises(ValueError, match="smallest must be at least 1"):
        SelectionRules(smallest=0)
    with pytest.raises(ValueError, match="border_share must lie in 0–1"):
        SelectionRules(border_share=1.5)
