"""Range, preconditions and file names, by the sections of the RFCs."""

from __future__ import annotations

from email import message_from_bytes
from email.message import Message
from email.utils import formatdate
from itertools import pairwise
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tornado.httputil import HTTPHeaders

from jupyter_server_ext.http.conditions import Validators
from jupyter_server_ext.http.ranges import (
    ByteRange,
    Decision,
    Multipart,
    UnsatisfiableError,
    content_disposition,
    content_type,
    decide,
    http_date,
    parse_ranges,
)

ETAG = '"sha256-abc"'
MODIFIED = 1_712_000_000
AT = http_date(MODIFIED)
BEFORE, AFTER = http_date(MODIFIED - 1), http_date(MODIFIED + 1)
VALIDATORS = Validators(ETAG, MODIFIED, MODIFIED + 1000.0)
PART = Decision("partial", [ByteRange(0, 4)])


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", (0, 0)),
        ("bytes=0-99", (0, 99)),
        ("bytes=0-100", (0, 99)),
        ("bytes=0-", (0, 99)),
        ("bytes=99-", (99, 99)),
        ("bytes=-1", (99, 99)),
        ("bytes=-100", (0, 99)),
        ("bytes=-101", (0, 99)),
        ("BYTES=1-2", (1, 2)),
        ("bytes= 1-2 ", (1, 2)),
        ("bytes=007-0008", (7, 8)),
        (f"bytes=0-{'9' * 5000}", (0, 99)),
        (f"bytes=-{'9' * 5000}", (0, 99)),
    ],
)
def test_single_ranges(header: str, expected: tuple[int, int]) -> None:
    assert parse_ranges(header, 100) == [ByteRange(*expected)]


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=1",
        "bytes=2-1",
        "bytes=1-2-3",
        "bytes=--1",
        "bytes=+1-2",
        "bytes=1 - 2",
        "bytes=0x1-2",
        "bytes=\u0661-\u0662",
        "rows=1-2",
        "bytes=0-1\n",
        "bytes=,",
        "bytes=0-1,x",
        "bytes=0-1,5-4",
        "bytes=0-1 3-4",
        "bytes=0-1;3-4",
        "bytes=0-60,30-90",
        "bytes=-100,0-0",
        "bytes=0-0," * 17,
        "bytes=" + ",".join(f"{2 * number}-{2 * number}" for number in range(17)),
    ],
)
def test_ranges_that_are_ignored(header: str) -> None:
    assert parse_ranges(header, 100) == []


@pytest.mark.parametrize(
    ("header", "size"),
    [
        ("bytes=100-", 100),
        ("bytes=100-200", 100),
        ("bytes=-0", 100),
        ("bytes=0-", 0),
        ("bytes=0-0", 0),
        ("bytes=-5", 0),
        ("bytes=100-,200-300,-0", 100),
        (f"bytes={'9' * 5000}-", 100),
    ],
)
def test_ranges_outside_the_file(header: str, size: int) -> None:
    with pytest.raises(UnsatisfiableError):
        parse_ranges(header, size)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-1,3-4", [(0, 1), (3, 4)]),
        ("bytes=0-1 , \t3-4", [(0, 1), (3, 4)]),
        ("bytes=,0-1,,3-4,", [(0, 1), (3, 4)]),
        # The order is the client's, who may need the end first.
        ("bytes=90-,0-9", [(90, 99), (0, 9)]),
        ("bytes=-10,0-9", [(90, 99), (0, 9)]),
        # What is outside is left out.
        ("bytes=0-9,500-600", [(0, 9)]),
        ("bytes=500-600,-0,0-9,20-29", [(0, 9), (20, 29)]),
        # What overlaps or touches becomes one.
        ("bytes=0-9,10-19", [(0, 19)]),
        ("bytes=10-19,0-9", [(0, 19)]),
        ("bytes=0-9,5-14", [(0, 14)]),
        ("bytes=0-19,5-6", [(0, 19)]),
        ("bytes=5-6,0-19", [(0, 19)]),
        ("bytes=0-9,0-9", [(0, 9)]),
        ("bytes=0-9,20-29,10-19", [(0, 29)]),
        ("bytes=0-9,20-29,40-49,9-20", [(0, 29), (40, 49)]),
        ("bytes=40-49,0-9,20-29,9-20", [(40, 49), (0, 29)]),
        ("bytes=0-9,11-19", [(0, 9), (11, 19)]),
        ("bytes=0-49,50-99", [(0, 99)]),
        (
            "bytes=" + ",".join(f"{2 * number}-{2 * number}" for number in range(16)),
            [(2 * number, 2 * number) for number in range(16)],
        ),
    ],
)
def test_several_ranges(header: str, expected: list[tuple[int, int]]) -> None:
    assert parse_ranges(header, 100) == [ByteRange(*pair) for pair in expected]


# A machine that is busy with other things draws slowly; that is no fault of the test.
MANY = settings(max_examples=10_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ENDS = st.just("") | st.integers(0, 2_100).map(str) | st.integers(0, 10**25).map("{:025}".format)
GAPS = st.sampled_from(["", "", " ", "\t "])
RANGE_SET = st.lists(st.tuples(GAPS, ENDS, ENDS, GAPS), min_size=1, max_size=21).map(
    lambda all_: "bytes=" + ",".join(f"{one}{first}-{last}{two}" for one, first, last, two in all_)
)


HEADERS = st.text() | st.text(alphabet="bytes=0123456789-, \t") | RANGE_SET
SIZES = st.integers(0, 2000) | st.integers(0, 2**63)


def check_ranges(header: str, size: int) -> None:
    """Ranges lie within the file and apart, and are neither many nor large."""
    try:
        found = parse_ranges(header, size)
    except UnsatisfiableError:
        return
    assert len(found) <= 16
    assert sum(each.length for each in found) <= size
    assert all(0 <= each.first <= each.last < size for each in found)
    ordered = sorted(found, key=lambda each: each.first)
    assert all(one.last + 1 < other.first for one, other in pairwise(ordered))


@given(HEADERS, SIZES)
def test_ranges_lie_within_the_file_and_apart(header: str, size: int) -> None:
    check_ranges(header, size)


@given(
    pairs=st.lists(st.tuples(st.integers(0, 120), st.integers(0, 20)), min_size=1, max_size=16),
    size=st.integers(1, 120),
)
def test_ranges_together_are_the_bytes_that_were_asked_for(
    pairs: list[tuple[int, int]], size: int
) -> None:
    header = "bytes=" + ",".join(f"{first}-{first + more}" for first, more in pairs)
    wanted = [range(size)[first : first + more + 1] for first, more in pairs]
    try:
        found = parse_ranges(header, size)
    except UnsatisfiableError:
        assert not any(wanted)
        return
    if sum(len(each) for each in wanted) > size:
        assert found == []
        return
    assert {byte for each in found for byte in range(each.first, each.last + 1)} == {
        byte for each in wanted for byte in each
    }


@given(
    content=st.binary(min_size=1, max_size=200),
    header=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 10)), min_size=2, max_size=16),
)
def test_a_multipart_body_is_what_its_length_and_its_parts_say(
    content: bytes, header: list[tuple[int, int]]
) -> None:
    try:
        ranges = parse_ranges(
            "bytes=" + ",".join(f"{first}-{first + more}" for first, more in header), len(content)
        )
    except UnsatisfiableError:
        return
    if len(ranges) < 2:
        return
    parts = Multipart(ranges, len(content), "text/csv; charset=utf-8", "b0unda4y")
    body = b""
    for number, each in enumerate(ranges):
        body += parts.head(number) + content[each.first : each.last + 1]
    body += parts.end
    assert len(body) == parts.length
    pieces = body.split(b"--b0unda4y")
    assert pieces[0] == b""
    assert pieces[-1] == b"--\r\n"
    for each, piece in zip(ranges, pieces[1:-1], strict=True):
        head, _, data = piece.partition(b"\r\n\r\n")
        assert data == content[each.first : each.last + 1] + b"\r\n"
        message = message_from_bytes(head.removeprefix(b"\r\n"))
        assert message["Content-Range"] == each.content_range(len(content))
        assert message["Content-Type"] == "text/csv; charset=utf-8"


@given(first=st.integers(0, 2**40), length=st.integers(1, 2**40), size=st.integers(1, 2**41))
def test_a_range_means_what_a_slice_means(first: int, length: int, size: int) -> None:
    last = first + length - 1
    if first >= size:
        with pytest.raises(UnsatisfiableError):
            parse_ranges(f"bytes={first}-{last}", size)
        return
    (found,) = parse_ranges(f"bytes={first}-{last}", size)
    assert range(found.first, found.last + 1) == range(size)[first : last + 1]
    (suffix,) = parse_ranges(f"bytes=-{length}", size)
    assert range(suffix.first, suffix.last + 1) == range(size)[-length:]


def test_content_range() -> None:
    assert ByteRange(2, 5).content_range(10) == "bytes 2-5/10"
    assert ByteRange(2, 5).length == 4


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        # Section 13.1.1: strong comparison.
        ({"If-Match": ETAG}, "whole"),
        ({"If-Match": "*"}, "whole"),
        ({"If-Match": f'"x", {ETAG}'}, "whole"),
        ({"If-Match": '"x"'}, "failed"),
        ({"If-Match": f"W/{ETAG}"}, "failed"),
        ({"If-Match": "sha256-abc"}, "failed"),
        # Section 13.1.4, and its order after If-Match.
        ({"If-Unmodified-Since": AT}, "whole"),
        ({"If-Unmodified-Since": BEFORE}, "failed"),
        ({"If-Unmodified-Since": "yesterday"}, "whole"),
        ({"If-Match": ETAG, "If-Unmodified-Since": BEFORE}, "whole"),
        # Section 13.1.2: weak comparison.
        ({"If-None-Match": ETAG}, "not-modified"),
        ({"If-None-Match": f"W/{ETAG}"}, "not-modified"),
        ({"If-None-Match": f'"a,b" , {ETAG}'}, "not-modified"),
        ({"If-None-Match": "*"}, "not-modified"),
        ({"If-None-Match": '"x"'}, "whole"),
        # Section 13.1.3, and its order after If-None-Match.
        ({"If-Modified-Since": AT}, "not-modified"),
        ({"If-Modified-Since": AFTER}, "not-modified"),
        ({"If-Modified-Since": BEFORE}, "whole"),
        ({"If-Modified-Since": "Tue, 99 Foo"}, "whole"),
        ({"If-Modified-Since": ""}, "whole"),
        ({"If-None-Match": '"x"', "If-Modified-Since": AT}, "whole"),
        # Section 13.2.2: a failed If-Match comes before an If-None-Match that holds.
        ({"If-Match": '"x"', "If-None-Match": ETAG}, "failed"),
        ({"If-None-Match": ETAG, "Range": "bytes=0-4"}, "not-modified"),
        ({"If-Match": '"x"', "Range": "bytes=0-4"}, "failed"),
    ],
    ids=str,
)
def test_preconditions(fields: dict[str, str], outcome: str) -> None:
    assert decide(HTTPHeaders(fields), 100, VALIDATORS).outcome == outcome


@pytest.mark.parametrize(
    ("if_range", "expected"),
    [
        (ETAG, PART),
        (f" {ETAG} ", PART),
        (AT, PART),
        (f"W/{ETAG}", Decision("whole")),
        ('"x"', Decision("whole")),
        (BEFORE, Decision("whole")),
        (AFTER, Decision("whole")),
        ("nonsense", Decision("whole")),
        ("", Decision("whole")),
    ],
)
def test_if_range(if_range: str, expected: Decision) -> None:
    fields = HTTPHeaders({"Range": "bytes=0-4", "If-Range": if_range})
    assert decide(fields, 100, VALIDATORS) == expected


def test_if_range_by_date_needs_a_strong_date() -> None:
    fields = HTTPHeaders({"Range": "bytes=0-4", "If-Range": AT})
    young = Validators(ETAG, MODIFIED, MODIFIED + 0.5)
    assert decide(fields, 100, young) == Decision("whole")


def test_a_stale_if_range_hides_a_range_outside_the_file() -> None:
    fields = HTTPHeaders({"Range": "bytes=500-"})
    assert decide(fields, 100, VALIDATORS) == Decision("unsatisfiable")
    fields["If-Range"] = '"x"'
    assert decide(fields, 100, VALIDATORS) == Decision("whole")


def test_head_ignores_range() -> None:
    for value in ("bytes=0-4", "bytes=500-"):
        fields = HTTPHeaders({"Range": value})
        assert decide(fields, 100, VALIDATORS, head=True) == Decision("whole")


FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "Range": HEADERS,
        "If-Range": st.text() | st.sampled_from([ETAG, f"W/{ETAG}", AT, BEFORE]),
        "If-Match": st.text() | st.sampled_from([ETAG, f'"x",{ETAG}', "*"]),
        "If-None-Match": st.text() | st.sampled_from([ETAG, f'"x",{ETAG}', "*", '"x"']),
        "If-Modified-Since": st.text() | st.sampled_from([AT, BEFORE, AFTER]),
        "If-Unmodified-Since": st.text() | st.sampled_from([AT, BEFORE, AFTER]),
    },
)


def check_decision(fields: dict[str, str], size: int) -> None:
    """Any fields get an answer; a part is sent only of the bytes that were asked for."""
    decision = decide(fields, size, VALIDATORS)
    assert bool(decision.ranges) == (decision.outcome == "partial")
    if "If-Match" in fields and ETAG not in fields["If-Match"] and "*" not in fields["If-Match"]:
        assert decision.outcome == "failed"
    if decision.outcome == "partial":
        assert fields.get("If-Range", ETAG).strip(" \t") in {ETAG, AT}
    head = decide(fields, size, VALIDATORS, head=True)
    assert head.outcome in {"whole", "not-modified", "failed"}


@given(FIELDS, st.integers(0, 1000))
def test_any_header_gets_a_decision(fields: dict[str, str], size: int) -> None:
    check_decision(fields, size)


@pytest.mark.faults
@MANY
@given(HEADERS, SIZES, FIELDS)
def test_ten_thousand_requests(header: str, size: int, fields: dict[str, str]) -> None:
    check_ranges(header, size)
    check_decision(fields, size)


@pytest.mark.parametrize("seconds", [0, 784_111_777, 1_712_000_000, 4_102_444_799])
def test_http_date(seconds: int) -> None:
    assert http_date(seconds) == formatdate(seconds, usegmt=True)


names = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/\\\0"), min_size=1, max_size=255
)


@given(names)
def test_a_name_survives_content_disposition(name: str) -> None:
    value = content_disposition(name)
    assert value.isascii()
    assert value.isprintable()
    plain, _, extended = value.removeprefix("attachment; filename=").partition("; filename*=")
    assert unquote(extended.removeprefix("UTF-8''"), errors="strict") == name
    assert plain[0] == plain[-1] == '"'
    assert '"' not in plain[1:-1]


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("flights.csv", "flights.csv"),
        ("my flights; 2013.csv", "my flights; 2013.csv"),
        ('say "hi".csv', "say _hi_.csv"),
        ("f\u00fcr 5 \u20ac.csv", "f_r 5 _.csv"),
        ("100%.csv", "100%.csv"),
        ("100%25.csv", "100_25.csv"),
        ("a\r\nSet-Cookie: x.csv", "a__Set-Cookie: x.csv"),
    ],
)
def test_the_plain_name_that_curl_reads(name: str, plain: str) -> None:
    message = Message()
    message["Content-Disposition"] = content_disposition(name).partition("; filename*")[0]
    assert message.get_filename() == plain


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [
        ("text/csv", "text/csv; charset=utf-8"),
        ("text/csv; charset=ascii", "text/csv; charset=ascii"),
        ("application/vnd.apache.parquet", "application/vnd.apache.parquet"),
        ("application/gzip", "application/gzip"),
        ("", "application/octet-stream"),
        ("text", "application/octet-stream"),
        ("text/html\r\nX: y", "application/octet-stream"),
        ("text/csv\n", "application/octet-stream"),
    ],
)
def test_content_type(media_type: str, expected: str) -> None:
    assert content_type(media_type) == expected
