"""The dialog as ipywidgets: a form of our own, and below it the bars of what was begun."""

from __future__ import annotations

import logging
import sys
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anywidget
import ipywidgets
import traitlets

from progresswidget.behalf import begin_unseen
from progresswidget.dialog.preview import Known, SupersededError, look, preview, usual_format
from progresswidget.dialog.wish import Wish
from progresswidget.errors import DestinationExistsError, ProgressWidgetError
from progresswidget.export.offers import offers
from progresswidget.export.pipeline import Export
from progresswidget.told import describe
from progresswidget.widget import ExportWidget

if TYPE_CHECKING:
    from progresswidget.job import Job
    from progresswidget.protocol import Json

ESM: Final = Path(__file__).parents[1] / "static" / "dialog.js"
USUAL: Final = "export.csv"

_log = logging.getLogger("progresswidget")


@dataclass(slots=True)
class _Ordered:
    """An export that was asked for and not yet begun.

    Parameters
    ----------
    wish
        As the front end sent it.
    numbers
        Under which it was asked for: more than one where views of one dialog want the same.
    """

    wish: object
    numbers: list[object]


class ExportForm(anywidget.AnyWidget):  # type: ignore[misc]  # anywidget's base is untyped
    """What a person fills in. `ExportDialog` makes it.

    Each change in the front end asks for an answer under a number; while one is made, only the
    newest question waits, and the one before is given up. So a kernel that is busy, or rows that
    take long, hold up nobody. An export is never given up: those wait apart from the questions,
    and go before them.
    """

    _esm = ESM
    offers = traitlets.Dict(help="What can be chosen.").tag(sync=True)
    columns: Any = traitlets.List(
        None, allow_none=True, help="Names and types, or None if only the export will know."
    ).tag(sync=True)
    total = traitlets.Int(None, allow_none=True, help="Rows in all, if known.").tag(sync=True)
    path = traitlets.Unicode(help="The file that is suggested.").tag(sync=True)
    frame_name = traitlets.Unicode(help="What the frame is called.").tag(sync=True)
    answer = traitlets.Dict(help="What was found for the newest question.").tag(sync=True)

    def __init__(self, dialog: ExportDialog, known: Known, path: str, name: str) -> None:
        self._dialog = dialog
        self._known = known
        self._asked = threading.Condition()
        self._question: Json | None = None
        self._exports: deque[_Ordered] = deque()
        self._number = 0
        super().__init__(
            offers=offers(),
            columns=None if known.columns is None else [list(one) for one in known.columns],
            total=known.total,
            path=path,
            frame_name=name,
            # As wide as its cell, however narrow the preview is.
            layout={"width": "100%"},
        )
        self._thread: threading.Thread | None = None
        self.on_msg(self._hear)

    def _hear(self, _widget: object, content: object, _buffers: object) -> None:
        # On the kernel's own thread: it only leaves word.
        if not isinstance(content, dict) or not {"ask", "export"} & content.keys():
            return
        with self._asked:
            if "export" in content:
                self._order(content)
            else:
                self._number += 1
                self._question = content
            self._asked.notify_all()
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(
                    target=self._answer_all, name="progresswidget-dialog", daemon=True
                )
                self._thread.start()

    def _order(self, content: Json) -> None:
        wish, number = content["export"], content.get("re")
        same = next((ordered for ordered in self._exports if ordered.wish == wish), None)
        if same is None:
            self._exports.append(_Ordered(wish, [number]))
        else:
            same.numbers.append(number)

    def _answer_all(self) -> None:
        while True:
            with self._asked:
                if not self._asked.wait_for(self._is_asked, timeout=60):
                    self._thread = None
                    return
                ordered = self._exports[0] if self._exports else None
                question, number = self._question, self._number
                if ordered is None:
                    self._question = None
            if ordered is not None:
                self._export(ordered)
            elif question is not None:
                self._preview(question, number)

    def _is_asked(self) -> bool:
        return self._question is not None or bool(self._exports)

    def _export(self, ordered: _Ordered) -> None:
        found = self._answer({"export": ordered.wish}, lambda: True)
        with self._asked:
            self._exports.popleft()
        for number in ordered.numbers:
            self.answer = {**found, "re": number}

    def _preview(self, question: Json, number: int) -> None:
        try:
            self.answer = self._answer(
                question, lambda: number == self._number and not self._exports
            )
        except SupersededError:
            with self._asked:
                if number == self._number:  # it was an export that came between
                    self._question = question

    def _answer(self, question: Json, wanted: Any) -> Json:
        exporting = "export" in question
        found: Json = {"re": question.get("re"), "exporting": exporting}
        try:
            wish = Wish.from_json(question["export"] if exporting else question["ask"])
            found["code"] = wish.call(self.frame_name, usual_format(wish.path))
            found["exists"] = Path(wish.path).expanduser().exists()
            if exporting:
                self._dialog.begin(wish)
            elif not self._known.once:
                found["preview"] = preview(self._dialog.frame, wish, wanted)
        except SupersededError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, the person is told
            if not isinstance(error, ProgressWidgetError):
                _log.warning("the export dialog has no answer", exc_info=error)
            found["error"] = describe(error)
            found["taken"] = isinstance(error, DestinationExistsError)
        return found


class ExportDialog(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets is untyped
    """A dialog that exports a frame; `progresswidget.export_dialog` makes it.

    Parameters
    ----------
    frame
        One frame.
    path
        The file that is suggested.
    name
        What the frame is called in the code that is shown.
    """

    def __init__(self, frame: object, path: str | None = None, *, name: str | None = None) -> None:
        known = look(frame)
        self.frame = frame
        self.children: tuple[Any, ...]
        self.job: Job | None = None
        self.form = ExportForm(self, known, path or USUAL, name or variable_of(frame) or "frame")
        super().__init__([self.form], layout={"width": "100%"})

    def begin(self, wish: Wish) -> Job:
        """Begin an export, and show its bar below.

        Raises
        ------
        ProgressWidgetError
            If it can be seen that it cannot succeed.
        """
        work = Export(
            self.frame,
            wish.path,
            format=wish.format,
            overwrite=wish.overwrite,
            options=wish.options,
            columns=wish.columns,
            where=wish.where,
        )
        self.job = begin_unseen(work)
        self.children = (*self.children, ExportWidget(self.job))
        return self.job

    def __repr__(self) -> str:
        # What is saved with the notebook is the same in every run.
        return f"ExportDialog({self.form.frame_name})"


def variable_of(frame: object) -> str | None:
    """Return the name under which a person has a frame in the notebook, if there is one."""
    main = vars(sys.modules["__main__"])
    names = (name for name, value in list(main.items()) if value is frame)
    return next((name for name in names if not name.startswith("_")), None)
