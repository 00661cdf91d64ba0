"""Python's own downloads and uploads against the real server: by its secret, and idempotent."""

from __future__ import annotations

import asyncio
import json
import os
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import progresswidget as pw
from progresswidget import protocol
from progresswidget.errors import OptionError, TransferRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Server

CONTENT = random.Random(8).randbytes(9 * 2**20 + 321)


@pytest.fixture
def kernel(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give this process what a kernel of the server has."""
    monkeypatch.setenv(protocol.ENDPOINT_VARIABLE, str(endpoint(server, tmp_path)))


def endpoint(server: Server, folder: Path) -> Path:
    path = folder / "endpoint.json"
    known = {"url": server.url(""), "secret": server.services.secret}
    path.write_text(json.dumps(known))
    return path


def tell_token(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Let this process find the token where a kernel on the server's machine finds it."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(folder))
    path = Path(os.environ[protocol.ENDPOINT_VARIABLE])
    path.write_text(json.dumps(json.loads(path.read_text()) | {"pid": os.getpid()}))
    token, base = server.app.identity_provider.token, server.app.base_url
    known = {"port": port, "base_url": base, "token": token}
    (folder / f"jpserver-{os.getpid()}.json").write_text(json.dumps(known))


def user(server: Server) -> dict[str, str]:
    """Return what the token's owner sends."""
    token = server.app.identity_provider.token
    return {"Authorization": f"token {token}"}


async def do(call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    # The server lives in this thread, so its client must not.
    return await asyncio.to_thread(call, *arguments, **options)


@pytest.mark.usefixtures("kernel")
async def test_an_exported_file_is_fetched_by_the_address_of_its_job(
    server: Server, jp_root_dir: Path, tmp_path: Path
) -> None:
    path = jp_root_dir / "flights.csv"
    path.write_bytes(CONTENT)
    record = await server.publish(path)
    job = await do(pw.download, record["url"], tmp_path / "copy.csv")
    assert (tmp_path / "copy.csv").read_bytes() == CONTENT
    assert (job.sha256, job.reused) == (record["sha256"], 0)
    assert "links/" not in job.result().url  # nobody is shown what opens the file
    again = await do(pw.download, record["url"], tmp_path / "copy.csv")
    assert again.reused == len(CONTENT)
    # With a token there is no need for a link, and the version is the same.
    signed = await do(pw.download, record["url"], tmp_path / "copy.csv", headers=user(server))
    assert signed.reused == len(CONTENT)


@pytest.mark.usefixtures("kernel")
async def test_an_export_that_is_gone_is_told_in_words(
    server: Server, jp_root_dir: Path, tmp_path: Path
) -> None:
    path = jp_root_dir / "flights.csv"
    path.write_bytes(CONTENT)
    record = await server.publish(path)
    await server.fetch(f"api/jobs/{record['taskId']}", method="DELETE")
    with pytest.raises(TransferRefusedError, match="files/"):
        await do(pw.download, record["url"], tmp_path / "copy.csv")


@pytest.mark.usefixtures("kernel")
async def test_a_file_of_the_server_is_opened_as_the_user_where_the_token_is_known(
    server: Server, jp_root_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (jp_root_dir / "a.csv").write_bytes(b"a\n1\n")
    tell_token(server, tmp_path, monkeypatch, server.port)
    await do(pw.download, "contents/a.csv", tmp_path / "copy.csv")
    assert (tmp_path / "copy.csv").read_bytes() == b"a\n1\n"


@pytest.mark.usefixtures("kernel")
async def test_the_token_of_another_server_is_left_alone(
    server: Server, jp_root_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (jp_root_dir / "a.csv").write_bytes(b"a\n1\n")
    tell_token(server, tmp_path, monkeypatch, server.port + 1)
    with pytest.raises(TransferRefusedError, match="opens no files"):
        await do(pw.download, "contents/a.csv", tmp_path / "copy.csv")


@pytest.mark.usefixtures("kernel")
async def test_no_login_page_is_saved_as_the_file(
    server: Server, jp_root_dir: Path, tmp_path: Path
) -> None:
    (jp_root_dir / "a.csv").write_bytes(b"a\n1\n")
    with pytest.raises(TransferRefusedError, match="Write 'contents/'"):
        await do(pw.download, f"{server.app.base_url}files/a.csv", tmp_path / "copy.csv")
    assert not (tmp_path / "copy.csv").exists()


@pytest.mark.usefixtures("kernel")
async def test_a_file_goes_up_and_down_again(
    server: Server, jp_root_dir: Path, tmp_path: Path
) -> None:
    (jp_root_dir / "data").mkdir()
    source = tmp_path / "source.bin"
    source.write_bytes(CONTENT)
    sent = await do(pw.upload, source, "contents/data/sent.bin")
    assert (jp_root_dir / "data" / "sent.bin").read_bytes() == CONTENT
    assert sent.result().url == server.url("contents/data/sent.bin")
    assert (sent.kind, sent.state, sent.reused) == ("upload", "done", 0)
    back = await do(
        pw.download, "contents/data/sent.bin", tmp_path / "back.bin", headers=user(server)
    )
    assert (tmp_path / "back.bin").read_bytes() == CONTENT
    assert back.sha256 == sent.sha256


@pytest.mark.usefixtures("kernel")
async def test_what_is_there_already_is_not_sent_again_and_what_was_changed_is(
    jp_root_dir: Path, tmp_path: Path
) -> None:
    source, target = tmp_path / "source.bin", jp_root_dir / "source.bin"
    source.write_bytes(CONTENT)
    first = await do(pw.upload, source)
    again = await do(pw.upload, source)
    assert (again.reused, again.sha256) == (len(CONTENT), first.sha256)
    assert again.result().url == first.result().url
    # As long as the last upload is remembered, it is asked whether it still stands.
    for changed in (CONTENT[::-1], b"cut"):
        target.write_bytes(changed)
        assert (await do(pw.upload, source)).reused == 0
        assert target.read_bytes() == CONTENT
    target.unlink()
    assert (await do(pw.upload, source)).reused == 0
    assert target.read_bytes() == CONTENT


@pytest.mark.usefixtures("kernel")
async def test_an_empty_file_goes_up_too(jp_root_dir: Path, tmp_path: Path) -> None:
    source = tmp_path / "nothing.csv"
    source.write_bytes(b"")
    assert (await do(pw.upload, source, name="empty.csv")).bytes == 0
    assert (jp_root_dir / "empty.csv").read_bytes() == b""


@pytest.mark.usefixtures("kernel")
async def test_a_file_that_is_there_may_be_kept(jp_root_dir: Path, tmp_path: Path) -> None:
    (jp_root_dir / "source.bin").write_bytes(b"theirs")
    source = tmp_path / "source.bin"
    source.write_bytes(CONTENT)
    with pytest.raises(TransferRefusedError, match=r"already\.\nChoose another name"):
        await do(pw.upload, source, overwrite=False)
    assert (jp_root_dir / "source.bin").read_bytes() == b"theirs"


@pytest.mark.usefixtures("kernel")
async def test_the_secret_of_a_kernel_opens_no_file(jp_root_dir: Path, tmp_path: Path) -> None:
    (jp_root_dir / "a.csv").write_bytes(b"a\n1\n")
    with pytest.raises(TransferRefusedError, match="opens no files"):
        await do(pw.download, "contents/a.csv", tmp_path / "copy.csv")
    assert not (tmp_path / "copy.csv").exists()


async def test_without_a_server_a_path_on_it_is_refused(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(protocol.ENDPOINT_VARIABLE, raising=False)
    with pytest.raises(OptionError, match="whole address"):
        await do(pw.download, "contents/a.csv", tmp_path / "copy.csv")
