"""The pure parts of transfers: addresses, names, tries, versions and pieces."""

from __future__ import annotations

import base64
import hashlib
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from progresswidget.errors import OptionError
from progresswidget.transfer import address, buffers, journal
from progresswidget.transfer.pieces import LEAST, MOST, WORTH, Claim, Pieces
from progresswidget.transfer.representation import (
    Representation,
    content_range,
    of_response,
)
from progresswidget.transfer.retry import BASE, CAP, PATIENCE, TRIES, Tries, retry_after
from progresswidget.transfer.wire import LARGEST, SMALL, Stride

if TYPE_CHECKING:
    import random

SERVER = "http://127.0.0.1:8888/user/alice/progresswidget/"
DATE = "Thu, 02 Jan 2025 00:00:00 GMT"
OLD = "Wed, 01 Jan 2025 00:00:00 GMT"


# --- Addresses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("https://example.org/a.csv#top", "https://example.org/a.csv"),
        (" http://example.org/a.csv?x=1 ", "http://example.org/a.csv?x=1"),
        ("contents/data/a.csv", f"{SERVER}contents/data/a.csv"),
        ("/user/alice/progresswidget/files/1/a", f"{SERVER}files/1/a"),
    ],
)
def test_an_address_is_made_whole(url: str, whole: str) -> None:
    assert address.resolve(url, SERVER) == whole


@pytest.mark.parametrize("url", ["", "ftp://example.org/a", "file:///etc/passwd", "//x", "http://"])
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(OptionError):
        address.resolve(url, SERVER)


@pytest.mark.parametrize(
    ("url", "below"),
    [
        (f"{SERVER}files/a/1/b.csv", True),
        ("http://127.0.0.1:8888/user/alice/api/contents", False),
        ("http://127.0.0.1:8888/user/alice/progresswidgetx/a", False),
        (f"{SERVER}../api/contents", False),
        (f"{SERVER}%2e%2e/api/contents", False),
        (f"{SERVER}%252e%252e/api/contents", False),
        (f"{SERVER}..%5capi/contents", False),
        ("http://127.0.0.1:9999/user/alice/progresswidget/a", False),
        ("https://127.0.0.1:8888/user/alice/progresswidget/a", False),
        ("http://evil.example/user/alice/progresswidget/a", False),
        ("http://127.0.0.1:8888@evil.example/user/alice/progresswidget/a", False),
    ],
)
def test_only_what_lies_below_the_root_belongs_to_the_server(url: str, below: bool) -> None:  # noqa: FBT001
    assert address.is_below(url, SERVER) is below


def test_an_address_is_shown_without_its_secrets() -> None:
    shown = address.shown("https://ann:secret@example.org:81/a.csv?token=secret#secret")
    assert shown == "https://example.org:81/a.csv"


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ("attachment; filename=a.csv", "a.csv"),
        ('attachment; filename="a b.csv"', "a b.csv"),
        ('attachment; filename="a\\"b.csv"', "a_b.csv"),
        ("attachment; filename=plain.csv; filename*=UTF-8''na%C3%AFve.csv", "naïve.csv"),
        ("attachment; filename*=iso-8859-1'en'%A3.csv", "£.csv"),
        ("attachment; filename*=utf-16''%00.csv; filename=a.csv", "a.csv"),
        ('attachment; filename="数据.csv"', "数据.csv"),
        ('attachment; filename="../../.bashrc"', "bashrc"),
        ('attachment; filename="..\\\\..\\\\autoexec.bat"', "autoexec.bat"),
        ('attachment; filename="con.txt"', "_con.txt"),
        ('attachment; filename="evil\u202etxt.exe"', "evil_txt.exe"),
        ('attachment; filename="/"', "flights.csv"),
        ("inline", "flights.csv"),
        ("", "flights.csv"),
    ],
)
def test_the_name_that_a_server_chooses_is_made_harmless(disposition: str, name: str) -> None:
    raw = disposition.encode().decode("latin-1") if "数" in disposition else disposition
    assert address.file_name("https://example.org/data/flights.csv?v=2", raw) == name


def test_an_address_without_a_name_gets_one() -> None:
    assert address.file_name("https://example.org/") == address.NAMELESS
    assert address.file_name("https://example.org/%2e%2e") == address.NAMELESS


@given(st.text())
@settings(max_examples=500)
def test_no_name_leads_anywhere(text: str) -> None:
    name = address.safe_name(text)
    assert not set("/\\\0\n\r") & set(name)
    assert name not in {".", ".."}
    assert not name.startswith(".")
    assert len(name.encode()) <= address.MAX_NAME_BYTES
    assert address.safe_name(name) == name


@given(st.text(alphabet=st.characters(max_codepoint=255)))
@settings(max_examples=500)
def test_no_disposition_breaks_the_reader(text: str) -> None:
    name = address.file_name("https://example.org/a", f"attachment; filename{text}")
    assert name
    assert "/" not in name


# --- Tries ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 120 ", 120.0),
        (DATE, 86_400.0),
        ("Tue, 31 Dec 2024 00:00:00 GMT", 0.0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("9" * 30, None),
    ],
)
def test_a_server_says_when_in_seconds_or_as_a_date(value: str, seconds: float | None) -> None:
    assert retry_after(value, 1_735_689_600.0) == seconds


@given(st.text())
def test_no_retry_after_breaks_the_reader(text: str) -> None:
    wait = retry_after(text, 0.0)
    assert wait is None or wait >= 0


@given(st.lists(st.floats(0, 1), min_size=TRIES, max_size=TRIES))
def test_waits_grow_and_are_drawn_from_the_whole_interval(draws: list[float]) -> None:
    drawn = iter(draws)
    tries = Tries(lambda: next(drawn))
    waits = [tries.failure() for _ in range(TRIES)]
    for number, (wait, draw) in enumerate(zip(waits[:-1], draws, strict=False)):
        assert wait == draw * min(CAP, BASE * 2**number)
    assert waits[-1] is None


def test_progress_gives_all_tries_back() -> None:
    tries = Tries(lambda: 1.0)
    assert [tries.failure() for _ in range(4)] == [0.5, 1.0, 2.0, 4.0]
    tries.progressed()
    assert tries.failure() == 0.5


def test_what_a_server_asks_for_uses_up_patience_and_no_try() -> None:
    tries = Tries(lambda: 1.0)
    asked = [tries.failure(PATIENCE / 4) for _ in range(5)]
    assert asked == [PATIENCE / 4] * 4 + [None]
    assert tries.failed == 0
    endless = Tries()
    waits = 0
    while endless.failure(0.0) is not None:
        waits += 1
    assert waits == PATIENCE / BASE


def test_readings_are_large_where_bytes_come_fast_and_small_where_they_do_not() -> None:
    stride = Stride()
    for _ in range(10):
        stride.took(0.001)
    assert stride.size == LARGEST
    stride.took(0.1)
    assert stride.size == LARGEST
    for _ in range(10):
        stride.took(5)
    assert stride.size == SMALL // 16


def test_a_buffer_is_the_same_until_it_is_lent_and_there_are_never_many() -> None:
    looks = 0

    class GivenUpError(Exception):
        pass

    def look() -> None:
        nonlocal looks
        looks += 1
        if looks > 2:
            raise GivenUpError

    own = buffers.Buffers(look)
    lent = []
    for _ in range(buffers.MOST):
        assert own.own() is own.own()
        lent.append(own.own())
        own.lent()
    assert len({id(view.obj) for view in lent}) == buffers.MOST
    with pytest.raises(GivenUpError):
        own.own()
    looks = 0
    own.give_back(lent[2][:5])
    assert own.own().obj is lent[2].obj
    assert len(own.own()) == buffers.SIZE


# --- Versions ---------------------------------------------------------------------------------


def version(status: int = 200, **fields: str) -> Representation:
    names = {
        "etag": "ETag",
        "modified": "Last-Modified",
        "date": "Date",
        "length": "Content-Length",
    }
    return of_response(status, {names.get(key, key): value for key, value in fields.items()})


@pytest.mark.parametrize(
    ("fields", "validator"),
    [
        ({"etag": '"a"'}, '"a"'),
        ({"etag": 'W/"a"'}, ""),
        ({"etag": "a"}, ""),
        ({"etag": '"a"', "modified": OLD, "date": DATE}, '"a"'),
        ({"etag": 'W/"a"', "modified": OLD, "date": DATE}, OLD),
        ({"modified": DATE, "date": DATE}, ""),
        ({"modified": OLD}, ""),
        ({"modified": "yesterday", "date": DATE}, ""),
        ({}, ""),
    ],
)
def test_only_what_stands_for_the_bytes_is_a_validator(
    fields: dict[str, str], validator: str
) -> None:
    assert version(**fields).validator == validator


def test_versions_are_the_same_only_if_nothing_differs() -> None:
    known = version(etag='"a"', modified=OLD, date=DATE, length="9")
    assert known.same(known)
    assert known.same(version(etag='"a"'))
    assert not known.same(version(etag='"b"', modified=OLD, date=DATE))
    assert not known.same(version(etag='"a"', modified=DATE, date=DATE))
    assert not known.same(version(etag='"a"', length="10"))
    assert not known.same(version(modified=OLD, date=DATE))
    assert not version().same(version())


@pytest.mark.parametrize("name", ["Repr-Digest", "Digest"])
def test_a_digest_is_read_in_both_forms(name: str) -> None:
    digest = hashlib.sha256(b"x").digest()
    text = base64.b64encode(digest).decode()
    value = f"md5=:AAAA:, sha-256=:{text}:" if name == "Repr-Digest" else f"SHA-256={text}"
    assert of_response(200, {name: value}).sha256 == digest.hex()
    assert of_response(200, {name: value, "Content-Encoding": "gzip"}).sha256 == ""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("bytes 0-9/10", (0, 9, 10)),
        ("bytes 5-9/*", (5, 9, None)),
        ("bytes 9-5/10", None),
        ("bytes 0-10/10", None),
        ("bytes */10", None),
        ("items 0-9/10", None),
        ("", None),
    ],
)
def test_a_content_range_is_read_or_refused(text: str, found: object) -> None:
    assert content_range({"Content-Range": text}) == found


@given(st.text(), st.text(), st.text())
@settings(max_examples=500)
def test_no_field_breaks_the_reader(one: str, two: str, three: str) -> None:
    headers = {"ETag": one, "Last-Modified": two, "Date": three, "Content-Length": one}
    headers |= {"Content-Range": two, "Repr-Digest": three, "Digest": one}
    for status in (200, 206):
        known = of_response(status, headers)
        assert Representation.from_json(known.to_json()).validator == known.validator


# --- Pieces -----------------------------------------------------------------------------------


@given(st.randoms(use_true_random=False), st.integers(0, 300 * 2**20), st.integers(1, 8))
@settings(max_examples=200, deadline=None)
def test_every_byte_is_fetched_once_however_connections_come_and_go(
    draw: random.Random, size: int, connections: int
) -> None:
    pieces, fetched = Pieces(size, connections), []
    working: list[Claim] = []
    while not pieces.complete:
        if len(working) < connections and draw.random() < 0.5:
            claim = pieces.claim()
            if claim is not None:
                working.append(claim)
        if not working:
            continue
        claim = draw.choice(working)
        step = claim.reserve(draw.choice([1000, 2**20, 30 * 2**20]))
        if draw.random() < 0.3:
            thief = pieces.claim()
            if thief is not None:
                working.append(thief)
                assert thief.at >= claim.reserved or thief.at < claim.first
        fetched.append((claim.at, claim.at + step))
        claim.at += step
        ended = claim.complete or draw.random() < 0.05
        if ended or claim.at - claim.first > 8 * 2**20:
            pieces.commit(claim)
        if ended:
            pieces.release(claim)
            working.remove(claim)
        assert pieces.received <= size
    fetched = sorted(piece for piece in fetched if piece[0] < piece[1])
    assert sum(end - first for first, end in fetched) == size
    assert all(end == first for (_, end), (first, _) in pairwise(fetched))
    assert pieces.prefix == pieces.count == size


def test_shares_are_bounded_and_the_slowest_is_helped() -> None:
    pieces = Pieces(2**40, 4)
    claim = pieces.claim()
    assert claim is not None
    assert claim.end == MOST
    small = Pieces(10 * 2**20, 2)
    first, second, third = (small.claim() for _ in range(3))
    assert [(each.at, each.end) for each in (first, second, third) if each] == [
        (0, LEAST),
        (LEAST, 2 * LEAST),
        (2 * LEAST, 10 * 2**20),
    ]
    helper = small.claim()
    assert helper is not None
    assert helper.end - helper.at >= WORTH
    assert small.claim() is None or LEAST > WORTH


def test_a_file_of_unknown_size_has_one_reader() -> None:
    pieces = Pieces(None, 4)
    claim = pieces.claim()
    assert claim is not None
    assert claim.end is None
    assert pieces.claim() is None
    claim.at = 100
    pieces.commit(claim)
    assert not pieces.complete
    pieces.size = 100
    assert pieces.complete


# --- The journal ------------------------------------------------------------------------------


@given(st.binary())
@settings(max_examples=300)
def test_no_journal_breaks_the_reader(text: bytes) -> None:
    journal.parse(text)


def test_a_torn_line_is_not_there(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal"
    units = [journal.Unit(at, 10, bytes(16)) for at in (0, 10, 20)]
    with path.open("w+b") as file:
        begun = journal.Journal("u", ".a.0.part", "me", version(etag='"a"'), units)
        journal.begin(file.fileno(), begun)
        text = path.read_bytes()
        assert journal.read(file.fileno()) == begun
    for cut in range(len(text)):
        found = journal.parse(text[:cut])
        assert found is None or found.units == units[: len(found.units)]
