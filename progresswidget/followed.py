"""What the server follows: who it is, what is told of it, and what the server answers."""

from __future__ import annotations

import os
import secrets
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from progresswidget import protocol
from progresswidget.cell import cell_id, kernel_id
from progresswidget.told import apart_from_clock

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from progresswidget.protocol import Action, Json

_NO_FILE: Final[Json] = {
    "phase": "writing",
    "format": "",
    "mediaType": "",
    "reused": 0,
    "read": 0,
    "columns": 0,
    "bytes": 0,
    "ended": None,
    "background": False,
    "appendOnly": False,
    "sha256": None,
    "parent": None,
    "title": None,
    "error": None,
    "fingerprint": None,
    "part": None,
    "written": None,
    "probe": None,
}
"""What is told of that which makes no file, belongs to nothing and goes on."""


class Followed(ABC):
    """Somebody that the reporter reports of: a job, a group, or the line of loops.

    Its state is told whole, with a revision that grows when anything but the clock has changed.

    Parameters
    ----------
    kind
        What it does, a word of the contract.
    task_id
        The id under which the server knows it already; by default a new one.
    generation
        Which run of that job it is.
    """

    def __init__(self, kind: str, *, task_id: str | None = None, generation: int = 1) -> None:
        self._kind = kind
        self._id = task_id or secrets.token_hex(16)
        self._generation = generation
        self._kernel_id, self._cell_id = kernel_id(), cell_id()
        self._created = time.time()
        self._pid = os.getpid()
        self._on_server = False
        self._url: str | None = None
        self._notebook: str | None = None
        self._control: str | None = None
        self._revision = 0
        self._reported: Json = {}

    @property
    def id(self) -> str:
        """The task id: 32 hexadecimal digits."""
        return self._id

    @property
    def kind(self) -> str:
        """What it does: ``"export"``, ``"download"``, ``"upload"``, ``"group"`` or ``"task"``."""
        return self._kind

    @property
    def on_server(self) -> bool:
        """Whether the notebook server follows it."""
        return self._on_server

    @property
    def created(self) -> float:
        """When it was made, in seconds since 1970."""
        return self._created

    @property
    @abstractmethod
    def _telling(self) -> AbstractContextManager[object]:
        """The lock under which its state is read, so that what is told fits together."""

    @abstractmethod
    def _fields(self) -> Json:
        """Return what is told of it apart from who it is."""

    @abstractmethod
    def _wish(self, action: Action) -> None:
        """Do what somebody asks for, as soon as it can be done."""

    def report(self) -> Json:
        """Return the whole state, as `progresswidget.protocol.REPORT_FIELDS` has it."""
        with self._telling:
            fields = {**self._identity(), **self._fields()}
            if apart_from_clock(fields) != apart_from_clock(self._reported):
                self._revision += 1
                self._reported = fields
            return {**fields, "revision": self._revision}

    def snapshot(self) -> Json:
        """Return the state as views have it: the server's public record, as far as it is known.

        It is saved with the notebook, and a notebook travels: the path is only the file's name.
        """
        known = {
            name: value
            for name, value in self.report().items()
            if name not in protocol.PRIVATE_FIELDS
        }
        shared = {"url": self._url, "notebook": self._notebook, "pending": None}
        updated = round(time.time() * 1000)
        return {**known, "path": known["name"], **shared, "updated": updated}

    def answered(self, reply: Json) -> None:
        """Take the server's reply to a report."""
        self._url = reply.get("url", self._url)
        self._notebook = reply.get("notebook", self._notebook)
        control = reply.get("control")
        if isinstance(control, dict) and control.get("action") in protocol.ACTIONS:
            if control.get("id") != self._control:
                self._wish(control["action"])
            self._control = control.get("id")

    def _identity(self) -> Json:
        return {
            **_NO_FILE,
            "taskId": self._id,
            "kind": self._kind,
            "generation": self._generation,
            "created": round(self._created * 1000),
            "kernelId": self._kernel_id,
            "cellId": self._cell_id,
            "pid": self._pid,
            "control": self._control,
        }
