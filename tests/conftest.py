"""What all tests share: no network, no window, repeatable properties, and skips that say what is missing."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "Agg")
settings.register_profile("savem3", deadline=None, max_examples=50, derandomize=True, database=None)
settings.load_profile("savem3")

HERE = {"127.0.0.1", "::1", "localhost"}


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """A test that talks to another machine fails."""
    connect = socket.socket.connect

    def connect_here(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in HERE:
            raise PermissionError(f"tests must not use the network, got {address}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect_here)
        yield


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_heard() -> Iterator[None]:
    """A test run that was started in the background ignores Ctrl-C, and so would every program that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what this machine cannot run, saying what it lacks."""
    if item.get_closest_marker("gpu") and not _has_cuda():
        pytest.skip("needs a CUDA device")
    for marker, variable in {"real": "SAVEM3_DATA", "weights": "SAVEM3_WEIGHTS"}.items():
        if item.get_closest_marker(marker) and not os.environ.get(variable):
            pytest.skip(f"needs {variable} to name a folder")


def _has_cuda() -> bool:
    import torch

    return torch.cuda.is_available()
