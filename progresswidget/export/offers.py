"""What a person can choose from who exports one table: formats, what is installed, options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import MissingExtraError
from progresswidget.export.formats import Format, formats
from progresswidget.export.options import Option, resolve
from progresswidget.export.writers import Heading
from progresswidget.export.writers.compressed import CODECS

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLAIN: Final = (bool, int, float, str)


def offers() -> dict[str, Any]:
    """Return the formats that can hold one table, and what may follow their endings, for JSON."""
    rows = [_row(row) for row in formats().values() if row.holds != "entries"]
    return {"formats": rows, "packings": list(CODECS)}


def _row(row: Format) -> dict[str, Any]:
    return {
        "name": row.name,
        "endings": list(row.suffixes),
        "packable": row.compressible,
        "missing": _missing(row),
        "options": [
            _option(option) for option in row.options if _is_plain(option) and not option.secret
        ],
    }


def _missing(row: Format) -> str | None:
    """Return the extra that must be installed for a format; None where all is there."""
    import pyarrow as pa

    heading = Heading("data", pa.schema([("value", pa.int64())]))
    try:
        row.make([heading], resolve(row.options, {}, owner=row.name)).close()
    except MissingExtraError as error:
        return error.extra or row.name
    return None


def _is_plain(option: Option) -> bool:
    return any(kind in _PLAIN for kind in option.kinds)


def _option(option: Option) -> Mapping[str, Any]:
    return {
        "name": option.name,
        "kinds": [kind.__name__ for kind in option.kinds if kind in _PLAIN],
        "optional": type(None) in option.kinds,
        "default": option.default,
        "choices": list(option.choices),
        "about": option.summary,
    }
