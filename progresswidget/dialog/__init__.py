"""The export dialog in a notebook: format, options, columns, SQL, a preview, and then the bar."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from progresswidget.dialog.widget import ExportDialog


def export_dialog(
    frame: object, path: str | None = None, *, name: str | None = None
) -> ExportDialog:
    """Show a dialog that exports a frame, and that says which call does the same.

    The preview reads the first rows only: a lazy frame is not collected for it, and what can be
    read once, or is built when the export runs, is not begun.

    Parameters
    ----------
    frame
        One frame, as for `progresswidget.export`.
    path
        The file that is suggested; its ending suggests the format.
    name
        What the frame is called in the code that is shown; by default the name of the variable.

    Returns
    -------
    An ipywidget. Its attribute `job` is the export that was begun last.

    Raises
    ------
    UnsupportedSourceError
        If it is no frame.
    """
    from progresswidget.dialog.widget import ExportDialog

    return ExportDialog(frame, path, name=name)
