"""Clusters: dead dask workers are survived, a lost scheduler is an error, jobs are what was asked for."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from importlib.util import find_spec

import errands
import pytest

from savem3.blocks.cluster import Dask, Slurm
from savem3.blocks.executor import executor_of, held
from savem3.blocks.outcome import Failure

distributed = pytest.importorskip("distributed")
JOBS = pytest.mark.skipif(find_spec("dask_jobqueue") is None, reason="needs dask_jobqueue")


def _answered(answers):
    return sorted((answer.index, answer.result) for answer in answers)


@pytest.fixture
def local():
    """Two dask workers in processes of their own."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, protocol="tcp", host="127.0.0.1"
    ) as local:
        yield local


@pytest.mark.parametrize("name", ["distributed", "dask_jobqueue"])
def test_a_missing_package_is_named_with_its_cure(monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ValueError, match=r'clusters need the package .*pip install "savem3\[cluster\]"'):
        executor_of("slurm" if name == "dask_jobqueue" else "dask:tcp://127.0.0.1:8786")


@JOBS
def test_ctrl_c_is_as_before_once_jobs_were_asked_for():
    program = "import signal; from savem3.blocks.executor import executor_of; before = signal.getsignal(signal.SIGINT)"
    program += "; executor_of('slurm'); assert signal.getsignal(signal.SIGINT) is before"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_scheduler_that_is_lost_is_an_error_soon(tmp_path):
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None, protocol="tcp", host="127.0.0.1"
    ) as local:
        answers = Dask(local.scheduler_address).run(errands.Sleeping(tmp_path, seconds=0.2), range(50))
        next(answers)
        local.close()
        with pytest.raises(ConnectionError, match="scheduler must stay reachable"):
            list(answers)


@pytest.mark.slow
def test_a_dask_worker_that_dies_is_survived(local, tmp_path):
    answers = list(Dask(local.scheduler_address).run(errands.Dying(tmp_path, at=3, times=1), range(12)))
    assert _answered(answers) == [(i, -i) for i in range(12)]


@pytest.mark.slow
def test_an_item_that_kills_dask_workers_fails_and_the_others_are_done(local, tmp_path):
    answers = list(Dask(local.scheduler_address).run(errands.Dying(tmp_path, at=3), range(12)))
    (failure,) = [answer for answer in answers if isinstance(answer, Failure)]
    assert (failure.index, failure.attempts) == (3, 3)
    assert "KilledWorker" in failure.trace
    assert _answered(answer for answer in answers if answer is not failure) == [(i, -i) for i in range(12) if i != 3]


@pytest.mark.slow
def test_ctrl_c_does_not_wait_for_long_items_of_dask(local, tmp_path):
    answers = Dask(local.scheduler_address).run(errands.Sleeping(tmp_path, seconds=20), range(12))
    threading.Timer(2, os.kill, (os.getpid(), signal.SIGINT)).start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(answers)
    assert time.monotonic() - start < 7


@JOBS
def test_a_job_script_has_what_was_asked_for():
    slurm = Slurm(
        cores=4,
        memory="24 GB",
        walltime="01:30:00",
        queue="night",
        account="lab",
        directives=("--gres=gpu:1",),
        setup=("module load cuda",),
        interface="lo",
    )
    with slurm.cluster() as jobs:
        script = jobs.job_script()
    for line in ["-J savem3", "-p night", "-A lab", "-t 01:30:00", "--cpus-per-task=4", "--mem=23G", "--gres=gpu:1"]:
        assert f"#SBATCH {line}\n" in script
    assert "\nmodule load cuda\n" in script
    assert "--no-dashboard" in script
    assert "--nthreads 1 --memory-limit 5.59GiB --nworkers 4" in script


@JOBS
def test_a_job_starts_from_a_folder_with_spaces(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/a b/python")
    with Slurm(interface="lo").cluster() as jobs:
        assert "\n'/a b/python' -m distributed" in jobs.job_script()


@pytest.mark.parametrize(("workers", "cores"), [(0, 1), (2, 0)])
def test_no_job_or_core_is_refused(workers, cores):
    with pytest.raises(ValueError, match=f"workers and cores must be at least 1, got {workers} and {cores}"):
        Slurm(workers=workers, cores=cores)


QUEUE = """#!/bin/sh
echo "$@" >> "{folder}/asked"
case "$0" in
*sbatch) cp "$1" "{folder}/job$$"; setsid sh "{folder}/job$$" >> "{folder}/log" 2>&1 & echo "Submitted batch job $!" ;;
*scancel) kill -TERM -- -"$1" ;;
esac
"""


@pytest.fixture
def queue(tmp_path, monkeypatch):
    """Programs named like those of SLURM that start each job at once, on this machine."""
    for name in ("sbatch", "scancel"):
        program = tmp_path / name
        program.write_text(QUEUE.format(folder=tmp_path))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    return tmp_path


@JOBS
@pytest.mark.slow
def test_jobs_do_the_work_of_several_runs_and_are_cancelled(queue, tmp_path):
    with held(Slurm(workers=2, memory="1 GiB", interface="lo")) as executor:
        first = {answer.result for answer in executor.run(errands.process_of, range(20))}
        second = {answer.result for answer in executor.run(errands.process_of, range(20))}
    assert 1 <= len(first | second) <= 2
    asked = (queue / "asked").read_text().split()
    assert len(asked) == 4  # two jobs, begun and cancelled


@JOBS
@pytest.mark.slow
def test_a_job_that_is_ended_by_its_queue_is_replaced(queue, tmp_path):
    with held(Slurm(workers=1, memory="1 GiB", interface="lo")) as executor:
        (first,) = {answer.result for answer in executor.run(errands.process_of, [1])}
        os.killpg(os.getpgid(first), signal.SIGKILL)
        (second,) = {answer.result for answer in executor.run(errands.process_of, [1])}
    assert first != second
