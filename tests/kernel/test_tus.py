"""What a tus client says and understands, as the server reads it and answers."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_server_ext.http.idempotency import parse_key
from jupyter_server_ext.uploads import tus as server
from jupyter_server_ext.uploads import tusheaders
from progresswidget.transfer import tus

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


@given(TEXT, TEXT, st.none() | st.integers(0, 2**40))
def test_the_server_reads_a_creation_as_it_was_meant(
    folder: str, name: str, length: int | None
) -> None:
    headers = tus.creation({"path": folder, "filename": name}, length=length, key="k1")
    assert headers["Tus-Resumable"] == tusheaders.VERSION
    found = tusheaders.parse_metadata(headers["Upload-Metadata"])
    # What is empty is not said at all.
    meant = {"path": folder, "filename": name}
    assert {key: value.decode() for key, value in found.items()} == {
        key: value for key, value in meant.items() if value
    }
    assert parse_key(headers) == "k1"
    assert tusheaders.parse_number(headers, "Upload-Length") == length
    assert ("Upload-Defer-Length" in headers) == (length is None)


@given(
    st.integers(0, 2**40),
    st.binary(max_size=100),
    st.booleans(),
    st.sampled_from(sorted({*tus.CHECKSUMS} & {*tusheaders.ALGORITHMS})),
)
def test_the_server_reads_an_append_as_it_was_meant(
    offset: int,
    data: bytes,
    last: bool,  # noqa: FBT001
    algorithm: str,
) -> None:
    length = offset + len(data) if last else None
    digest = tus.hasher(algorithm)
    digest.update(data)
    checksum = tus.checksum(algorithm, digest.digest())
    headers = tus.append(offset, len(data), checksum=checksum, length=length)
    assert headers["Content-Length"] == str(len(data))
    standing = server.Standing(offset, None)
    append = server.decide_append(headers, standing, body=len(data), max_size=2**42)
    assert (append.offset, append.length) == (offset, length)
    assert append.checksum is not None
    assert append.checksum == tusheaders.Checksum(algorithm, digest.digest())


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (",".join(tusheaders.ALGORITHMS), "xxh128"),
        ("md5,sha1,sha256", "sha256"),
        ("sha1", "sha1"),
        ("crc32", ""),
    ],
)
def test_the_best_checksum_that_both_know_is_taken(offered: str, chosen: str) -> None:
    headers = {
        "Tus-Version": "1.0.0",
        "Tus-Extension": "creation,checksum",
        "Tus-Checksum-Algorithm": offered,
    }
    able = tus.abilities(headers)
    assert able is not None
    assert able.checksum == chosen


@pytest.mark.parametrize(
    ("status", "headers", "verdict"),
    [
        (201, {"upload-offset": "5"}, tus.Verdict("taken", 5)),
        (204, {}, tus.Verdict("taken")),
        (409, {"Upload-Offset": "7"}, tus.Verdict("again", 7)),
        (409, {}, tus.Verdict("again")),
        (404, {}, tus.Verdict("gone")),
        (410, {}, tus.Verdict("gone")),
        (413, {}, tus.Verdict("smaller")),
        (423, {"Retry-After": "1"}, tus.Verdict("again", None, 1)),
        (460, {"Upload-Offset": "9"}, tus.Verdict("again", 9)),
        (503, {"retry-after": "2"}, tus.Verdict("again", None, 2)),
        (503, {"Retry-After": "Thu, 01 Jan 1970 00:01:00 GMT"}, tus.Verdict("again", None, 50)),
        (507, {"Upload-Offset": "3"}, tus.Verdict("refused", 3)),
        (403, {"Upload-Offset": "-3"}, tus.Verdict("refused")),
    ],
)
def test_the_verdict(status: int, headers: dict[str, str], verdict: tus.Verdict) -> None:
    assert tus.judge(status, httpx.Headers(headers), now=10) == verdict
