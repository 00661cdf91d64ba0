"""From what the user gives to the sections of a file: tables under their names, or entries."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from progresswidget.errors import (
    ColumnError,
    OptionError,
    UnsupportedFormatError,
    UnsupportedSourceError,
)
from progresswidget.export import entries
from progresswidget.export.entries import Blob, Found, check_names
from progresswidget.export.options import Option, resolve
from progresswidget.export.sources import Kind, Source, find_kind, recognise, rows
from progresswidget.export.writers import Entry, Heading

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from progresswidget.export.formats import Format

__all__ = ["Blob", "Section", "find_sections"]


@dataclass(frozen=True, slots=True)
class Section:
    """One table or entry of a file, under its name."""

    name: str
    content: Source | Blob
    frame: object
    """What the user gave; asked again whether it has been read."""
    entry: Entry | None = None
    after_file: bool = False

    @property
    def heading(self) -> Heading:
        """What a writer is told beforehand."""
        schema = self.content.schema if isinstance(self.content, Source) else None
        return Heading(self.name, schema, self.content.total, self.entry, self.after_file)


@dataclass(frozen=True, slots=True)
class _Table:
    """A frame on its way to a section, under the name that it may still get."""

    name: str
    frame: object
    kind: Kind
    format: Format
    after_file: bool = False


def find_sections(
    given: object,
    name: str,
    format: Format,
    options: Mapping[str, Any],
    path: Path | None = None,
) -> tuple[list[Section], dict[str, Any]]:
    """Return the sections of a file and the options that its format gets.

    Parameters
    ----------
    given
        A frame. For formats that hold several tables also a dict or list of frames. For archives
        also files and folders as paths, alone or in a list, where a text is a path too; and dicts
        of frames, files, folders, bytes and texts under their names.
    name
        The name of the only section.
    format
        What will be written.
    options
        What the caller set: of the format, and of the kinds of frames.
    path
        The file that will be written: a folder that it lies in is archived without it.

    Raises
    ------
    UnsupportedSourceError, UnsupportedFormatError, OptionError, ColumnError, SourceError
        If a frame, a file or an option cannot be used.
    """
    items: list[_Table | Found]
    if format.holds == "entries":
        asked = options.get("entry_format", "csv")
        items = list(_entries(given, name, asked, path))
        tables = [item for item in items if isinstance(item, _Table)]
    else:
        tables = _tables(given, name, format)
        items = list(tables)
    values, theirs = _options(tables, format, options)
    inner = values.get("entry_options") or {}
    if format.holds == "entries":
        check_names(item.name for item in items)
        _check_inner(tables, inner)
    sections = []
    for item in items:
        if isinstance(item, Found):
            sections.append(Section(item.name, item.blob, None, item.entry))
        else:
            sections.append(_read(item, format, theirs, inner))
    return sections, values


def _tables(given: object, name: str, format: Format) -> list[_Table]:
    frames: dict[str, object]
    if isinstance(given, Mapping):
        frames = dict(given)
    elif isinstance(given, (list, tuple)) and not rows.recognises(given):
        frames = {f"Sheet{place}": frame for place, frame in enumerate(given, 1)}
    else:
        return [_Table(name, given, find_kind(given), format, after_file=True)]
    if format.holds == "table":
        _refuse_values(given)
        raise UnsupportedSourceError(
            f"A {format.name} file holds one table, and not several.",
            "Export to .xlsx or .zip, or call export for each.",
        )
    if not frames:
        raise UnsupportedSourceError(f"A {format.name} file needs a frame, and there is none.")
    for each in frames:
        if not isinstance(each, str):
            raise OptionError(f"The name {each!r} of a frame is no text.")
    return [_Table(each, frame, find_kind(frame), format) for each, frame in frames.items()]


def _refuse_values(given: object) -> None:
    """Tell whoever gave plain values in a dict or a list what would be rows."""
    if isinstance(given, Mapping):
        for name, each in given.items():
            if recognise(each) is None:
                raise UnsupportedSourceError(
                    f"A dict is one of frames, and {name!r} is of type {type(each).__name__}.",
                    "Give lists of values as polars.DataFrame(…) or pandas.DataFrame(…), and a "
                    "single row in a list: [{…}].",
                )
    elif isinstance(given, (list, tuple)):
        for place, each in enumerate(given):
            if recognise(each) is None:
                raise UnsupportedSourceError(
                    f"Item {place} is of type {type(each).__name__}, which is no row and no frame.",
                    "A row is a dict, a dataclass, a named tuple or a tuple.",
                )


def _entries(
    given: object, name: str, entry_format: object, path: Path | None
) -> Iterator[_Table | Found]:
    if isinstance(given, Mapping):
        for each, content in given.items():
            check_names([each])
            yield from _named(each, content, entry_format, path)
        return
    if isinstance(given, (bytes, bytearray, memoryview)):
        raise UnsupportedSourceError(
            "Bytes in an archive need a name.", 'Give a dict, such as {"notes.md": b"…"}.'
        )
    several = isinstance(given, (list, tuple)) and not rows.is_rows(given)
    frames = 0
    for item in given if isinstance(given, (list, tuple)) and several else (given,):
        if isinstance(item, (str, os.PathLike)):
            yield from entries.of_path(None, Path(os.fspath(item)), path)
        elif isinstance(item, (bytes, bytearray, memoryview)):
            yield from _entries(item, name, entry_format, path)
        else:
            frames += 1
            yield _table(f"frame_{frames}" if several else name, item, entry_format)


def _named(
    name: str, content: object, entry_format: object, path: Path | None
) -> Iterator[_Table | Found]:
    if isinstance(content, os.PathLike):
        yield from entries.of_path(name, Path(os.fspath(content)), path)
    elif isinstance(content, (bytes, bytearray, memoryview, str)):
        yield entries.of_bytes(name, content)
    else:
        yield _table(name, content, entry_format)


def _table(name: str, frame: object, entry_format: object) -> _Table:
    """Return a frame with the format that its name tells, or else with `entry_format`."""
    from progresswidget.export.formats import find_format

    kind = find_kind(frame)
    try:
        return _Table(name, frame, kind, _single(find_format(name.rpartition("/")[2])))
    except UnsupportedFormatError:
        if not isinstance(entry_format, str):
            raise OptionError(
                f"The option entry_format must be str, not {type(entry_format).__name__}."
            ) from None
        found = _single(find_format("", entry_format))
        return _Table(f"{name}{found.suffixes[0]}", frame, kind, found)


def _single(format: Format) -> Format:
    if format.holds == "entries":
        raise OptionError(
            f"A frame cannot be written as {format.name}, which holds files.",
            'Name the entry after a format of tables, such as "sales.csv".',
        )
    return format


def _options(
    tables: Sequence[_Table], format: Format, given: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values of the options of the format, and of those of the kinds of frames."""
    kinds = {table.kind.name: table.kind for table in tables}
    theirs = {option.name: option for kind in kinds.values() for option in kind.options}
    owner = format.name
    if len(tables) == 1:
        (kind,) = kinds
        owner = f"For {'an' if kind[0] in 'aeioAEIO' else 'a'} {kind}, {format.name}"
    known: tuple[Option, ...] = (*format.options, *theirs.values())
    values = resolve(known, given, owner=owner)
    return values, {name: values.pop(name) for name in theirs}


def _check_inner(tables: Sequence[_Table], inner: Mapping[str, Any]) -> None:
    """Refuse an option that no format of a frame has; the values are checked one by one."""
    known = {option.name: option for table in tables for option in table.format.options}
    for name in inner:
        if name not in known:
            raise OptionError(
                f"entry_options has {name!r}, which no format of a frame here has.",
                f"There are: {', '.join(sorted(known)) or 'none, because there is no frame'}.",
            )


def _read(
    table: _Table, format: Format, theirs: Mapping[str, Any], inner: Mapping[str, Any]
) -> Section:
    wanted = {option.name: theirs[option.name] for option in table.kind.options}
    try:
        source = table.kind.read(table.frame, table.format.flavour, wanted)
    except UnicodeEncodeError as error:
        raise ColumnError(
            f"The column name {error.object!r} cannot be written as UTF-8.", "Rename the column."
        ) from None
    if format.holds != "entries":
        return Section(table.name, source, table.frame, after_file=table.after_file)
    known = table.format.options
    own = {option.name: inner[option.name] for option in known if option.name in inner}
    values = resolve(known, own, owner=table.format.name)
    entry = Entry(table.format, values)
    return Section(table.name, source, table.frame, entry)
