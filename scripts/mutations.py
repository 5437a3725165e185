"""Break what keeps blocks exact, one thing at a time in a copy of the package, and see that a named test fails.

    python scripts/mutations.py [NAME …]

Takes about a minute for each. Exits with 1 if a mutant survives, or a test fails without one. A mutation whose text is
not found in the source is an error: it has to follow the code.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Mutation:
    """One thing to break.

    Parameters
    ----------
    edits
        File below ``src/savem3``, the text that stands there once, and what takes its place.
    test
        Which test must fail then.
    """

    edits: tuple[tuple[str, str, str], ...]
    test: str


MUTATIONS = {
    "the descent stays among equal heights": Mutation(
        (
            (
                "oversegment/descent.py",
                "least = min(least, row[x] | np.uint32(2))",
                "least = min(least, row[x] | np.uint32(2)) if row[x] < row[x + 1] else least",
            ),
        ),
        "tests/oversegment/test_descent.py::test_every_drop_ends_where_the_definition_says",
    ),
    "equal passes go in any order": Mutation(
        (
            (
                "oversegment/settle.py",
                "order = np.lexsort(passes.T[::-1])",
                'order = np.argsort(passes[:, 0], kind="stable")',
            ),
        ),
        "tests/oversegment/test_joining.py",
    ),
    "sums over faces are floats": Mutation(
        (
            (
                "blocks/faces.py",
                "np.add.reduceat(total[order], first)",
                "np.add.reduceat(total[order].astype(np.float32), first).astype(np.int64)",
            ),
        ),
        "tests/blocks/test_faces.py::test_large_sums_do_not_overflow",
    ),
    "distances have no cap": Mutation(
        (
            ("oversegment/distance.py", "return -(-(self.cap**2) // self.unit**2)", "return 9 * self.cap**2"),
            (
                "oversegment/height.py",
                "np.minimum(squared.astype(np.int64) * ruler.unit**2, ruler.cap**2)",
                "squared.astype(np.int64) * ruler.unit**2",
            ),
        ),
        "tests/oversegment/test_height.py::test_blocks_with_their_halo_give_the_same_height",
    ),
    "each block normalises its boundary": Mutation(
        (
            (
                "oversegment/height.py",
                "seen = boundary.read(tile.read)",
                "seen = (values := boundary.read(tile.read)) // 2 + np.uint8(values.mean() // 2)",
            ),
        ),
        "tests/oversegment/test_fragments.py::test_plateaus_across_blocks_are_cut_alike",
    ),
    "blocks take what they see of a side for all of it": Mutation(
        (("oversegment/drain.py", "is_open[skin] = True", "is_open[skin] = False"),),
        "tests/oversegment/test_joining.py",
    ),
}


def main() -> None:
    """Run the mutations that the command line names, or all."""
    wanted = sys.argv[1:] or list(MUTATIONS)
    failed = False
    for name in wanted:
        mutation = MUTATIONS[name]
        for edits, expected in (((), True), (mutation.edits, False)):
            passed = passes(mutation.test, edits)
            failed |= passed != expected
            sys.stdout.write(f"{'ok' if passed == expected else 'WRONG'}: {verdict(name, passed, bool(edits))}\n")
            sys.stdout.flush()
    sys.exit(int(failed))


def verdict(name: str, passed: bool, mutated: bool) -> str:
    """One line."""
    if mutated:
        return f"{name}: {'survived' if passed else 'found'}"
    return f"{name}: the test {'passes' if passed else 'fails'} as long as nothing is broken"


def passes(test: str, edits: tuple[tuple[str, str, str], ...]) -> bool:
    """Whether a test passes on a copy of the package with some edits; loops are compiled anew for each copy."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "src", Path(folder) / "src", ignore=shutil.ignore_patterns("__pycache__"))
        for file, old, new in edits:
            path = Path(folder) / "src" / "savem3" / file
            text = path.read_text(encoding="utf-8")
            assert text.count(old) == 1, f"{file} must hold this text once, got {text.count(old)} times: {old}"
            path.write_text(text.replace(old, new), encoding="utf-8")
        environment = os.environ | {"PYTHONPATH": f"{folder}/src", "NUMBA_CACHE_DIR": f"{folder}/numba"}
        command = [sys.executable, "-m", "pytest", test, "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), f"{test} must run, got {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.returncode == 0


if __name__ == "__main__":
    main()
