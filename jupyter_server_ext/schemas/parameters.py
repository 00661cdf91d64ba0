"""The parameters of requests and the header fields of answers: one row each."""

from __future__ import annotations

from typing import Final

from jupyter_server_ext.http.idempotency import PATTERN
from jupyter_server_ext.schemas.operations import Parameter
from progresswidget.protocol import MAX_EPOCH, MAX_NAME, MAX_PATH, STATUSES
from progresswidget.protocol.counts import WORKER_FIELD
from progresswidget.protocol.fields import Field
from progresswidget.protocol.reports import TASK_ID_FIELD

_ID: Final = "[0-9a-f]{32}"
_BYTES: Final = "[0-9]{1,15}"
_STATUS: Final = f"(?:{'|'.join(sorted(STATUSES))})"
_TAGS: Final = "Entity tags (RFC 9110 section 13.1)."

PARAMETERS: Final[dict[str, Parameter]] = {
    "taskId": Parameter("path", TASK_ID_FIELD),
    "worker": Parameter("path", WORKER_FIELD),
    "generation": Parameter(
        "path", Field("text", "Which run of the export.", 16, pattern="0|[1-9][0-9]{0,15}")
    ),
    "name": Parameter("path", Field("text", "The file's own name.", MAX_NAME)),
    "path": Parameter("path", Field("text", "Path below the server's root, slashes and all.")),
    "folder": Parameter(
        "path", Field("text", "Folder below the server's root, slashes and all; or nothing.")
    ),
    "linkId": Parameter("path", Field("text", "Id of a link.", 32, pattern=_ID)),
    "token": Parameter("path", Field("text", "What opens the file.", 64)),
    "fileId": Parameter("path", Field("text", "As in the records, slashes and all.")),
    "uploadId": Parameter("path", Field("text", "Id of an upload.", 32, pattern=_ID)),
    "notebook": Parameter(
        "query", Field("text", "Only the jobs of this notebook: its path below the root.")
    ),
    "kernel": Parameter("query", Field("text", "Only the jobs of this kernel.")),
    "status": Parameter(
        "query",
        Field("text", "Only these, with commas between.", 255, pattern=f"{_STATUS}(?:,{_STATUS})*"),
    ),
    "since": Parameter(
        "query", Field("text", "The last event that is known.", 16, pattern="[0-9]{1,16}")
    ),
    "epoch": Parameter("query", Field("text", "The history that it counts in.", MAX_EPOCH)),
    "wait": Parameter(
        "query",
        Field(
            "text", "Seconds to wait for news at most.", 16, pattern="[0-9]{1,6}(\\.[0-9]{1,6})?"
        ),
    ),
    "cursor": Parameter(
        "query",
        Field(
            "text",
            "The last one that was given.",
            66,
            pattern="[0-9a-f]{32}-[0-9]{1,16}-[0-9]{1,16}",
        ),
    ),
    "mine": Parameter("query", Field("text", "1: only one's own jobs.", words=frozenset({"1"}))),
    "files": Parameter(
        "query",
        Field(
            "text",
            "Which files go, too.",
            missing="keep",
            words=frozenset({"all", "keep", "leftovers"}),
        ),
    ),
    "id": Parameter("query", Field("text", "Only the link with this id.", 32)),
    "follow": Parameter(
        "query",
        Field("text", "1: send the file while it is written."),
    ),
    "format": Parameter(
        "query", Field("text", "How it is packed.", missing="zip", words=frozenset({"tar", "zip"}))
    ),
    "picked": Parameter(
        "query",
        Field("text", "What of the folder, where it is not all.", MAX_PATH),
        repeated=True,
    ),
    "Idempotency-Key": Parameter(
        "header",
        Field(
            "text",
            "A string of RFC 9651 that no other request has: the same request with the same key is "
            "done once, however often it is sent (draft-ietf-httpapi-idempotency-key-header).",
            260,
            pattern=PATTERN,
        ),
    ),
    "Range": Parameter("header", Field("text", "RFC 9110 section 14.2; bytes only.")),
    "If-Range": Parameter("header", Field("text", "RFC 9110 section 13.1.5.")),
    "If-Match": Parameter("header", Field("text", _TAGS)),
    "If-None-Match": Parameter("header", Field("text", _TAGS)),
    "If-Modified-Since": Parameter("header", Field("text", "A date of HTTP.")),
    "If-Unmodified-Since": Parameter("header", Field("text", "A date of HTTP.")),
    "Want-Repr-Digest": Parameter("header", Field("text", "RFC 9530 section 4.")),
    "Tus-Resumable": Parameter(
        "header", Field("text", "The version of tus.", words=frozenset({"1.0.0"}))
    ),
    "Upload-Length": Parameter(
        "header", Field("text", "Bytes of the whole file.", 15, pattern=_BYTES)
    ),
    "Upload-Defer-Length": Parameter(
        "header",
        Field("text", "The length will be told later.", words=frozenset({"1"})),
    ),
    "Upload-Metadata": Parameter(
        "header",
        Field(
            "text",
            "Pairs of a key and a value in Base64: filename, path, filetype, sha256, overwrite, "
            "taskId.",
            16 * 1024,
        ),
    ),
    "Upload-Offset": Parameter(
        "header", Field("text", "Where the body begins, in bytes.", 15, pattern=_BYTES)
    ),
    "Upload-Checksum": Parameter(
        "header", Field("text", "An algorithm and the digest of the body in Base64.")
    ),
    "X-HTTP-Method-Override": Parameter(
        "header",
        Field(
            "text",
            "What is meant, for clients that can send POST only.",
            words=frozenset({"DELETE", "PATCH"}),
        ),
    ),
}

NEEDED_PARAMETERS: Final = frozenset({"Tus-Resumable", "Upload-Offset"})
"""Those that may not be missing; all that are part of an address may not, either."""

ANSWERED: Final[dict[str, str]] = {
    "Accept-Ranges": "Whether ranges can be asked for.",
    "Allow": "The methods that there are.",
    "Content-Disposition": "The file's name (RFC 6266).",
    "Content-Location": "Where the finished file is.",
    "Content-Range": "Which bytes these are.",
    "ETag": "What the file is (RFC 9110 section 8.8.3).",
    "Last-Modified": "When the file was last written.",
    "Location": "Where what was made is.",
    "Repr-Digest": "SHA-256 of the whole file (RFC 9530).",
    "Retry-After": "Seconds after which it may be tried again.",
    "Tus-Checksum-Algorithm": "Checksums of a body that are taken.",
    "Tus-Extension": "What of tus there is.",
    "Tus-Max-Size": "Bytes that a file may have.",
    "Tus-Resumable": "The version of tus.",
    "Tus-Version": "The versions of tus that are spoken.",
    "Upload-Defer-Length": "1 while nobody knows the length.",
    "Upload-Expires": "When the upload is removed if nothing happens.",
    "Upload-Length": "Bytes of the whole file.",
    "Upload-Metadata": "As it was told when it was made.",
    "Upload-Offset": "Bytes that are there.",
    "WWW-Authenticate": "The way in.",
}
