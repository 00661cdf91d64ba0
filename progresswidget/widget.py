"""The ipywidgets component: the same view as the labextension's, for every other front end.

In JupyterLab and Notebook 7 with the labextension this model exists but is not drawn. Elsewhere
(VS Code, Colab, a JupyterLab without the extension) the front end draws it, asks the server where
it can reach one, and otherwise lives on what the kernel sends here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anywidget
import traitlets

from progresswidget import protocol

if TYPE_CHECKING:
    from progresswidget.job import Job

ESM: Final = Path(__file__).parent / "static" / "widget.js"


class ExportWidget(anywidget.AnyWidget):  # type: ignore[misc]  # anywidget's base is untyped
    """A live view of an export, as an ipywidget.

    Parameters
    ----------
    job
        The job to show; its buttons act on it also where no server can be reached.
    """

    _esm = ESM
    snapshot = traitlets.Dict().tag(sync=True)
    server = traitlets.Bool(default_value=False).tag(sync=True)
    task_id = traitlets.Unicode().tag(sync=True)
    background = traitlets.Bool(default_value=False).tag(sync=True)

    def __init__(self, job: Job, **traits: Any) -> None:
        self._job = job
        super().__init__(
            snapshot=job.snapshot(),
            task_id=job.id,
            server=job.on_server,
            background=job.background,
            **traits,
        )
        self.on_msg(self._obey)

    def _obey(self, _widget: object, content: object, _buffers: object) -> None:
        # A comm handler only raises a flag; the worker looks at it between two batches.
        action = content.get("action") if isinstance(content, dict) else None
        if action in protocol.ACTIONS:
            getattr(self._job, str(action))()
