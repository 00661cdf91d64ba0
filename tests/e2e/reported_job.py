"""A job whose kernel is the test: it says exactly what there is to see, when there is."""

from __future__ import annotations

import http.client
import json
import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import nbformat
from reports import make_report

from progresswidget.protocol import JOB_MIMETYPE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jupyter_process import JupyterProcess

    from progresswidget.protocol import Json

TOTAL = 1_000_000


class ReportedJob:
    """A running export of this process, which the server can look at.

    Parameters
    ----------
    server
        Where it reports; not through any proxy.
    """

    def __init__(self, server: JupyterProcess, **changes: Any) -> None:
        self._server = server
        self._report = make_report(
            **({"pid": os.getpid(), "total": TOTAL, "rows": 0, "rate": None} | changes)
        )
        self._report["revision"] = 0
        self.reports: list[int] = []
        """The rows of each report, in order."""

    @property
    def task_id(self) -> str:
        return str(self._report["taskId"])

    @property
    def rows(self) -> int:
        return int(self._report["rows"])

    def report(self, **changes: Any) -> None:
        """Say what has changed."""
        self._report |= changes
        self._report["revision"] += 1
        self._report["progress"] = 100 * self.rows / TOTAL
        self.reports.append(self.rows)
        connection = http.client.HTTPConnection("127.0.0.1", self._server.port, timeout=60)
        try:
            connection.request(
                "PUT",
                f"{self._server.base_url}progresswidget/api/jobs/{self.task_id}",
                json.dumps(self._report),
                {"Authorization": f"Kernel {self._server.secret()}"},
            )
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            answer.read()
        finally:
            connection.close()

    def advance(self, rows: int = 1) -> None:
        """Write some more rows."""
        self.report(rows=self.rows + rows, elapsed=self._report["elapsed"] + 0.1)

    @contextmanager
    def moving(self, every: float = 0.05) -> Iterator[None]:
        """Write a row every so many seconds while the block runs."""
        over = threading.Event()

        def run() -> None:
            while not over.wait(every):
                self.advance()

        thread = threading.Thread(target=run, name="reports")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def write_notebook(self, path: Path) -> None:
        """Save a notebook whose cell was run already, and shows this job."""
        notebook = nbformat.v4.new_notebook()
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        cell = nbformat.v4.new_code_cell("pw.export(flights, 'flights.csv')", execution_count=1)
        cell["id"] = "cell-0"
        name = self._report["name"]
        data: Json = {JOB_MIMETYPE: {"version": 1, "kind": "export", "name": name}}
        shown = {"taskId": self.task_id, "server": True, "snapshot": None}
        cell["outputs"] = [
            nbformat.v4.new_output(
                "display_data",
                data=data | {"text/plain": name},
                metadata={JOB_MIMETYPE: shown},
            )
        ]
        notebook.cells.append(cell)
        nbformat.write(notebook, path)
