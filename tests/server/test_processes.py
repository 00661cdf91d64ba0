"""Processes of this machine: alive, gone, a zombie, another one with the same id."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from jupyter_server_ext.processes import Process, find


def test_a_living_process_is_found_and_survives_the_store() -> None:
    process = find(os.getpid())
    assert process is not None
    assert not process.gone
    assert Process.from_json(process.to_json()) == process


def test_the_end_of_a_process_is_seen_before_its_parent_looks() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        process = find(child.pid)
        assert process is not None
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert process.gone, "a zombie"
        assert find(child.pid) is None
    assert process.gone
    assert find(child.pid) is None


def test_an_id_that_was_given_away_again_is_another_process() -> None:
    process = find(os.getpid())
    assert process is not None
    assert replace(process, start="1").gone
    assert not replace(process, start=None).gone, "not known is not gone"


def test_an_id_of_another_host_means_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        process = find(child.pid)
        child.kill()
    assert process is not None
    assert not replace(process, host="another").gone


@pytest.mark.parametrize("pid", [0, -1, 2**31, 2**64])
def test_what_is_no_process_id_is_no_process(pid: int) -> None:
    assert find(pid) is None
