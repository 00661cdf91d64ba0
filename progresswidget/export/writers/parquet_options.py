"""What a caller may set for Parquet, and the check of it against the columns and this pyarrow."""

from __future__ import annotations

import inspect
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, TypeAlias, Union

from progresswidget.errors import ColumnError, OptionError
from progresswidget.export.options import Option

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa


Names: TypeAlias = Union[bool, "list[str]", "tuple[str, ...]", None]
"""Yes, no, or for some columns."""


def _check_row_group(value: int | None) -> str | None:
    # pyarrow silently lowers anything above this.
    return None if value is None or 1 <= value <= 64 * 2**20 else "must be 1 to 67,108,864 rows"


def _check_names(value: Names) -> str | None:
    if isinstance(value, (list, tuple)) and not all(isinstance(name, str) for name in value):
        return "must hold names of columns"
    return None


OPTIONS: Final = (
    Option(
        "compression",
        (str, type(None)),
        "zstd",
        "The codec of the column chunks.",
        choices=("zstd", "snappy", "gzip", "lz4", "brotli", "none"),
    ),
    Option(
        "compression_level",
        (int, type(None)),
        None,
        "The level of the codec: more is smaller and slower.",
    ),
    Option(
        "row_group_size",
        (int, type(None)),
        None,
        "Rows in a row group; by default 262,144, and fewer where rows are large.",
        check=_check_row_group,
    ),
    Option(
        "statistics",
        (bool, list, tuple),
        True,  # noqa: FBT003
        "Whether minimum, maximum and missing values are told, or the columns for which they are.",
        check=_check_names,
    ),
    Option(
        "dictionary",
        (bool, list, tuple),
        True,  # noqa: FBT003
        "Whether repeated values are stored once, or the columns for which they are.",
        check=_check_names,
    ),
    Option(
        "page_index",
        (bool,),
        False,  # noqa: FBT003
        "Whether an index of the pages is written, with which readers skip those they do not need.",
    ),
    Option(
        "bloom_filter",
        (list, tuple, type(None)),
        None,
        "The columns that get a Bloom filter, with which readers find row groups without a value.",
        check=_check_names,
    ),
)


def check_names(schema: pa.Schema, options: Mapping[str, Any]) -> None:
    """Refuse names that Parquet cannot hold, and options that name columns which are not there.

    Raises
    ------
    ColumnError
        If a name repeats or is no Unicode.
    OptionError
        If there is no such column.
    """
    for name, count in Counter(schema.names).items():
        if count > 1:
            raise ColumnError(
                f"Parquet cannot hold {count} columns with the name {name!r}.",
                "Rename the columns so that the names differ.",
            )
        try:
            name.encode()
        except UnicodeEncodeError:
            raise ColumnError(
                f"The column name {name!r} cannot be written as UTF-8.", "Rename the column."
            ) from None
    for option in ("statistics", "dictionary", "bloom_filter"):
        for name in _named(options[option]):
            if name not in schema.names:
                raise OptionError(
                    f"The option {option} names the column {name!r}, which is not there.",
                    f"There are: {', '.join(schema.names)}.",
                )


def settings(options: Mapping[str, Any], paths: Mapping[str, list[str]]) -> dict[str, Any]:
    """Return the keywords for pyarrow's writer.

    Parameters
    ----------
    options
        Values of `OPTIONS`.
    paths
        The leaves of every column as pyarrow calls them.

    Raises
    ------
    OptionError
        If this pyarrow lacks a codec or a feature.
    """
    wanted = _codec(options["compression"], options["compression_level"])
    for option, keyword in (("statistics", "write_statistics"), ("dictionary", "use_dictionary")):
        value = options[option]
        leaves = [path for name in _named(value) for path in paths[name]]
        wanted[keyword] = value if isinstance(value, bool) else leaves
    wanted["write_page_index"] = options["page_index"]
    return wanted


def bloom_paths(options: Mapping[str, Any], paths: Mapping[str, list[str]]) -> list[str]:
    """Return the leaves that get a Bloom filter.

    Raises
    ------
    OptionError
        If this pyarrow makes none.
    """
    import pyarrow.parquet as pq

    leaves = [path for name in _named(options["bloom_filter"]) for path in paths[name]]
    if leaves and "bloom_filter_options" not in inspect.signature(pq.ParquetWriter).parameters:
        raise OptionError("This pyarrow writes no Bloom filters.", "pip install -U pyarrow")
    return leaves


def _named(value: Names) -> list[str]:
    return list(value) if isinstance(value, (list, tuple)) else []


def _codec(name: str | None, level: int | None) -> dict[str, Any]:
    import pyarrow as pa

    if name is None:
        name = "none"
    if name != "none" and not pa.Codec.is_available(name):
        raise OptionError(f"This pyarrow was built without {name}.", "Choose another compression.")
    if level is not None:
        try:
            lowest, highest = (
                pa.Codec.minimum_compression_level(name),
                pa.Codec.maximum_compression_level(name),
            )
        except (ValueError, TypeError):
            raise OptionError(f"The compression {name} has no levels.") from None
        if not lowest <= level <= highest:
            raise OptionError(
                f"The option compression_level of {name} must be {lowest} to {highest}."
            )
    return {"compression": name, "compression_level": level}
