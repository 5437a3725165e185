"""The oversegmentation as it is defined, for tiny volumes: plain numpy and plain Python, voxel by voxel, no blocks."""

import numpy as np

WEIGHTS = [18, 221, 991, 1636, 991, 221, 18]


def height_by_definition(voxels, voxel_size, recipe):
    """Boundary plus shallowness, smoothed; distances to every membrane voxel are compared."""
    linked = max(voxel_size) <= 1.5 * min(voxel_size)
    cap = round(recipe.distance_cap_nm * 16)
    edges = np.minimum(np.maximum(np.rint(np.array(voxel_size) * 16), 1), cap).astype(np.int64)
    squared = np.full(voxels.shape, cap**2, np.int64)
    for p in np.argwhere(voxels >= recipe.membrane_from):
        away = [(np.arange(n) - at) * edge for n, at, edge in zip(voxels.shape, p, edges, strict=True)]
        to_p = away[0][:, None, None] ** 2 + away[1][:, None] ** 2 + away[2] ** 2
        sections = slice(None) if linked else slice(p[0], p[0] + 1)
        squared[sections] = np.minimum(squared[sections], to_p[sections])
    depth = np.rint(np.sqrt(squared.astype(float)) * (65535 / 3 / cap)).astype(np.int64)
    height = np.rint(voxels * (65535 * 2 / 3 / 255)).astype(np.int64) + 65535 // 3 - depth
    for axis in (2, 1, 0) if linked else (2, 1):
        height = smooth_by_definition(height, axis)
    return height


def smooth_by_definition(height, axis):
    """A weighted sum of seven voxels, the last ones repeated outside, rounded half up."""
    n = height.shape[axis]
    total = np.full(height.shape, 2048, np.int64)
    for k, weight in enumerate(WEIGHTS):
        total += weight * np.take(height, np.clip(np.arange(n) + k - 3, 0, n - 1), axis=axis)
    return total // 4096


def roots_by_definition(height, linked):
    """Flat index of the voxel where the drop from each voxel ends: the least of (height, index) among neighbours."""
    below = {}
    for p in np.ndindex(height.shape):
        around = [p, *neighbours(p, height.shape, linked)]
        below[p] = min(around, key=lambda q: (height[q], q))
    roots = np.empty(height.shape, np.int64)
    for p in np.ndindex(height.shape):
        q = p
        while below[q] != q:
            q = below[q]
        roots[p] = np.ravel_multi_index(q, height.shape)
    return roots


def neighbours(p, shape, linked):
    """Voxels that share a face with p; only in its section unless linked."""
    for axis in range(0 if linked else 1, 3):
        for step in (-1, 1):
            q = tuple(c + step * (k == axis) for k, c in enumerate(p))
            if 0 <= q[axis] < shape[axis]:
                yield q


def fragments_by_definition(height, *, linked, dynamics, min_size):
    """Basins joined across passes, from the lowest up; equal passes in the order of their roots."""
    roots = roots_by_definition(height, linked)
    members = {int(root): {int(root)} for root in np.unique(roots)}
    size = {root: int((roots == root).sum()) for root in members}
    passes = {}
    for p in np.ndindex(height.shape):
        for q in neighbours(p, height.shape, linked):
            pair = tuple(sorted((int(roots[p]), int(roots[q]))))
            if pair[0] != pair[1]:
                value = int(max(height[p], height[q]))
                passes[pair] = min(passes.get(pair, value), value)
    flat = height.reshape(-1)
    for value, u, v in sorted((value, *pair) for pair, value in passes.items()):
        a, b = members[u], members[v]
        if a is b:
            continue
        shallower = max(min(flat[root] for root in side) for side in (a, b))
        smaller = min(sum(size[root] for root in side) for side in (a, b))
        if value - shallower < dynamics or smaller < min_size:
            a |= b
            members.update(dict.fromkeys(a, a))
    smallest = np.array([min(members[int(root)]) for root in roots.reshape(-1)])
    return (np.unique(smallest, return_inverse=True)[1] + 1).reshape(height.shape).astype(np.uint64)
