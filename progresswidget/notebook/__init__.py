"""A notebook as a document: a web page, Markdown, PDF or Word.

>>> from progresswidget.notebook import export_notebook
>>> export_notebook("analysis.ipynb", "analysis.html")  # doctest: +SKIP

The notebook is not run: what is in the document are the outputs that the file holds.

- **.html** is one file that loads nothing: images are inside, and what a cell or an output would
  fetch from the net is left out or becomes a link; a rule for the browser (Content Security Policy)
  holds back what a script in an output still asks for. MathJax would have to be fetched, so
  formulas stay as they are written, in LaTeX.
- **.md** is one file too, with the images of outputs in it as ``data:`` addresses. An image that a
  Markdown cell names by its path stays a reference.
- **.pdf** is the web page as a Chromium prints it, whichever is installed. Frames that are
  wider than the sheet are printed in parts.
- **.docx** is converted here, without any other program. Formulas stay as they are written.

Widgets are programs and cannot be printed: their text is shown instead, so an export's bar becomes
its receipt in words.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from progresswidget.errors import UnsupportedFormatError
from progresswidget.export.destination import check, explain, locate
from progresswidget.export.parts import open_part
from progresswidget.notebook.document import read

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from pathlib import Path

    from progresswidget.notebook.document import Document

__all__ = ["export_notebook"]

RENDERERS: Final = {
    ".html": "web:html",
    ".md": "web:markdown",
    ".pdf": "chromium:pdf",
    ".docx": "word:docx",
}
"""``module:function`` for each ending of a name."""


def export_notebook(
    path: str | os.PathLike[str], output: str | os.PathLike[str], *, title: str | None = None
) -> Path:
    """Write a notebook as a document, whose ending decides what it becomes.

    Parameters
    ----------
    path
        The notebook, ``.ipynb``.
    output
        The document: ``.html``, ``.md``, ``.pdf`` or ``.docx``. It appears all at once, and
        replaces a file of the same name.
    title
        A heading above the first cell; by default there is none, and the document is called after
        the notebook.

    Returns
    -------
    Where the document is.

    Raises
    ------
    UnsupportedFormatError
        If the ending is another.
    SourceError
        If the notebook cannot be read.
    DestinationError
        If the document cannot be written.
    MissingExtraError
        If a library is not installed, or for PDF no Chromium.
    """
    destination = locate(output)
    render = _renderer(destination)
    check(destination, overwrite=True)
    document = read(path, title)
    data = render(document)
    try:
        with open_part(destination) as part:
            with open(part.descriptor, "wb", closefd=False) as file:
                file.write(data)
            part.publish(overwrite=True)
    except OSError as error:
        raise explain(error, destination) from error
    return destination


def _renderer(destination: Path) -> Callable[[Document], bytes]:
    found = RENDERERS.get(destination.suffix.lower())
    if found is None:
        raise UnsupportedFormatError(
            f"A notebook cannot be written as {destination.name!r}.",
            f"There are: {', '.join(RENDERERS)}.",
        )
    module, _, name = found.partition(":")
    render: Callable[[Document], bytes] = getattr(import_module(f"{__name__}.{module}"), name)
    return render
