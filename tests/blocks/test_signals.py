"""Signals: a request to end is an exception in the main thread, and afterwards all is as before."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from savem3.blocks.signals import Terminated, ctrl_c_blocked, ctrl_c_kept, stopping_on_sigterm


def _ask_to_end_while_tidying_up(steps):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        steps.append("tidied up")


def test_a_request_to_end_is_raised_once_and_the_old_handler_comes_back():
    before, steps = signal.getsignal(signal.SIGTERM), []
    with pytest.raises(Terminated), stopping_on_sigterm():
        _ask_to_end_while_tidying_up(steps)
    assert steps == ["tidied up"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_it_is_caught_wherever_ctrl_c_is():
    with pytest.raises(KeyboardInterrupt), stopping_on_sigterm():
        os.kill(os.getpid(), signal.SIGTERM)


def test_in_another_thread_the_handler_is_left_alone():
    before, seen = signal.getsignal(signal.SIGTERM), []

    def look():
        with stopping_on_sigterm():
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [before]


def test_a_process_started_while_ctrl_c_is_blocked_never_hears_it():
    deaf = "import os, signal; os.kill(os.getpid(), signal.SIGINT); print('still here')"
    with ctrl_c_blocked():
        words = subprocess.run([sys.executable, "-c", deaf], capture_output=True, text=True, check=True)
    assert words.stdout == "still here\n"
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_a_package_that_changes_what_ctrl_c_does_is_undone():
    before = signal.getsignal(signal.SIGINT)
    with ctrl_c_kept():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    assert signal.getsignal(signal.SIGINT) is before
