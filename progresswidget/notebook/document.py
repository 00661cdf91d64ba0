"""The notebook that is rendered: read, and freed of what only a running notebook can show."""

from __future__ import annotations

import base64
import mimetypes
import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from progresswidget.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

LIVE: Final = re.compile(
    r"application/(vnd\.jupyter\.widget-.*|vnd\.progresswidget\..*|javascript|x-javascript)"
)
"""Media types that need a page with a kernel, or scripts of one."""

_PUNCTUATION: Final = re.compile(r"([!-/:-@\[-`{-~])")
_ATTACHMENT: Final = re.compile(r"attachment:([^\s)\"'>]+)")


@dataclass(frozen=True, slots=True)
class Document:
    """A notebook on its way to paper.

    Parameters
    ----------
    notebook
        Its content in version 4 of the format.
    name
        What the document is called.
    folder
        Where it lies; images are looked for there.
    """

    notebook: Any
    name: str
    folder: Path

    def image(self, address: str) -> tuple[str, bytes] | None:
        """Return the media type and the content of an image beside the notebook, if there is one.

        Parameters
        ----------
        address
            What a cell says; nothing is fetched, so one of the net has none here.
        """
        if ":" in address.partition("/")[0] or address.startswith("//"):
            return None
        kind, _ = mimetypes.guess_type(address)
        try:
            file = self.folder / unquote(address)
            if kind is None or not kind.startswith("image/") or not file.is_file():
                return None
            return kind, file.read_bytes()
        except (OSError, ValueError):  # no path, or not to be read
            return None


def read(path: str | os.PathLike[str], title: str | None = None) -> Document:
    """Return a notebook that holds nothing live.

    Parameters
    ----------
    path
        The file.
    title
        A heading that is put before the first cell.

    Raises
    ------
    SourceError
        If it cannot be read or is no notebook.
    """
    file = Path(os.fspath(path)).expanduser()
    notebook = _parse(file)
    notebook.metadata.pop("widgets", None)
    name = str(notebook.metadata.get("title") or file.stem)
    if title is not None:
        name = " ".join(sound(title).split())
        notebook.cells.insert(0, _heading(name))
    notebook.metadata["title"] = name
    for cell in notebook.cells:
        cell.source = sound(cell.source)
        if cell.cell_type == "markdown":
            cell.source = _with_attachments(cell.source, cell.pop("attachments", {}))
        elif cell.cell_type == "code":
            cell.outputs = list(_printable(_joined(cell.outputs)))
    return Document(notebook, name, file.absolute().parent)


def _parse(file: Path) -> Any:
    import nbformat

    hint = "Open it in Jupyter and save it again."
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"The notebook {file} cannot be read: {reason}.") from error
    problems: dict[str, Exception] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of cells without ids, which older notebooks have
        try:
            notebook = nbformat.reads(text, as_version=4, capture_validation_error=problems)
        except (ValueError, TypeError, KeyError, AttributeError, nbformat.ValidationError) as error:
            # nbformat stumbles over what is JSON and no notebook in all these ways.
            raise SourceError(f"{file} is no notebook that can be read.", hint) from error
    if problems:
        (problem,) = problems.values()
        reason = str(problem).strip().split("\n", 1)[0]
        raise SourceError(f"{file} is no valid notebook: {reason}", hint) from problem
    return notebook


def _heading(title: str) -> Any:
    from nbformat.v4 import new_markdown_cell

    # CommonMark §2.4: a backslash makes any ASCII punctuation plain text.
    plain = _PUNCTUATION.sub(r"\\\1", title)
    return new_markdown_cell(f"# {plain}", id="title")


def sound(text: str) -> str:
    """Return text that can be encoded: JSON may hold halves of characters (RFC 8259 §8.2)."""
    return text.encode("utf-8", "replace").decode()


def _with_attachments(source: str, attachments: Mapping[str, Mapping[str, str]]) -> str:
    def address(found: re.Match[str]) -> str:
        for kind, data in attachments.get(found[1], {}).items():
            if kind.startswith("image/"):
                return data_address(kind, data)
        return found[0]

    return _ATTACHMENT.sub(address, source)


def data_address(kind: str, data: str) -> str:
    """Return an image as an address that holds it (RFC 2397)."""
    if kind == "image/svg+xml":
        data = base64.b64encode(sound(data).encode()).decode()
    return f"data:{kind};base64,{''.join(data.split())}"


def _joined(outputs: Iterable[Any]) -> Iterable[Any]:
    """Join what was written to one stream in several pieces."""
    found: list[Any] = []
    for output in outputs:
        last = found[-1] if found else None
        both = {output.output_type, last.output_type} if last is not None else set()
        if last is not None and both == {"stream"} and last.name == output.name:
            last.text += output.text
        else:
            found.append(output)
    return found


def _printable(outputs: Iterable[Any]) -> Iterable[Any]:
    for output in outputs:
        if output.output_type == "stream":
            output.text = _overwritten(sound(output.text))
        elif output.output_type == "error":
            output.traceback = [sound(line) for line in output.traceback]
        else:
            output.data = type(output.data)(
                (kind, sound(data) if isinstance(data, str) else data)
                for kind, data in output.data.items()
                if not LIVE.fullmatch(kind)
            )
            if not output.data:
                continue
        yield output


def _overwritten(text: str) -> str:
    """Return what a terminal would show in the end of lines that were written several times."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)
