"""The addresses of bytes: exported files, other files, archives and uploads."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from jupyter_server_ext.schemas.operations import (
    FILE,
    Answer,
    Body,
    Chapter,
    Methods,
    Operation,
    Paths,
)

_BINARY: Final = Body({}, FILE)
_CONDITIONS: Final = (
    "Range",
    "If-Range",
    "If-Match",
    "If-None-Match",
    "If-Modified-Since",
    "If-Unmodified-Since",
    "Want-Repr-Digest",
)
_DESCRIBED: Final = (
    "Accept-Ranges",
    "Content-Disposition",
    "ETag",
    "Last-Modified",
    "Repr-Digest",
)
_WHOLE: Final = Answer("The whole file.", _BINARY, _DESCRIBED)
_SENT: Final = {
    200: _WHOLE,
    206: Answer("Some of it.", _BINARY, (*_DESCRIBED, "Content-Range")),
    304: Answer("The client has it."),
}
_DESCRIBED_ONLY: Final = {200: replace(_WHOLE, body=None), 304: _SENT[304]}
_PLACE: Final = ("hidden", "outside-roots", "not-a-file", "not-readable")
_READ: Final = ("not-found", *_PLACE, "precondition-failed", "range-not-satisfiable", "not-ready")
_EXPORTED: Final = (
    *_READ,
    "task-not-found",
    "export-ended",
    "generation-replaced",
    "file-changed",
    "file-damaged",
    "file-missing",
    "http-version",
)
_OPTIONS: Final = {204: Answer("They.", headers=("Allow", "Accept-Ranges"))}


def _file(
    noun: str, about: str, errors: tuple[str, ...], *takes: str, whom: str = "user"
) -> Methods:
    """Return what an address of a file can do."""
    more = (*_CONDITIONS, *takes)
    get = Operation(f"get{noun}", f"Send {about}, or ranges of it.", _SENT, errors, whom, more)
    head = Operation(
        f"head{noun}", f"Send what GET says of {about}.", _DESCRIBED_ONLY, errors, whom, more
    )
    options = Operation(f"options{noun}", "Say which methods there are.", _OPTIONS, (), "anyone")
    return {"get": get, "head": head, "options": options}


def _archive() -> Methods:
    refused = ("malformed", "too-many", "archive-too-large", "too-many-archives")
    errors = (*refused, "not-found", *_PLACE, "precondition-failed", "not-ready")
    takes = ("format", "picked", "If-Match", "If-None-Match")
    whole = Answer("The archive.", _BINARY, ("Content-Disposition", "Accept-Ranges"))
    sent, head = {200: whole, 304: _SENT[304]}, {200: replace(whole, body=None), 304: _SENT[304]}
    return {
        "get": Operation("getArchive", "Send a folder, packed.", sent, errors, takes=takes),
        "head": Operation("headArchive", "Send what GET says of it.", head, errors, takes=takes),
        "options": Operation(
            "optionsArchive", "Say which methods there are.", _OPTIONS, (), "anyone"
        ),
    }


_TUS: Final = ("Tus-Resumable",)
_STATE: Final = (
    "Tus-Resumable",
    "Upload-Offset",
    "Upload-Expires",
    "Content-Location",
    "Repr-Digest",
)
_TOLD: Final = ("Upload-Length", "Upload-Defer-Length", "Upload-Metadata")
_ABLE: Final = {
    204: Answer(
        "What there is.",
        headers=("Tus-Version", "Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm"),
    )
}
_PIECE: Final = Body(
    {"type": "string", "format": "binary"}, "application/offset+octet-stream", needed=False
)
_TAKEN: Final = (
    "malformed",
    "tus-version",
    "unsupported-type",
    "checksum-mismatch",
    "upload-idle",
    "upload-gone",
    "upload-taken-over",
    "upload-locked",
    "target-exists",
    "folder-missing",
    "not-writable",
    "outside-roots",
    "not-a-file",
    "disk-full",
    "disk-failed",
    "quota-exceeded",
)
_KNOWN: Final = ("malformed", "tus-version", "upload-not-found", "upload-gone", "upload-locked")
_DONE: Final = Answer("Done.", headers=("Tus-Resumable",))

UPLOADS: Final[Paths] = {
    "/uploads/": {
        "options": Operation("optionsUploads", "Say what of tus there is.", _ABLE, (), "both"),
        "post": Operation(
            "createUpload",
            "Make an upload, and take its first bytes if they come along.",
            {201: Answer("It is made, now or by an earlier request.", None, ("Location", *_STATE))},
            (*_TAKEN, "name-refused", "hidden", "key-reused", "too-many-uploads"),
            "both",
            (
                *_TUS,
                "Upload-Length",
                "Upload-Defer-Length",
                "Upload-Metadata",
                "Upload-Checksum",
                "Idempotency-Key",
            ),
            _PIECE,
        ),
    },
    "/uploads/{uploadId}": {
        "options": Operation("optionsUpload", "Say what of tus there is.", _ABLE, (), "both"),
        "head": Operation(
            "headUpload",
            "Say how far an upload is; a request that is sending ends with that.",
            {
                200: Answer(
                    "So far.",
                    None,
                    (*_STATE, *_TOLD),
                )
            },
            (*_KNOWN, "target-exists", "disk-full"),
            "both",
            _TUS,
        ),
        "patch": Operation(
            "sendUpload",
            "Take more bytes.",
            {204: Answer("They are there.", None, _STATE)},
            (*_TAKEN, "upload-not-found", "offset-conflict"),
            "both",
            (*_TUS, "Upload-Offset", "Upload-Length", "Upload-Checksum"),
            replace(_PIECE, needed=True),
        ),
        "delete": Operation(
            "endUpload", "End an upload and drop its bytes.", {204: _DONE}, _KNOWN, "both", _TUS
        ),
        "post": Operation(
            "overrideUpload",
            "Do what X-HTTP-Method-Override says.",
            {204: Answer("Done.", None, _STATE)},
            (*_TAKEN, "upload-not-found", "offset-conflict", "method-not-allowed"),
            "both",
            (*_TUS, "X-HTTP-Method-Override", "Upload-Length", "Upload-Checksum"),
            _PIECE,
        ),
    },
}

FILES: Final = Chapter(
    {
        "/files/{taskId}/{generation}/{name}": _file(
            "Export", "an exported file", _EXPORTED, "follow"
        ),
        "/contents/{path}": _file("Contents", "a file below the server's root", _READ),
        "/links/{token}/{name}": _file(
            "Link", "the file of a link", (*_EXPORTED, "link-not-found"), whom="anyone"
        ),
        "/archives/{folder}": _archive(),
        **UPLOADS,
    }
)
