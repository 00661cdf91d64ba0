"""`export`: the door to the writing of files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from progresswidget.export.options import require_flag
from progresswidget.export.pipeline import Export
from progresswidget.job import Job

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from progresswidget.group import Group


def export(
    frame: object,
    path: str | os.PathLike[str],
    *,
    background: bool = False,
    overwrite: bool = True,
    format: str | None = None,
    encrypt_to: str | Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
    where: str | None = None,
    parent: Group | None = None,
    **options: Any,
) -> Job:
    """Write a frame to a file, with a live bar where there is someone to see it.

    The file appears under its name only when it is complete: it is written beside it, flushed to
    the disk, and renamed. Memory stays constant however many rows there are. An export that was
    killed goes on where it stopped when the same call is made again, as far as the format allows,
    and one that is there already is not written again.

    Parameters
    ----------
    frame
        Any frame: of pandas, polars (a `LazyFrame` is streamed, not collected), pyarrow, DuckDB,
        Ibis, DataFusion or numpy; whatever has ``__arrow_c_stream__``; a list or generator of
        dicts, dataclasses, tuples or frames; `progresswidget.sql`; the path of a file of data, or
        a pattern of paths; or a function that returns any of these, which is called when the
        export runs. Formats that hold several take a dict or a list of these, archives also
        paths, folders and bytes.

        The index of a pandas frame follows pandas: in CSV it is the first column, as with
        `DataFrame.to_csv`; in JSON and SQLite it has the name that `DataFrame.reset_index` would
        give it, and a `RangeIndex` without a name is left out; in Parquet a `RangeIndex` is kept
        as metadata and any other becomes a column, as with `DataFrame.to_parquet`, so that
        `pandas.read_parquet` gives the frame back. ``index=True`` or ``index=False`` says
        otherwise.
    path
        Where to write. The ending chooses the format: ``.csv``, ``.parquet``, ``.xlsx``, … ;
        ``python -m progresswidget formats`` lists them with their options.
    background
        Return at once, and let the export go on while other cells run.
    overwrite
        Replace a file that is there already, once the new one is complete.
    format
        The name of a format, whatever the ending is.
    encrypt_to
        One age recipient or several (``age1…``, or public keys of SSH): only they can read the
        file. A database of SQLite or DuckDB is written plainly first, to a hidden folder beside
        `path` that only you can enter, which is removed before the encrypted file has its name;
        after a kill, by the next export to `path`.
    parent
        The group that it belongs to, where that is not the one of the `with` block around it.
    columns
        The names of the columns that are written, in this order; by default all. An index is one
        of them only where it is named.
    where
        SQL that chooses the rows: a condition (``"price > 10"``), a clause, or a whole ``SELECT``
        in which the frame is the table ``data``. It needs ``progresswidget[duckdb]``.
    **options
        Of the format and of the source, for instance `compression` of Parquet, `delimiter` of CSV,
        `index` of pandas.

    Returns
    -------
    The job. Without `background` it is done.

    Raises
    ------
    UnsupportedSourceError, UnsupportedFormatError, OptionError, ColumnError, DestinationError
        Before anything is written, if it can be seen that the export cannot succeed.
    ExportCancelledError
        If it was cancelled. No file is left behind.
    SourceError
        If the frame fails while it is read.
    ExportInterrupted
        If the cell was interrupted. Seconds later no file is left behind, unless the kernel was
        interrupted only to be restarted or shut down: then the next run goes on. A file that was
        there before stays.
    """
    require_flag("background", background)
    work = Export(
        frame,
        path,
        format=format,
        overwrite=overwrite,
        encrypt_to=encrypt_to,
        options=options,
        columns=columns,
        where=where,
    )
    job = Job(work, background=background, parent=parent)
    if background:
        job._start()  # noqa: SLF001 - a job is started by `export` alone
    else:
        job._block()  # noqa: SLF001
    return job
