"""Instances are listed as they lie in the labels, and every imaging method gets its exact share of an epoch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from savem3.bank import (
    DATASETS,
    PUBLISHED_QUOTAS,
    Annotated,
    InstanceIndex,
    Place,
    SelectionRules,
    index_instances,
    mask_of,
    plan_epoch,
    read_index,
    rest_of_epoch,
    sections_of_epoch,
    select,
    spread_evenly,
    write_index,
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
    kept = index_instances([volume(drawn_labels(), unwanted=(2, 77))], rules=ALL).instances
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


@given(mixtures, st.integers(1, 90), st.integers(0, 4), st.integers(1, 5))
def test_with_quotas_everything_of_a_dataset_is_seen_equally_often_over_epochs(
    sizes: list[tuple[str, str, int]], share: int, seed: int, epochs: int
) -> None:
    index, quotas = sized_index(*sizes), {"a": 5, "b": 3, "c": 2}
    plans = [plan_epoch(index, per_imaging=share, quotas=quotas, seed=seed, epoch=e) for e in range(epochs)]
    times = np.bincount(np.concatenate(plans), minlength=len(index.instances))
    for members in index.of_dataset().values():
        assert np.ptp(times[members]) <= 1


@given(mixtures, st.integers(1, 60), st.lists(st.integers(0, 25), max_size=4))
def test_an_epoch_stopped_anywhere_and_often_is_the_same_epoch(
    sizes: list[tuple[str, str, int]], share: int, stops: list[int]
) -> None:
    index = sized_index(*sizes)
    whole = plan_epoch(index, per_imaging=share, seed=2, epoch=3)
    place, seen = Place(2, 3), []
    for done in [*stops, len(whole)]:
        part = rest_of_epoch(index, place, per_imaging=share)[:done]
        seen += part.tolist()
        place = replace(place, position=place.position + len(part))
    assert seen == whole.tolist()
    assert place == Place(2, 3, len(whole))


def test_a_place_beyond_the_epoch_is_refused() -> None:
    index = sized_index(("ssTEM", "a", 5))
    with pytest.raises(ValueError, match="position must lie within the 7 draws of the epoch, got 8"):
        rest_of_epoch(index, Place(0, 0, 8), per_imaging=7)
    with pytest.raises(ValueError, match="seed, epoch and position must be at least 0"):
        Place(0, -1)


def ranked_index(areas: list[int], dataset: str = "a") -> InstanceIndex:
    index = sized_index(("ssTEM", dataset, len(areas)))
    index.instances["area"] = areas
    return index


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=60), st.integers(0, 70), st.integers(0, 5))
def test_one_instance_of_each_rank_of_size_is_selected(areas: list[int], target: int, seed: int) -> None:
    index = ranked_index(areas)
    kept = select(index, {"a": target}, seed=seed).instances
    assert len(kept) == min(target, len(areas))
    assert (np.diff(kept["label"].astype(int)) > 0).all()
    bounds = np.arange(len(kept) + 1) * len(areas) // max(1, len(kept))
    ordered = np.sort(areas)
    for rank, area in enumerate(np.sort(kept["area"])):
        assert ordered[bounds[rank]] <= area <= ordered[bounds[rank + 1] - 1]


def test_datasets_without_a_target_are_kept_whole_and_seeds_choose() -> None:
    index = sized_index(("ssTEM", "a", 200), ("SBEM", "b", 30))
    first, again, other = (select(index, {"a": 50}, seed=s) for s in (1, 1, 2))
    assert count_by_dataset(first, np.arange(len(first.instances))) == {"a": 50, "b": 30}
    assert (first.instances == again.instances).all()
    assert (first.instances["label"] != other.instances["label"]).any()


@given(st.lists(st.integers(1, 50), min_size=1, max_size=5), st.integers(1, 200))
def test_what_small_datasets_leave_goes_to_large_ones(sizes: list[int], most: int) -> None:
    index = sized_index(*[("ssTEM", f"d{i}", n) for i, n in enumerate(sizes)])
    targets = spread_evenly(index, most)
    assert sum(targets.values()) == min(most, sum(sizes))
    short = [t for i, n in enumerate(sizes) if (t := targets[f"d{i}"]) < n]
    assert not short or max(targets.values()) - min(short) <= 1


def test_targets_must_be_of_datasets_that_are_there() -> None:
    with pytest.raises(ValueError, match="targets must name datasets of the index, got b"):
        select(sized_index(("ssTEM", "a", 5)), {"b": 3}, seed=0)
    with pytest.raises(ValueError, match="targets must be at least 0"):
        select(sized_index(("ssTEM", "a", 5)), {"a": -1}, seed=0)
    with pytest.raises(ValueError, match="most must be at least 1"):
        spread_evenly(sized_index(("ssTEM", "a", 5)), 0)


def test_volumes_are_let_go_of_one_after_the_other() -> None:
    alive: list[str] = []

    class Voxels:
        shape, dtype = (3, 9, 7), np.dtype(np.uint64)

        def __init__(self, name: str) -> None:
            assert not alive
            self.name = name
            alive.append(name)

        def __del__(self) -> None:
            alive.remove(self.name)

        def __getitem__(self, z: int) -> np.ndarray:
            assert alive == [self.name]
            return np.full((9, 7), 1 + z, np.uint64)

    def one_by_one() -> Iterator[Annotated]:
        for name in ("cord", "medulla"):
            yield Annotated(name, "CREMI-A", "ssTEM", Labels(Voxels(name), Grid((3, 9, 7), (30.0, 6.0, 4.0))))

    assert len(index_instances(one_by_one(), rules=ALL).instances) == 6


def test_an_index_comes_back_as_it_was_written(tmp_path: Path) -> None:
    index = index_instances([volume(drawn_labels()), volume(drawn_labels(1), "βρ", dataset="b")], rules=ALL)
    write_index(tmp_path / "index.safetensors", index, made_from="abc")
    back = read_index(tmp_path / "index.safetensors", made_from="abc")
    assert (back.instances == index.instances).all()
    assert replace(back, instances=index.instances) == index


def test_an_index_of_something_else_is_refused(tmp_path: Path) -> None:
    path, index = tmp_path / "index.safetensors", sized_index(("ssTEM", "a", 5))
    write_index(path, index, made_from="abc")
    with pytest.raises(ValueError, match="must be made from these volumes and rules"):
        read_index(path, made_from="abd")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match="must be a whole index of instances"):
        read_index(path, made_from="abc")
    path.write_text("not an index")
    with pytest.raises(ValueError, match="must be a whole index of instances"):
        read_index(path, made_from="abc")


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
    with pytest.raises(ValueError, match="got 'cord' twice"):
        index_instances([volume(np.ones((1, 3, 4)))] * 2, rules=ALL)
    with pytest.raises(ValueError, match="volumes must be at least one"):
        index_instances([])
    with pytest.raises(ValueError, match="smallest must be at least 1"):
        SelectionRules(smallest=0)
    with pytest.raises(ValueError, match="border_share must lie in 0–1"):
        SelectionRules(border_share=1.5)
