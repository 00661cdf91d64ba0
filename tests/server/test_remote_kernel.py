"""A kernel that does not share the server's disk: its file arrives, whatever breaks."""

from __future__ import annotations

import hashlib
import signal
from typing import TYPE_CHECKING

import pytest
from two_disks import MIDDLE, download, until

from progresswidget.sending import CHUNK

if TYPE_CHECKING:
    from collections.abc import Callable

    from two_disks import Place


def test_the_file_travels_while_it_is_written_and_is_the_same_at_the_end(place: Place) -> None:
    server = place.serve()
    kernel = place.kernel(server, stop=MIDDLE, path="out/sales.csv", cwd="work")
    (place.disk / "work" / "out").mkdir(parents=True)
    assert kernel.line() == {"stopped": MIDDLE}
    # Most of it has arrived, and the kernel has not written half of the rest.
    until(lambda: place.arrived() > CHUNK)
    assert place.files(place.root) == [path for path in place.files(place.root) if "upload" in path]
    (record,) = server.request("api/jobs")
    assert record["status"] == "running"
    kernel.go_on()
    ended = kernel.end()
    assert (ended["state"], ended["error"]) == ("done", None)
    # From the kernel's working directory to the folder of the notebook, or else the root.
    assert place.files(place.root) == ["out/sales.csv"]
    assert place.files(place.disk) == ["work/out/sales.csv"]
    assert place.digest("out/sales.csv") == ended["sha256"]
    assert ended["sent"] == ended["bytes"]
    record = server.request(f"api/jobs/{ended['id']}")
    assert (record["status"], record["phase"]) == ("done", "sending")
    assert record["path"] == str(place.root / "out/sales.csv")
    assert hashlib.sha256(download(server, ended["id"])).hexdigest() == ended["sha256"]


def test_a_server_that_is_killed_and_comes_back_goes_on(place: Place) -> None:
    first = place.serve()
    kernel = place.kernel(first, stop=MIDDLE)
    kernel.line()
    until(lambda: place.arrived() > CHUNK)
    first.stop(signal.SIGKILL)
    kernel.go_on()
    second = place.serve()
    ended = kernel.end()
    assert ended["error"] is None
    assert place.files(place.root) == ["sales.csv"]
    assert place.digest("sales.csv") == ended["sha256"]
    assert ended["sent"] <= ended["bytes"] + CHUNK
    assert hashlib.sha256(download(second, ended["id"])).hexdigest() == ended["sha256"]


SLOW = pytest.mark.faults


@pytest.mark.parametrize(
    "ending", [".csv", pytest.param(".csv.gz", marks=SLOW), pytest.param(".parquet", marks=SLOW)]
)
def test_a_kernel_that_is_killed_goes_on_when_the_cell_runs_again(
    place: Place, ending: str
) -> None:
    server, path = place.serve(), f"sales{ending}"
    first = place.kernel(server, stop=MIDDLE, path=path)
    first.line()
    until(lambda: place.arrived() > 100_000)
    before = until_still(place.arrived)
    first.kill()
    ended = place.kernel(server, path=path).end()
    assert ended["error"] is None
    assert ended["reused"] > 0
    assert place.files(place.root) == place.files(place.disk) == [path]
    assert place.digest(path) == ended["sha256"]
    assert before + ended["sent"] <= ended["bytes"] + CHUNK


@pytest.mark.parametrize("who", ["kernel", pytest.param("server", marks=SLOW)])
def test_whoever_dies_when_the_file_has_its_name_it_is_published_once(
    place: Place, who: str
) -> None:
    # The upload is published, and the job does not know of it yet, or only just. Its key finds the
    # upload, its sidecar the file, and its digest says that it is this one: nothing is sent again.
    server = place.serve()
    kernel = place.kernel(server)
    target = place.root / "sales.csv"
    until(target.exists)
    inode = target.stat().st_ino
    if who == "kernel":
        kernel.kill()
        kernel = place.kernel(server)
        ended = kernel.end()
        assert (ended["error"], ended["sent"]) == (None, 0)
    else:
        server.stop(signal.SIGKILL)
        server = place.serve()
        ended = kernel.end()
        assert ended["error"] is None
    assert target.stat().st_ino == inode, "seen once"
    assert place.files(place.root) == ["sales.csv"]
    assert place.digest("sales.csv") == ended["sha256"]
    record = server.request(f"api/jobs/{ended['id']}")
    assert (record["status"], record["path"]) == ("done", str(target))
    assert hashlib.sha256(download(server, ended["id"])).hexdigest() == ended["sha256"]


def until_still(size: Callable[[], int]) -> int:
    seen: list[int] = []

    def still() -> bool:
        seen.append(size())
        return len(seen) > 50 and len(set(seen[-50:])) == 1

    until(still)
    return seen[-1]


@SLOW
def test_other_data_is_sent_from_the_beginning(place: Place) -> None:
    server = place.serve()
    first = place.kernel(server, stop=MIDDLE)
    first.line()
    until(lambda: place.arrived() > CHUNK)
    first.kill()
    ended = place.kernel(server, salt=1).end()
    assert ended["error"] is None
    assert ended["sent"] == ended["bytes"]
    assert place.files(place.root) == ["sales.csv"]
    assert place.digest("sales.csv") == ended["sha256"]


@SLOW
def test_what_is_there_already_is_not_sent_again(place: Place) -> None:
    server = place.serve()
    first = place.kernel(server).end()
    again = place.kernel(server).end()
    assert (again["sent"], again["sha256"]) == (0, first["sha256"])
    # And what somebody has removed is.
    (place.root / "sales.csv").unlink()
    once_more = place.kernel(server).end()
    assert once_more["sent"] == first["bytes"]
    assert place.digest("sales.csv") == first["sha256"]


def test_an_empty_export_arrives_too(place: Place) -> None:
    server = place.serve()
    ended = place.kernel(server, rows=0, path="a.ndjson").end()
    assert (ended["error"], ended["bytes"]) == (None, 0)
    assert place.files(place.root) == ["a.ndjson"]


@SLOW
def test_a_format_that_a_library_writes_is_sent_when_it_is_complete(place: Place) -> None:
    ended = place.kernel(place.serve(), rows=40_000, path="a.sqlite").end()
    assert ended["error"] is None
    assert place.digest("a.sqlite") == ended["sha256"]


def test_a_cancelled_export_leaves_nothing_on_either_disk(place: Place) -> None:
    server = place.serve()
    kernel = place.kernel(server, stop=MIDDLE)
    kernel.line()
    until(lambda: place.arrived() > CHUNK)
    (record,) = server.request("api/jobs")
    server.request(f"api/jobs/{record['taskId']}", method="POST", body={"action": "cancel"})
    until(lambda: server.request(f"api/jobs/{record['taskId']}")["pending"] is None)
    kernel.go_on()
    assert kernel.end()["state"] == "cancelled"
    assert place.files(place.root) == place.files(place.disk) == []


def test_a_refusal_of_the_server_is_told_in_words(place: Place) -> None:
    server = place.serve()
    (place.root / "sales.csv").write_text("somebody else's")
    ended = place.kernel(server, rows=20_000, options={"overwrite": False}).end()
    code, message = ended["error"]
    assert (ended["state"], code) == ("failed", "not-sent")
    assert "There is something of this name already." in message
    assert (place.root / "sales.csv").read_text() == "somebody else's"
    assert place.files(place.disk) == ["sales.csv"]


@pytest.mark.faults
def test_a_kernel_on_the_same_disk_sends_nothing(place: Place) -> None:
    server = place.serve()
    ended = place.kernel(server, near=True).end()
    assert (ended["error"], ended["sent"]) == (None, 0)
    assert place.files(place.root) == ["sales.csv"]
    assert hashlib.sha256(download(server, ended["id"])).hexdigest() == ended["sha256"]
