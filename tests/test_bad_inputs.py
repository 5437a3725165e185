"""Every command that reads a volume, over every bad volume: one sentence, an exit code, nothing that looks done."""

import pytest

from savem3.cli import run
from zoo import FOLDER, SIZE, ZOO

SIZED = ("--voxel-size", ",".join(map(str, SIZE)))
BLOCKS_FAILED = 5
"""What damage is called that only shows when a block is read: it is retried, recorded and named."""
SEES = {
    "check": lambda bad, out: ["check", bad],
    "plan": lambda bad, out: ["plan", bad, out],
    "reconstruct": lambda bad, out: ["reconstruct", bad, out, "--skip-report"],
    "predict": lambda bad, out: ["predict", bad, out],
    "distill": lambda bad, out: ["distill", bad, out, "--steps", "1"],
    "masks": lambda bad, out: ["masks", bad, out],
}
"""Commands that read an image, as a user types them."""
READS = {
    "oversegment": lambda bad, out: ["oversegment", bad, out],
    "cut, fragments": lambda bad, out: ["cut", bad, bad, out],
    "score": lambda bad, out: ["score", bad, bad],
    "export": lambda bad, out: ["export", "tables", bad, out],
    "pictures": lambda bad, out: ["pictures", bad, bad, out],
}
"""Commands that read labels or a boundary map."""


def refusal(words, bad, tmp_path, capsys, *, codes=(2,)) -> str:
    """What a command says of a bad volume; it must refuse it and leave no result."""
    out = tmp_path / "out.zarr"
    code = run([*words, *(SIZED if bad.sized else ())])
    said = capsys.readouterr()
    assert code in codes, said
    assert not out.exists()
    assert "Traceback" not in said.err + said.out
    sentences = [line for line in said.err.splitlines() if line.startswith("error: ")]
    assert len(sentences) == 1, said.err
    return said.err[said.err.index("error: ") + len("error: ") :].strip()


@pytest.mark.parametrize("name", ZOO)
def test_every_command_that_sees_refuses_a_bad_volume_by_the_same_sentence(name, tmp_path, capsys):
    folder = tmp_path / FOLDER
    folder.mkdir()
    bad, path = ZOO[name], ZOO[name].build(folder)
    for words in SEES.values():
        sentence = refusal(words(path, str(tmp_path / "out.zarr")), bad, tmp_path, capsys)
        assert bad.matches(sentence, path=path, folder=folder), (words(path, "OUT"), sentence)


@pytest.mark.parametrize("name", ZOO)
def test_every_command_that_reads_labels_or_boundaries_refuses_it_too(name, tmp_path, capsys):
    folder = tmp_path / FOLDER
    folder.mkdir()
    bad, path = ZOO[name], ZOO[name].build(folder)
    for words in READS.values():
        sentence = refusal(words(path, str(tmp_path / "out.zarr")), bad, tmp_path, capsys, codes=(2, BLOCKS_FAILED))
        assert "\n" not in sentence
