"""The endpoint file, and addresses that a kernel can reach."""

from __future__ import annotations

import json
import os
import socket
from typing import TYPE_CHECKING

import pytest
from tornado.netutil import bind_sockets

from jupyter_server_ext import endpoint

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("ip", "host"),
    [
        ("", "127.0.0.1"),
        ("*", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1"),
        ("::", "[::1]"),
        ("::1", "[::1]"),
        ("fe80::1", "[fe80::1]"),
        ("10.1.2.3", "10.1.2.3"),
        ("hub.example", "hub.example"),
    ],
)
def test_reachable_host(ip: str, host: str) -> None:
    assert endpoint.reachable_host(ip) == host


@pytest.mark.parametrize("ip", ["", "0.0.0.0", "localhost", "127.0.0.1"])
def test_what_a_server_listens_on_is_reached(ip: str) -> None:
    listeners = bind_sockets(0, ip, family=socket.AF_INET)
    try:
        address = (endpoint.reachable_host(ip).strip("[]"), listeners[0].getsockname()[1])
        with socket.create_connection(address, timeout=5) as connection:
            assert connection.getpeername()[1] == address[1]
    finally:
        for listener in listeners:
            listener.close()


def test_urls() -> None:
    def url(**changes: object) -> str:
        values = {"ip": "", "port": 8889, "sock": "", "base_url": "/user/a/", "secure": False}
        return endpoint.server_url(**(values | changes))  # type: ignore[arg-type]

    assert url() == "http://127.0.0.1:8889/user/a/progresswidget/"
    assert url(secure=True, ip="hub") == "https://hub:8889/user/a/progresswidget/"
    assert url(sock="/run/j.sock") == "http+unix://%2Frun%2Fj.sock/user/a/progresswidget/"


def test_the_file_is_for_its_owner_only_and_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "endpoint.json"
    path.write_text("old")
    path.chmod(0o644)
    (tmp_path / "endpoint.json.part").symlink_to(tmp_path / "elsewhere")
    endpoint.write(path, url="http://h/", secret="s3cret", certfile="/c.pem")
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text()) == {
        "version": 1,
        "url": "http://h/",
        "secret": "s3cret",
        "certfile": "/c.pem",
        "pid": os.getpid(),
    }
    assert not (tmp_path / "elsewhere").exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["endpoint.json"]
    endpoint.remove(path)
    endpoint.remove(path)
    assert list(tmp_path.iterdir()) == []
