"""Whether what a conversion asks for is offered: its format, and its options by their names. Pure.

An order is kept with its job, in clear text: what is not offered, as a password is not, must not
come as far as that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jupyter_server_ext.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from progresswidget.protocol import Json

_OF_PACKED: Final = frozenset({"compression_level"})
"""What can be said of any packed file, beside the options of what is packed."""


def require_offered(order: Json, offers: Json) -> Json:
    """Return an order with the name of its format, if it asks for what is offered.

    Parameters
    ----------
    order
        As `decode_conversion` returns it.
    offers
        As `Conversions.offers` returns it. Where no engine is found, nothing can be said of a
        format, and no option is taken.

    Raises
    ------
    ApiError
        ``malformed``.
    """
    allowed: frozenset[str] = frozenset()
    if offers["engine"]:
        name, allowed = _find(order["format"], order["target"], offers)
        order = {**order, "format": name}
    if unknown := sorted(order["options"].keys() - allowed):
        # Not quoted with its value: that may be the secret.
        raise ApiError("malformed", f"A conversion has no option {unknown[0]} here.")
    return order


def _find(name: str, target: str, offers: Json) -> tuple[str, frozenset[str]]:
    kinds = list(_kinds(offers))
    if name:
        found = [(kind, options) for kind, _, options in kinds if kind == name.lower()]
    else:
        lower = target.lower()
        fits = [kind for kind in kinds if lower.endswith(kind[1])]
        found = [(kind, options) for kind, _, options in sorted(fits, key=_by_ending)[-1:]]
    if not found:
        raise ApiError("malformed", "No format of this name or ending is offered.")
    return found[0]


def _by_ending(kind: tuple[str, str, frozenset[str]]) -> int:
    return len(kind[1])


def _kinds(offers: Json) -> Iterator[tuple[str, str, frozenset[str]]]:
    """Give the name, an ending and the options of all that can be written."""
    for row in offers["formats"]:
        options = frozenset(option["name"] for option in row["options"])
        for ending in row["endings"]:
            yield row["name"], ending, options
            if row["packable"]:
                for packing in offers["packings"]:
                    yield row["name"] + packing, ending + packing, options | _OF_PACKED
