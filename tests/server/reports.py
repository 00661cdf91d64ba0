"""What the tests of the server share: reports of kernels, and what else is installed."""

from __future__ import annotations

import hashlib
import uuid
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

    from progresswidget.protocol import Json


OTHER_EXTENSIONS: Final = (
    "jupyter_lsp",
    "jupyter_server_terminals",
    "jupyterlab",
    "notebook",
    "notebook_shim",
)
"""Left out of servers under test: they start slowly, and look for programs by starting some."""


def make_report(task_id: str | None = None, **changes: Any) -> Json:
    """Return the report of a running export; `changes` replace its fields."""
    report: Json = {
        "taskId": task_id or uuid.uuid4().hex,
        "kind": "export",
        "revision": 1,
        "status": "running",
        "phase": "writing",
        "name": "flights.csv",
        "path": "/nowhere/flights.csv",
        "format": "csv",
        "mediaType": "text/csv",
        "generation": 1,
        "progress": 12.5,
        "rows": 1000,
        "reused": 0,
        "undone": 0,
        "total": 8000,
        "columns": 19,
        "bytes": 65536,
        "rate": 5000.0,
        "eta": 1.4,
        "elapsed": 0.2,
        "created": 1712000000000,
        "ended": None,
        "background": False,
        "sha256": None,
        "kernelId": None,
        "cellId": None,
        "pid": 4242,
        "control": None,
        "steps": None,
        "error": None,
        "fingerprint": None,
        "appendOnly": True,
        "parent": None,
        "title": None,
        "started": 1712000000000,
        "schema": "year\tint64\nmonth\tint64",
        "options": "delimiter\t;",
        "unit": "",
        "postfix": "",
        "obeys": True,
        "leave": True,
        "within": None,
        "part": None,
        "written": None,
        "probe": None,
    }
    assert set(changes) <= set(report)
    return report | changes


def done_report(path: Path, /, **changes: Any) -> Json:
    """Return the last report of an export that wrote `path`."""
    status = path.stat()
    fingerprint = {
        "device": str(status.st_dev),
        "inode": str(status.st_ino),
        "size": str(status.st_size),
        "mtimeNs": str(status.st_mtime_ns),
        "ctimeNs": str(status.st_ctime_ns),
    }
    values: Json = {
        "revision": 100,
        "status": "done",
        "phase": "finishing",
        "name": path.name,
        "path": str(path),
        "progress": 100,
        "bytes": status.st_size,
        "ended": 1712000009000,
        "fingerprint": fingerprint,
    }
    if "sha256" not in changes:
        with path.open("rb") as file:
            values["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
    return make_report(**(values | changes))
