"""What other packages bring by entry points; one that is broken costs nobody else anything."""

from __future__ import annotations

import warnings
from importlib.metadata import entry_points
from typing import Any


def brought(group: str) -> list[tuple[str, Any]]:
    """Return the names of a group of entry points, and the objects that they stand for.

    One that cannot be loaded is left out, with a warning: who exports something else has no use
    for it.
    """
    found = []
    for point in entry_points(group=group):
        try:
            found.append((point.name, point.load()))
        except Exception as error:  # noqa: BLE001 - of code that is not ours
            warnings.warn(
                f"{point.name!r} of the entry points {group} cannot be loaded: "
                f"{type(error).__name__}: {error}",
                stacklevel=2,
            )
    return found
