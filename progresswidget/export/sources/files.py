"""Files as frames: a path or a pattern of Parquet, Arrow, ORC, CSV, TSV or NDJSON files.

The types of text are told by its first 4 MiB. Of several files of CSV a column has a type that
holds the values of all of them: numbers with and without fractions are floats, others texts. What
looks like a number and would lose zeros or digits as one, such as ``01234``, is a text. A field
without anything is missing among numbers, and an empty text among texts.
"""

from __future__ import annotations

import glob
import os
import stat
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from progresswidget.errors import ProgressWidgetError, SourceError
from progresswidget.export.sources import BATCH_ROWS, Source, reason
from progresswidget.export.sources.files_open import GUESSED, OPENERS, Rows, merged
from progresswidget.export.sources.marks import changed, marked
from progresswidget.export.sources.stream import cut

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    import pyarrow as pa

    from progresswidget.export.formats import Flavour

_CODECS: Final = frozenset({".gz", ".zst", ".bz2"})
_TEXTS: Final = frozenset({".csv", ".tsv", ".ndjson", ".jsonl"})


class Exactly(os.PathLike[str]):
    """The path of one file, which is a pattern in no case."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __fspath__(self) -> str:
        return self._path


class Together:
    """Files that are one table, the one after the other."""

    def __init__(self, paths: Sequence[str]) -> None:
        self.paths = paths


def recognises(frame: object) -> bool:
    """Say whether `frame` is a path."""
    return isinstance(frame, (str, os.PathLike, Together))


def read(frame: object, flavour: Flavour) -> Source:  # noqa: ARG001 - the table's signature
    """Return the source of one file or several; those of a pattern follow in the order of names.

    Raises
    ------
    SourceError
        If there is no such file, or one is of an unknown kind, cannot be read, or has other
        columns than the first.
    """
    if isinstance(frame, Together):
        paths = [path for each in frame.paths for path in _find(each)]
    else:
        given = os.fspath(cast("str | os.PathLike[str]", frame))
        paths = [_regular(given)] if isinstance(frame, Exactly) else _find(given)
    check = marked(paths)
    schema: pa.Schema | None = None
    counts: list[int | None] = []
    for path in paths:
        with _blaming(path), closing(_open(path)) as rows:
            if schema is None:
                schema = rows.schema
            elif _guesses(path) and _guesses(paths[0]) and rows.schema.names == schema.names:
                schema = merged(schema, rows.schema)
            else:
                _agree(schema, rows.schema, path, paths[0])
            counts.append(rows.count)
    known = [count for count in counts if count is not None]
    total = sum(known) if len(known) == len(counts) else None
    return Source(
        cast("pa.Schema", schema),
        total,
        lambda: _read(paths, cast("pa.Schema", schema)),
        check=check,
        at_hand=True,
        passing=True,
    )


def _find(pattern: str) -> list[Path]:
    expanded = os.path.expanduser(pattern)  # noqa: PTH111 - a pattern is no path
    if os.path.lexists(expanded):
        found = [Path(expanded)]
    else:
        matches = glob.glob(expanded, recursive=True)  # noqa: PTH207 - may be absolute
        found = [path for path in map(Path, sorted(matches)) if path.is_file()]
    if not found:
        raise SourceError(f"There is no file {pattern!r}.", "Check the path, or the pattern.")
    return [path.absolute() for path in found]


def _regular(path: str) -> Path:
    try:
        is_regular = stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        is_regular = False
    if not is_regular:
        raise SourceError(f"There is no regular file {os.path.basename(path)!r}.")  # noqa: PTH119
    return Path(path)


def _open(path: Path, schema: pa.Schema | None = None) -> Rows:
    kind = _kind(path)
    if kind is None or path.is_dir():
        raise SourceError(
            f"The file {path.name!r} is of no kind that can be read as a table.",
            f"Kinds are: {', '.join(OPENERS)}; .gz, .zst or .bz2 may follow "
            f"{', '.join(sorted(_TEXTS))}.",
        )
    return GUESSED[kind](path, schema) if kind in GUESSED else OPENERS[kind](path)


def _kind(path: Path) -> str | None:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = suffixes[-1] if suffixes else ""
    packed = kind in _CODECS and len(suffixes) > 1 and suffixes[-2] in _TEXTS
    kind = suffixes[-2] if packed else kind
    return kind if kind in OPENERS else None


def _guesses(path: Path) -> bool:
    return _kind(path) in GUESSED


def _agree(schema: pa.Schema, other: pa.Schema, path: Path, first: Path) -> None:
    if other.equals(schema):
        return
    if other.names != schema.names:
        what = f"the columns {', '.join(other.names)}, not {', '.join(schema.names)}"
    else:
        pairs = zip(schema, other, strict=True)
        ours, theirs = next(pair for pair in pairs if not pair[0].equals(pair[1]))
        what = f"the column {ours.name!r} as {theirs.type}, not {ours.type}"
    raise SourceError(
        f"The file {path.name!r} has {what} as {first.name!r} has.",
        "Export files of other columns one by one.",
    )


def _read(paths: Sequence[Path], schema: pa.Schema) -> Generator[pa.RecordBatch, None, None]:
    for path in paths:
        with _blaming(path), closing(_open(path, schema)) as rows:
            if not rows.schema.equals(schema):
                raise changed(path)
            for batch in rows.batches(BATCH_ROWS):
                yield from cut(batch)


@contextmanager
def _blaming(path: Path) -> Iterator[None]:
    try:
        yield
    except (ProgressWidgetError, MemoryError):
        raise
    except Exception as error:
        raise SourceError(f"The file {path.name!r} cannot be read: {reason(error)}") from error
