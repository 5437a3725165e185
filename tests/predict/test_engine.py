"""Compiled students: both backends say the same, threads and batches change nothing, nothing calls home."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from savem3.predict import engine
from savem3.predict.engine import Backend, choose_backend, compile_network

PATCH = (5, 16, 24)


class TinyStudent(nn.Module):
    """Pools y and x once and answers with logits from about −9 to 9."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Conv3d(1, 6, 3, padding=1)
        self.coarse = nn.Conv3d(6, 6, 3, padding=1)
        self.norm = nn.BatchNorm3d(6)
        self.out = nn.Conv3d(6, 1, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        fine = F.relu(self.fine(x))
        coarse = F.relu(self.norm(self.coarse(F.max_pool3d(fine, (1, 2, 2)))))
        logits: Tensor = self.out(fine + F.interpolate(coarse, scale_factor=(1.0, 2.0, 2.0), mode="nearest"))
        return logits * 24


@pytest.fixture
def student() -> nn.Module:
    torch.manual_seed(0)
    return TinyStudent().eval()


def patches_of(batch: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, (batch, 1, *PATCH)).astype(np.float32)


def levels(probability: np.ndarray) -> np.ndarray:
    return np.rint(probability * 255).astype(int)


def test_openvino_and_torch_differ_by_at_most_one_level_in_one_voxel_of_ten_thousand(student: nn.Module) -> None:
    patches = patches_of(8)
    answers = [
        levels(compile_network(student, batch=8, patch=PATCH, backend=backend)(patches))
        for backend in ("openvino", "torch")
    ]
    off = abs(answers[0] - answers[1])
    assert off.max() <= 1
    assert (off > 0).mean() <= 1e-4
    assert np.ptp(answers[0]) > 100


@pytest.mark.parametrize("backend", ["openvino", "torch"])
def test_the_answer_is_the_probability_of_the_logits(student: nn.Module, backend: Backend) -> None:
    patches = patches_of(1)
    with torch.no_grad():
        logits = student(torch.from_numpy(patches)).numpy()
    answer = compile_network(student, batch=1, patch=PATCH, backend=backend)(patches)
    assert answer == pytest.approx(1 / (1 + np.exp(-logits)), abs=1e-5)


@pytest.mark.parametrize("backend", ["openvino", "torch"])
def test_threads_and_the_rest_of_the_batch_change_no_bit(student: nn.Module, backend: Backend) -> None:
    one, *more = (compile_network(student, batch=2, patch=PATCH, backend=backend, threads=n) for n in (1, 2, 3))
    patches = patches_of(2)
    answer = one(patches)
    assert all((network(patches) == answer).all() for network in more)
    assert (one(patches[::-1].copy()) == answer[::-1]).all()
    assert (one(np.stack([patches[0], np.zeros_like(patches[0])]))[0] == answer[0]).all()
    alone = compile_network(student, batch=1, patch=PATCH, backend=backend)
    assert (alone(patches[1:]) == answer[1:]).all()


@pytest.mark.parametrize("backend", ["openvino", "torch"])
def test_an_answer_outlives_the_next_call(student: nn.Module, backend: Backend) -> None:
    network = compile_network(student, batch=1, patch=PATCH, backend=backend)
    answer = network(patches_of(1))
    before = answer.copy()
    network(patches_of(1, seed=1))
    assert (answer == before).all()


@pytest.mark.parametrize("backend", ["openvino", "torch"])
def test_bfloat16_stays_within_a_few_levels(student: nn.Module, backend: Backend) -> None:
    patches = patches_of(4)
    exact = compile_network(student, batch=4, patch=PATCH, backend=backend)
    try:
        rough = compile_network(student, batch=4, patch=PATCH, backend=backend, precision="bfloat16")
    except UserWarning as lacks:
        pytest.skip(str(lacks))
    off = abs(levels(exact(patches)) - levels(rough(patches)))
    assert 0 < off.max() <= 12


def test_a_student_in_training_predicts_as_in_evaluation_and_is_left_alone(student: nn.Module) -> None:
    want = compile_network(student, batch=1, patch=PATCH, backend="torch")(patches_of(1))
    student.train()
    values = {name: value.clone() for name, value in student.state_dict().items()}
    answer = compile_network(student, batch=1, patch=PATCH, backend="torch")(patches_of(1))
    assert (answer == want).all()
    assert student.training
    assert all((value == values[name]).all() for name, value in student.state_dict().items())


def test_threads_of_torch_are_set_back_after_a_call(student: nn.Module) -> None:
    before = torch.get_num_threads()
    compile_network(student, batch=1, patch=PATCH, backend="torch", threads=before + 1)(patches_of(1))
    assert torch.get_num_threads() == before


def test_a_missing_openvino_is_told_only_to_who_asked_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    with pytest.warns(UserWarning, match="OpenVINO is not installed"):
        assert choose_backend("openvino", device="cpu") == ("torch", "cpu")
    assert choose_backend("auto", device="cpu") == ("torch", "cpu")


def test_a_gpu_is_left_to_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_backend("auto", device="auto") == ("torch", "cuda")
    assert choose_backend("auto", device="cpu") == ("openvino", "cpu")
    assert choose_backend("openvino", device="auto") == ("openvino", "cpu")
    with pytest.raises(ValueError, match="device must be 'cpu' or 'auto' for OpenVINO, got 'cuda'"):
        choose_backend("openvino", device="cuda")


def test_a_wrong_request_is_refused(student: nn.Module) -> None:
    with pytest.raises(ValueError, match="threads must be at least 1, got 1 and 0"):
        compile_network(student, batch=1, patch=PATCH, threads=0)


CALLS_HOME = """
import socket, sys, threading
tried = []
def refuse(self, address, *rest):
    tried.append(address)
    raise OSError("blocked")
socket.socket.connect = socket.socket.connect_ex = socket.socket.sendto = refuse
socket.getaddrinfo = lambda *a, **k: refuse(None, a)
import torch
from savem3.predict import compile_network
network = compile_network(torch.nn.Conv3d(1, 1, 3, padding=1), batch=1, patch=(2, 8, 8), backend="openvino")
network(torch.zeros(1, 1, 2, 8, 8).numpy())
for thread in threading.enumerate():
    if thread is not threading.main_thread():
        thread.join(5)
assert "openvino" in sys.modules
print("tried", tried, "sender", sys.modules.get("openvino_telemetry"))
"""


def test_openvino_never_tries_to_send_usage_data() -> None:
    done = subprocess.run([sys.executable, "-c", CALLS_HOME], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "tried [] sender None"
