"""The ipywidgets components of a job: the same view as the labextension's, for every front end.

In JupyterLab and Notebook 7 with the labextension the one of a job's own output is not drawn.
Elsewhere (VS Code, Colab, a JupyterLab without the extension) the front end draws it, asks the
server where it can reach one, and otherwise lives on what the kernel sends here.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import traitlets

from progresswidget import protocol
from progresswidget.errors import OptionError
from progresswidget.outbox import outbox
from progresswidget.synced import SyncedWidget

if TYPE_CHECKING:
    from progresswidget.basejob import BaseJob
    from progresswidget.protocol import Json

ESM: Final = Path(__file__).parent / "static" / "widget.js"
AGAIN: Final = ESM.with_name("again.js")
BAR_STYLES: Final = ("", "success", "info", "warning", "danger")
"""Those of `ipywidgets.IntProgress`; the empty one leaves the colour to the state."""


class JobMirror(SyncedWidget):
    """What a job's own output shows where nothing better does.

    Parameters
    ----------
    job
        The job to show; its buttons act on it also where no server can be reached.
    """

    _esm = ESM
    snapshot = traitlets.Dict(read_only=True).tag(sync=True)
    server = traitlets.Bool(default_value=False, read_only=True).tag(sync=True)
    task_id = traitlets.Unicode(read_only=True).tag(sync=True)
    background = traitlets.Bool(default_value=False, read_only=True).tag(sync=True)

    def __init__(self, job: BaseJob, **traits: Any) -> None:
        self._job = job
        self._newest: Json | None = None
        self._is_shown = threading.Condition()
        super().__init__(**traits)
        self.on_msg(self._obey)
        # After the traits are there: the next state may come at once.
        job.mirror_to(self)

    def open(self) -> None:
        """Tell the front end of the widget, with the state that the job has by now."""
        job = self._job
        known = {"task_id": job.id, "server": job.on_server, "background": job.background}
        for name, value in {**known, **self._told(job.snapshot())}.items():
            self.set_trait(name, value)
        super().open()

    def show(self, snapshot: Json) -> None:
        """Take a newer state, and tell the observers and the front end of it a moment later."""
        with self._is_shown:
            waits = self._newest is not None
            self._newest = snapshot
        if not waits:
            outbox().put(self._take)

    def settle(self, timeout: float) -> bool:
        """Wait until the last state that came is in the traits, and say whether it is."""
        if outbox().is_here:  # an observer that waits for the job
            return False
        with self._is_shown:
            shown = self._is_shown.wait_for(lambda: self._newest is None, timeout)
        self.flush()
        return shown

    def _take(self) -> None:
        with self._is_shown:
            snapshot = self._newest
        try:
            if snapshot is not None:
                with self._as_one():
                    for name, value in self._told(snapshot).items():
                        self.set_trait(name, value)
        finally:
            with self._is_shown:
                again = self._newest is not snapshot
                if not again:
                    self._newest = None
                self._is_shown.notify_all()
            if again:
                outbox().put(self._take)

    def __repr__(self) -> str:
        # The same in every run: a box of widgets is saved with what it says of each.
        return f"{type(self).__name__}({self._job.path.name!r}, state={self._job.state!r})"

    def _told(self, snapshot: Json) -> Json:
        """Return the traits that a state of the job decides."""
        return {"snapshot": snapshot}

    def _obey(self, _widget: object, content: object, _buffers: object) -> None:
        # A comm handler only leaves word: it may run on any thread, in the middle of anything.
        action = content.get("action") if isinstance(content, dict) else None
        if action in protocol.ACTIONS:
            outbox().put(getattr(self._job, str(action)))


class LaterMirror(JobMirror):
    """The same of a later job, with the code of the first one's: a page is sent that once.

    Parameters
    ----------
    job
        The job to show.
    first
        The widget that the code is in.
    """

    _esm = AGAIN
    code_of = traitlets.Unicode(read_only=True, help="The model that has the code.").tag(sync=True)

    def __init__(self, job: BaseJob, first: JobMirror) -> None:
        self._first = first
        super().__init__(job)

    def open(self) -> None:
        """Tell the front end of the widget, and where the code is."""
        self.set_trait("code_of", self._first.model_id)
        super().open()

    def _obey(self, widget: object, content: object, buffers: object) -> None:
        if content == {"ask": "code"}:  # of a page that does not know the models of other cells
            outbox().put(lambda: self.send({"code": ESM.read_text("utf-8")}))
            return
        super()._obey(widget, content, buffers)


_first: JobMirror | None = None


def mirror_of(job: BaseJob) -> JobMirror:
    """Return a widget for the own output of a job."""
    global _first  # noqa: PLW0603 - it is a fact about the kernel
    if _first is None or _first.comm is None:  # somebody has closed it
        _first = JobMirror(job)
        return _first
    return LaterMirror(job, _first)


class ExportWidget(JobMirror):
    """A job as an ipywidget, with traits to observe and to link.

    ``value``, ``max``, ``percent``, ``state``, ``rate`` and ``eta`` follow the job and can only be
    read. `ipywidgets.jslink` works with them without a kernel: in the browser they follow the
    notebook server. Observers are called on a thread of their own, also while a cell blocks.

    Parameters
    ----------
    job
        What `progresswidget.export`, `download` or `upload` returned.
    **traits
        ``description`` in place of the file's name, ``bar_style``, ``layout`` and what else
        every ipywidget has.

    Raises
    ------
    OptionError
        If `job` is no job.
    """

    value = traitlets.Int(0, read_only=True, help="Rows done; bytes of a transfer.").tag(sync=True)
    max = traitlets.Int(
        None, allow_none=True, read_only=True, help="Rows in all, or None while nobody knows."
    ).tag(sync=True)
    percent = traitlets.Float(
        None, allow_none=True, read_only=True, help="0 to 100, or None while nobody knows."
    ).tag(sync=True)
    state = traitlets.Enum(
        sorted(protocol.STATUSES), "queued", read_only=True, help="As `Job.state`."
    ).tag(sync=True)
    rate = traitlets.Float(
        None, allow_none=True, read_only=True, help="Rows or bytes a second of late."
    ).tag(sync=True)
    eta = traitlets.Float(
        None, allow_none=True, read_only=True, help="Seconds that remain, where that is known."
    ).tag(sync=True)
    description = traitlets.Unicode("", help="Shown in place of the file's name.").tag(sync=True)
    bar_style = traitlets.Enum(
        BAR_STYLES, "", help="The colour: one of the names, or '' for that of the state."
    ).tag(sync=True)

    def __init__(self, job: BaseJob, **traits: Any) -> None:
        if not hasattr(job, "mirror_to"):
            raise OptionError(
                f"An ExportWidget shows a job, not an object of type {type(job).__name__}.",
                "Give what export, download, upload or deliver has returned.",
            )
        super().__init__(job, **traits)

    def _told(self, snapshot: Json) -> Json:
        # Who observes one of them finds those that come before it up to date, and at `state` all.
        return {
            **super()._told(snapshot),
            "max": snapshot["total"],
            "percent": snapshot["progress"],
            "rate": snapshot["rate"],
            "eta": snapshot["eta"],
            "value": snapshot["rows"],
            "state": snapshot["status"],
        }

    def _repr_mimebundle_(self, **_kwargs: object) -> tuple[Json, Json]:
        return self._job.bundle_of(self)
