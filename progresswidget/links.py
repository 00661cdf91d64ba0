"""Links to a file that work without signing in: what is asked of the server for them."""

from __future__ import annotations

import http
import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from progresswidget.client import ServerUnreachableError, ask
from progresswidget.errors import LinkError

if TYPE_CHECKING:
    from progresswidget.protocol import Json


def links(job: str, method: str, body: Json | None) -> tuple[Json, str]:
    """Ask the server for a link to the file of a job, or to close them all.

    Returns
    -------
    Its answer, and under which scheme, host and port others reach it, as far as is known.

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
        message = str(answer.get("message", "The server refused the request."))
        raise LinkError(message, str(answer.get("hint", "")))
    return answer, _told_by_hub() or origin


def _told_by_hub() -> str:
    # A hub that was told its address passes it on; one that was not gives a mere path.
    told = urlsplit(os.environ.get("JUPYTERHUB_PUBLIC_URL", ""))
    return f"{told.scheme}://{told.netloc}" if told.netloc else ""
