"""`deliver`: what it refuses, and how it treats servers that are not ours."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from odd_tus_server import OddTusServer

import progresswidget as pw
from progresswidget import protocol
from progresswidget.delivery import staging
from progresswidget.errors import (
    DestinationError,
    DestinationExistsError,
    OptionError,
    SourceError,
    TransferError,
    TransferRefusedError,
    UnsupportedFormatError,
)

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


def test_the_longest_name_has_room(here: Path, share: Path) -> None:
    name = f"{'n' * 247}.csv"
    pw.deliver(TABLE.slice(0, 3), name, share)
    assert (share / name).exists()
    assert left(here) == []
