import subprocess
import sys
import time

import pytest

from savem3.blocks import owning

OWN = """
import sys, time
from pathlib import Path
from savem3.blocks import owning
with owning(Path(sys.argv[1]), may_wait=lambda who: False):
    print("mine", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """Another process that owns the folder."""
    with subprocess.Popen([sys.executable, "-c", OWN, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "mine\n"
        yield process
        process.kill()


def test_an_owned_folder_is_refused_and_its_owner_named(tmp_path, other):
    with pytest.raises(FileExistsError, match=f"process {other.pid} on"), owning(tmp_path, may_wait=lambda who: False):
        pass


def test_whoever_waits_gets_the_folder_when_its_owner_is_killed(tmp_path, other):
    asked = []

    def wait(who):
        asked.append(who)
        other.kill()
        return True

    begun = time.monotonic()
    with owning(tmp_path, may_wait=wait):
        assert time.monotonic() - begun < 10
    assert len(asked) == 1


def test_a_folder_is_free_again_afterwards(tmp_path):
    for _ in range(2):
        with owning(tmp_path, may_wait=lambda who: False):
            assert (tmp_path / ".owner.json").exists()
    assert not (tmp_path / ".owner.json").exists()
