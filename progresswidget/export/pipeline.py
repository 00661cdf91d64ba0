"""One export: what is given, checked as early as it can be, and then written by runs."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import OptionError, ProgressWidgetError
from progresswidget.export import journal, leftovers
from progresswidget.export.blame import blaming_the_source
from progresswidget.export.destination import check, explain, locate
from progresswidget.export.formats import Format, find_format
from progresswidget.export.lease import holding
from progresswidget.export.options import require_flag, shown
from progresswidget.export.parts import journal_path
from progresswidget.export.reading import call
from progresswidget.export.sections import find_sections
from progresswidget.export.sources import once, recognise
from progresswidget.export.sources.deferred import is_deferred, produce
from progresswidget.export.writing import Plan, Writing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from progresswidget.export.progress import Progress
    from progresswidget.export.result import Result
    from progresswidget.export.sections import Section
    from progresswidget.export.sink import Filter

_NO_OPTIONS: Final[Mapping[str, Any]] = MappingProxyType({})


class Export:
    """A frame that can be written to a file, checked as far as that goes without writing.

    Parameters
    ----------
    frame
        Anything that `sources` knows, or several under their names where the format holds several.
    path
        The file. ``~`` is expanded; of a symbolic link the target is written.
    format
        The name of a format; by default the ending of `path` tells.
    overwrite
        Whether a file that is there may be replaced.
    encrypt_to
        age recipients, one or several: only they can read the file. Databases are written plainly
        first, see `plain`.
    options
        Settings of the format and of the source.
    columns
        The names of the columns that are written, in this order; None is all.
    where
        SQL that chooses rows of the table ``data``: a condition, a clause or a whole query.

    Attributes
    ----------
    path
        The absolute path of the file that will be written.
    format
        The row of the table of formats.
    total
        Rows in all, or None if that is unknown.
    columns
        Columns in the file, those of an index included; 0 if nobody knows yet.
    overwrite
        Whether a file that is there may be replaced.
    once
        Whether the frame is a stream that can be read only once: as soon as a run has begun to read
        it, also one that is cancelled then, neither this nor another `Export` can read it again.

    Raises
    ------
    UnsupportedSourceError, UnsupportedFormatError, OptionError, ColumnError, DestinationError
        If one of these stands in the way; nothing has been written then.
    SourceError
        If the frame cannot tell its columns, or is a stream that has been read.
    """

    kind: Final = "export"

    def __init__(
        self,
        frame: object,
        path: str | os.PathLike[str],
        *,
        format: str | None = None,
        overwrite: bool = True,
        encrypt_to: object = None,
        options: Mapping[str, Any] = _NO_OPTIONS,
        columns: Sequence[str] | None = None,
        where: str | None = None,
    ) -> None:
        require_flag("overwrite", overwrite, "True replaces a file that is there already.")
        self.path = locate(path)
        # The name as given tells the format, also where it is a link to a file of another name.
        name = os.path.basename(os.fspath(path))  # noqa: PTH119
        self._encrypt_to = encrypt_to
        self._encryptor()  # refuses what is no recipient
        self.format: Format = find_format(name, format, encrypted=encrypt_to is not None)
        self.overwrite = overwrite
        self._given, self._asked = frame, dict(options)
        self._wanted = (columns, where)
        self._sections: list[Section] = []
        self._options: dict[str, Any] = {}
        self.once = False
        self.total: int | None = None
        self.columns = 0
        check(self.path, overwrite=overwrite)
        self._deferred = is_deferred(frame)
        if not self._deferred:
            self._resolve(self._narrow(frame))

    def _resolve(self, frame: object) -> None:
        sections, self._options = find_sections(
            frame, self.format.stem(self.path.name), self.format, self._asked, self.path
        )
        headings = [section.heading for section in sections]
        writer = self.format.make(headings, self._options)  # refuses what it cannot hold
        writer.close()
        self._sections = sections
        self.once = any(section.content.once for section in sections)
        totals = [heading.total for heading in headings if heading.schema is not None]
        self.total = None if None in totals else sum(total for total in totals if total)
        self.columns = max((len(each.schema) for each in headings if each.schema), default=0)

    @property
    def schema(self) -> list[tuple[str, str]]:
        """The columns and their types; of several tables with the name of each before them."""
        tables = [each.heading for each in self._sections if each.heading.schema is not None]
        return [
            (f"{table.name} · {field.name}" if len(tables) > 1 else field.name, str(field.type))
            for table in tables
            for field in table.schema or ()
        ]

    @property
    def settings(self) -> list[tuple[str, str]]:
        """What was asked of the format, as text: no secrets, and nothing of the source."""
        told = [
            (option.name, shown(self._asked[option.name]))
            for option in self.format.options
            if option.name in self._asked and not option.secret
        ]
        return told + ([("encrypt_to", "age")] if self._encrypt_to is not None else [])

    def run(self, progress: Progress) -> Result:
        """Write the file; another thread does the reading.

        Parameters
        ----------
        progress
            Raised while it runs, and asked for pause and cancel.

        Raises
        ------
        ExportCancelledError
            If `progress.checkpoint` says so.
        SourceError
            If the frame raises while it is read; the original error is the cause. Also if it is a
            stream that has been read.
        ColumnError
            If a value cannot be written.
        DestinationError
            If the file cannot be written, for instance because the disk is full.
        """
        started = time.monotonic()
        progress.phase = "reading"
        leftovers.keep(self.path)
        with ExitStack() as held:
            with self._explained():
                # Before the data is built: who comes second is told so at once, and not after it.
                lease = held.enter_context(holding(journal_path(self.path), _owner))
            if self._deferred:
                # A query whose columns are not known otherwise is executed for them.
                call(self._begin, progress.checkpoint)
            for section in self._sections:
                if section.content.once:
                    once.check(section.frame)
            progress.total = self.total
            with self._explained():
                return Writing(self._planned(), lease, progress, started).run()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say of what the system refuses that it concerns the file."""
        try:
            yield
        except ProgressWidgetError:
            raise
        except OSError as error:
            raise explain(error, self.path) from error

    def _begin(self) -> None:
        with blaming_the_source():
            frame = produce(self._given)
        self._resolve(self._narrow(frame))

    def _narrow(self, frame: object) -> object:
        columns, where = self._wanted
        if columns is None and not where:
            return frame
        from progresswidget.export.sources.narrowed import narrow

        if isinstance(frame, dict) or (isinstance(frame, list) and recognise(frame) is None):
            raise OptionError(
                "columns and where are for one frame, and there are several.",
                "Narrow each of them yourself.",
            )
        return narrow(frame, columns, where)

    def _planned(self) -> Plan:
        return Plan(
            self.path,
            self.format,
            self._sections,
            self._options,
            self.columns,
            self._encryptor if self._encrypt_to is not None else None,
            overwrite=self.overwrite,
            once=self.once,
        )

    def _encryptor(self) -> Filter | None:
        if self._encrypt_to is None:
            return None
        from progresswidget.export.encryption import AgeEncryptor

        return AgeEncryptor(self._encrypt_to)


def _owner(descriptor: int) -> str:
    begun = journal.read(descriptor)
    return f", {begun.owner}" if begun is not None else ""
