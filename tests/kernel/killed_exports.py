"""Forks one export after the other, and kills each when and where it is told.

Run as a script with a number of rows: each line read is a JSON list, the path, how the export is to
be killed, the amount for that, and how many seconds digests may wait; each line written tells how
it ended. Starting an interpreter for each export would take longer than the export.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import random
import resource
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from progresswidget.export import behind
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress

PRELOADED = {"progresswidget", "isal", "zstandard", "thriftpy2", "xxhash", "numpy"}
"""Libraries that survive a fork."""


def make(rows: int) -> pa.Table:
    """Return the rows to export, made without polars, which does not survive a fork."""
    n = pa.array(range(rows), pa.int64())
    kind = pc.subtract(n, pc.multiply(pc.divide(n, 977), 977))
    text = pc.binary_join_element_wise("row", kind.cast(pa.string()), " ")
    return pa.table({"n": n, "t": text, "f": pc.divide(n.cast(pa.float64()), 7.0)})


def content(frame: pa.Table, path: str) -> Any:
    """Return what is exported: to an archive several frames, some of which stand whole or not."""
    whole = {".tar": "parquet", ".zip": "orc"}.get(Path(path).suffixes[0])
    if whole is None:
        return frame
    rows = -(-frame.num_rows // FRAMES)
    names = [f"{place}.{whole if place == 1 else 'csv'}" for place in range(FRAMES)]
    cut = {name: frame.slice(place * rows, rows) for place, name in enumerate(names)}
    # So many that a limit for all of a compressed archive lets a frame be written before it.
    return {**cut, "note.txt": b"text", "last.bin": random.Random(1).randbytes(4_000_000)}


FRAMES = 6
DISK = ("open", "writev", "write", "pwrite", "ftruncate", "fsync", "replace", "unlink")
"""What `os` has that changes a disk, as far as an export uses it."""
WRITES = ("writev", "write", "pwrite")
"""Those that can be done in part: in the middle of another one is before it."""


def die_at_call(when: str, number: int) -> None:
    """Let the process end at a call that changes the disk: before, after or in the middle of it."""
    calls = itertools.count()

    def wrapped(name: str, call: Any) -> Any:
        def change(*given: Any, **named: Any) -> Any:
            last = next(calls) == number
            if last and when == "middle":
                _write_half(*given)
            if last and when != "after":
                os.kill(os.getpid(), signal.SIGKILL)
            done = call(*given, **named)
            if last:
                os.kill(os.getpid(), signal.SIGKILL)
            return done

        return change

    for name in WRITES if when == "middle" else DISK:
        setattr(os, name, wrapped(name, getattr(os, name)))


def _write_half(descriptor: int, data: Any, place: int | None = None) -> None:
    whole = b"".join(map(bytes, data)) if isinstance(data, list) else bytes(data)
    at = os.lseek(descriptor, 0, os.SEEK_CUR) if place is None else place
    with open(f"/proc/self/fd/{descriptor}", "r+b", buffering=0) as file:  # noqa: PTH123
        file.seek(at)
        file.write(whole[: len(whole) // 2])


def prepare_death(how: str, amount: float) -> None:
    """Let the process end at a time, at a byte of the file, or at a call; else it lives on.

    A timer without a handler ends it as abruptly as `kill -9`, and so does a file that grows beyond
    the size that is allowed, in the middle of a `write`.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if how in {"before", "middle", "after"}:
        die_at_call(how, int(amount))
    if how == "time":
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, amount)
    elif how == "size":
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(amount), resource.RLIM_INFINITY))


def export(frame: pa.Table, path: str, how: str, amount: float, *, polars: bool) -> dict[str, Any]:
    """Run an export that may be killed, and tell of it if it was not."""
    if polars:
        importlib.import_module("polars")
    ready = Export(content(frame, path), path)
    prepare_death(how, amount)
    started = time.monotonic()
    result = ready.run(Progress())
    return {
        "reused": result.reused,
        "seconds": time.monotonic() - started,
        "sha256": result.sha256,
        "modules": list(sys.modules),
    }


def fork(frame: pa.Table, path: str, how: str, amount: float, *, polars: bool) -> dict[str, Any]:
    """Run `export` in a fork; ``code`` is that of `os.waitstatus_to_exitcode`."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reading)
            told = json.dumps(export(frame, path, how, amount, polars=polars))
            code = 0
        except BaseException:  # noqa: BLE001 - the test shows it
            told = json.dumps({"error": traceback.format_exc()})
        with open(writing, "w") as pipe:  # noqa: PTH123 - a descriptor
            pipe.write(told)
        os._exit(code)
    os.close(writing)
    with open(reading) as pipe:  # noqa: PTH123 - a descriptor
        text = pipe.read()
    _, status = os.waitpid(pid, 0)
    return {**(json.loads(text) if text else {}), "code": os.waitstatus_to_exitcode(status)}


def load(names: list[str]) -> bool:
    """Import what an export has needed, so that the next ones have it; say if polars was in it."""
    for name in names:
        top = name.split(".")[0]
        if top in PRELOADED or top in sys.stdlib_module_names:
            with suppress(ImportError):  # some modules are made by others, and have no file
                importlib.import_module(name)
    assert "polars" not in sys.modules
    return "polars" in names


def main() -> None:
    """Serve until there are no more lines."""
    frame, polars = make(int(sys.argv[1])), False
    for line in sys.stdin:
        path, how, amount, behind.LIMIT = json.loads(line)
        ended = fork(frame, str(Path(path)), how, amount, polars=polars)
        polars = load(ended.pop("modules", [])) or polars
        print(json.dumps(ended), flush=True)


if __name__ == "__main__":
    main()
