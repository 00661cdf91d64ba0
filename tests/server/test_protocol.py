"""The wire: golden frames that the front end reads too, and decoders that survive anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progresswidget import protocol
from progresswidget.protocol import (
    LATER_FIELDS,
    MAX_COUNT,
    REPORT_FIELDS,
    STATUSES,
    MalformedError,
    Ping,
    Subscribe,
    Unsubscribe,
    decode_client_message,
    decode_report,
    is_task_id,
)

if TYPE_CHECKING:
    from collections.abc import Callable

FRAMES = json.loads(
    (Path(__file__).parent.parent / "data" / "protocol" / "client_frames.json").read_text()
)
TASK = "0123456789abcdef0123456789abcdef"
PART = {
    "name": ".a.csv.0123abcd.part",
    "device": "1",
    "inode": "2",
    "size": "3",
    "digest": "xxh128",
}
WRITTEN = {
    "device": "1",
    "inode": "2",
    "size": "3",
    "mtimeNs": "4",
    "ctimeNs": "5",
    "xxh128": "ab" * 16,
}


@pytest.mark.parametrize("row", FRAMES, ids=lambda row: row["name"])
def test_golden_frames(row: dict[str, Any]) -> None:
    if row["valid"]:
        assert isinstance(decode_client_message(row["frame"]), Subscribe | Unsubscribe | Ping)
        return
    with pytest.raises(MalformedError) as caught:
        decode_client_message(row["frame"])
    assert caught.value.code == row["code"]


def test_golden_frames_hold_every_type_and_code() -> None:
    kinds = {type(decode_client_message(row["frame"])) for row in FRAMES if row["valid"]}
    assert kinds == {Subscribe, Unsubscribe, Ping}
    assert {row["code"] for row in FRAMES if not row["valid"]} == {
        "malformed",
        "unknown-type",
        "too-many",
    }


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
messages = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["subscribe", "unsubscribe", "ping"]) | json_values,
        "id": st.integers(-2, 2**60) | json_values,
        "data": json_values
        | st.fixed_dictionaries(
            {
                "tasks": st.lists(
                    json_values
                    | st.just(TASK)
                    | st.fixed_dictionaries(
                        {"taskId": st.just(TASK) | json_values},
                        optional={"epoch": json_values, "seq": json_values},
                    ),
                    max_size=4,
                )
            }
        )
        | st.dictionaries(
            st.sampled_from(["tasks", "notebook", "user", "all"]), json_values, max_size=2
        ),
    },
)


@given(messages | json_values)
def test_a_frame_is_a_message_or_malformed(value: object) -> None:
    frame = json.dumps(value)
    try:
        message = decode_client_message(frame)
    except MalformedError as error:
        identity = error.re
        assert identity is None or 0 <= identity <= MAX_COUNT
        return
    if isinstance(message, Subscribe):
        assert all(is_task_id(position.task_id) for position in message.positions)
        assert all(0 <= position.seq <= MAX_COUNT for position in message.positions)
    elif isinstance(message, Unsubscribe):
        assert all(is_task_id(task_id) for task_id in message.task_ids)


@given(st.text() | st.binary())
def test_noise_is_malformed_and_nothing_worse(noise: str | bytes) -> None:
    with pytest.raises(MalformedError):
        decode_client_message(noise)


@given(st.binary())
def test_noise_is_no_report(noise: bytes) -> None:
    with pytest.raises(MalformedError):
        decode_report(TASK, noise)


@given(name=st.sampled_from(sorted(REPORT_FIELDS)), value=json_values)
def test_a_report_with_any_field_replaced_is_taken_as_it_is_or_refused(
    name: str, value: object
) -> None:
    body = {**_valid(), name: value}
    try:
        report = decode_report(TASK, json.dumps(body).encode())
    except MalformedError:
        return
    assert report[name] == value
    assert report["status"] in STATUSES
    json.dumps(report, allow_nan=False).encode()


@pytest.mark.parametrize("name", sorted(REPORT_FIELDS))
def test_every_field_is_needed(name: str) -> None:
    body = _valid()
    del body[name]
    with pytest.raises(MalformedError, match=f"{name} is missing"):
        decode_report(TASK, json.dumps(body).encode())


def test_unknown_fields_are_left_out() -> None:
    report = decode_report(TASK, json.dumps({**_valid(), "later": 1}).encode())
    assert set(report) == {
        "taskId",
        "steps",
        "error",
        "fingerprint",
        "part",
        "written",
        "probe",
        *REPORT_FIELDS,
        *LATER_FIELDS,
    }


def test_a_kernel_of_an_older_version_lacks_later_fields() -> None:
    assert decode_report(TASK, json.dumps(_valid()).encode())["reused"] == 0
    body = {**_valid(), "reused": 7}
    assert decode_report(TASK, json.dumps(body).encode())["reused"] == 7


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "a/b.csv"},
        {"name": "a\\b.csv"},
        {"name": ""},
        {"path": "relative.csv"},
        {"path": "/a\0b"},
        {"status": "finished"},
        {"phase": "later"},
        {"progress": 101},
        {"rows": -1},
        {"rows": 2**53},
        {"rows": True},
        {"reused": -1},
        {"reused": None},
        {"appendOnly": 1},
        {"part": "text"},
        {"part": {"name": ".a.csv.0123abcd.part"}},
        {"part": PART | {"size": 7}},
        {"part": PART | {"name": ".b.csv.0123abcd.part"}},
        {"part": PART | {"name": "../.a.csv.0123abcd.part"}},
        {"part": PART | {"digest": "md5"}},
        {"written": "text"},
        {"written": WRITTEN | {"xxh128": "AB" * 16}},
        {"written": {"xxh128": "ab" * 16}},
        {"sha256": "AB" * 32},
        {"status": "done"},
        {"steps": "write"},
        {"steps": ["write"]},
        {"steps": [{"name": "write", "status": "well"}]},
        {"steps": [{"name": "w" * 33, "status": "done"}]},
        {"steps": [{"name": "write", "status": "done"}] * 9},
        {"error": "text"},
        {"error": {"code": "x"}},
        {"fingerprint": {"device": 1}},
        {"taskId": "f" * 32},
        {"name": "\ud800.csv"},
        {"parent": "of another page"},
        {"parent": TASK},
        {"title": "x" * 256},
    ],
    ids=str,
)
def test_reports_that_break_a_rule(changes: dict[str, object]) -> None:
    with pytest.raises(MalformedError):
        decode_report(TASK, json.dumps({**_valid(), **changes}).encode())


def test_a_group_is_done_without_a_file() -> None:
    body = {**_valid(), "kind": "group", "status": "done", "parent": "f" * 32, "title": "a/b"}
    report = decode_report(TASK, json.dumps(body).encode())
    assert (report["parent"], report["title"]) == ("f" * 32, "a/b")


def test_the_steps_survive_the_wire() -> None:
    steps = [{"name": "write", "status": "undone"}, {"name": "send", "status": "failed"}]
    told = [step | {"later": 1} for step in steps]
    report = decode_report(TASK, json.dumps(_valid() | {"steps": told}).encode())
    assert report["steps"] == steps
    assert decode_report(TASK, json.dumps(_valid()).encode())["steps"] is None


def test_the_part_survives_the_wire() -> None:
    report = decode_report(TASK, json.dumps(_valid() | {"part": PART}).encode())
    assert report["part"] == PART
    assert protocol.Part.from_json(PART).to_json() == PART


def test_a_part_of_an_older_kernel_is_known_by_its_sha256() -> None:
    older = {name: value for name, value in PART.items() if name != "digest"}
    report = decode_report(TASK, json.dumps(_valid() | {"part": older}).encode())
    assert report["part"]["digest"] == "sha-256"
    assert protocol.Part.from_json(older).digest == "sha-256"


def test_what_is_written_survives_the_wire() -> None:
    report = decode_report(TASK, json.dumps(_valid() | {"written": WRITTEN}).encode())
    assert report["written"] == WRITTEN
    assert protocol.Written.from_json(WRITTEN).to_json() == WRITTEN


def test_the_fingerprint_survives_the_wire() -> None:
    value = protocol.Fingerprint(2**63, 2**63, 7, 1712000000123456789, 1712000000123456790)
    assert protocol.Fingerprint.from_json(json.loads(json.dumps(value.to_json()))) == value


def _valid() -> dict[str, Any]:
    texts = {"status": "running", "phase": "writing", "name": "a.csv", "path": "/tmp/a.csv"}
    blank: dict[str, Callable[[], Any]] = {
        "text": lambda: "",
        "count": lambda: 0,
        "number": lambda: 0,
        "flag": lambda: False,
    }
    fields = {
        name: None if field.nullable else blank[field.kind]()
        for name, field in REPORT_FIELDS.items()
    }
    return {**fields, **texts}


SERVER_FRAMES = json.loads(
    (Path(__file__).parent.parent / "data" / "protocol" / "server_frames.json").read_text()
)


@pytest.mark.parametrize(
    "row",
    [row for row in SERVER_FRAMES if row["valid"] and '"epoch"' in row["frame"]],
    ids=lambda row: str(row["name"]),
)
def test_messages_of_encoded_parts_are_those_that_the_page_is_tested_with(
    row: dict[str, Any],
) -> None:
    sent = {"re": None} | json.loads(row["frame"])
    built, spliced = _built(sent)
    assert built.items() <= sent.items()
    assert spliced == protocol.encode(built).encode()


def _built(sent: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    named = {name: sent[name] for name in ("epoch", "seq", "timestamp")}
    data = sent["data"]
    if sent["type"] != "subscribed":
        named["first"] = sent["from"]
        spliced = protocol.encode_event(
            **named, status=data["status"], data=protocol.encode(data).encode()
        )
        return protocol.event(**named, data=data), spliced
    named |= {"re": sent["re"], "task_id": data["taskId"]}
    snapshot, events = data.get("snapshot"), data.get("events", [])
    spliced = protocol.encode_subscribed(
        **named,
        snapshot=None if snapshot is None else protocol.encode(snapshot).encode(),
        events=[_built(event)[1] for event in events],
    )
    return protocol.subscribed(**named, snapshot=snapshot, events=events), spliced
