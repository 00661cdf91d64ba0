"""How far a file is on its way between the server and one user."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from progresswidget.protocol.fields import Field, Fields
from progresswidget.protocol.reports import TASK_ID_FIELD

TRANSFER_FIELDS: Final[Fields] = {
    "userId": Field("text", "Whose transfer it is."),
    "fileId": Field("text", "Which file: a job and its generation, an upload, or a path."),
    "offset": Field("count", "Bytes from the first on that have moved without a gap."),
    "timestamp": Field("count", "When it was last known to move, in milliseconds since 1970."),
    "received": Field("count", "Bytes that have moved, in as many pieces as there are."),
    "size": Field("count", "Bytes of the whole file; null while nobody knows.", nullable=True),
    "name": Field("text", "Name of the file, without its folder."),
    "direction": Field(
        "text", "Which way, as seen from the user.", words=frozenset({"download", "upload"})
    ),
    "taskId": replace(
        TASK_ID_FIELD, about="The job whose file it is, if it is one.", nullable=True
    ),
    "active": Field("flag", "Whether a connection moves it now."),
    "complete": Field("flag", "Whether every byte has moved."),
}
