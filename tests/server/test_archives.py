"""Folders as ZIP and TAR: read by the tools that people have, and never wrong without a sign."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import socket
import stat
import subprocess
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_server_ext.downloads.archives import Entry, Packing, length
from jupyter_server_ext.downloads.archives.names import Names, safe
from jupyter_server_ext.downloads.archives.tar import TarPacking
from jupyter_server_ext.downloads.archives.zip import ZipPacking
from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.files.folders import look_through
from jupyter_server_ext.handlers.archives import MAX_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from conftest import Server
    from tornado.httpclient import HTTPResponse

    Eventually = Callable[..., Awaitable[Any]]

WHEN = 1_712_000_001


def fill(folder: Path) -> dict[str, bytes]:
    """Make a folder of what a project holds, and return its files."""
    files = {
        "README.md": b"# Hello\n",
        "data/empty.csv": b"",
        "data/flights.csv": os.urandom(3_000_000),
        "data/deep/er/\u65e5\u672c \u00fc.txt": "\u65e5\u672c".encode(),
        "run.sh": b"#!/bin/sh\n",
    }
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (WHEN, WHEN))
    (folder / "run.sh").chmod(0o700)
    (folder / "nothing").mkdir()
    return files


async def pack(server: Server, path: str, **more: Any) -> HTTPResponse:
    """Ask for an archive; `more` are the arguments of its address."""
    query = f"?{urlencode(more, doseq=True)}" if more else ""
    return await server.fetch(f"archives/{quote(path)}{query}")


def read(form: str, data: bytes) -> dict[str, bytes]:
    """Return the files of an archive, and check what it says of itself."""
    if form == "zip":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert archive.testzip() is None
            return {
                info.filename: archive.read(info)
                for info in archive.infolist()
                if not info.is_dir()
            }
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = [info for info in archive if info.isfile()]
        return {info.name: archive.extractfile(info).read() for info in members}  # type: ignore[union-attr]


@pytest.mark.parametrize("form", ["zip", "tar"])
async def test_a_folder_comes_whole_and_with_its_length(
    server: Server, root: Path, form: str
) -> None:
    files = fill(root / "project")
    response = await pack(server, "project", format=form)
    assert response.code == 200, response.body
    assert int(response.headers["Content-Length"]) == len(response.body)
    assert f'filename="project.{form}"' in response.headers["Content-Disposition"]
    assert response.headers["Accept-Ranges"] == "none"
    assert "ETag" not in response.headers
    assert read(form, response.body) == files


async def test_the_root_and_a_selection(server: Server, root: Path) -> None:
    files = fill(root)
    response = await pack(server, "")
    assert 'filename="files.zip"' in response.headers["Content-Disposition"]
    assert read("zip", response.body) == files
    response = await pack(server, "data/", name=["deep", "empty.csv"], format="tar")
    assert read("tar", response.body) == {
        name.removeprefix("data/"): content
        for name, content in files.items()
        if name.startswith(("data/deep", "data/empty"))
    }
    response = await pack(server, "", name="data")
    assert 'filename="data.zip"' in response.headers["Content-Disposition"]
    assert set(read("zip", response.body)) == {name for name in files if name.startswith("data/")}


@pytest.mark.parametrize(
    ("tool", "form"),
    [
        ("unzip", "zip"),
        ("7z", "zip"),
        ("bsdtar", "zip"),
        ("7z", "tar"),
        ("bsdtar", "tar"),
        ("tar", "tar"),
    ],
)
async def test_the_tools_of_the_field_unpack_it(
    server: Server,
    root: Path,
    tmp_path: Path,
    program: Callable[[str], str],
    form: str,
    tool: str,
) -> None:
    files = fill(root / "project")
    archive, target = tmp_path / f"project.{form}", tmp_path / "out"
    archive.write_bytes((await pack(server, "project", format=form)).body)
    target.mkdir()
    arguments = {
        "unzip": ["-q", archive, "-d", target],
        "7z": ["x", "-bd", f"-o{target}", archive],
        "bsdtar": ["-x", "-f", archive, "-C", target],
        "tar": ["-x", "-f", archive, "-C", target],
    }[tool]
    command = [program(tool), *arguments]
    environment = os.environ | {"LC_ALL": "C.UTF-8", "TZ": "UTC"}
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    unpacked = {
        str(path.relative_to(target)): path.read_bytes()
        for path in target.rglob("*")
        if path.is_file()
    }
    assert unpacked == files
    assert (target / "nothing").is_dir()
    assert os.access(target / "run.sh", os.X_OK)
    assert abs((target / "README.md").stat().st_mtime - WHEN) <= 1


async def test_an_archive_is_read_from_a_pipe_too(
    server: Server, root: Path, program: Callable[[str], str]
) -> None:
    files = fill(root / "project")
    archive = (await pack(server, "project")).body
    done = await asyncio.to_thread(
        subprocess.run,
        [program("bsdtar"), "-t", "-f", "-"],
        input=archive,
        capture_output=True,
        check=True,
    )
    assert len(done.stdout.splitlines()) == len(files) + 4


async def test_head_says_what_get_says(server: Server, root: Path) -> None:
    fill(root / "project")
    got = await pack(server, "project")
    head = await server.fetch("archives/project", method="HEAD")
    assert head.code == 200
    for name in ("Content-Length", "Content-Type", "Content-Disposition", "Accept-Ranges"):
        assert head.headers[name] == got.headers[name]
    options = await server.fetch("archives/project", method="OPTIONS")
    assert options.headers["Accept-Ranges"] == "none"


async def test_a_range_is_ignored_and_the_whole_sent(server: Server, root: Path) -> None:
    files = fill(root / "project")
    response = await server.fetch("archives/project", headers={"Range": "bytes=100-"})
    assert response.code == 200
    assert "Content-Range" not in response.headers
    assert read("zip", response.body) == files


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"If-Match": "*"}, 200),
        ({"If-Match": '"tag"'}, 412),
        ({"If-None-Match": '"tag"'}, 200),
        ({"If-None-Match": "*"}, 304),
        ({"If-Match": '"tag"', "If-None-Match": "*"}, 412),
        ({"If-Unmodified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"}, 200),
        ({"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 200),
    ],
)
async def test_what_has_no_tag_and_no_date_has_preconditions_all_the_same(
    server: Server, root: Path, method: str, fields: dict[str, str], code: int
) -> None:
    fill(root / "project")
    response = await server.fetch("archives/project", method=method, headers=fields)
    assert response.code == code
    assert bool(response.body) is (method == "GET" and code != 304)
    assert not server.services.packing


async def test_an_unchanged_folder_is_packed_the_same(server: Server, root: Path) -> None:
    fill(root / "project")
    first, second = [(await pack(server, "project")).body for _ in range(2)]
    assert first == second


async def test_links_and_what_is_no_file_are_left_out(
    server: Server, root: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("5ECRET")
    folder = root / "project"
    folder.mkdir()
    (folder / "plain.txt").write_text("plain")
    (folder / "to_file").symlink_to(secret / "key")
    (folder / "to_folder").symlink_to(secret)
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as unix:
        # The path of a socket must be short.
        here = os.open(folder, os.O_RDONLY)
        unix.bind(f"/proc/self/fd/{here}/socket")
        os.close(here)
        for form in ("zip", "tar"):
            response = await pack(server, "project", format=form)
            assert read(form, response.body) == {"plain.txt": b"plain"}
            assert b"5ECRET" not in response.body


REFUSED: list[tuple[str, dict[str, Any], int]] = [
    ("missing", {}, 404),
    ("..", {}, 404),
    ("project/../..", {}, 404),
    ("project//data", {}, 404),
    ("/etc", {}, 404),
    ("project/\0", {}, 404),
    ("project/README.md", {}, 404),
    ("project", {"name": "missing"}, 404),
    ("project", {"name": "../project"}, 404),
    ("project", {"name": ".."}, 404),
    ("project", {"name": "a\0b"}, 404),
    ("project", {"name": "link"}, 403),
    ("link", {}, 403),
    ("link/inner", {}, 403),
    (".hidden", {}, 403),
    ("project", {"name": ".env"}, 403),
    ("project", {"format": "rar"}, 400),
    ("project", {"name": ["README.md"] * 501}, 400),
]


async def test_what_cannot_be_packed_is_refused(server: Server, root: Path, tmp_path: Path) -> None:
    fill(root / "project")
    (root / "project" / ".env").write_text("5ECRET")
    (root / ".hidden").mkdir()
    (tmp_path / "outside" / "inner").mkdir(parents=True)
    for link in (root / "link", root / "project" / "link"):
        link.symlink_to(tmp_path / "outside")
    for path, more, code in REFUSED:
        response = await pack(server, path, **more)
        assert response.code == code, (path, more, response.body)
        assert response.headers["Content-Type"].startswith("application/json")


async def test_what_is_hidden_stays_hidden_unless_it_may_be_seen(
    server: Server, root: Path
) -> None:
    folder = root / "project"
    (folder / ".git").mkdir(parents=True)
    (folder / ".git" / "config").write_text("x")
    (folder / ".env").write_text("y")
    (folder / "seen").write_text("z")
    assert set(read("zip", (await pack(server, "project")).body)) == {"seen"}
    server.services.allow_hidden = True
    found = read("zip", (await pack(server, "project")).body)
    assert set(found) == {"seen", ".env", ".git/config"}


@pytest.mark.parametrize("settings", [{"max_archive_entries": 10}])
async def test_more_than_the_limit_is_refused_before_a_byte(server: Server, root: Path) -> None:
    folder = root / "many"
    folder.mkdir()
    for number in range(10):
        (folder / str(number)).touch()
    assert (await pack(server, "many")).code == 200
    (folder / "one more").touch()
    response = await pack(server, "many")
    assert response.code == 413
    assert b"archive-too-large" in response.body


async def test_a_user_has_so_many_packed_at_the_same_time(
    server: Server, root: Path, eventually: Eventually
) -> None:
    folder = root / "project"
    folder.mkdir()
    (folder / "1").write_bytes(bytes(24_000_000))
    request = (
        f"GET /user/alice/progresswidget/archives/project HTTP/1.1\r\nHost: 127.0.0.1:"
        f"{server.port}\r\nAuthorization: token 5ECRETt0ken\r\n\r\n"
    )
    writers = []
    for _ in range(MAX_AT_ONCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=65536)
        writer.write(request.encode())
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        writers.append(writer)
    refused = await pack(server, "project")
    assert (refused.code, refused.headers["Retry-After"]) == (429, "10")
    for writer in writers:
        writer.transport.abort()
    await eventually(lambda: not server.services.packing)
    assert (await pack(server, "project")).code == 200


def test_folders_have_a_depth(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(63):
        deep /= "d"
        deep.mkdir()
    assert len(look_through(str(tmp_path), "", [], most=100, allow_hidden=False)) == 63
    (deep / "d" / "d").mkdir(parents=True)
    with pytest.raises(ApiError, match="deep"):
        look_through(str(tmp_path), "", [], most=100, allow_hidden=False)
    shutil.rmtree(tmp_path / "d")


@pytest.mark.parametrize("change", ["append", "rewrite", "remove", "truncate", "link"])
@pytest.mark.parametrize("form", ["zip", "tar"])
async def test_a_file_that_changes_meanwhile_cuts_the_connection(
    server: Server, root: Path, tmp_path: Path, form: str, change: str
) -> None:
    folder = root / "project"
    folder.mkdir()
    # More than all buffers on the way hold: the second file is not opened before we read on.
    (folder / "1").write_bytes(bytes(24_000_000))
    victim = folder / "2"
    victim.write_bytes(b"x" * 1_000_000)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=65536)
    writer.write(
        f"GET /user/alice/progresswidget/archives/project?format={form} HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{server.port}\r\nAuthorization: token 5ECRETt0ken\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    if change == "remove":
        victim.unlink()
    elif change == "link":
        victim.unlink()
        victim.symlink_to("/etc/passwd")
    elif change == "truncate":
        os.truncate(victim, 10)
    elif change == "append":
        with victim.open("ab") as file:
            file.write(b"y")
    else:
        victim.write_bytes(b"z" * 1_000_000)
    announced = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    received = 0
    try:
        while block := await reader.read(1_000_000):
            received += len(block)
            assert b"root:" not in block
    except ConnectionResetError:
        pass
    assert received < announced
    writer.close()


def test_a_folder_that_may_not_be_read_is_refused_and_not_left_out(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "open").write_text("x")
    (folder / "shut").write_text("y")
    (folder / "shut").chmod(0)
    code = (
        "import os, sys\n"
        "from jupyter_server_ext.errors import ApiError\n"
        "from jupyter_server_ext.files.folders import look_through\n"
        "try:\n"
        "    look_through(sys.argv[1], '', [], most=9, allow_hidden=False)\n"
        "except ApiError as error:\n"
        "    print(error.code)\n"
    )
    for place in (tmp_path, *tmp_path.parents[:-2]):
        place.chmod(place.stat().st_mode | stat.S_IXOTH | stat.S_IROTH)
    # Root may read everything: the question must be asked as somebody else.
    as_nobody = {"user": 65534, "group": 65534} if os.geteuid() == 0 else {}
    done = subprocess.run(
        ["python3", "-c", code, str(folder)],
        env={"PYTHONPATH": os.pathsep.join(_places()), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        **as_nobody,  # type: ignore[arg-type]
    )
    assert done.stdout.strip() == "not-readable", done.stderr


def _places() -> list[str]:
    import tornado

    return [str(Path(__file__).parents[2]), str(Path(tornado.__file__).parents[1])]


async def test_transfers_know_of_archives(server: Server, root: Path) -> None:
    fill(root / "project")
    size = len((await pack(server, "project")).body)
    response = await server.fetch("api/transfers/archives/project")
    record = response.body
    assert f'"offset": {size}'.encode() in record
    assert b'"complete": true' in record


async def test_other_requests_are_served_meanwhile(server: Server, root: Path) -> None:
    folder = root / "many"
    folder.mkdir()
    for number in range(3000):
        (folder / f"{number}.txt").write_bytes(bytes(2000))
    loop = asyncio.get_running_loop()
    packing = asyncio.ensure_future(pack(server, "many"))
    slowest = 0.0
    while not packing.done():
        before = loop.time()
        assert (await server.fetch("api/limits")).code == 200
        slowest = max(slowest, loop.time() - before)
    assert len(read("zip", packing.result().body)) == 3000
    assert slowest < 1.0


# --- The formats by themselves ---------------------------------------------------------------


class Sparse(io.RawIOBase):
    """A file that is written in pieces, and holds runs of zeros without holding them."""

    def __init__(self) -> None:
        self.pieces: list[tuple[int, bytes]] = []
        self.size = self.position = 0

    def add(self, data: bytes) -> None:
        self.pieces.append((self.size, data))
        self.size += len(data)

    def skip(self, count: int) -> None:
        self.size += count

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self.position = offset + (0, self.position, self.size)[whence]
        return self.position

    def tell(self) -> int:
        return self.position

    def read(self, count: int = -1) -> bytes:
        end = self.size if count < 0 else min(self.size, self.position + count)
        data = bytearray(max(0, end - self.position))
        for start, piece in self.pieces:
            first, last = max(start, self.position), min(start + len(piece), end)
            if first < last:
                data[first - self.position : last - self.position] = piece[
                    first - start : last - start
                ]
        self.position = max(end, self.position)
        return bytes(data)


GIB = 1 << 30


@pytest.mark.parametrize("packing", [ZipPacking, TarPacking])
@pytest.mark.parametrize(
    "sizes",
    [
        [5 * GIB],
        [4 * GIB - 1],
        [4 * GIB - 2],
        [3 * GIB, 3 * GIB, 10],
        [10 * GIB, 0, 5],
        [0] * 3,
        [1] * 70_000,
    ],
    ids=["5 GiB", "4 GiB - 1", "4 GiB - 2", "behind 6 GiB", "10 GiB", "empty", "70,000"],
)
def test_sizes_offsets_and_counts_have_no_limit(packing: type[Packing], sizes: list[int]) -> None:
    entries = [Entry(f"{number}.bin", size, WHEN) for number, size in enumerate(sizes)]
    file, archive = Sparse(), packing()
    for entry in entries:
        file.add(archive.head(entry))
        file.skip(entry.size)
        file.add(archive.tail(entry, 0))
    file.add(archive.end())
    assert file.size == length(packing(), entries)
    if packing is ZipPacking:
        if len(sizes) > 1000:
            file.pieces = [(0, file.read())]
        with zipfile.ZipFile(file) as found:  # type: ignore[call-overload]
            assert [info.file_size for info in found.infolist()] == sizes
            last = found.infolist()[-1]
            found.open(last).close()
    elif len(sizes) < 1000:
        with tarfile.open(fileobj=file) as found:  # type: ignore[call-overload]
            assert [info.size for info in found] == sizes


@pytest.mark.faults
async def test_more_than_four_gigabytes_are_read_back(
    server: Server, root: Path, tmp_path: Path, program: Callable[[str], str]
) -> None:
    folder = root / "big"
    folder.mkdir()
    with (folder / "hole.bin").open("wb") as file:
        file.truncate(4 * GIB + 12345)
    (folder / "last.txt").write_text("behind it")
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1 << 20)
    writer.write(
        f"GET /user/alice/progresswidget/archives/big HTTP/1.1\r\nHost: 127.0.0.1:{server.port}"
        "\r\nAuthorization: token 5ECRETt0ken\r\nConnection: close\r\n\r\n".encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    announced = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    target, received = tmp_path / "big.zip", 0
    with target.open("wb") as file:
        # Written with holes, so that the disk need not hold it.
        while block := await reader.read(1 << 20):
            if block.count(0) == len(block):
                file.seek(len(block), os.SEEK_CUR)
            else:
                file.write(block)
            received += len(block)
        file.truncate(received)
    writer.close()
    assert received == announced > 4 * GIB
    listed = await asyncio.to_thread(
        subprocess.run,
        [program("7z"), "l", "-slt", target],
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"Size = {4 * GIB + 12345}" in listed.stdout
    unpacked = await asyncio.to_thread(
        subprocess.run,
        [program("unzip"), "-p", target, "last.txt"],
        capture_output=True,
        check=True,
    )
    assert unpacked.stdout == b"behind it"
    with zipfile.ZipFile(target) as archive:
        assert archive.getinfo("hole.bin").file_size == 4 * GIB + 12345
    target.unlink()


@given(st.lists(st.text(st.characters(codec=None), max_size=300), min_size=1, max_size=5))
def test_no_name_leads_anywhere(parts: list[str]) -> None:
    name = safe(parts)
    found = name.split("/")
    assert len(found) == len(parts)
    assert not name.startswith("/")
    for part in found:
        assert part
        assert part not in {".", ".."}
        assert not part.endswith((".", " "))
        assert not set(part) & set('\\:*?"<>|\0\r\n\x7f\u202e')
        assert len(part.encode()) <= 255


@pytest.mark.parametrize(
    ("part", "name"),
    [
        ("plain.csv", "plain.csv"),
        ("\u65e5\u672c.csv", "\u65e5\u672c.csv"),
        ("..", "__"),
        ("C:\\evil", "C__evil"),
        ("a\nb", "a_b"),
        ("trailing. ", "trailing__"),
        ("\udcff.txt", "_.txt"),
        ("exe\u202etxt.csv", "exe_txt.csv"),
        ("\u00fc" * 200, "\u00fc" * 127),
        ("a" * 254 + ". b", "a" * 254 + "_"),
        ("aux", "_aux"),
        ("Nul.tar.gz", "_Nul.tar.gz"),
        ("com\u00b9 .txt", "_com\u00b9 .txt"),
        ("console.txt", "console.txt"),
        ("lpt", "lpt"),
    ],
)
def test_names_are_made_plain(part: str, name: str) -> None:
    assert safe([part]) == name


@given(st.lists(st.sampled_from(["a.txt", "A.txt", "a (2).txt", "d/a.txt", "b"]), max_size=30))
def test_no_two_names_are_alike(names: list[str]) -> None:
    taken = Names()
    found = [taken.take(name) for name in names]
    assert len({name.casefold() for name in found}) == len(names)


def test_a_name_that_is_alike_in_another_form_or_too_long_to_be_numbered_gets_another() -> None:
    taken = Names()
    assert taken.take("d/\u00e9.txt") == "d/\u00e9.txt"
    assert taken.take("d/E\u0301.txt") == "d/E\u0301 (2).txt"
    long = "a" * 251 + ".txt"
    assert taken.take(long) == long
    assert taken.take(long.upper()) == "A" * 247 + " (2).TXT"
    suffix = "x." + "\u00fc" * 126
    assert taken.take(suffix) == suffix
    assert len(taken.take(suffix).encode()) <= 255


async def test_files_that_would_get_one_name_get_two(server: Server, root: Path) -> None:
    folder = root / "project"
    folder.mkdir()
    (folder / "a\\b").write_text("1")
    (folder / "a:b").write_text("2")
    (folder / "A_b").write_text("3")
    found = read("zip", (await pack(server, "project")).body)
    assert sorted(found.values()) == [b"1", b"2", b"3"]
    assert len({name.casefold() for name in found}) == 3


async def test_a_folder_that_gets_another_name_keeps_what_is_in_it(
    server: Server, root: Path
) -> None:
    folder = root / "project"
    (folder / "a:b").mkdir(parents=True)
    (folder / "a:b" / "inner").write_text("1")
    (folder / "a?b").mkdir()
    (folder / "a?b" / "inner").write_text("2")
    (folder / "a_b").write_text("3")
    found = read("zip", (await pack(server, "project")).body)
    assert found == {"a_b/inner": b"1", "a_b (2)/inner": b"2", "a_b (3)": b"3"}


def test_times_that_no_format_holds_become_the_nearest() -> None:
    for modified in (-(10**12), -1, 0, 10**11, 10**14):
        entry = Entry("a", 0, modified)
        archive = ZipPacking()
        data = archive.head(entry) + archive.tail(entry, 0) + archive.end()
        with zipfile.ZipFile(io.BytesIO(data)) as found:
            assert 1980 <= found.infolist()[0].date_time[0] <= 2107
