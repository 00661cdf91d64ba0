"""Data out of a notebook and into it: exports and transfers with a live bar that survives a reload.

>>> import progresswidget as pw
>>> job = pw.export(frame, "sales.parquet")  # doctest: +SKIP

Public names load on first use, so that importing the package costs a notebook nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from progresswidget import accessors

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from progresswidget.delivery.job import deliver
    from progresswidget.dialog import export_dialog
    from progresswidget.errors import (
        ColumnError,
        DestinationBusyError,
        DestinationError,
        DestinationExistsError,
        DigestMismatchError,
        ExportCancelledError,
        ExportInterrupted,
        JobStateError,
        LeaseLostError,
        LinkError,
        LoopCancelledError,
        MissingExtraError,
        OptionError,
        ProgressWidgetError,
        SourceChangedError,
        SourceError,
        TransferError,
        TransferRefusedError,
        UnsupportedFormatError,
        UnsupportedSourceError,
    )
    from progresswidget.export.result import Result
    from progresswidget.export.sources.sql import sql
    from progresswidget.exporting import export
    from progresswidget.group import Group, group
    from progresswidget.job import Job
    from progresswidget.loops.bar import tqdm, trange
    from progresswidget.loops.concurrent import process_map, thread_map
    from progresswidget.loops.track import track
    from progresswidget.notebook import export_notebook
    from progresswidget.progress_widget import ProgressWidget
    from progresswidget.remote import JobReporter
    from progresswidget.transfer.job import download, upload
    from progresswidget.widget import ExportWidget

__version__ = "0.1.0"

_HOMES: Final = {
    "ColumnError": "errors",
    "DestinationBusyError": "errors",
    "DestinationError": "errors",
    "DestinationExistsError": "errors",
    "DigestMismatchError": "errors",
    "ExportCancelledError": "errors",
    "ExportInterrupted": "errors",
    "ExportWidget": "widget",
    "Group": "group",
    "Job": "job",
    "JobReporter": "remote",
    "JobStateError": "errors",
    "LeaseLostError": "errors",
    "LinkError": "errors",
    "LoopCancelledError": "errors",
    "MissingExtraError": "errors",
    "OptionError": "errors",
    "ProgressWidget": "progress_widget",
    "ProgressWidgetError": "errors",
    "Result": "export.result",
    "SourceChangedError": "errors",
    "SourceError": "errors",
    "TransferError": "errors",
    "TransferRefusedError": "errors",
    "UnsupportedFormatError": "errors",
    "UnsupportedSourceError": "errors",
    "deliver": "delivery.job",
    "download": "transfer.job",
    "export_dialog": "dialog",
    "export_notebook": "notebook",
    "group": "group",
    "process_map": "loops.concurrent",
    "sql": "export.sources.sql",
    "thread_map": "loops.concurrent",
    "tqdm": "loops.bar",
    "track": "loops.track",
    "trange": "loops.bar",
    "upload": "transfer.job",
}

__all__ = [
    "ColumnError",
    "DestinationBusyError",
    "DestinationError",
    "DestinationExistsError",
    "DigestMismatchError",
    "ExportCancelledError",
    "ExportInterrupted",
    "ExportWidget",
    "Group",
    "Job",
    "JobReporter",
    "JobStateError",
    "LeaseLostError",
    "LinkError",
    "LoopCancelledError",
    "MissingExtraError",
    "OptionError",
    "ProgressWidget",
    "ProgressWidgetError",
    "Result",
    "SourceChangedError",
    "SourceError",
    "TransferError",
    "TransferRefusedError",
    "UnsupportedFormatError",
    "UnsupportedSourceError",
    "__version__",
    "deliver",
    "download",
    "export",
    "export_dialog",
    "export_notebook",
    "group",
    "process_map",
    "sql",
    "thread_map",
    "tqdm",
    "track",
    "trange",
    "upload",
]


class _Package(ModuleType):
    """The type of this package: it keeps `pw.export` a function.

    The engine lives in the subpackage of the same name, and the import system would bind that
    name to the module as soon as anything imports the engine.
    """

    @property
    def export(self) -> Any:
        return import_module(f"{__name__}.exporting").export

    @export.setter
    def export(self, module: ModuleType) -> None:
        """Ignore the binding; `sys.modules` still finds the subpackage."""


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value  # the next access does not come here
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Register ``%export`` and ``%%export``: what ``%load_ext progresswidget`` calls."""
    from progresswidget import magics

    magics.load(shell)


accessors.install()
if "ipykernel" in sys.modules:
    import_module(f"{__name__}.loops.jobs.nursery").open_nursery()
