"""Every error that a client of the server can meet: one table, one converter."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from tornado.web import HTTPError

from progresswidget.protocol import Json, MalformedError

if TYPE_CHECKING:
    from collections.abc import Mapping

# code -> (status, what the client can do about it). A code that is not here cannot be raised.
TABLE: Final[dict[str, tuple[int, str]]] = {
    "malformed": (400, "Correct the request; the message says where it is wrong."),
    "name-refused": (400, "Choose another name."),
    "unknown-type": (400, "Send a message type that this version of the protocol knows."),
    "too-many": (400, "Split the message into smaller ones."),
    "subprotocol-required": (400, "Offer the WebSocket subprotocol v1.progress."),
    "upgrade-required": (426, "This address is a WebSocket."),
    "kernel-secret-required": (
        401,
        "Send `Authorization: Kernel <secret>` with the secret of the endpoint file.",
    ),
    "forbidden": (403, "Sign in, or ask for permission for the resource `progresswidget`."),
    "kernel-secret-wrong": (403, "Read the endpoint file again: the server may have restarted."),
    "capability-wrong": (403, "Send `Authorization: Job <capability>` as the order was answered."),
    "capability-exceeded": (403, "Report the job that was ordered; order another one for others."),
    "origin-forbidden": (403, "Open the page from the server itself, or set allow_origin."),
    "conversions-off": (403, "Set c.ProgressExtension.conversion_workers to allow it."),
    "outside-roots": (
        403,
        "Export below the server's root folder, or add a folder to c.ProgressExtension.roots.",
    ),
    "hidden": (403, "Export to a visible folder, or set c.ContentsManager.allow_hidden."),
    "not-a-file": (403, "Only regular files can be downloaded."),
    "not-readable": (403, "The server needs permission to read the file."),
    "not-writable": (403, "Choose another folder, or give the server permission to write there."),
    "not-found": (404, "Check the address."),
    "upload-not-found": (404, "Start the upload again."),
    "task-not-found": (404, "The record may have been removed. Run the export again."),
    "link-not-found": (404, "Ask whoever gave you the address for a new one."),
    "transfer-not-found": (404, "Begin at the first byte."),
    "method-not-allowed": (405, "Use another method."),
    "task-active": (409, "Cancel the job first, or wait for its end."),
    "key-busy": (409, "Wait for the first request with this Idempotency-Key, then ask again."),
    "not-a-conversion": (409, "Run its cell again."),
    "task-ended": (409, "The job has ended; there is nothing to steer."),
    "task-taken": (409, "Wait for the other process, or stop it; or begin a job of your own."),
    "illegal-transition": (409, "Report a new generation for a new run."),
    "folder-missing": (409, "Make the folder first."),
    "offset-conflict": (409, "Go on at the offset that the answer names."),
    "target-exists": (409, "Choose another name, or allow the file to be replaced."),
    "upload-taken-over": (409, "Another request goes on with the upload; ask how far it is."),
    "made-gone": (410, "What was made has been removed. Use a new Idempotency-Key for a new one."),
    "upload-gone": (410, "Start the upload again."),
    "file-changed": (410, "The file is no longer the one that was exported. Run the export again."),
    "file-damaged": (410, "The file no longer has its digest. Run the export again."),
    "file-missing": (410, "The file was deleted or moved. Run the export again."),
    "export-ended": (410, "Run the export again if you want the file."),
    "generation-replaced": (410, "A newer export replaced this one; use its address."),
    "tus-version": (412, "Speak the version of tus that the answer names."),
    "precondition-failed": (412, "The file differs from the one you expect."),
    "too-large": (413, "Send less."),
    "archive-too-large": (413, "Ask for a folder with less in it, or for some of its files."),
    "not-readable-data": (
        415,
        "Choose a Parquet, Arrow, Feather, ORC, CSV, TSV or NDJSON file.",
    ),
    "unsupported-type": (415, "Send the type that the message names."),
    "range-not-satisfiable": (416, "Ask for bytes within the file."),
    "key-reused": (422, "Use a new Idempotency-Key for another request."),
    "upload-locked": (423, "Try again in a moment."),
    "too-many-conversions": (429, "Wait for the others to end, or cancel some."),
    "too-many-uploads": (429, "Finish or remove other uploads first."),
    "too-many-connections": (429, "Close other pages of this server."),
    "too-many-polls": (429, "Close other pages of this server, or ask with wait=0."),
    "upload-idle": (408, "Ask how far the upload is, and go on there."),
    "checksum-mismatch": (460, "The bytes were damaged on the way. Send them again."),
    "disk-failed": (500, "The server's log says more."),
    "internal": (500, "The server's log says more."),
    "not-ready": (503, "Ask again in a moment, or wait for the end of the export."),
    "too-many-archives": (429, "Wait for the others to end."),
    "too-many-workers": (429, "Let fewer processes feed one bar."),
    "too-many-links": (429, "Close links, or wait until some have expired."),
    "too-many-jobs": (503, "Wait for jobs to end, or raise c.ProgressExtension.max_jobs."),
    "disk-full": (507, "Make room on the server, then go on: what was received is kept."),
    "quota-exceeded": (507, "Finish or remove other uploads, or raise the quota."),
    "starting": (503, "The server is starting or stopping. Try again."),
    "http-version": (505, "Use HTTP/1.1; for nginx in between that is proxy_http_version 1.1."),
}


class ApiError(Exception):
    """A request that cannot be done, and why.

    Parameters
    ----------
    code
        A key of `TABLE`.
    message
        What is wrong, in one sentence; it goes to the client.
    retry_after
        Seconds after which the same request may succeed (RFC 9110 section 10.2.3).
    headers
        More fields of the answer.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status, self.hint = TABLE[code]
        self.headers = dict(headers or {})
        if retry_after is not None:
            self.headers["Retry-After"] = str(retry_after)

    def to_json(self) -> Json:
        """Return the body of the answer."""
        return {"code": self.code, "message": self.message, "hint": self.hint}


# What tornado and jupyter_server refuse before our code runs.
_BY_STATUS: Final = {
    401: "forbidden",
    403: "forbidden",
    404: "not-found",
    405: "method-not-allowed",
    413: "too-large",
}


def job_not_found() -> ApiError:
    """Return the refusal of a job that is not there, or that the user may not see."""
    return ApiError("task-not-found", "This server does not know the job.")


def convert(error: BaseException | None, status: int) -> tuple[int, Json]:
    """Return the status and the JSON body for any exception.

    Parameters
    ----------
    error
        What was raised, if anything was.
    status
        The status that tornado chose for it.
    """
    if isinstance(error, ApiError):
        return error.status, error.to_json()
    if isinstance(error, MalformedError):
        return 400, ApiError(error.code, error.message).to_json()
    if isinstance(error, HTTPError) or error is None:
        # Their messages may quote the query, token and all: the client gets the phrase only.
        if status not in _BY_STATUS and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return status, ApiError("internal", _phrase(status)).to_json()
        code = _BY_STATUS.get(status, "malformed")
        return status, ApiError(code, _phrase(status)).to_json()
    return 500, ApiError("internal", "The server failed unexpectedly.").to_json()


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown error"
