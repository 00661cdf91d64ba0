"""Errors in JSON, and logs without secrets."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from jupyter_server.base.handlers import JupyterHandler
from tornado import web

from jupyter_server_ext.errors import ApiError, convert
from jupyter_server_ext.logs import about_request
from progresswidget.protocol import MalformedError

if TYPE_CHECKING:
    from types import TracebackType

    from jupyter_server_ext.services import Services


class ErrorsMixin(JupyterHandler):
    """Errors as ``{code, message, hint}``, and a log that quotes neither query nor header."""

    services: Services
    outcome: str = "taken"
    """What became of the request: the code of the error, if one was answered."""

    def initialize(self, services: Services) -> None:
        """Take what `routes` gives."""
        self.services = services

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer with the error as JSON."""
        self.finish(self.error_text(status_code, kwargs.get("exc_info", (None, None, None))[1]))

    def error_text(self, status_code: int, error: BaseException | None) -> str:
        """Set the status and the fields of an answer to an error, and return its body."""
        status, body = convert(error, status_code)
        self.outcome = str(body["code"])
        self.services.tally.errors[self.outcome] += 1
        # RFC 9110 section 15.5.2: a 401 names the way in; and section 11.6.1: so may any answer to
        # who may come in with something else than what was shown.
        if status == HTTPStatus.UNAUTHORIZED or self.outcome == "kernel-secret-wrong":
            self.set_header("WWW-Authenticate", "Kernel")
        # RFC 9110 section 15.5.6: a 405 names what can be done.
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.set_header("Allow", ", ".join(self.methods()))
        if isinstance(error, ApiError):
            for name, value in error.headers.items():
                self.set_header(name, value)
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        return json.dumps(body)

    @classmethod
    def methods(cls) -> list[str]:
        """Return what can be done at this address."""
        return [
            method
            for method in cls.SUPPORTED_METHODS
            if getattr(cls, method.lower()) is not getattr(web.RequestHandler, method.lower())
        ]

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Log an unexpected failure whole and a refusal in a line, both without the query.

        tornado would write the request's address, and with it ``?token=``.
        """
        where = f"{self.request.method} {self.request.path}"
        if isinstance(value, (ApiError, MalformedError)):
            extra = about_request("request-refused", self.request.path)
            self.log.debug("%s: %s (%s)", where, value.message, value.code, extra=extra)
        elif isinstance(value, web.HTTPError):
            extra = about_request("request-refused", self.request.path)
            self.log.warning("%s: refused with %d", where, value.status_code, extra=extra)
        elif typ is not None and value is not None:
            extra = about_request("request-failed", self.request.path)
            self.log.error("%s: unexpected failure", where, exc_info=(typ, value, tb), extra=extra)
