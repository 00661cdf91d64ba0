"""Where the server of a kernel is, and what it answers."""

from __future__ import annotations

from email.message import Message
from typing import TYPE_CHECKING

import pytest

from progresswidget import client, protocol

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"url": "x"}', "\x00"])
def test_a_broken_endpoint_file_is_no_server(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "endpoint.json"
    path.write_text(content)
    monkeypatch.setenv(protocol.ENDPOINT_VARIABLE, str(path))
    assert client.Endpoint.find() is None


def test_no_variable_or_no_file_is_no_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(protocol.ENDPOINT_VARIABLE, raising=False)
    assert client.Endpoint.find() is None
    monkeypatch.setenv(protocol.ENDPOINT_VARIABLE, str(tmp_path / "missing"))
    assert client.Endpoint.find() is None


def test_behind_a_gateway_the_variables_say_where_the_server_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(protocol.KERNEL_URL_VARIABLE, "http://there:8888/progresswidget/")
    assert client.Endpoint.find() is None
    monkeypatch.setenv(protocol.KERNEL_SECRET_VARIABLE, "s3cret")
    found = client.Endpoint("http://there:8888/progresswidget/", "s3cret")
    assert client.Endpoint.find() == found
    assert found.alive
    # The gateway may have inherited the path of a file that is on another machine.
    monkeypatch.setenv(protocol.ENDPOINT_VARIABLE, str(tmp_path / "endpoint.json"))
    assert client.Endpoint.find() == found
    # A file that can be read is nearer.
    (tmp_path / "endpoint.json").write_text('{"url": "http://here/", "secret": "x"}')
    assert client.Endpoint.find() == client.Endpoint("http://here/", "x")


def test_an_answer_tells_its_reason_whatever_it_is() -> None:
    headers = Message()
    ours = client.Answer(403, headers, b'{"code": "hidden", "message": "It is hidden."}')
    assert (ours.code, ours.reason) == ("hidden", "It is hidden.")
    for body in (b"<html>", b"[]", b"\xff", b"{}"):
        other = client.Answer(502, headers, body)
        assert (other.code, other.reason) == ("", "the answer was 502")
