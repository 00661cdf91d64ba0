"""What a worker on another machine says of its steps."""

from __future__ import annotations

from typing import Final

from progresswidget.protocol.decoding import json_object
from progresswidget.protocol.fields import Field, Fields, read
from progresswidget.protocol.limits import MAX_COUNT

WORKER_FIELD: Final = Field(
    "text", "The name that a worker gives itself.", 64, pattern="[0-9A-Za-z-]{1,64}"
)
COUNT_FIELDS: Final[Fields] = {
    "steps": Field("number", "The steps that it has done in all.", least=-MAX_COUNT),
    "used": Field("flag", "Whether it is at work."),
}


def decode_count(worker: str, body: bytes) -> tuple[float, bool]:
    """Read and check the body of a ``PUT api/jobs/<taskId>/counts/<worker>``.

    Returns
    -------
    The steps, and whether the worker is at work.

    Raises
    ------
    MalformedError
        If it says neither, or the name is none.
    """
    read({"worker": WORKER_FIELD}, {"worker": worker})
    said = read(COUNT_FIELDS, json_object(body))
    return said["steps"], said["used"]
