"""`deliver`: what it refuses, and how it treats servers that are not ours."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyrage
import pytest
from odd_tus_server import OddTusServer

import progresswidget as pw
from progresswidget import protocol
from progresswidget.delivery import staging
from progresswidget.delivery.execution import Entry
from progresswidget.delivery.folder import FolderReceiver
from progresswidget.delivery.ledger import Ledger
from progresswidget.delivery.receiver import Parcel
from progresswidget.delivery.work import Delivery
from progresswidget.display import _lines
from progresswidget.errors import (
    DestinationBusyError,
    DestinationError,
    DestinationExistsError,
    ExportCancelledError,
    ExportHeldError,
    LeaseLostError,
    OptionError,
    SourceError,
    TransferError,
    TransferRefusedError,
    UnsupportedFormatError,
)
from progresswidget.export import plain
from progresswidget.export.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE = pa.table({"n": range(200_000)})


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_server: None) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def share(tmp_path: Path) -> Path:
    folder = tmp_path / "share"
    folder.mkdir()
    return folder


@pytest.fixture
def server() -> Iterator[OddTusServer]:
    server = OddTusServer()
    yield server
    server.close()


def left(here: Path) -> list[Path]:
    return list(here.iterdir())


def test_a_file_is_in_the_folder_and_nowhere_else(here: Path, share: Path) -> None:
    job = pw.deliver(TABLE, "a.csv", share)
    done = job.result()
    content = (share / "a.csv").read_bytes()
    assert done.sha256 == job.sha256 == hashlib.sha256(content).hexdigest()
    assert done.url == (share / "a.csv").as_uri()
    assert (job.state, job.kind, job.bytes) == ("done", "upload", len(content))
    assert left(here) == []
    assert list(share.iterdir()) == [share / "a.csv"]
    pw.deliver(TABLE, "a.csv", share / "renamed.csv")
    assert (share / "renamed.csv").read_bytes() == content


@pytest.mark.parametrize(
    ("path", "changes", "kind"),
    [
        ("a.unknown", {}, UnsupportedFormatError),
        ("a.csv", {"overwrite": 1}, OptionError),
        ("a.csv", {"background": "yes"}, OptionError),
        ("a.csv", {"delimiterr": ";"}, OptionError),
        ("a.csv", {"to": "no address"}, OptionError),
        ("a.csv", {"to": Path("/missing/folder/a.csv")}, DestinationError),
        ("missing/a.csv", {}, DestinationError),
    ],
)
def test_what_can_be_seen_at_once_is_refused_at_once(
    here: Path, share: Path, path: str, changes: dict[str, Any], kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        pw.deliver(TABLE, path, **({"to": share} | changes))
    assert left(here) == left(share) == []


def test_a_folder_that_is_given_as_text_is_not_taken_for_an_address(
    here: Path, share: Path
) -> None:
    with pytest.raises(OptionError, match="is a folder of this machine") as refused:
        pw.deliver(TABLE, "a.csv", str(share))
    assert f"Give Path({str(share)!r})" in str(refused.value)
    assert left(here) == left(share) == []


def test_a_name_that_is_taken_is_left_alone(here: Path, share: Path) -> None:
    (share / "a.csv").write_text("old")
    with pytest.raises(DestinationExistsError):
        pw.deliver(TABLE, "a.csv", share, overwrite=False)
    assert (share / "a.csv").read_text() == "old"
    assert left(here) == []


def test_any_server_of_tus_will_do(here: Path, server: OddTusServer) -> None:
    done = pw.deliver(TABLE, "a.csv", server.url, headers={"X-Who": "me"}).result()
    (content,) = server.files.values()
    assert done.sha256 == hashlib.sha256(content).hexdigest()
    assert done.url.startswith(server.url)
    sizes = [int(fields["content-length"]) for fields in server.fields("PATCH")]
    assert sizes[-1] == 1, "what publishes it is the last byte"
    assert {fields["x-who"] for fields in server.fields("PATCH")} == {"me"}
    assert left(here) == []


def test_a_server_that_loses_the_upload_gets_it_once_more(here: Path, server: OddTusServer) -> None:
    server.faults.extend([None, "gone"])  # the last byte finds nothing
    done = pw.deliver(TABLE, "a.csv", server.url).result()
    assert [len(content) for content in server.files.values()] == [done.bytes]
    assert server.received == 2 * done.bytes
    assert left(here) == []


def test_a_server_that_loses_it_each_time_is_given_up(here: Path, server: OddTusServer) -> None:
    server.faults.extend(["gone"] * 9)
    with pytest.raises(TransferError, match="has lost the upload"):
        pw.deliver(TABLE, "a.csv", server.url)
    assert server.methods().count("POST") == 3
    (folder,) = left(here)
    assert protocol.is_delivery_name(folder.name), "the next run begins with the file"


def test_a_server_that_shows_what_is_half_there_gets_nothing(
    here: Path, server: OddTusServer
) -> None:
    server.speaks_tus = False
    with pytest.raises(TransferRefusedError, match="does not speak tus"):
        pw.deliver(TABLE, "a.csv", server.url)
    assert server.files == {}
    assert left(here) == []


def test_a_refusal_in_the_middle_ends_the_upload_there(here: Path, server: OddTusServer) -> None:
    server.faults.extend([None, 403])
    job = pw.deliver(TABLE, "a.csv", server.url, background=True)
    with pytest.raises(TransferRefusedError):
        job.result(timeout=60)
    assert job.report()["undone"] == 3, "the name, what was sent, and what was written"
    assert server.methods().count("DELETE") == 1
    assert server.files == {}
    assert left(here) == []


def test_an_upload_that_another_request_holds_is_ended_as_soon_as_it_is_free(
    here: Path, server: OddTusServer
) -> None:
    server.faults.extend([None, 403])
    server.held = 2
    with pytest.raises(TransferRefusedError):
        pw.deliver(TABLE, "a.csv", server.url)
    assert server.methods().count("DELETE") == 3
    assert server.files == {}
    assert left(here) == []


def test_a_server_that_has_not_yet_told_its_new_secret_has_lost_nothing(
    here: Path, server: OddTusServer
) -> None:
    # It was killed, and answers a moment before kernels can know it.
    server.faults.append("cut")
    server.stale = 2
    pw.deliver(TABLE, "a.csv", server.url, headers={"Authorization": "Kernel the one before"})
    assert server.stale == 0
    assert server.methods().count("POST") == 1
    assert len(server.files) == 1
    assert left(here) == []


def test_a_source_that_fails_leaves_what_the_next_run_goes_on_with(here: Path, share: Path) -> None:
    schema = pa.schema({"n": pa.int64()})

    def batches(fails: bool) -> Any:  # noqa: FBT001
        for number in range(4):
            if fails and number == 3:
                raise OSError("the line is dead")
            yield pa.record_batch([pa.array(range(200_000))], schema=schema)

    def reader(fails: bool) -> Any:  # noqa: FBT001
        return pa.RecordBatchReader.from_batches(schema, batches(fails))

    with pytest.raises(SourceError):
        pw.deliver(lambda: reader(fails=True), "a.csv", share)
    (folder,) = left(here)
    assert protocol.is_delivery_name(folder.name)
    assert staging.LEDGER == protocol.LEDGER
    assert list(share.iterdir()) == []
    pw.deliver(lambda: reader(fails=False), "a.csv", share)
    assert (share / "a.csv").read_text().count("\n") == 800_001
    assert left(here) == []


def test_a_database_is_delivered_encrypted_and_nothing_plain_of_it_is_left(
    here: Path, share: Path
) -> None:
    identity = pyrage.x25519.Identity.generate()
    key = str(identity.to_public())
    pw.deliver(TABLE, "a.sqlite.age", share, encrypt_to=key)
    data = pyrage.decrypt((share / "a.sqlite.age").read_bytes(), [identity])
    assert data.startswith(b"SQLite format 3")
    assert left(here) == []
    stage = staging.Staging(here / "b.sqlite.age", "there")
    stage.make()
    dead = plain.create_plain(stage.file)
    os.close(dead.descriptor)
    stage.clear()
    stage.leave()
    assert left(here) == []


class Told(Progress):
    """Keeps what was told of the steps, in order."""

    def __init__(self) -> None:
        self.all: list[dict[str, str]] = []
        super().__init__()

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name == "steps" and value and value != (self.all or [None])[-1]:
            self.all.append(dict(value))

    def words(self) -> list[str]:
        """Return where the three steps were, each time that all of them were told."""
        return [" ".join(steps.values()) for steps in self.all if len(steps) == 3]


def test_each_step_is_told_when_it_begins_and_ends(share: Path) -> None:
    told = Told()
    Delivery(TABLE, "a.csv", FolderReceiver(share / "a.csv", overwrite=True), options={}).run(told)
    assert list(told.steps) == ["write", "send", "publish"]
    assert told.words() == [
        "queued queued queued",
        "running queued queued",
        "done queued queued",
        "done running queued",
        "done done queued",
        "done done running",
        "done done done",
    ]


def test_steps_that_are_undone_are_told_in_the_report_of_the_job(server: OddTusServer) -> None:
    server.faults.extend([None, 403])
    job = pw.deliver(TABLE, "a.csv", server.url, background=True)
    with pytest.raises(TransferRefusedError):
        job.result(60)
    assert job.steps == {"write": "undone", "send": "undone", "publish": "failed"}
    report = json.dumps(job.report()).encode()
    steps = protocol.decode_report(job.id, report)["steps"]
    assert {step["name"]: step["status"] for step in steps} == job.steps
    assert job.snapshot()["steps"] == steps


def test_a_receipt_says_what_was_done(share: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = pw.deliver(TABLE, "a.csv", share)
    assert list(_lines(job)) == ["written, sent, published"]
    monkeypatch.setenv("PROGRESSWIDGET_LANGUAGE", "zh")
    assert list(_lines(job)) == ["已写入、已发送、已发布"]
    assert list(_lines(pw.export(TABLE, share / "b.csv"))) == []


def test_a_cancel_undoes_what_was_done_and_is_told_of_its_step(share: Path) -> None:
    class Cancelled(Told):
        def stop(self) -> None:
            if self.steps.get("send") == "running":
                raise ExportCancelledError("enough")

    told = Cancelled()
    told.checkpoint = told.stop
    with pytest.raises(ExportCancelledError):
        Delivery(TABLE, "a.csv", FolderReceiver(share / "a.csv", overwrite=True), options={}).run(
            told
        )
    assert told.words()[-3:] == [
        "done cancelled queued",
        "undoing cancelled queued",
        "undone cancelled queued",
    ]


def test_what_a_killed_process_has_done_is_told_from_the_start(share: Path) -> None:
    program = (
        "import os, signal, sys, pathlib, pyarrow as pa, progresswidget as pw\n"
        "from progresswidget.delivery.ledger import Ledger\n"
        "write = Ledger.write\n"
        "def last(ledger, event, step, note=None):\n"
        "    write(ledger, event, step, note)\n"
        "    if (event, step) == ('done', 'send'):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "Ledger.write = last\n"
        "pw.deliver(pa.table({'n': range(200_000)}), 'a.csv', pathlib.Path(sys.argv[1]))\n"
    )
    command = [sys.executable, "-c", program, str(share)]
    assert subprocess.run(command, check=False, timeout=120).returncode == -signal.SIGKILL
    told = Told()
    Delivery(TABLE, "a.csv", FolderReceiver(share / "a.csv", overwrite=True), options={}).run(told)
    assert told.words() == [
        "done done queued",
        "running done queued",
        "done done queued",
        "done done running",
        "done done done",
    ]


def test_without_locks_a_delivery_that_shows_no_life_harms_nobody(
    here: Path, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, f"No locks available {descriptor} {operation}")

    monkeypatch.setattr(fcntl, "flock", flock)
    path, asleep, wake = share / "a.csv", threading.Event(), threading.Event()

    def deliver(progress: Progress) -> None:
        receiver = FolderReceiver(path, overwrite=True)
        Delivery(TABLE, "a.csv", receiver, options={}).run(progress)

    class Sleeper(Progress):
        def look(self) -> None:
            if self.phase == "sending" and self.rows:
                asleep.set()
                assert wake.wait(60)

    def sleep() -> None:
        sleeper = Sleeper()
        sleeper.checkpoint = sleeper.look
        with pytest.raises(LeaseLostError):
            deliver(sleeper)
        lost.append(path)

    lost: list[Path] = []
    thread = threading.Thread(target=sleep)
    thread.start()
    assert asleep.wait(60)
    (ledger,) = here.glob(".a.csv.*.delivery/ledger")
    sent: list[int] = []

    class Taker(Progress):
        def look(self) -> None:
            if self.phase == "sending":
                sent.append(self.rows)

    def take_over() -> None:
        taker = Taker()
        taker.checkpoint = taker.look
        for _ in range(100):
            os.utime(ledger, (1, 1))
            with suppress(DestinationBusyError):
                return deliver(taker)
        raise AssertionError("it shows life again and again")

    try:
        take_over()
        path.write_text("its owner goes on")
    finally:
        wake.set()
        thread.join(60)
    assert lost == [path]
    assert path.read_text() == "its owner goes on"
    assert list(share.iterdir()) == [path]
    assert left(here) == []
    assert sent[0] >= 2**20, "what was there is not sent again"


def to_share(share: Path, progress: Progress) -> None:
    receiver = FolderReceiver(share / "a.csv", overwrite=True)
    Delivery(TABLE, "a.csv", receiver, options={}).run(progress)


class Interrupted(Progress):
    """It ends in the middle of the copy, for the next run to go on."""

    def stop(self) -> None:
        if self.phase == "sending" and self.rows:
            raise ExportHeldError("restarted")


@pytest.mark.parametrize("damage", ["in it", "behind it"])
def test_a_copy_that_was_damaged_is_made_anew(damage: str, share: Path) -> None:
    interrupted = Interrupted()
    interrupted.checkpoint = interrupted.stop
    with pytest.raises(ExportHeldError):
        to_share(share, interrupted)
    (part,) = share.iterdir()
    content = part.read_bytes()
    part.write_bytes(b"#" + content[1:] if damage == "in it" else content + bytes(2**21))
    to_share(share, Progress())
    pw.export(TABLE, share / "b.csv")
    assert (share / "a.csv").read_bytes() == (share / "b.csv").read_bytes()
    assert set(share.iterdir()) == {share / "a.csv", share / "b.csv"}


def test_a_copy_is_on_the_disk_before_it_counts_as_sent(
    share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, write = os.fsync, Ledger.write
    synced: dict[Path, int] = {}
    sent: list[dict[Path, int]] = []

    def fsync_(descriptor: int) -> None:
        path = Path(f"/dev/fd/{descriptor}").resolve()
        synced[path.parent] = path.stat().st_size
        fsync(descriptor)

    def write_(ledger: Ledger, event: str, step: str, note: Any = None) -> None:
        if (event, step) == ("done", "send"):
            sent.append(dict(synced))
        write(ledger, event, step, note)

    monkeypatch.setattr(os, "fsync", fsync_)
    monkeypatch.setattr(Ledger, "write", write_)
    to_share(share, Progress())
    assert [each.get(share) for each in sent] == [(share / "a.csv").stat().st_size]


def test_a_copy_that_did_not_reach_the_disk_is_made_anew(
    share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if Path(f"/dev/fd/{descriptor}").resolve().parent == share:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        with pytest.raises(DestinationError, match="No space left"):
            to_share(share, Progress())
    assert list(share.iterdir()) == []
    to_share(share, Progress())
    assert list(share.iterdir()) == [share / "a.csv"]


def test_a_ledger_that_finds_no_room_is_told_of_in_words(
    share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(ledger: Ledger, *line: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), f"{ledger} {line}")

    monkeypatch.setattr(Ledger, "_write", write)
    with pytest.raises(DestinationError, match="free some space"):
        to_share(share, Progress())


def test_what_stands_already_is_not_sent_once_more(
    here: Path, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Ledger.write

    def last(ledger: Ledger, event: str, step: str, note: Any = None) -> None:
        if (event, step) == ("done", "publish"):
            raise KeyboardInterrupt
        write(ledger, event, step, note)

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "write", last)
        with pytest.raises(KeyboardInterrupt):
            to_share(share, Progress())
    inode = (share / "a.csv").stat().st_ino
    told = Told()
    to_share(share, told)
    assert (share / "a.csv").stat().st_ino == inode
    assert "done running queued" not in told.words()
    assert list(share.iterdir()) == [share / "a.csv"]
    assert left(here) == []


@pytest.mark.parametrize("event", ["removed", "taken", "same size", "two names"])
def test_whatever_happens_before_it_is_published(
    event: str, here: Path, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, write = share / "a.csv", Ledger.write
    pw.export(TABLE, here / "b.csv")
    content = (here / "b.csv").read_bytes()
    (here / "b.csv").unlink()

    def happen(ledger: Ledger, what: str, step: str, note: Any = None) -> None:
        write(ledger, what, step, note)
        if (what, step) == ("done", "send"):
            monkeypatch.setattr(Ledger, "write", write)
            (part,) = share.iterdir()
            if event == "removed":
                part.unlink()
            elif event == "two names":  # where nothing is replaced it has both for a moment
                path.hardlink_to(part)
            else:
                path.write_bytes(b"old" if event == "taken" else bytes(len(content)))

    monkeypatch.setattr(Ledger, "write", happen)
    receiver = FolderReceiver(path, overwrite=event in {"removed", "same size"})
    delivery = Delivery(TABLE, "a.csv", receiver, options={})
    if event == "taken":
        with pytest.raises(DestinationExistsError):
            delivery.run(Progress())
        assert path.read_bytes() == b"old"
    else:
        delivery.run(Progress())
        assert path.read_bytes() == content
    assert list(share.iterdir()) == [path]
    assert left(here) == []


@pytest.mark.parametrize("moment", ["before all", "after all"])
def test_whoever_was_taken_over_removes_nothing_of_the_other(
    moment: str, here: Path, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = Delivery(TABLE, "a.csv", FolderReceiver(share / "a.csv", overwrite=True), options={})
    (folder,) = here.iterdir()
    real = Ledger.write

    def take_over() -> None:
        (folder / "new").touch()
        (folder / "new").replace(folder / "ledger")
        (folder / "its part").touch()

    def write(ledger: Ledger, event: str, step: str, note: Any = None) -> None:
        real(ledger, event, step, note)
        if (event, step) == ("done", "publish"):
            take_over()

    def begin(ledger: Ledger, steps: list[str]) -> None:
        take_over()
        raise KeyboardInterrupt(ledger, steps)

    with monkeypatch.context() as patched:
        if moment == "before all":
            patched.setattr(Ledger, "begin", begin)
        patched.setattr(Ledger, "write", write)
        with suppress(KeyboardInterrupt):
            delivery.run(Progress())
    assert (share / "a.csv").exists() == (moment == "after all")
    assert {path.name for path in folder.iterdir()} >= {"ledger", "its part"}


def test_the_folder_in_which_an_archive_is_prepared_is_not_in_it(here: Path, share: Path) -> None:
    (here / "notes.md").write_text("kept")
    (here / ".a.zip.12345678.delivery").mkdir()  # of another place, where it was killed
    (here / ".a.zip.12345678.delivery/ledger").touch()
    (here / ".b.zip.12345678.delivery").mkdir()
    pw.deliver([here], "a.zip", share)
    with zipfile.ZipFile(share / "a.zip") as archive:
        assert archive.namelist() == ["here/notes.md", "here/.b.zip.12345678.delivery/"]


def test_every_copy_that_was_begun_is_dropped(share: Path) -> None:
    # The last one had no time to become one, and the first one none to be removed.
    copies = [share / f".a.csv.{digits}.part" for digits in ("01234567", "11111111", "22222222")]
    for copy in copies:
        copy.touch()
    note = {"begun": ["11111111", "22222222", "33333333"]}
    entry = Entry("0123456789abcdef", note, {}, lambda _: None, alone=True)
    FolderReceiver(share / "a.csv", overwrite=True).drop(Parcel(share / "a.csv", 0, ""), entry)
    assert list(share.iterdir()) == []


def test_the_longest_name_has_room(here: Path, share: Path) -> None:
    name = f"{'n' * 247}.csv"
    pw.deliver(TABLE.slice(0, 3), name, share)
    assert (share / name).exists()
    assert left(here) == []
