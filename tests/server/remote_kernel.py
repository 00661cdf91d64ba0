"""A kernel whose disk is not the server's: run with `start`, it exports what its arguments say.

As a script it takes a JSON object: the folder to work in, the path, the rows, a number that all
values depend on, the row before which the source stops until a line is read, and options. It writes
a line of JSON whenever it stops and one in the end, with the bytes that were sent to the server.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STEP = 20_000
"""Rows of a batch."""


class Kernel:
    """A process in a mount namespace of its own, in which another folder lies over `root`.

    Without `disk` it is a process as any.
    """

    def __init__(
        self, disk: Path | None, root: Path, environment: dict[str, str], **what: Any
    ) -> None:
        command = []
        if disk is not None:
            mount = 'mount --bind "$0" "$1" && shift && exec "$@"'
            command += ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
            command += ["sh", "-c", mount, str(disk), str(root)]
        command += [sys.executable, __file__, json.dumps({"folder": str(root), **what})]
        self._process = subprocess.Popen(
            command,
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        # A test that fails must not wait for ever for a line.
        self._alarm = threading.Timer(90, self._process.kill)
        self._alarm.start()

    def line(self) -> Any:
        """Return what it says next."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"it ended with {self._process.wait()}"
        return json.loads(line)

    def go_on(self) -> None:
        """Let the source go on."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def end(self) -> Any:
        """Return what it says in the end."""
        line = self.line()
        assert self._process.wait(30) == 0
        return line

    def kill(self) -> None:
        """End it as `kill -9` does; a second call changes nothing."""
        self._alarm.cancel()
        self._process.kill()
        self._process.wait(30)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def batches(rows: int, salt: int, stop: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows, and wait for a line in front of one of them."""
    for start in range(0, max(rows, 1), STEP):
        if start == stop:
            say({"stopped": start})
            sys.stdin.readline()
        n = pa.array(range(start, min(rows, start + STEP)), pa.int64())
        text = pc.binary_join_element_wise("row", pc.add(n, salt).cast(pa.string()), " ")
        yield pa.record_batch({"n": n, "text": text, "half": pc.divide(n.cast(pa.float64()), 2.0)})


def say(value: Any) -> None:
    """Write a line."""
    print(json.dumps(value), flush=True)


def main() -> None:
    """Export, and tell what came of it."""
    import progresswidget as pw
    from progresswidget.transfer.session import Session

    what = json.loads(sys.argv[1])
    os.chdir(what["folder"])
    os.chdir(what.get("cwd", "."))
    sent = 0
    send = Session.send

    def counted(self: Any, method: str, url: str, headers: Any, content: Any = None) -> Any:
        nonlocal sent
        sent += int(headers["Content-Length"]) if method == "PATCH" else 0
        return send(self, method, url, headers, content)

    Session.send = counted  # type: ignore[method-assign]
    stop = what.get("stop", -1)
    job = pw.export(
        lambda: batches(what["rows"], what.get("salt", 0), stop),
        what["path"],
        background=True,
        **what.get("options", {}),
    )
    try:
        error = None
        job.result()
    except pw.ProgressWidgetError as caught:
        error = [caught.code, caught.message]
    ended = {"state": job.state, "sha256": job.sha256, "bytes": job.bytes, "reused": job.reused}
    say(ended | {"sent": sent, "error": error, "id": job.id})


if __name__ == "__main__":
    main()
