"""Deliveries whose process is killed at every step, and whose server or place fails them.

Whatever happened, in the end there is exactly one file at the place, whole and published once, or
none; no upload, part or folder is left; and it was tried again.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import delivering
import pytest
from laboratory import PACKAGES, Server, bare_environment, eventually, sha256

import progresswidget as pw
from progresswidget.protocol import ENDPOINT_VARIABLE, LEDGER, is_delivery_name

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Repetitions = Callable[[int, int], int]


@dataclass
class Nursery:
    """Starts processes that deliver, from a folder of theirs."""

    process: subprocess.Popen[str]
    folder: Path
    order: dict[str, Any]

    def begin(self, **changes: Any) -> None:
        """Start one."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{json.dumps(self.order | changes)}\n")
        self.process.stdin.flush()

    def end(self) -> dict[str, Any]:
        """Wait for its end, and return what it says."""
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def run(self, **changes: Any) -> dict[str, Any]:
        self.begin(**changes)
        return self.end()

    def left(self) -> list[Path]:
        """Return what is left where it was prepared."""
        return list(self.folder.iterdir())


@dataclass
class Place:
    """Where it goes: how to say so, and what is there."""

    order: dict[str, Any]
    folder: Path
    parts: str

    @property
    def target(self) -> Path:
        return self.folder / "a.csv"

    def inode(self) -> int | None:
        return self.target.stat().st_ino if self.target.exists() else None

    def hidden(self) -> list[Path]:
        """Return what was sent and is not seen yet."""
        return list(self.folder.glob(self.parts))


@contextmanager
def nursery(tmp_path: Path, endpoint: Path, order: dict[str, Any]) -> Iterator[Nursery]:
    folder = tmp_path / "here"
    folder.mkdir(exist_ok=True)
    environment = bare_environment() | {
        ENDPOINT_VARIABLE: str(endpoint),
        "PYTHONPATH": str(PACKAGES),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    command = [sys.executable, delivering.__file__]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=environment, cwd=folder, text=True, **pipes) as process:
        try:
            yield Nursery(process, folder, dict(order))
        finally:
            process.kill()


@pytest.fixture(params=["server", "folder"])
def place(request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> Place:
    if request.param == "server":
        return Place({"to": "contents/"}, server.root, ".progresswidget-*.upload")
    share = tmp_path / "share"
    share.mkdir()
    return Place({"to": str(share), "folder": True}, share, ".a.csv.*.part")


@pytest.fixture
def kernels(place: Place, server: Server, tmp_path: Path) -> Iterator[Nursery]:
    with nursery(tmp_path, server.directory / "endpoint.json", place.order) as kernels:
        yield kernels


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], str]:
    """Return the digest that the file has when nothing happens, by the salt of its data."""
    folder = tmp_path_factory.mktemp("undisturbed")

    def digest(salt: int = 0) -> str:
        table = delivering.table(300_000, salt)
        return pw.export(table, folder / f"{salt}.csv").result().sha256

    return digest


def chosen(steps: int, count: int, chance: random.Random) -> list[int]:
    """Return some steps to die at, from all over."""
    return sorted(chance.sample(range(1, steps + 1), count))


PARTS = 8


@pytest.mark.parametrize(
    "part", [0, *(pytest.param(part, marks=pytest.mark.faults) for part in range(1, PARTS))]
)
def test_no_step_of_a_delivery_is_a_bad_one_to_die_at(
    kernels: Nursery,
    place: Place,
    undisturbed: Callable[[int], str],
    repetitions: Repetitions,
    part: int,
) -> None:
    # In the laboratory the parts are all steps together; otherwise some of one part will do.
    expected = undisturbed(0)
    steps = kernels.run()["steps"]
    print(f"a delivery has {steps} steps")
    assert steps > 40
    again = seen = 0
    for step in range(part + 1, steps + 1, PARTS * repetitions(4, 1)):
        place.target.unlink()
        killed = kernels.run(step=step)
        # Counts vary a little from run to run: the last ones may not come.
        assert killed["killed"] == signal.SIGKILL or step > steps * 0.9, killed
        ledger = any((folder / LEDGER).exists() for folder in kernels.left())
        inode = place.inode()
        assert inode is None or sha256(place.target) == expected, "seen before it was whole"
        assert len(place.hidden()) <= 1
        done = kernels.run()
        assert (done["state"], done["sha256"]) == ("done", expected), done
        assert sha256(place.target) == expected
        assert place.hidden() == kernels.left() == []
        if killed["killed"] and inode is not None:
            seen += 1
            again += place.inode() != inode
            assert not ledger or place.inode() == inode, "seen twice"
    print(f"{seen} died after it was seen, {again} of them were delivered anew")
    place.target.unlink()


@pytest.mark.faults
def test_dying_again_and_again_delivers_once(
    kernels: Nursery,
    place: Place,
    undisturbed: Callable[[int], str],
    chance: random.Random,
    repetitions: Repetitions,
) -> None:
    expected = undisturbed(0)
    for _ in range(repetitions(1, 3)):
        inodes = set()
        for _ in range(repetitions(4, 12)):
            if kernels.run(step=chance.randrange(1, 60))["killed"]:
                assert len(place.hidden()) <= 1
            inodes.add(place.inode())
        assert kernels.run()["state"] == "done"
        assert sha256(place.target) == expected
        assert place.hidden() == kernels.left() == []
        place.target.unlink()


@pytest.mark.faults
@pytest.mark.parametrize("part", range(PARTS))
def test_nor_is_any_moment_a_bad_one_to_be_cancelled_in(
    kernels: Nursery, place: Place, undisturbed: Callable[[int], str], part: int
) -> None:
    expected = undisturbed(0)
    steps = kernels.run()["steps"]
    outcomes = {"done": 0, "cancelled": 0}
    for step in range(part + 1, steps + 1, PARTS):
        place.target.unlink(missing_ok=True)
        ended = kernels.run(step=step, cancel=True)
        outcomes[ended["state"]] += 1
        # Either it was too late, and it stands, or there is nothing of it.
        assert place.target.exists() is (ended["state"] == "done"), ended
        if place.target.exists():
            assert sha256(place.target) == expected
        assert place.hidden() == kernels.left() == [], (step, ended)
    print(outcomes)
    assert sum(outcomes.values()) > 5
    place.target.unlink(missing_ok=True)


def test_other_data_takes_the_place_of_what_was_begun(
    kernels: Nursery,
    place: Place,
    undisturbed: Callable[[int], str],
    chance: random.Random,
    repetitions: Repetitions,
) -> None:
    steps = kernels.run()["steps"]
    for step in chosen(steps, repetitions(2, 12), chance):
        place.target.unlink()
        kernels.run(step=step)
        done = kernels.run(salt=7)
        assert done["state"] == "done"
        assert sha256(place.target) == done["sha256"] == undisturbed(7)
        assert place.hidden() == kernels.left() == []
    place.target.unlink()


def test_what_is_refused_is_undone_and_says_why(kernels: Nursery, place: Place) -> None:
    place.target.write_text("somebody else's")
    ended = kernels.run(overwrite=False)
    assert ended["code"] in {"transfer-refused", "destination-exists"}
    assert place.target.read_text() == "somebody else's"
    assert place.hidden() == kernels.left() == []
    place.target.unlink()
    assert kernels.run(overwrite=False)["state"] == "done"
    place.target.unlink()


def test_an_empty_file_is_delivered_too(kernels: Nursery, place: Place) -> None:
    assert kernels.run(rows=0, name="a.ndjson")["state"] == "done"
    assert (place.folder / "a.ndjson").read_bytes() == b""
    assert place.hidden() == kernels.left() == []
    (place.folder / "a.ndjson").unlink()


def test_of_two_at_once_one_is_told_that_the_other_is_at_it(
    kernels: Nursery, place: Place, server: Server, tmp_path: Path
) -> None:
    with nursery(tmp_path, server.directory / "endpoint.json", place.order) as others:
        kernels.begin(behind="begun write", wait=str(tmp_path / "go on"))
        (folder,) = eventually(kernels.left, what="it has begun")
        assert is_delivery_name(folder.name)
        eventually(
            lambda: (folder / LEDGER).exists() and b"begun" in (folder / LEDGER).read_bytes()
        )
        assert others.run()["code"] == "destination-busy"
        (tmp_path / "go on").touch()
    assert kernels.end()["state"] == "done"
    assert place.hidden() == kernels.left() == []
    place.target.unlink()


# --- Servers that go away -------------------------------------------------------------------------


@pytest.fixture
def fleeting(own: Callable[..., Server], tmp_path: Path) -> Iterator[tuple[Server, Nursery, Place]]:
    """A server that may be ended, and kernels that deliver to it."""
    server = own(settings={"transfer_rate": 0}).start()
    place = Place({"to": "contents/"}, server.root, ".progresswidget-*.upload")
    with nursery(tmp_path, server.directory / "endpoint.json", place.order) as kernels:
        yield server, kernels, place


def test_rows_12_and_13_a_server_that_comes_back_elsewhere_gets_the_rest(
    fleeting: tuple[Server, Nursery, Place], undisturbed: Callable[[int], str]
) -> None:
    server, kernels, place = fleeting
    assert kernels.run(behind="begun publish")["killed"]
    (staged,) = place.hidden()
    inode = staged.stat().st_ino
    port = server.port
    server.kill()
    server.port, server.token = 0, "an0therT0ken"
    server.start()
    assert server.port != port
    done = kernels.run()
    assert (done["state"], sha256(place.target)) == ("done", undisturbed(0))
    assert place.inode() == inode, "the same upload"
    assert place.hidden() == kernels.left() == []
    server.stop()


@pytest.mark.faults
def test_what_cannot_be_undone_now_is_undone_by_the_next_run(
    fleeting: tuple[Server, Nursery, Place], undisturbed: Callable[[int], str]
) -> None:
    server, kernels, place = fleeting
    assert kernels.run(behind="noted send")["killed"]
    (staged,) = place.hidden()
    server.kill()
    # Cancelled, and nobody is there to hear of it.
    ended = kernels.run(behind="begun send", cancel=True)
    assert ended["state"] == "cancelled"
    (folder,) = kernels.left()
    assert "abandoned" in (folder / LEDGER).read_text()
    server.start()
    assert staged.exists()
    assert kernels.run(salt=7)["state"] == "done"
    assert not staged.exists()
    assert sha256(place.target) == undisturbed(7)
    assert place.hidden() == kernels.left() == []
    server.stop()


@pytest.mark.faults
def test_kernels_and_servers_that_die_at_random(
    fleeting: tuple[Server, Nursery, Place],
    undisturbed: Callable[[int], str],
    chance: random.Random,
) -> None:
    server, kernels, place = fleeting
    kernels.order |= {"rows": 3_000_000}
    expected = None
    for _ in range(12):
        for _ in range(4):
            kernels.begin(step=chance.randrange(1, 80) if chance.random() < 0.7 else None)
            beat = threading.Event()
            beat.wait(chance.random() * 0.6)
            if chance.random() < 0.5:
                server.restart()
            kernels.end()
            assert len(place.hidden()) <= 1
            if place.target.exists():
                digest = sha256(place.target)
                assert expected in {None, digest}
                expected = digest
        assert kernels.run()["state"] == "done"
        assert place.hidden() == kernels.left() == []
        place.target.unlink()
    server.stop()
