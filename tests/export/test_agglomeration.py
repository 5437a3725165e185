from pathlib import Path

import numpy as np
import pytest

from savem3.export import agglomeration_of, write_agglomeration
from savem3.regions import RegionGraph

zarr = pytest.importorskip("zarr")


def graph() -> RegionGraph:
    edges = np.array([[1, 2], [1, 7], [2, 3], [3, 4], [4, 5], [5, 6]], np.uint64)
    ones = np.ones(6, np.int64)
    total = np.array([0, 51, 102, 153, 255, 204], np.int64)
    return RegionGraph(np.ones(7, np.int64), edges, ones, total, total, total)


CLUSTERS = np.array([1, 1, 1, 1, 2, 2, 1])
PLACES = np.arange(21).reshape(7, 3)


def test_the_arrays_of_seven_fragments_are_as_the_format_says(tmp_path: Path) -> None:
    write_agglomeration(agglomeration_of(graph(), CLUSTERS, PLACES), tmp_path / "view")
    group = zarr.open_group(tmp_path / "view", mode="r")
    assert group.attrs["voxelytics"]["artifact_schema_version"] == 4
    expected = {
        "segment_to_agglomerate": [0, 1, 1, 1, 1, 2, 2, 1],
        "agglomerate_to_segments_offsets": [0, 0, 5, 7],
        "agglomerate_to_segments": [1, 2, 3, 4, 7, 5, 6],
        "agglomerate_to_edges_offsets": [0, 0, 4, 5],
        "agglomerate_to_edges": [[0, 1], [0, 4], [1, 2], [2, 3], [0, 1]],
    }
    for name, values in expected.items():
        assert group[name][...].tolist() == values
    np.testing.assert_allclose(group["agglomerate_to_affinities"][...], [1, 0.8, 0.6, 0.4, 0.2], atol=1e-6)
    assert group["agglomerate_to_positions"][...].tolist()[4] == [20, 19, 18]
    assert len(list(group.arrays())) == 7


def test_objects_without_edges_are_written(tmp_path: Path) -> None:
    write_agglomeration(agglomeration_of(graph(), np.arange(1, 8), PLACES), tmp_path / "view")
    group = zarr.open_group(tmp_path / "view", mode="r")
    assert group["agglomerate_to_edges"].shape == (0, 2)
    assert group["agglomerate_to_edges_offsets"][...].tolist() == [0] * 9


def test_clusters_with_gaps_are_refused() -> None:
    with pytest.raises(ValueError, match="clusters must be numbered 1 to k without gaps"):
        agglomeration_of(graph(), np.array([1, 1, 1, 1, 3, 3, 1]), PLACES)
