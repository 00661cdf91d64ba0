"""tus decisions: any header gets an answer from the table, and none changes what is there."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.files.names import check_name
from jupyter_server_ext.http.idempotency import parse_key
from jupyter_server_ext.model.upload import Creation, is_upload_id
from jupyter_server_ext.uploads import tus, tusheaders

if TYPE_CHECKING:
    from collections.abc import Callable

# A machine that is busy with other things draws slowly; that is no fault of the test.
FEW = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
MANY = settings(FEW, max_examples=10_000)
MAX = 2**40

# Half of them nearly right: noise alone never gets far.
digits = st.integers(-5, 2**60).map(str) | st.sampled_from(["", "0", "00", "1", "+1", "1 ", "1e3"])
words = st.text(max_size=40) | st.sampled_from(
    ["sha256", "sha1", "md5", "filename", "path", "overwrite", "sha256 AAAA", "a YQ==", ","]
)
encoded = st.binary(max_size=40).map(lambda data: base64.b64encode(data).decode())
pairs = st.lists(st.tuples(words, encoded | words), max_size=6).map(
    lambda found: ",".join(f"{key} {value}" for key, value in found)
)
names = st.sampled_from(
    [
        "Upload-Offset",
        "Upload-Length",
        "Upload-Defer-Length",
        "Upload-Metadata",
        "Upload-Checksum",
        "Tus-Resumable",
        "Content-Type",
        "Idempotency-Key",
    ]
)
values = digits | words | pairs | st.sampled_from([tusheaders.CONTENT_TYPE, tusheaders.VERSION])
requests = st.dictionaries(names, values)
good_creations = st.fixed_dictionaries(
    {"Upload-Length": st.integers(0, MAX).map(str)}, optional={"Upload-Metadata": pairs}
)
standings = st.builds(
    lambda offset, more: tus.Standing(offset, None if more is None else offset + more),
    st.integers(0, 2**45),
    st.none() | st.integers(0, 2**45),
)


def attempt(decide: Callable[[], object]) -> object:
    """Return what was decided, or None for a refusal that the table knows."""
    try:
        return decide()
    except ApiError as error:
        refusal = error
    assert 400 <= refusal.status < 500
    assert refusal.message.isprintable()
    return None


def check_creation(headers: dict[str, str]) -> None:
    found = attempt(lambda: tusheaders.parse_creation(headers, max_size=MAX, hidden=False))
    if found is None:
        return
    assert isinstance(found, Creation)
    assert found.length is None or 0 <= found.length <= MAX
    for part in (*found.folder, *([found.name] if found.name else [])):
        assert part not in {"", ".", ".."}
        assert not set(part) & set("/\\\0\r\n")
        assert not part.startswith(".")
        assert len(part.encode()) <= 255
    path = os.path.normpath("/".join(("/top", *found.folder, found.name or "x")))
    assert path.startswith("/top/")


def check_append(headers: dict[str, str], standing: tus.Standing, body: int | None) -> None:
    found = attempt(lambda: tus.decide_append(headers, standing, body=body, max_size=MAX))
    if found is None:
        return
    assert isinstance(found, tus.Append)
    assert found.offset == standing.offset == int(headers["Upload-Offset"])
    assert found.limit >= (body or 0)
    if found.length is not None:
        assert found.offset + found.limit <= max(found.length, found.offset)
    assert standing.length in {None, found.length}


def check_parsers(headers: dict[str, str]) -> None:
    text = headers.get("Upload-Metadata", headers.get("Upload-Checksum", ""))
    metadata = attempt(lambda: tusheaders.parse_metadata(text))
    if metadata is not None:
        assert isinstance(metadata, dict)
        assert all(" " not in key and "," not in key for key in metadata)
    checksum = attempt(lambda: tusheaders.parse_checksum(headers.get("Upload-Checksum")))
    if checksum is not None:
        assert isinstance(checksum, tusheaders.Checksum)
        assert len(checksum.digest) == tusheaders.ALGORITHMS[checksum.algorithm]
    attempt(lambda: parse_key(headers))
    attempt(lambda: tusheaders.require_version(headers))


@FEW
@given(requests | good_creations)
def test_any_creation(headers: dict[str, str]) -> None:
    check_creation(headers)


@FEW
@given(requests, standings, st.none() | st.integers(0, 2**50))
def test_any_append(headers: dict[str, str], standing: tus.Standing, body: int | None) -> None:
    check_append(headers, standing, body)
    check_append(
        headers | {"Upload-Offset": str(standing.offset), "Content-Type": tusheaders.CONTENT_TYPE},
        standing,
        body,
    )


@FEW
@given(requests)
def test_any_header(headers: dict[str, str]) -> None:
    check_parsers(headers)


@pytest.mark.faults
@MANY
@given(requests | good_creations, standings, st.none() | st.integers(0, 2**50))
def test_ten_thousand_requests(
    headers: dict[str, str], standing: tus.Standing, body: int | None
) -> None:
    check_creation(headers)
    check_append(headers, standing, body)
    check_append(
        headers | {"Upload-Offset": str(standing.offset), "Content-Type": tusheaders.CONTENT_TYPE},
        standing,
        body,
    )
    check_parsers(headers)


@FEW
@given(st.dictionaries(st.from_regex(r"[a-zA-Z0-9_.-]{1,20}", fullmatch=True), st.binary()))
def test_metadata_comes_back_as_it_was(found: dict[str, bytes]) -> None:
    header = ",".join(
        f"{key} {base64.b64encode(value).decode()}".strip() for key, value in found.items()
    )
    assert tusheaders.parse_metadata(header) == found


@FEW
@given(st.sampled_from(sorted(tusheaders.ALGORITHMS)), st.data())
def test_checksums_come_back_as_they_were(algorithm: str, data: st.DataObject) -> None:
    size = tusheaders.ALGORITHMS[algorithm]
    digest = data.draw(st.binary(min_size=size, max_size=size))
    header = f"{algorithm} {base64.b64encode(digest).decode()}"
    assert tusheaders.parse_checksum(header) == tusheaders.Checksum(algorithm, digest)


@FEW
@given(st.text(max_size=300))
def test_a_name_that_is_let_in_stays_in_its_folder(name: str) -> None:
    try:
        check_name(name, hidden=True)
    except ApiError:
        return
    assert os.path.normpath(f"/top/{name}") == f"/top/{name}"
    assert len(name.encode()) <= 255


@pytest.mark.parametrize("text", ["0123456789abcdef" * 2, "0" * 32])
def test_what_may_be_an_id(text: str) -> None:
    assert is_upload_id(text)


@pytest.mark.parametrize(
    "text",
    ["", "0" * 31, "0" * 33, "A" * 32, "g" * 32, "0" * 32 + "\n", "\u0660" * 32, "../" + "0" * 29],
)
def test_what_is_none(text: str) -> None:
    assert not is_upload_id(text)
