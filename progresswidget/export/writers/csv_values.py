"""What the options of CSV change in the values of a column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from progresswidget.export.writers.columns import Plan, plan, zoned
from progresswidget.export.writers.columns_bounds import bounded
from progresswidget.export.writers.columns_moments import quick
from progresswidget.export.writers.storable import without_runs

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl
    import pyarrow as pa

# https://owasp.org/www-community/attacks/CSV_Injection names these.
DANGEROUS: Final = "=+-@\t\r\n＝＋－＠"


def safe_text(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    return f"'{text}" if text and text[0] in DANGEROUS else text


def csv_plan(kind: pa.DataType, options: Mapping[str, Any]) -> Plan:
    """Return the plan for a column of CSV."""
    import polars as pl
    import pyarrow as pa

    plain = plain_kind(kind)
    if pa.types.is_timestamp(plain) and options["datetime_format"] is not None:
        return moment_plan(kind, options["datetime_format"])
    base = quick(kind) or plan(kind)
    name = "date_format" if pa.types.is_date(plain) else "time_format"
    if (pa.types.is_date(plain) or pa.types.is_time(plain)) and options[name] is not None:
        pattern: str = options[name]
        return Plan(base.to_arrow, lambda column: base.to_text(column).dt.to_string(pattern))
    if pa.types.is_decimal(plain) and options["decimal_comma"]:
        return Plan(
            base.to_arrow,
            lambda column: base.to_text(column).cast(pl.String).str.replace(".", ",", literal=True),
        )
    if options["spreadsheet_safe"] and _is_text(plain):
        return Plan(base.to_arrow, lambda column: _safe(base.to_text(column)), base.slow)
    return base


def plain_kind(kind: pa.DataType) -> pa.DataType:
    """Return the type of the values of a column, however they are stored."""
    import pyarrow as pa

    while True:
        if isinstance(kind, pa.BaseExtensionType):
            kind = kind.storage_type
        elif pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
            kind = kind.value_type
        else:
            return kind


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return not (
        pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_date(kind)
        or pa.types.is_time(kind)
        or pa.types.is_timestamp(kind)
    )


def _safe(column: pl.Expr) -> pl.Expr:
    import polars as pl

    text = column.cast(pl.String)
    risky = text.str.head(1).is_in(list(DANGEROUS))
    return pl.when(risky).then(pl.concat_str(pl.lit("'"), text)).otherwise(text)


def moment_plan(kind: pa.DataType, pattern: str) -> Plan:
    """Return the plan for moments, however they are stored, in a pattern of strftime's signs."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        return moment_plan(kind.storage_type, pattern).after(lambda array: array.storage)
    if pa.types.is_dictionary(kind):
        return moment_plan(kind.value_type, pattern).after(lambda array: array.dictionary_decode())
    if pa.types.is_run_end_encoded(kind):
        return moment_plan(kind.value_type, pattern).after(without_runs)
    if kind.tz is None:
        found = Plan(to_text=lambda column: column.dt.to_string(pattern))
    else:
        found = zoned(kind, pattern)
    check = bounded(kind)
    return found if check is None else found.after(check)
