"""Opening an exported file: only below the roots, only regular files, only the same bytes."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from pathlib import Path

import pytest

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.files.opening import open_published
from jupyter_server_ext.files.published import BLOCK, FileChangedError, PublishedFile
from progresswidget.protocol import Fingerprint


def fingerprint(path: Path) -> Fingerprint:
    status = path.stat()
    return Fingerprint(
        status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
    )


ANY = Fingerprint(0, 0, 0, 0, 0)


def open_any(path: object, *roots: Path, allow_hidden: bool = False) -> PublishedFile:
    return open_published(str(path), ANY, [str(root) for root in roots], allow_hidden=allow_hidden)


def refusal(path: object, *roots: Path) -> str:
    with pytest.raises(ApiError) as caught:
        open_any(path, *roots).close()
    return caught.value.code


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a root with files, links and things that are no files; a secret lies beside it."""
    (tmp_path / "secret.csv").write_text("secret")
    root = tmp_path / "root"
    (root / "deep" / "er").mkdir(parents=True)
    (root / ".hidden").mkdir()
    for name in ("a.csv", "deep/er/b.csv", ".c.csv", ".hidden/d.csv"):
        (root / name).write_text("x")
    (root / "link.csv").symlink_to(root / "a.csv")
    (root / "out.csv").symlink_to(tmp_path / "secret.csv")
    (root / "up").symlink_to(tmp_path)
    (root / "in").symlink_to(root / "deep")
    (root / "loop").symlink_to("loop")
    os.mkfifo(root / "fifo")
    return root


@pytest.mark.parametrize("name", ["a.csv", "deep/er/b.csv"])
def test_files_below_a_root(tree: Path, name: str) -> None:
    with open_any(tree / name, Path("/nowhere"), tree) as file:
        assert file.fingerprint == fingerprint(tree / name)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("{tmp}/secret.csv", "outside-roots"),
        ("{root}/../secret.csv", "outside-roots"),
        ("{root}/deep/../../secret.csv", "outside-roots"),
        ("{root}/./a.csv", "outside-roots"),
        ("{root}//a.csv", "outside-roots"),
        ("{root}/", "outside-roots"),
        ("{root}", "outside-roots"),
        ("{root}x/a.csv", "outside-roots"),
        ("{root}/a.csv/", "outside-roots"),
        ("/etc/passwd", "outside-roots"),
        ("/proc/self/root/etc/passwd", "outside-roots"),
        ("{root}/link.csv", "outside-roots"),
        ("{root}/out.csv", "outside-roots"),
        ("{root}/up/secret.csv", "outside-roots"),
        ("{root}/in/er/b.csv", "outside-roots"),
        ("{root}/loop", "outside-roots"),
        ("{root}/loop/a.csv", "outside-roots"),
        ("{root}/.c.csv", "hidden"),
        ("{root}/.hidden/d.csv", "hidden"),
        ("{root}/fifo", "not-a-file"),
        ("{root}/deep", "not-a-file"),
        ("{root}/socket", "not-a-file"),
        ("{root}/missing.csv", "file-missing"),
        ("{root}/missing/a.csv", "file-missing"),
        ("{root}/a.csv/b.csv", "file-missing"),
        ("{root}/" + "n" * 300, "file-missing"),
    ],
)
def test_what_is_refused(tree: Path, path: str, code: str) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        previous = Path.cwd()
        os.chdir(tree)  # the path of a UNIX socket must be short
        try:
            listener.bind("socket")
        finally:
            os.chdir(previous)
        assert refusal(path.format(root=tree, tmp=tree.parent), tree) == code


def test_devices_are_no_files() -> None:
    assert refusal("/dev/null", Path("/dev")) == "not-a-file"


def test_the_root_itself_may_be_reached_by_a_link(tree: Path) -> None:
    link = tree.parent / "home"
    link.symlink_to(tree)
    # The kernel may report either name, whichever the server was given.
    for root, base in [(link, link), (link, tree), (tree, tree)]:
        open_any(base / "a.csv", root).close()
    assert refusal(link / "a.csv", tree) == "outside-roots"


def test_hidden_files_where_they_are_allowed(tree: Path) -> None:
    open_any(tree / ".hidden" / "d.csv", tree, allow_hidden=True).close()
    # A hidden folder above the root is the administrator's choice.
    open_any(tree / ".hidden" / "d.csv", tree / ".hidden").close()


def test_nothing_stays_open(tree: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("a.csv", "deep/er/b.csv", "in/er/b.csv", "fifo", "missing", "up/secret.csv"):
        try:
            open_any(tree / name, tree).close()
        except ApiError:
            continue
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_folder_swapped_for_a_link_never_leads_outside(tmp_path: Path) -> None:
    # The attacker owns the folder and turns it into a link to the secrets and back, all the time.
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder, text in ((root / "sub", "public"), (outside, "secret")):
        folder.mkdir(parents=True)
        (folder / "a.csv").write_text(text)
    (root / "trap").symlink_to(outside)
    stop = threading.Event()
    swaps = 0

    def swap() -> None:
        nonlocal swaps
        while not stop.is_set():
            for source, target in (
                ("sub", "kept"),
                ("trap", "sub"),
                ("sub", "trap"),
                ("kept", "sub"),
            ):
                (root / source).rename(root / target)
            swaps += 1

    seen = set()
    attacker = threading.Thread(target=swap)
    attacker.start()
    try:
        for _ in range(3000):
            try:
                with open_any(root / "sub" / "a.csv", root) as file:
                    seen.add(os.pread(file._descriptor, 10, 0))
            except ApiError as error:
                seen.add(error.code)
    finally:
        stop.set()
        attacker.join()
    assert swaps > 0
    assert b"public" in seen
    assert b"secret" not in seen
    assert seen <= {b"public", "outside-roots", "file-missing"}


def published(path: Path, root: Path) -> PublishedFile:
    return open_published(str(path), fingerprint(path), [str(root)], allow_hidden=False)


def test_reading_in_blocks(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    content = os.urandom(2 * BLOCK + 7)
    path.write_bytes(content)
    with published(path, tmp_path) as file:
        assert not file.changed
        assert not file.touched
        assert file.read(0, 10**9) == content[:BLOCK]
        assert file.read(5, 10) == content[5:15]
        assert file.read(2 * BLOCK, BLOCK) == content[-7:]
        assert file.sha256() == hashlib.sha256(content).hexdigest()


def test_changes_are_told_from_touches(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("12345")
    before = fingerprint(path)

    def state() -> tuple[bool, bool]:
        with open_published(str(path), before, [str(tmp_path)], allow_hidden=False) as file:
            return file.changed, file.touched

    path.chmod(0o600)
    assert state() == (False, True)
    # The change time betrays a content that was changed and whose times were put back.
    path.write_text("54321")
    os.utime(path, ns=(before.mtime_ns, before.mtime_ns))
    assert state() == (False, True)
    path.write_text("123456")
    os.utime(path, ns=(before.mtime_ns, before.mtime_ns))
    assert state() == (True, False)


@pytest.mark.parametrize("how", ["write", "append", "truncate"])
def test_a_change_while_reading_is_noticed(tmp_path: Path, how: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(BLOCK))
    os.utime(path, ns=(10**18, 10**18))
    with published(path, tmp_path) as file:
        file.read(0, 10)
        if how == "truncate":
            os.truncate(path, 10)
        else:
            with path.open("r+b" if how == "write" else "ab") as writer:
                writer.write(b"x")
        with pytest.raises(FileChangedError):
            file.read(0, 10)


@pytest.mark.parametrize("how", ["unlink", "replace", "chmod"])
def test_an_open_reader_outlives_the_name(tmp_path: Path, how: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with published(path, tmp_path) as file:
        if how == "unlink":
            path.unlink()
        elif how == "chmod":
            path.chmod(0o600)
        else:
            other = tmp_path / "b.bin"
            other.write_bytes(b"new")
            other.replace(path)
        assert file.read(0, 10) == b"old"
