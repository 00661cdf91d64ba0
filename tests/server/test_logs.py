"""What goes wrong is logged; tokens and secrets are not."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from jupyter_server.auth import Authorizer

if TYPE_CHECKING:
    import io
    from collections.abc import Callable
    from pathlib import Path

    import pytest
    from conftest import Server

    from progresswidget.protocol import Json

SECRET = "5ECRETt0ken"


class Nobody(Authorizer):
    """Lets no one do anything."""

    def is_authorized(self, *_: object) -> bool:
        return False


async def provoke(server: Server, record: Json) -> list[int]:
    """Ask, with the token in the address, for all that goes wrong; return the statuses."""
    codes = []
    for method, path in [
        ("GET", "api/jobs/" + "f" * 32),
        ("GET", "api/jobs?status=nonsense&x=1"),
        ("GET", "missing"),
        ("POST", "api/jobs"),
        ("PATCH", "api/jobs"),
        ("POST", "api/jobs/" + "f" * 32),
        ("GET", "ws"),
        ("GET", record["url"] + "x"),
        ("GET", record["url"]),
    ]:
        sign = "&" if "?" in path else "?"
        for value in (SECRET, SECRET + "%ff", "%ff" + SECRET):
            response = await server.fetch(
                f"{path}{sign}token={value}", token=False, method=method, body=None
            )
            assert SECRET not in response.body.decode()
            codes.append(response.code)
    return codes


async def test_the_token_is_never_logged(
    server: Server,
    root: Path,
    caplog: pytest.LogCaptureFixture,
    jp_logging_stream: io.StringIO,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    path = root / "a.csv"
    path.write_text("a\n1\n")
    record = await server.publish(path)
    for before in (caplog.clear, capfd.readouterr):
        before()
    jp_logging_stream.truncate(0)

    codes = await provoke(server, record)
    server.services.registry.find = None  # type: ignore[method-assign,assignment] - a fault of ours
    broken = await server.fetch(f"api/jobs?token={SECRET}", token=False)
    assert broken.code == 500
    server.app.web_app.settings["authorizer"] = Nobody()
    codes += await provoke(server, record)
    assert {200, 400, 403, 404, 405, 426} <= set(codes)
    written = caplog.text + jp_logging_stream.getvalue() + "".join(capfd.readouterr())
    assert "unexpected failure" in written
    assert SECRET not in written
    assert server.services.secret not in written


async def test_an_unexpected_failure_is_logged_whole_and_tells_the_client_nothing(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.services.registry.find = None  # type: ignore[method-assign,assignment]
    response = await server.fetch("api/jobs")
    assert response.code == 500
    assert json.loads(response.body) == {
        "code": "internal",
        "message": "The server failed unexpectedly.",
        "hint": "The server's log says more.",
    }
    (entry,) = [entry for entry in caplog.records if "unexpected failure" in entry.getMessage()]
    assert entry.exc_info is not None
    assert isinstance(entry.exc_info[1], TypeError)
    assert "GET /user/alice/progresswidget/api/jobs" in entry.getMessage()


async def test_a_malformed_report_is_a_line_for_the_curious(
    server: Server, report: Callable[..., Json], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    assert (await server.report(report(rows=-1))).code == 400
    (entry,) = [entry for entry in caplog.records if "rows must be" in entry.getMessage()]
    assert entry.levelno == logging.DEBUG
    assert entry.exc_info is None
    assert not [entry for entry in caplog.records if entry.levelno >= logging.ERROR]


async def test_the_kernels_secret_is_not_logged(
    server: Server, report: Callable[..., Json], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    body = report()
    await server.report(body)
    await server.report(body, secret="wr0ng-5ecret")
    await server.report(body | {"rows": -1})
    assert server.services.secret not in caplog.text
    assert "wr0ng-5ecret" not in caplog.text
