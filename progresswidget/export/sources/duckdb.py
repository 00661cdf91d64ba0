"""DuckDB relations: the query runs while the file is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import SourceError
from progresswidget.export.sources import FETCHED_ROWS, Source, is_of, reason
from progresswidget.export.sources.duckdb_files import files_of
from progresswidget.export.sources.marks import marked
from progresswidget.export.sources.stream import joined

if TYPE_CHECKING:
    from collections.abc import Generator

    import pyarrow as pa

    from progresswidget.export.formats import Flavour

OWN: Final = frozenset({"BIT", "BIGNUM", "VARINT"})


def recognises(frame: object) -> bool:
    """Say whether `frame` is a relation."""
    return is_of(frame, "duckdb", "DuckDBPyRelation")


def read(frame: Any, flavour: Flavour) -> Source:  # noqa: ARG001 - the table's signature
    """Return the source of a relation; its length is unknown until it ends.

    Raises
    ------
    SourceError
        If the query is wrong, or its connection is closed or busy.
    """
    with _open(frame, empty=True) as reader:
        schema = reader.schema
    return Source(schema, None, lambda: _stream(frame))


def _stream(relation: Any) -> Generator[pa.RecordBatch, None, None]:
    check_files = marked(files_of(relation))
    with _open(relation) as reader:
        yield from joined(reader)
    check_files()


def readable(relation: Any) -> Any:
    """Return a relation with texts for what DuckDB hands to Arrow as bytes of its own, its digits.

    Its bit strings and its integers of any length would come out as bytes that only it knows. Those
    inside of lists and structs do, and those of a relation with two columns of one name.
    """
    names, kinds = relation.columns, [str(kind) for kind in relation.types]
    if not OWN.intersection(kinds) or len(set(names)) < len(names):
        return relation
    columns = []
    for name, kind in zip(names, kinds, strict=True):
        quoted = '"' + name.replace('"', '""') + '"'
        columns.append(f"{quoted}::VARCHAR AS {quoted}" if kind in OWN else quoted)
    return relation.project(", ".join(columns))


def _open(relation: Any, *, empty: bool = False) -> pa.RecordBatchReader:
    try:
        query = readable(relation.limit(0) if empty else relation)
        # Versions before 1.4 have the other name only.
        begin = getattr(query, "to_arrow_reader", None) or query.fetch_arrow_reader
        reader: pa.RecordBatchReader = begin(FETCHED_ROWS)
    except MemoryError:
        raise
    except Exception as error:
        raise SourceError(
            f"The query cannot run: {reason(error)}",
            "A connection runs one query at a time: query it through connection.cursor() where "
            "another one is running.",
        ) from error
    return reader
