"""The error table, and that nothing leaks through the converter."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tornado.web import HTTPError, MissingArgumentError

import jupyter_server_ext
from jupyter_server_ext.errors import TABLE, ApiError, convert
from progresswidget import protocol
from progresswidget.protocol import MalformedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Server

    from progresswidget.protocol import Json

SOURCES = sorted(Path(jupyter_server_ext.__file__).parent.rglob("*.py"))
WIRE = sorted(Path(protocol.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("code", sorted(TABLE))
def test_every_code_has_a_status_and_a_way_out(code: str) -> None:
    status, hint = TABLE[code]
    # 460 is tus's own, for a wrong checksum.
    assert status == 460 or HTTPStatus(status) >= HTTPStatus.BAD_REQUEST
    assert hint.endswith(".")
    assert ApiError(code, "What.").to_json() == {"code": code, "message": "What.", "hint": hint}


@pytest.mark.parametrize("code", sorted(TABLE))
def test_every_code_is_used(code: str) -> None:
    uses = sum(path.read_text().count(f'"{code}"') for path in SOURCES)
    uses += sum(path.read_text().count(f'"{code}"') for path in WIRE)
    assert uses >= 2


def test_every_code_that_is_raised_is_in_the_table() -> None:
    raised = {
        code
        for path in SOURCES
        for code in re.findall(r'ApiError\(\s*"([a-z-]+)"', path.read_text())
    }
    assert raised <= set(TABLE)
    assert len(raised) > 20


@pytest.mark.parametrize(
    ("error", "status", "expected"),
    [
        (ApiError("not-ready", "m", retry_after=1), 500, (503, "not-ready")),
        (MalformedError("malformed", "m"), 500, (400, "malformed")),
        (HTTPError(403, "?token=SECRET"), 403, (403, "forbidden")),
        (HTTPError(404, "SECRET"), 404, (404, "not-found")),
        (HTTPError(405), 405, (405, "method-not-allowed")),
        (HTTPError(418, "SECRET"), 418, (418, "malformed")),
        (HTTPError(599, "SECRET"), 599, (599, "internal")),
        (HTTPError(502, "SECRET"), 502, (502, "internal")),
        (MissingArgumentError("SECRET"), 400, (400, "malformed")),
        (ValueError("SECRET"), 500, (500, "internal")),
        (None, 403, (403, "forbidden")),
    ],
    ids=repr,
)
def test_conversion(error: Exception | None, status: int, expected: tuple[int, str]) -> None:
    code, body = convert(error, status)
    assert (code, body["code"]) == expected
    assert set(body) == {"code", "message", "hint"}
    assert "SECRET" not in str(body)


@pytest.mark.parametrize("status", ["running", "cancelled"])
async def test_a_missing_files_hint_is_no_echo(
    server: Server, report: Callable[..., Json], status: str
) -> None:
    body = report(status=status)
    url = (await server.reported(body))["url"]
    answer = json.loads((await server.fetch(url)).body)
    assert answer["message"] not in answer["hint"]
    assert answer["hint"].partition(".")[0] not in answer["message"]
    assert "did not finish" not in answer["hint"], "the user did not want it to"


def test_retry_after_is_a_header() -> None:
    assert ApiError("not-ready", "m", retry_after=1).headers == {"Retry-After": "1"}
