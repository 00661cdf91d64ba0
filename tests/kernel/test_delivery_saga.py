"""Sagas: every ledger that can be, and processes that die or fail anywhere, over and over."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from progresswidget.delivery.execution import Entry, Execution, LostError, Verdict
from progresswidget.delivery.ledger import Ledger
from progresswidget.delivery.saga import Saga
from progresswidget.errors import ExportCancelledError, LeaseLostError
from progresswidget.export import journal
from progresswidget.export.lease import take
from progresswidget.transfer.retry import Clock, Tries

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STEPS = ["write", "send", "publish"]
EVENTS = ["begun", "noted", "done", "undoing", "undone"]


class DiedError(BaseException):
    """The process is gone, from one moment to the next."""


class PassingError(Exception):
    """What may work the next time."""


class LastingError(Exception):
    """What never works."""


def judge(error: BaseException) -> Verdict:
    if isinstance(error, (LastingError, ExportCancelledError)):
        return "never"
    return "again" if isinstance(error, PassingError) else "later"


class NoWait(Clock):
    def wait(self, seconds: float, look: Callable[[], None]) -> None:
        look()


# --- The ledger -----------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([*EVENTS, "abandoned"]), st.sampled_from(STEPS))))
def test_whatever_a_ledger_takes_is_in_order(lines: list[tuple[str, str]]) -> None:
    saga = Saga("k", STEPS)
    for event, step in lines:
        before = [saga.stage(one) for one in STEPS], saga.abandoned
        try:
            saga.take({event: step})
        except ValueError:
            assert before == ([saga.stage(one) for one in STEPS], saga.abandoned)
    stages = [saga.stage(step) for step in STEPS]
    # Forward there is one front: all before it is done, all behind it is open.
    reached = [stage for stage in stages if stage != "open"]
    assert stages[: len(reached)] == reached
    if saga.abandoned is None:
        assert reached[:-1] == ["done"] * (len(reached) - 1)
        assert not {"undoing", "undone"} & set(stages)
    elif saga.stands:
        pytest.fail("what others have seen was taken back")
    else:
        back = [stage in {"undoing", "undone"} for stage in reached]
        assert back == sorted(back), "the last is undone first"


def test_a_heading_that_is_none_is_refused() -> None:
    head = Saga("k", STEPS).to_line()
    assert Saga.from_line(head).to_line() == head
    for wrong in ({"saga": 2}, {"steps": []}, {"steps": ["a", "a"]}, {"key": ""}):
        with pytest.raises(ValueError, match="saga"):
            Saga.from_line(head | wrong)


def test_the_keys_of_the_steps_differ_and_stay() -> None:
    keys = [Saga("k", STEPS).key_of(step) for step in STEPS]
    assert len(set(keys)) == len(STEPS)
    assert keys == [Saga("k", STEPS).key_of(step) for step in STEPS]
    assert Saga("l", STEPS).key_of("send") not in keys


def test_what_is_torn_or_damaged_does_not_count_and_what_follows_does(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    with closing(take(path)) as lease:
        ledger = Ledger(lease)
        ledger.begin(STEPS)
        ledger.write("begun", "write")
    whole = path.read_bytes()
    for rest in (
        b'{"done": "wri',
        b'{"done": "write"}',
        b"\xff\xfe\n",
        b'{"done": "publish"}\n',
        b'{"saga": 9}\n{}\n',
    ):
        path.write_bytes(whole + rest)
        with closing(take(path)) as lease:
            ledger = Ledger(lease)
            assert ledger.saga is not None
            assert ledger.saga.stage("write") == "begun"
            ledger.write("done", "write", {"size": 1})
        with closing(take(path)) as lease:
            again = Ledger(lease).saga
            assert again is not None
            assert (again.stage("write"), again.note("write")) == ("done", {"size": 1})


def test_each_line_is_on_the_disk_before_anything_else_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, synced = os.fsync, list[Path | bytes]()

    def fsync(descriptor: int) -> None:
        place = Path(f"/dev/fd/{descriptor}").resolve()
        synced.append(place if place.is_dir() else place.read_bytes().splitlines()[-1])
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    folder = tmp_path / "folder"
    folder.mkdir()
    with closing(take(folder / "ledger")) as lease:
        ledger = Ledger(lease)
        heading = json.dumps(ledger.begin(STEPS).to_line(), separators=(",", ":")).encode()
        ledger.write("begun", "write")
    assert synced == [heading, folder, tmp_path, b'{"begun":"write"}']


def test_a_line_that_finds_no_room_counts_as_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def append(descriptor: int, lines: list[bytes]) -> None:
        os.pwrite(descriptor, b"".join(lines)[:5], os.fstat(descriptor).st_size)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with closing(take(tmp_path / "ledger")) as lease:
        ledger = Ledger(lease)
        saga = ledger.begin(STEPS)
        before = (tmp_path / "ledger").read_bytes()
        with monkeypatch.context() as patched:
            patched.setattr(journal, "append", append)
            with pytest.raises(OSError, match="No space left"):
                ledger.write("begun", "write")
        assert (tmp_path / "ledger").read_bytes() == before
        assert saga.stage("write") == "open"
        ledger.write("begun", "write")
        assert saga.stage("write") == "begun"


def test_a_ledger_is_needed_until_all_stands_or_is_undone(tmp_path: Path) -> None:
    with closing(take(tmp_path / "ledger")) as lease:
        ledger = Ledger(lease)
        assert not ledger.over
        ledger.begin(STEPS)
        ledger.write("begun", "write")
        ledger.write("abandoned", "cancelled")
        assert not ledger.over
        ledger.write("undoing", "write")
        assert not ledger.over
        ledger.write("undone", "write")
        assert ledger.over
        ledger.begin(STEPS)
        for step in STEPS:
            assert not ledger.over
            ledger.write("begun", step)
            ledger.write("done", step)
        assert ledger.over


# --- Processes that end anywhere ------------------------------------------------------------------


@dataclass
class World:
    """A place with what was sent to it, what is seen there, and every time that something was."""

    data: int = 0
    written: int | None = None
    sent: dict[str, int] = field(default_factory=dict)
    undone: int = 0
    seen: list[tuple[str, int]] = field(default_factory=list)
    """What was published, in order: the key of what was sent, and the data."""
    fate: Iterator[str] = field(default_factory=lambda: iter(()))

    def took_back(self) -> None:
        self.undone += 1

    def moment(self) -> None:
        """Something may happen now."""
        match next(self.fate, "nothing"):
            case "died":
                raise DiedError
            case "passing":
                raise PassingError
            case "lasting":
                raise LastingError
            case "cancelled":
                raise ExportCancelledError("enough")
            case "lost":
                self.sent.clear()


@dataclass
class Step:
    """One of the steps, in that world."""

    world: World
    name: str

    def do(self, entry: Entry) -> dict[str, Any]:
        world = self.world
        world.moment()
        note: dict[str, Any] = {}
        if self.name == "write":
            world.written = world.data
            note = {"data": world.written}
        elif self.name == "send":
            world.sent[entry.key] = entry.before["write"]["data"]
            note = {"upload": entry.key}
        else:
            note = self._publish(entry)
        world.moment()
        return note

    def _publish(self, entry: Entry) -> dict[str, Any]:
        upload = entry.before["send"]["upload"]
        if upload not in dict(self.world.seen):
            if upload not in self.world.sent:
                raise LostError("gone")
            self.world.seen.append((upload, self.world.sent.pop(upload)))
        return {"url": upload}

    def undo(self, entry: Entry) -> None:
        self.world.moment()
        if self.name == "write":
            self.world.written = None
        elif self.name == "send":
            self.world.sent.pop(entry.key, None)
        self.world.moment()

    def stands(self, entry: Entry) -> dict[str, Any] | None:
        self.world.moment()
        upload = entry.before["send"]["upload"]
        return {"url": upload} if upload in dict(self.world.seen) else None


class MortalLedger(Ledger):
    """Its process may die before and after each line."""

    world: World

    def write(self, event: str, step: str, note: dict[str, Any] | None = None) -> None:
        self._moment()
        super().write(event, step, note)
        self._moment()

    def _moment(self) -> None:
        if next(self.world.fate, "nothing") == "died":
            raise DiedError


def attempt(path: Path, world: World, clock: NoWait | None = None) -> str:
    """Run the saga once, in a process of its own; return how that ended."""
    with closing(take(path)) as lease:
        ledger = MortalLedger(lease)
        ledger.world = world
        try:
            Execution(
                ledger,
                [Step(world, name) for name in STEPS],
                judge=judge,
                tries=lambda: Tries(lambda: 0.0),
                clock=clock or NoWait(),
                look=lambda: None,
                undone=world.took_back,
            ).run()
        except (DiedError, PassingError, LastingError, ExportCancelledError, LostError) as error:
            ended = type(error).__name__
        else:
            ended = "stands"
        if ledger.over and ended != "DiedError":
            world.written = None
            lease.remove()
        return ended


fates = st.lists(
    st.sampled_from(["nothing"] * 12 + ["died", "died", "passing", "lasting", "cancelled", "lost"]),
    max_size=40,
)

IN_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


@settings(max_examples=120, deadline=None)
@given(st.lists(st.tuples(fates, st.booleans()), max_size=5))
def test_all_of_it_stands_once_or_nothing_is_left(runs: list[tuple[list[str], bool]]) -> None:
    # Each line of a ledger is synced, which beside other tests takes a disk most of the time.
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        path, world = Path(folder) / "ledger", World()
        stood = False
        for fate, changed in runs:
            world.data += changed
            world.fate = iter(fate)
            seen = len(world.seen)
            ended = attempt(path, world)
            assert len(world.seen) <= seen + 1
            # Whoever was told that it is undone finds nothing of it.
            if not path.exists():
                assert (world.sent, world.written) == ({}, None)
                assert ended in {"stands", "LastingError", "ExportCancelledError"}
            if ended == "stands":
                stood = True
                assert world.seen[-1][1] <= world.data
        world.fate = iter(())
        seen = list(world.seen)
        assert attempt(path, world) == "stands", "it is tried in the end"
        assert (world.sent, world.written, path.exists()) == ({}, None, False)
        assert world.seen[-1][1] == world.data
        # What was seen before was not published a second time, unless it was finished and asked for
        # anew, or the data had changed.
        assert len(world.seen) - len(seen) <= 1
        assert len({upload for upload, _ in world.seen}) == len(world.seen)
        assert stood or len({data for _, data in world.seen}) == len(world.seen)


def test_the_keys_survive_a_kill_and_data_that_changed_gets_new_ones(tmp_path: Path) -> None:
    path, world = tmp_path / "ledger", World()
    # begun, write, done, begun, and it dies when the file was sent.
    world.fate = iter(["nothing"] * 9 + ["died"])
    assert attempt(path, world) == "DiedError"
    (first,) = world.sent
    assert attempt(path, world) == "stands"
    assert world.seen == [(first, 0)]
    world.fate = iter(["nothing"] * 9 + ["died"])
    assert attempt(path, world) == "DiedError"
    (second,) = world.sent
    world.data = 1
    assert attempt(path, world) == "stands"
    assert world.seen[-1][1] == 1
    assert world.seen[-1][0] != second
    assert world.sent == {}


def test_a_cancel_that_comes_when_it_is_seen_comes_too_late(tmp_path: Path) -> None:
    path, world = tmp_path / "ledger", World()
    fate = ["nothing"] * 30
    # The moment behind the publishing itself: 2 lines a step around 2 moments, twice, then 3.
    fate[15] = "cancelled"
    world.fate = iter(fate)
    assert attempt(path, world) == "stands"
    assert len(world.seen) == 1
    assert (world.sent, world.written) == ({}, None)


def test_each_step_that_is_undone_is_counted(tmp_path: Path) -> None:
    path, world = tmp_path / "ledger", World()
    # Two lines and two moments of the first step, one line of the second, and it fails.
    world.fate = iter([*["nothing"] * 8, "lasting"])
    assert attempt(path, world) == "LastingError"
    assert world.undone == 2


def test_whoever_was_taken_over_while_it_waited_publishes_nothing(tmp_path: Path) -> None:
    path, world = tmp_path / "ledger", World()
    fate = ["nothing"] * 15
    fate[14] = "passing"
    world.fate = iter(fate)

    class Sleep(NoWait):
        def wait(self, seconds: float, look: Callable[[], None]) -> None:
            path.unlink()
            path.touch()

    with pytest.raises(LeaseLostError):
        attempt(path, world, Sleep())
    assert world.seen == []
