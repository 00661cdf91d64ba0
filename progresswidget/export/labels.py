"""Which columns of a table name its rows, as those of an index of pandas do.

A schema carries their number, as far as the writers of text: some show these columns by themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pyarrow as pa

KEY: Final = b"progresswidget.labels"


def noted(number: int) -> dict[bytes, bytes] | None:
    """Return the metadata of a schema whose first columns name the rows."""
    return {KEY: b"%d" % number} if number else None


def count(schema: pa.Schema) -> int:
    """Return how many of the first columns name the rows."""
    return int((schema.metadata or {}).get(KEY, 0))
