"""Where a user's models lie, and that the network is not asked when it must not be."""

from pathlib import Path

import pytest

from savem3.home import OfflineError, forbid_network, home, is_offline, is_remote, refuse_remote, weights_folder
from savem3.shipped import find_model


def test_the_folder_is_the_one_that_is_named_or_where_the_system_keeps_data(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("SAVEM3_HOME", str(tmp_path / "named"))
    assert home() == tmp_path / "named"
    assert weights_folder() == tmp_path / "named" / "weights"
    monkeypatch.setenv("SAVEM3_HOME", "")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert home() == tmp_path / "data" / "savem3"
    monkeypatch.setenv("XDG_DATA_HOME", "not/absolute")
    assert home() == Path.home() / ".local" / "share" / "savem3"


@pytest.mark.parametrize(
    ("path", "remote"),
    [
        ("https://host/volume.zarr", True),
        ("zarr://s3://bucket/name", True),
        ("precomputed://gs://bucket/name:16", True),
        ("s3://bucket/name", True),
        ("volume.h5:raw", False),
        ("a folder/with://no host", False),
        ("C:\\volumes\\a.h5", False),
    ],
)
def test_only_what_lies_on_another_machine_is_refused_and_only_when_offline(path, remote, monkeypatch):
    monkeypatch.delenv("SAVEM3_OFFLINE", raising=False)
    assert is_remote(path) == remote
    refuse_remote(path)
    monkeypatch.setenv("SAVEM3_OFFLINE", "1")
    if not remote:
        refuse_remote(path)
        return
    with pytest.raises(OfflineError, match="path must lie on this machine with --offline or SAVEM3_OFFLINE, got"):
        refuse_remote(path)
    with pytest.raises(OfflineError, match="path must lie on this machine"):
        find_model(path)


def test_forbidding_reaches_processes_that_are_started_and_the_hubs_own_switch(monkeypatch):
    for name in ("SAVEM3_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.setenv(name, "")
    assert not is_offline()
    forbid_network()
    assert is_offline()
    import os

    assert os.environ["HF_HUB_OFFLINE"] == "1"
