"""Real kernels of a real server, as JupyterLab has them: a session, cells, and the buttons."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, Self

import psutil
from page import Page

if TYPE_CHECKING:
    from laboratory import Server

    from progresswidget.protocol import Json

NOTEBOOK = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


class Kernel:
    """A notebook with a kernel.

    Parameters
    ----------
    notebook
        Its path below the server's root.
    """

    def __init__(self, server: Server, notebook: str = "study.ipynb") -> None:
        self._server = server
        (server.root / notebook).write_text(json.dumps(NOTEBOOK))
        before = self._children()
        model = {"path": notebook, "type": "notebook", "name": "", "kernel": {"name": "python3"}}
        self.session = self._api("POST", "sessions", model)["id"]
        self._process = self._new_process(before)
        self._channels = self._connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channels.close()
        if self._server.process is not None:
            self._server.request("DELETE", f"/api/sessions/{self.session}")
        psutil.wait_procs([self._process], timeout=20)

    @property
    def id(self) -> str:
        """The id that jobs are reported with."""
        kernel: str = self._api("GET", f"sessions/{self.session}")["kernel"]["id"]
        return kernel

    def run(self, code: str) -> None:
        """Run a cell, and do not wait for its end."""
        header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "version": "5.3"}
        message = {
            "header": header | {"username": "", "session": "tests"},
            "parent_header": {},
            "metadata": {"cellId": "c1"},
            "content": {"code": code, "silent": False, "store_history": True},
            "channel": "shell",
            "buffers": [],
        }
        self._channels.write(message)

    def interrupt(self) -> None:
        """Press the stop button."""
        self._server.request("POST", f"/api/kernels/{self.id}/interrupt", body=b"")

    def restart(self) -> None:
        """Press the restart button."""
        kernel, before = self.id, self._children()
        self._channels.close()
        assert (
            self._server.request("POST", f"/api/kernels/{kernel}/restart", body=b"").status == 200
        )
        self._process = self._new_process(before)
        self._channels = self._connect()

    def shut_down(self) -> None:
        """Shut the kernel down, in the panel of what runs."""
        assert self._server.request("DELETE", f"/api/kernels/{self.id}").status == 204

    def close_session(self) -> None:
        """Close the notebook together with its kernel."""
        assert self._server.request("DELETE", f"/api/sessions/{self.session}").status == 204

    def rename(self, notebook: str) -> None:
        """Rename the notebook."""
        self._api("PATCH", f"sessions/{self.session}", {"path": notebook})

    def kill(self) -> None:
        """End its process as the system does when the memory is full."""
        self._process.kill()

    def revive(self) -> None:
        """Wait until the server has started a kernel in the place of one that died."""
        self._channels.close()
        self._process = self._new_process({self._process.pid})
        self._channels = self._connect()

    def _new_process(self, before: set[int]) -> psutil.Process:
        from laboratory import eventually

        (pid,) = eventually(lambda: self._children() - before, what="the kernel has a process")
        return psutil.Process(pid)

    def _children(self) -> set[int]:
        children = psutil.Process(self._server.pid).children()
        return {child.pid for child in children if child.status() != psutil.STATUS_ZOMBIE}

    def _connect(self) -> Page:
        path = f"/api/kernels/{self.id}/channels"
        return Page(self._server, {"Sec-WebSocket-Protocol": None}, path=path)

    def _api(self, method: str, path: str, body: Any = None) -> Json:
        headers = {"Content-Type": "application/json"}
        text = None if body is None else json.dumps(body).encode()
        answer = self._server.request(method, f"/api/{path}", headers=headers, body=text)
        assert 200 <= answer.status < 300, answer.body
        found: Json = answer.json
        return found
