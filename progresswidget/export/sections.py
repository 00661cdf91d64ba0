"""From what the user gives to the sections of a file: one frame, or several under their names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from progresswidget.errors import UnsupportedSourceError
from progresswidget.export.options import Option, resolve
from progresswidget.export.sources import Source, find_kind
from progresswidget.export.writers import Heading

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from progresswidget.export.formats import Format


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes that are an entry as they are.

    Parameters
    ----------
    total
        How many there are, or None if nobody knows before the end.
    chunks
        Begins to read, and yields them.
    """

    total: int | None
    chunks: Callable[[], Generator[bytes, None, None]]
    once: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """One table or entry of a file, under its name."""

    name: str
    content: Source | Blob
    frame: object
    """What the user gave; asked again whether it has been read."""

    @property
    def heading(self) -> Heading:
        """What a writer is told beforehand."""
        schema = self.content.schema if isinstance(self.content, Source) else None
        return Heading(self.name, schema, self.content.total)


def find_sections(
    given: object, name: str, format: Format, options: Mapping[str, Any]
) -> tuple[list[Section], dict[str, Any]]:
    """Return the sections of a file and the options that its format gets.

    Parameters
    ----------
    given
        A frame; for formats that hold several, also a dict of frames.
    name
        The name of the only section.
    format
        What will be written.
    options
        What the caller set: of the format, and of the kinds of frames.

    Raises
    ------
    UnsupportedSourceError, OptionError, ColumnError, SourceError
        If a frame, or an option, cannot be used.
    """
    several = isinstance(given, Mapping)
    if several and format.holds == "table":
        raise UnsupportedSourceError(
            f"A {format.name} file holds one table, and not several.",
            "Export to .xlsx or .zip, or call export for each.",
        )
    frames = dict(given) if isinstance(given, Mapping) else {name: given}
    kinds = {each: find_kind(frame) for each, frame in frames.items()}
    theirs: dict[str, Option] = {
        option.name: option for kind in kinds.values() for option in kind.options
    }
    owner = (
        f"A {next(iter(kinds.values())).name} as {format.name}" if len(kinds) == 1 else format.name
    )
    values = resolve((*format.options, *theirs.values()), options, owner=owner)
    own = {each: values.pop(each) for each in theirs}
    sections = []
    for each, frame in frames.items():
        wanted = {option.name: own[option.name] for option in kinds[each].options}
        source = kinds[each].read(frame, format.flavour, wanted)
        sections.append(Section(each, source, frame))
    return sections, values
