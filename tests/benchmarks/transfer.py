"""Measure `pw.download` and `pw.upload` against aria2 and curl on the same servers, interleaved.

Run ``python tests/benchmarks/transfer.py``. All files lie in memory (/dev/shm), and every server
and every client is a process of its own. Ours always knows the SHA-256 of what it moved when the
call returns; "checked" means that it was told what that must be, so that the file may appear only
then. The others take no digest. CPU is the client's. A ratio above 1 means that ours is faster.
Only the ratios carry over to another machine.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from download import make_file
from servers import TOKEN, Server, dav, jupyter, nginx

if TYPE_CHECKING:
    from collections.abc import Callable

GB = 1e9
AUTHORIZATION = f"Authorization: token {TOKEN}"
HEADERS = {"Authorization": f"token {TOKEN}"}
MOVER = Path(__file__).with_name("mover.py")
OURS = "pw.download"


class Mover:
    """The process of ours that moves one file after the other."""

    def __init__(self) -> None:
        command = [sys.executable, str(MOVER)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)

    def __call__(self, name: str, /, *arguments: str, **options: Any) -> tuple[float, float]:
        """Return the seconds that a call took, and those of its processor time."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([name, arguments, options]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{name} failed")
        seconds, processor = json.loads(line)
        return seconds, processor

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=60)


@dataclass(frozen=True)
class Case:
    """One client with one server.

    Parameters
    ----------
    name
        Of the client.
    server
        Where it fetches from or sends to.
    group
        Cases of the same server and group are compared.
    run
        Moves the file, and returns seconds and processor time.
    """

    name: str
    server: str
    group: str
    run: Callable[[], tuple[float, float]]


def program(command: list[str]) -> tuple[float, float]:
    """Run a client, and return the seconds that it took, and its processor time."""
    before, start = os.times(), time.perf_counter()
    done = subprocess.run(command, check=False, capture_output=True)
    seconds, after = time.perf_counter() - start, os.times()
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {(done.stderr or done.stdout).decode()}")
    used = after.children_user + after.children_system
    return seconds, used - before.children_user - before.children_system


def curl(*arguments: str) -> tuple[float, float]:
    """Run curl, as it is for everybody."""
    return program(["curl", "-q", "-sS", "-f", "-H", AUTHORIZATION, *arguments])


def aria2(url: str, target: Path, connections: int) -> tuple[float, float]:
    """Run aria2 with so many connections, without the preallocation that costs it a second."""
    options = ["--no-conf", "--quiet", "--file-allocation=none", "--min-split-size=1M"]
    count = [f"--split={connections}", f"--max-connection-per-server={connections}"]
    place = [f"--dir={target.parent}", f"--out={target.name}", f"--header={AUTHORIZATION}"]
    return program(["aria2c", *options, *count, *place, url])


def downloads(server: Server, path: str, digest: str, target: Path, mover: Mover) -> list[Case]:
    """Return the cases of one server."""
    url = f"http://127.0.0.1:{server.port}{path}"

    def ours(connections: int, **more: str) -> Callable[[], tuple[float, float]]:
        options = {"connections": connections, "headers": HEADERS, **more}
        return lambda: mover("download", url, str(target), **options)

    def case(name: str, group: str, run: Callable[[], tuple[float, float]]) -> Case:
        return Case(name, server.name, group, run)

    found = [
        case("curl", "1 connection", lambda: curl("-o", str(target), url)),
        case("aria2", "1 connection", lambda: aria2(url, target, 1)),
        case(OURS, "1 connection", ours(1)),
        case(f"{OURS}, checked", "1 connection", ours(1, sha256=digest)),
        case("aria2", "4 connections", lambda: aria2(url, target, 4)),
        case(OURS, "4 connections", ours(4)),
        case(f"{OURS}, checked", "4 connections", ours(4, sha256=digest)),
    ]
    return found if shutil.which("aria2c") else [one for one in found if one.name != "aria2"]


def tus(server: Server, source: Path) -> tuple[float, float]:
    """Create an upload, and let curl send all of it in one PATCH."""
    name = base64.b64encode(b"received.bin").decode()
    fields = {
        "Tus-Resumable": "1.0.0",
        "Upload-Length": str(source.stat().st_size),
        "Upload-Metadata": f"filename {name},overwrite {base64.b64encode(b'true').decode()}",
    }
    base = f"http://127.0.0.1:{server.port}/progresswidget/uploads/"
    request = urllib.request.Request(base, method="POST", headers=HEADERS | fields)
    start = time.perf_counter()
    with urllib.request.urlopen(request) as answer:
        identity = answer.headers["Location"].rsplit("/", 1)[-1]
    spent = time.perf_counter() - start
    more = ["Tus-Resumable: 1.0.0", "Upload-Offset: 0"]
    more += ["Content-Type: application/offset+octet-stream", "Expect:"]
    options = [part for field in more for part in ("-H", field)]
    seconds, processor = curl("-X", "PATCH", "-T", str(source), *options, f"{base}{identity}")
    return spent + seconds, processor


def uploads(server: Server, web: Server, source: Path, mover: Mover) -> list[Case]:
    """Return the cases of sending: by tus to ours, by PUT to nginx."""
    place = f"http://127.0.0.1:{server.port}/progresswidget/uploads/"
    put = f"http://127.0.0.1:{web.port}{web.files}received.bin"

    def send(url: str) -> Callable[[], tuple[float, float]]:
        return lambda: mover("upload", str(source), url, headers=HEADERS, name="received.bin")

    return [
        Case("curl, one PATCH", server.name, "upload", lambda: tus(server, source)),
        Case("pw.upload", server.name, "upload", send(place)),
        Case("curl -T", web.name, "upload", lambda: curl("-T", str(source), "-H", "Expect:", put)),
        Case("pw.upload", web.name, "upload", send(put)),
    ]


def table(found: dict[Case, list[tuple[float, float]]], size: int) -> None:
    """Print what came out, with ratios of the medians."""
    middle = {
        case: tuple(statistics.median(column) for column in zip(*rows, strict=True))
        for case, rows in found.items()
    }
    print(f"{'server':24}{'':15}{'client':24}{'GB/s':>7}{'CPU s/GB':>10}   ours is faster by")
    for case, (seconds, processor) in middle.items():
        ratios = [
            f"{middle[other][0] / seconds:.2f} × {other.name}"
            for other in middle
            if case.name.startswith("pw.")
            and (other.server, other.group) == (case.server, case.group)
            and not other.name.startswith("pw.")
        ]
        print(
            f"{case.server:24}{case.group:15}{case.name:24}{size / GB / seconds:7.2f}"
            f"{processor / (size / GB):10.2f}   {', '.join(ratios)}"
        )


def compare(shared: Path, work: Path, given: argparse.Namespace) -> None:
    """Run the servers and measure all cases in turns."""
    root, received, target = shared / "root", shared / "received", shared / "target"
    for folder in (root, received, target):
        folder.mkdir()
    source = root / "large.bin"
    make_file(source, given.size << 20)
    with source.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    os.environ["XDG_CACHE_HOME"] = str(shared / "cache")  # what ours remembers between two calls
    found: dict[Case, list[tuple[float, float]]] = {}
    with ExitStack() as stack:
        places = [work / name for name in ("ours", "nginx", "dav")]
        for place in places:
            place.mkdir()
        ours = stack.enter_context(jupyter(root, places[0], ours=True))
        web = stack.enter_context(nginx("nginx", "0", root, places[1]))
        puts = stack.enter_context(dav("nginx, PUT", received, places[2]))
        mover = Mover()
        stack.callback(mover.close)
        cases = [
            *downloads(ours, f"{ours.files}large.bin", digest, target / "large.bin", mover),
            *downloads(web, f"{web.files}large.bin", digest, target / "large.bin", mover),
            *uploads(ours, puts, source, mover),
        ]
        for _ in range(given.rounds):
            for case in cases:
                if given.only not in f"{case.server} {case.group} {case.name}":
                    continue
                found.setdefault(case, []).append(case.run())
                clear(target, received, root / "received.bin", shared / "cache")
    table(found, given.size << 20)


def clear(*places: Path) -> None:
    """Remove what was moved, and what is remembered of it."""
    for place in places:
        if place.is_dir():
            shutil.rmtree(place)
            place.mkdir()
        else:
            place.unlink(missing_ok=True)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=1024, help="of the file, MiB")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="part of a line of the table")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(dir="/dev/shm") as shared,
        tempfile.TemporaryDirectory() as folder,
    ):
        compare(Path(shared), Path(folder), given)


if __name__ == "__main__":
    main()
