"""The one table of what can be written: suffixes, media types, and the writer of each.

To add a format is to add a module with a `Writer` and a row here; or, from outside, an entry point
of the group ``progresswidget.formats`` whose object is a `Format`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from progresswidget.errors import OptionError, UnsupportedFormatError
from progresswidget.export.foreign import brought
from progresswidget.export.writers import compressed
from progresswidget.export.writers.compressed import CODECS, Codec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from progresswidget.export.options import Option
    from progresswidget.export.writers import Heading, Writer

Flavour: TypeAlias = Literal["text", "records", "columnar"]
"""Whether a format holds values as text, as text under names, or with their types: pandas' index
depends on it."""
Holds: TypeAlias = Literal["table", "tables", "entries"]
"""Whether a file holds one table, several under their names, or files."""

GROUP: Final = "progresswidget.formats"
AGE: Final = ".age"


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of file.

    Parameters
    ----------
    name
        The value for ``format=``, and the name users read.
    media_type
        The type under which a server sends the file (RFC 6838).
    suffixes
        Endings of file names, lower case, by which the format is recognised.
    flavour
        How values are held.
    writer
        ``module:class`` of its `Writer`, imported when it is needed.
    holds
        What a file holds.
    compressible
        Whether ``.gz``, ``.zst``, ``.bz2`` or ``.xz`` may follow the suffix.
    codec
        What the whole file is compressed with; find_format sets it where such an ending follows.
    """

    name: str
    media_type: str
    suffixes: tuple[str, ...]
    flavour: Flavour
    writer: str
    holds: Holds = "table"
    compressible: bool = False
    codec: Codec | None = None

    @property
    def options(self) -> tuple[Option, ...]:
        """What a caller may set."""
        return self._load().OPTIONS + (() if self.codec is None else compressed.OPTIONS)

    @property
    def append_only(self) -> bool:
        """Whether what is in the file stays as it is: then it can be read while it is written."""
        # A library writes a file of its own where it is to be encrypted, and that is passed on.
        return self.name.endswith(AGE) or not self._load().writes_itself

    def stem(self, file_name: str) -> str:
        """Return the name of a file without the ending of this format."""
        plain = file_name[: -len(AGE)] if file_name.lower().endswith(AGE) else file_name
        endings = (each for each in self.suffixes if plain.lower().endswith(each))
        longest = max(endings, key=len, default="")
        return plain[: len(plain) - len(longest)] or file_name

    def make(self, headings: Sequence[Heading], options: Mapping[str, Any]) -> Writer:
        """Return the writer of a file.

        Raises
        ------
        ColumnError
            If the format cannot hold a column.
        MissingExtraError
            If a library is not installed.
        """
        values = dict(options)
        if self.codec is None:
            return self._load()(headings, values)
        own = {option.name: values.pop(option.name) for option in compressed.OPTIONS}
        return compressed.compressed(self._load()(headings, values), self.codec, own)

    def _load(self) -> type[Writer]:
        module, _, name = self.writer.partition(":")
        loaded: type[Writer] = getattr(import_module(module), name)
        return loaded


_WRITERS: Final = "progresswidget.export.writers"

FORMATS: Final[dict[str, Format]] = {
    row.name: row
    for row in (
        Format(
            "csv",
            "text/csv; charset=utf-8",
            (".csv",),
            "text",
            f"{_WRITERS}.csv:CsvWriter",
            compressible=True,
        ),
        Format(
            "tsv",
            "text/tab-separated-values; charset=utf-8",
            (".tsv",),
            "text",
            f"{_WRITERS}.csv:TsvWriter",
            compressible=True,
        ),
        Format(
            "ndjson",
            "application/x-ndjson",
            (".ndjson", ".jsonl"),
            "records",
            f"{_WRITERS}.json:NdjsonWriter",
            compressible=True,
        ),
        Format(
            "json",
            "application/json",
            (".json",),
            "records",
            f"{_WRITERS}.json:JsonWriter",
            compressible=True,
        ),
        Format(
            "html",
            "text/html; charset=utf-8",
            (".html", ".htm"),
            "text",
            f"{_WRITERS}.html:HtmlWriter",
            compressible=True,
        ),
        Format(
            "markdown",
            "text/markdown; charset=utf-8",
            (".md", ".markdown"),
            "text",
            f"{_WRITERS}.markdown:MarkdownWriter",
            compressible=True,
        ),
        Format(
            "parquet",
            "application/vnd.apache.parquet",
            (".parquet", ".pq"),
            "columnar",
            f"{_WRITERS}.parquet:ParquetWriter",
        ),
        Format(
            "arrows",
            "application/vnd.apache.arrow.stream",
            (".arrows",),
            "columnar",
            f"{_WRITERS}.ipc:ArrowStreamWriter",
        ),
        Format(
            "feather",
            "application/vnd.apache.arrow.file",
            (".feather", ".arrow", ".ipc"),
            "columnar",
            f"{_WRITERS}.ipc:FeatherWriter",
        ),
        Format(
            "orc",
            "application/octet-stream",  # none is registered, RFC 2046 section 4.5.1
            (".orc",),
            "columnar",
            f"{_WRITERS}.orc:OrcWriter",
        ),
        Format(
            "sqlite",
            "application/vnd.sqlite3",
            (".sqlite", ".sqlite3", ".db"),
            "records",
            f"{_WRITERS}.sqlite:SqliteWriter",
            holds="tables",
        ),
        Format(
            "duckdb",
            "application/octet-stream",
            (".duckdb", ".ddb"),
            "columnar",
            f"{_WRITERS}.duckdb:DuckdbWriter",
            holds="tables",
        ),
        Format(
            "pdf",
            "application/pdf",
            (".pdf",),
            "text",
            f"{_WRITERS}.pdf:PdfWriter",
            holds="tables",
        ),
        Format(
            "docx",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            (".docx",),
            "text",
            f"{_WRITERS}.docx:DocxWriter",
            holds="tables",
        ),
        Format(
            "xlsx",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            (".xlsx",),
            "text",
            f"{_WRITERS}.xlsx:XlsxWriter",
            holds="tables",
        ),
        Format(
            "zip",
            "application/zip",
            (".zip",),
            "text",
            f"{_WRITERS}.zip:ZipWriter",
            holds="entries",
        ),
        Format(
            "tar",
            "application/x-tar",
            (".tar",),
            "text",
            f"{_WRITERS}.tar:TarWriter",
            holds="entries",
            compressible=True,
        ),
        Format(
            "tgz",
            "application/gzip",
            (".tgz",),
            "text",
            f"{_WRITERS}.tar:TarWriter",
            holds="entries",
            codec=CODECS[".gz"],
        ),
    )
}


@cache
def formats() -> Mapping[str, Format]:
    """Return every format by its name, those of other packages too; ours go first."""
    theirs = {name: row for name, row in brought(GROUP) if name not in FORMATS}
    return {**FORMATS, **theirs}


def find_format(file_name: str, format: str | None = None, *, encrypted: bool = False) -> Format:
    """Return the format that is asked for by name, or else by the ending of the file name.

    Parameters
    ----------
    file_name
        The last part of the path; the longest known ending decides, in any case of letters.
    format
        The name of a format, which then may have any ending.
    encrypted
        Whether the file will be encrypted with age; ``.age`` may end its name then.

    Raises
    ------
    UnsupportedFormatError
        If there is no such format.
    OptionError
        If the name promises an encryption and there is none.
    """
    lower = file_name.lower()
    if lower.endswith(AGE) and not encrypted:
        raise OptionError(f"{file_name!r} is not going to be encrypted.", "Give encrypt_to=.")
    found = _find(lower.removesuffix(AGE), file_name, format)
    if not encrypted:
        return found
    return replace(found, name=found.name + AGE, media_type="application/octet-stream")


def _find(lower: str, file_name: str, format: str | None) -> Format:
    known = f"There are: {', '.join(formats())}."
    if format is not None:
        if not isinstance(format, str):
            raise OptionError(f"format must be a name, not {type(format).__name__}.", known)
        found = _named(format.lower())
        if found is None:
            raise UnsupportedFormatError(f"There is no format {format!r}.", known)
        return found
    found = _ending(lower)
    if found is None:
        raise UnsupportedFormatError(
            f"The ending of {file_name!r} says nothing about its format.",
            "End the name with .csv, .parquet, .xlsx or another known ending, or give format=; "
            "python -m progresswidget formats lists them all.",
        )
    return found


def _named(name: str) -> Format | None:
    if name in formats():
        return formats()[name]
    for suffix, codec in CODECS.items():
        inner = formats().get(name.removesuffix(suffix))
        if name.endswith(suffix) and inner is not None and inner.compressible:
            return _compressed(inner, suffix, codec)
    return None


def _ending(name: str) -> Format | None:
    found = [
        (len(suffix), candidate)
        for candidate in formats().values()
        for suffix in candidate.suffixes
        if name.endswith(suffix)
    ]
    if found:
        return max(found, key=lambda pair: pair[0])[1]
    for suffix, codec in CODECS.items():
        inner = _ending(name.removesuffix(suffix)) if name.endswith(suffix) else None
        if inner is not None and inner.compressible and inner.codec is None:
            return _compressed(inner, suffix, codec)
    return None


def _compressed(inner: Format, suffix: str, codec: Codec) -> Format:
    return replace(
        inner,
        name=inner.name + suffix,
        media_type=codec.media_type,
        suffixes=tuple(each + suffix for each in inner.suffixes),
        codec=codec,
    )
