"""What is known of processes that were killed for want of memory, on trees as Linux has them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from jupyter_server_ext.jobs import kernels
from jupyter_server_ext.jobs.oom import Kills

if TYPE_CHECKING:
    from pathlib import Path

VMSTAT = "nr_free_pages 12\noom_kill 7\npgfault 3\n"
EVENTS = "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 0\n"


def tree(tmp_path: Path, groups: str, files: dict[str, str]) -> Kills:
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"
    written = {proc / "42/cgroup": groups, proc / "vmstat": VMSTAT}
    written |= {cgroups / name: text for name, text in files.items()}
    for path, text in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Kills(42, proc=proc, cgroups=cgroups)


@pytest.mark.parametrize(
    ("groups", "files", "count"),
    [
        ("0::/user.slice/alice\n", {"user.slice/alice/memory.events": EVENTS}, 2),
        ("0::/\n", {"memory.events": EVENTS}, 2),
        ("0::/\n", {}, 7),
        ("0::/a\n", {"a/memory.events": "low 0\n"}, 7),
        (
            "5:cpu,memory:/jupyter\n0::/\n",
            {"memory/jupyter/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n"},
            4,
        ),
        ("", {}, 7),
        ("nonsense\n", {}, 7),
    ],
)
def test_the_count_is_that_of_the_group_else_of_the_machine(
    tmp_path: Path, groups: str, files: dict[str, str], count: int
) -> None:
    assert tree(tmp_path, groups, files).count() == count


def test_where_nobody_counts_nothing_is_known(tmp_path: Path) -> None:
    assert Kills(42, proc=tmp_path, cgroups=tmp_path).count() is None


def test_of_this_machine_something_is_read() -> None:
    assert (Kills(os.getpid()).count() or 0) >= 0


class Ended:
    def __init__(self, returncode: int | None) -> None:
        self.returncode = returncode


class Counting:
    def __init__(self, now: int | None) -> None:
        self.now = now

    def count(self) -> int | None:
        return self.now


@pytest.mark.parametrize(
    ("returncode", "counted", "now", "cause"),
    [
        (-9, [2, 2], 2, "kernel-killed"),
        (-9, [2, 2], 3, "kernel-out-of-memory"),
        (-9, [2, 3], 3, "kernel-out-of-memory"),
        (-9, [None], None, "kernel-killed"),
        (-9, [], 5, "kernel-killed"),
        (-11, [2, 2], 3, "kernel-died"),
        (1, [2, 2], 3, "kernel-died"),
        (None, [2, 2], 3, "kernel-died"),
    ],
)
def test_a_kernel_ran_out_of_memory_if_it_was_killed_and_the_count_has_just_risen(
    returncode: int | None, counted: list[int | None], now: int | None, cause: str
) -> None:
    watch = kernels._Watch(heard=0.0, process=Ended(returncode), kills=Counting(now))  # type: ignore[arg-type]
    watch.counted.extend(counted)
    assert kernels._cause(watch) == cause
