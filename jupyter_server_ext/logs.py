"""What a line of the log carries besides its text, for formatters that write JSON."""

from __future__ import annotations

import re
from typing import Any, Final

_TASK: Final = re.compile(r"/(?:jobs|files)/([0-9a-f]{32})(?=/|\Z)")


def about(event: str, task_id: str | None = None, **fields: str | int) -> dict[str, Any]:
    """Return the `extra` of a line: what has happened, and to which job.

    Parameters
    ----------
    event
        In words that stay the same, with hyphens between.
    task_id
        The job, where the line is about one.
    fields
        More names and values, none of which a person has chosen.
    """
    return {"event": event, **fields} | ({} if task_id is None else {"task_id": task_id})


def about_request(event: str, path: str) -> dict[str, Any]:
    """Return the `extra` of a line about a request, by the path of its address."""
    found = _TASK.search(path)
    return about(event, None if found is None else found[1])
