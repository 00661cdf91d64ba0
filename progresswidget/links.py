"""Links to a file that work without signing in: what is asked of the server for them."""

from __future__ import annotations

import http
from typing import TYPE_CHECKING

from progresswidget.client import ServerUnreachableError, ask
from progresswidget.errors import LinkError

if TYPE_CHECKING:
    from progresswidget.protocol import Json


def links(job: str, method: str, body: Json | None) -> tuple[Json, str]:
    """Ask the server for a link to the file of a job, or to close them all.

    Returns
    -------
    Its answer, and where it is.

    Raises
    ------
    LinkError
    If there is no server, or it refuses.
    """
    try:
        status, answer, origin = ask(method, f"api/jobs/{job}/links", body)
    except ServerUnreachableError as error:
        raise LinkError(f"There is no server for a link: {error}.") from error
    if status >= http.HTTPStatus.BAD_REQUEST:
        message = str(answer.get("message", "The server refused."))
        raise LinkError(message, str(answer.get("hint", "")))
    return answer, origin
