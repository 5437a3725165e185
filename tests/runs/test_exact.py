"""The promise: the same bytes for every block size, number of workers and number of interruptions."""

import os

import numpy as np
import pytest
from volumes import Interrupting, boundary_of, digests, go, integer_map, labels_at_once, stages_in

from savem3.blocks import Processes, Threads

CASES = int(os.environ.get("SAVEM3_CASES", "200"))


def draw_case(seed):
    """A volume of 1 to 80 voxels along each axis, about 2 to 60 blocks, workers, and when to interrupt."""
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in np.minimum(rng.geometric(0.06, 3), 80))
    block = tuple(max(1, -(-n // int(rng.integers(1, 4))) - int(rng.integers(0, 3))) for n in shape)
    while np.prod([-(-n // b) for n, b in zip(shape, block, strict=True)]) > 60:
        block = tuple(b + 1 for b in block)
    voxel_size = (8.0, 6.0, 6.0) if rng.random() < 0.7 else (40.0, 6.0, 6.0)
    boundary = boundary_of(shape, seed=seed, voxel_size=voxel_size)
    return boundary, block, int(rng.integers(1, 5)), [int(n) for n in rng.integers(1, 30, rng.integers(0, 4))]


def check(folder, seed):
    boundary, block, workers, interruptions = draw_case(seed)
    cutter = ("mean", "multicut")[seed % 2]
    expected = labels_at_once(folder / "whole", boundary, cutter=cutter)
    out, stages = stages_in(folder / "blocks", boundary, block=block, cutter=cutter)
    for answers in interruptions:
        try:
            go(folder / "blocks", stages, executor=Interrupting(Threads(workers), [answers]))
        except KeyboardInterrupt:
            continue
    go(folder / "blocks", stages, executor=Threads(workers))
    assert digests(out) == expected, (boundary.grid, block, workers, interruptions)


@pytest.mark.parametrize("seed", range(16))
def test_blocks_workers_and_interruptions_change_no_byte(tmp_path, seed):
    check(tmp_path, seed)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(20))
def test_blocks_workers_and_interruptions_change_no_byte_at_length(tmp_path, part):
    for seed in range(1000 + part, 1000 + CASES, 20):
        check(tmp_path / str(seed), seed)


def test_processes_change_no_byte(tmp_path):
    boundary = boundary_of((13, 21, 17), seed=5)
    out, stages = stages_in(tmp_path / "blocks", boundary, block=(5, 9, 17))
    go(tmp_path / "blocks", stages, executor=Processes(2))
    assert digests(out) == labels_at_once(tmp_path / "whole", boundary)


GOLDEN = {
    (11, (24, 31, 17), (8.0, 6.0, 6.0)): "fe971cc2d8c77593eff555e0b32ee9c678e9da74325bbeb72d53cd6a085757df",
    (12, (9, 40, 28), (40.0, 6.0, 6.0)): "824dc9251d6efb3ba45752ffa49c609e2c11e664c54f6b2fd7ce8519f95a9bb5",
    (13, (1, 33, 57), (8.0, 8.0, 8.0)): "2d490d56c46cbb11c9d3a896bbfe3d43939c67a3a59fc30309d0eb91095cc3e2",
}
"""Digest of the labels of three fixed volumes; a change of any of them changes what users got before."""


@pytest.mark.parametrize("case", GOLDEN)
def test_three_fixed_volumes_stay_as_they_are(tmp_path, case):
    seed, shape, voxel_size = case
    out, stages = stages_in(tmp_path, integer_map(shape, seed=seed, voxel_size=voxel_size), block=(7, 16, 20))
    go(tmp_path, stages)
    assert digests(out)[len(out.fragments.levels)] == GOLDEN[case]
