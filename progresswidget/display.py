"""What an export shows in a notebook: one output with several views of it, and a receipt.

The bundle carries the labextension's own type, the widget, and two plain fallbacks; the front end
takes the best that it knows. What differs from run to run is in the metadata, because nbval
compares data and not metadata: a notebook executed twice stays the same notebook.
"""

from __future__ import annotations

import html
import logging
from typing import TYPE_CHECKING, cast

from progresswidget import protocol, texts
from progresswidget.cell import running_kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from progresswidget.basejob import BaseJob
    from progresswidget.protocol import Json
    from progresswidget.widget import JobMirror

_log = logging.getLogger("progresswidget")

WIDGET_MIMETYPE = "application/vnd.jupyter.widget-view+json"
VERSION = 1
MOST_LINES = 20
"""Parts that a receipt names."""


def receipt_text(job: BaseJob) -> str:
    """Return the one line that says what was exported; the same for the same data."""
    table = texts.saved_table()
    done, total = job.exact()
    key = "unfinished" if job.unfinished else "receipt"
    return texts.worded(table, key, job.kind).format(
        name=job.path.name,
        size=texts.size(job.bytes),
        rows=texts.progress(table, job.kind, done, total, job.unit),
        columns=texts.counted(table, "columns", job.columns),
        format=job.format.upper(),
    )


def _lines(job: BaseJob) -> Iterator[str]:
    """Yield what a receipt says of the steps of a delivery, or of each part of a group."""
    table = texts.saved_table()
    if job.steps:
        yield table["and then"].join(table[f"did {step}"] for step in job.steps)
    parts = job.receipts()
    for part in parts[:MOST_LINES]:
        yield receipt_text(cast("BaseJob", part))
    if more := max(len(parts) - MOST_LINES, 0) + job.more:
        yield table["more"].format(count=texts.count(more))


class Display:
    """The output of one job in the cell that started it.

    Parameters
    ----------
    job
        The job to show. Nothing is shown outside of a kernel.
    """

    def __init__(self, job: BaseJob) -> None:
        self._job = job
        self._widget: JobMirror | None = None
        self._mirrors: list[JobMirror] = []
        self._shown_in: object = None
        self._text = ""
        self._receipted = False
        self._lender: Display | None = None

    def show(self) -> None:
        """Put the bar into the cell that is running now, once."""
        kernel = running_kernel()
        if kernel is None:
            return
        request = kernel.get_parent("shell").get("header", {}).get("msg_id")
        if request is not None and request == self._shown_in:
            return
        self._shown_in = request
        self._text = self._describe()
        from IPython.display import display

        display(
            self._data(),
            metadata=self._metadata(),
            raw=True,
            display_id=self._display_id,
        )

    def refresh(self) -> None:
        """Write the state into the output's metadata, from the thread that runs the cell."""
        if self._shown_in is None:
            return
        from IPython.display import update_display

        update_display(
            self._data(), metadata=self._metadata(), raw=True, display_id=self._display_id
        )

    def borrow(self, lender: Display) -> None:
        """Show the bar in the place of another one, whose job has ended, until `give_back`."""
        if self._shown_in is None and lender._shown_in is not None:
            self._lender, self._shown_in = lender, lender._shown_in
            self._text = self._describe()
            self.refresh()

    def give_back(self) -> Display | None:
        """Leave the place of another one to it, and return that, where there is any."""
        lender, self._lender = self._lender, None
        if lender is not None:
            self._shown_in = None
            lender.refresh()
        return lender

    def receipt(self) -> None:
        """Add the line that stays readable wherever the notebook is opened, once.

        It is shown by the cell that waited for the end: there it is the same in every run.
        """
        if self._shown_in is None or self._receipted:
            return
        self._receipted = True
        from IPython.display import display

        job, text = self._job, receipt_text(self._job)
        name, rest = html.escape(job.path.name), html.escape(text[len(job.path.name) :])
        lines = list(_lines(job))
        tick = "" if job.unfinished else "✓ "
        items = "".join(f"<li>{html.escape(line)}</li>" for line in lines)
        data: Json = {
            protocol.RECEIPT_MIMETYPE: {"version": VERSION, "name": job.path.name},
            "text/html": f"<p>{tick}<b>{name}</b>{rest}</p>{f'<ul>{items}</ul>' if items else ''}",
            "text/plain": "\n  ".join([f"{tick}{text}", *lines]),
        }
        display(data, metadata={protocol.RECEIPT_MIMETYPE: {"taskId": job.id}}, raw=True)

    def add(self, mirror: JobMirror) -> None:
        """Send each state from now on to a widget, too."""
        self._mirrors.append(mirror)

    def mirror(self, snapshot: Json) -> None:
        """Send a state to the widgets, where there are any; safe from any thread."""
        for mirror in list(self._mirrors):
            mirror.show(snapshot)

    def settle(self, timeout: float) -> None:
        """Wait until the widgets have the last state that was sent to them."""
        for mirror in list(self._mirrors):
            mirror.settle(timeout)

    def bundle_of(self, widget: JobMirror) -> tuple[Json, Json]:
        """Return what shows a widget that somebody made: data and metadata.

        It is drawn as the widget that it is, with its layout, and where a reload or a restart has
        left none as the job's own output is.
        """
        metadata = self._metadata()
        metadata[protocol.JOB_MIMETYPE]["widget"] = True
        return self._bundle(self._describe(), widget), metadata

    @property
    def _display_id(self) -> str:
        shown = self._job if self._lender is None else self._lender._job  # noqa: SLF001 - of this class
        return f"progresswidget-{shown.id}"

    def _metadata(self) -> Json:
        known = {
            "taskId": self._job.id,
            "server": self._job.on_server,
            "snapshot": self._job.snapshot(),
        }
        return {protocol.JOB_MIMETYPE: known}

    def _data(self) -> Json:
        return self._bundle(self._text, self._ensure_widget())

    def _bundle(self, text: str, widget: JobMirror | None) -> Json:
        job = self._job
        kind = {"version": VERSION, "kind": job.kind, "name": job.path.name}
        data: Json = {
            protocol.JOB_MIMETYPE: kind,
            "text/html": f"<p>{html.escape(text)}</p>",
            "text/plain": text,
        }
        if widget is not None:
            view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
            data[WIDGET_MIMETYPE] = view
        return data

    def _describe(self) -> str:
        # Fixed when it is shown: an update must not change what nbval compares.
        # Whether a loop is shown before its end depends on the clock.
        if self._job.state == "done" and self._job.kind != "task":
            return receipt_text(self._job)
        title = texts.worded(texts.saved_table(), "title", self._job.kind)
        return title.format(name=self._job.path.name)

    def _ensure_widget(self) -> JobMirror | None:
        if self._widget is None:
            self._widget = _new_widget(self._job)
        return self._widget


def _new_widget(job: BaseJob) -> JobMirror | None:
    try:
        from progresswidget.widget import mirror_of
    except ImportError as error:  # a kernel without ipywidgets still has the other views
        _log.debug("no widget: %s", error)
        return None
    except FileNotFoundError:  # anywidget reads the script where the class is made
        _log.warning("the widget is not built: run `make build` in the source tree")
        return None
    return mirror_of(job)
