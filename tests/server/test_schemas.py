"""The published documents: as they would be made now, valid, and true of frames and routes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator
from reports import make_report
from tornado.web import RequestHandler

from jupyter_server_ext.errors import TABLE
from jupyter_server_ext.handlers import routes
from jupyter_server_ext.schemas import NAMES, make, path_of
from progresswidget import protocol
from progresswidget.protocol import (
    CLOSE_CODES,
    PRIVATE_FIELDS,
    RECORD_FIELDS,
    MalformedError,
    decode_client_message,
    decode_order,
    decode_place,
    decode_report,
)
from progresswidget.protocol.catalogue import BROWSER_MESSAGES, SERVER_MESSAGES

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Server

    from progresswidget.protocol import Json

ROOT = Path(__file__).parents[2]
TASK = "0123456789abcdef0123456789abcdef"
DOCUMENTS = {name: json.loads(path_of(name).read_text()) for name in NAMES}
OPENAPI, ASYNCAPI, WIRE = DOCUMENTS["openapi"], DOCUMENTS["asyncapi"], DOCUMENTS["wire"]


def validator(name: str) -> Any:
    return jsonschema.Draft202012Validator({**WIRE, "$ref": f"#/$defs/{name}"})


def frames(side: str) -> list[Json]:
    path = ROOT / "tests" / "data" / "protocol" / f"{side}_frames.json"
    rows: list[Json] = json.loads(path.read_text())
    return rows


def parsed(frame: str) -> object:
    """Return what a frame holds; what is no JSON is no message."""
    try:
        return json.loads(frame, parse_constant=lambda _: object())
    except ValueError:
        return None


# --- The documents --------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_document_is_what_the_tables_make(name: str) -> None:
    assert path_of(name).read_text() == make(name), "run: python -m jupyter_server_ext.schemas"


def test_the_wire_is_a_valid_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(WIRE)


def test_the_openapi_document_is_valid() -> None:
    OpenAPIV31SpecValidator(OPENAPI).validate()


def test_the_asyncapi_document_is_valid() -> None:
    specs = ROOT / "progresswidget" / "js" / "node_modules" / "@asyncapi" / "specs" / "schemas"
    # Without the $id of each definition: the references stay within the document.
    official = json.loads((specs / "3.0.0-without-$id.json").read_text())
    jsonschema.Draft7Validator(official).validate(ASYNCAPI)


def test_the_schemas_of_asyncapi_say_the_same_in_its_own_dialect() -> None:
    for name, schema in ASYNCAPI["components"]["schemas"].items():
        jsonschema.Draft7Validator.check_schema(schema)
        told = json.loads(json.dumps(schema).replace("#/components/schemas/", "#/$defs/"))
        assert told == WIRE["$defs"][name]


@pytest.mark.parametrize("document", [ASYNCAPI, OPENAPI, WIRE], ids=["async", "open", "wire"])
def test_every_reference_leads_somewhere_and_every_definition_is_used(document: Json) -> None:
    text = json.dumps(document)
    for ref in set(re.findall(r'"\$ref": "#/([^"]+)"', text)):
        found: Any = document
        for part in ref.split("/"):
            found = found[part]
        assert found
    if document is OPENAPI:
        for kind in ("parameters", "headers"):
            for name in document["components"][kind]:
                assert f"#/components/{kind}/{name}" in text, name


def test_every_field_says_what_it_is() -> None:
    for name, schema in WIRE["$defs"].items():
        for field, row in schema.get("properties", {}).items():
            told = "description" in row or field in {"type", "data"}
            assert told, f"{name}.{field}"


def test_the_close_codes_are_all_of_them() -> None:
    known = {value for name, value in vars(protocol).items() if re.match(r"CLOSE_(?!CODES)", name)}
    assert set(CLOSE_CODES) == known
    told = ASYNCAPI["channels"]["live"]["x-close-codes"]
    assert {int(code) for code in told} == known


def test_the_server_sends_each_close_code() -> None:
    paths = (ROOT / "jupyter_server_ext").rglob("*.py")
    sources = "".join(path.read_text() for path in paths if path.parent.name != "schemas")
    names = {name for name in vars(protocol) if re.match(r"CLOSE_(?!CODES)", name)}
    assert {name for name in names if not re.search(rf"\b{name}\b", sources)} == set()


def test_what_the_server_keeps_to_itself_is_in_no_record() -> None:
    assert not set(RECORD_FIELDS) & PRIVATE_FIELDS


# --- The frames -----------------------------------------------------------------------------

# Two fields that must agree, the length of a frame, half a surrogate pair: no schema can say it.
UNSAYABLE = {
    "subscribe to a notebook that cannot be sent on",
    "subscribed with the snapshot of another task",
    "subscribed with the event of another task",
    "from above seq",
    "a frame above 64 KiB",
}
GOLDEN = [("BrowserMessage", row) for row in frames("client")]
GOLDEN += [("ServerMessage", row) for row in frames("server")]


@pytest.mark.parametrize(("side", "row"), GOLDEN, ids=[row["name"] for _, row in GOLDEN])
def test_golden_frames_follow_the_schema(side: str, row: Json) -> None:
    fits = validator(side).is_valid(parsed(row["frame"]))
    assert fits is (row["valid"] or row["name"] in UNSAYABLE)


def test_every_message_has_a_golden_frame() -> None:
    for messages, side in ((SERVER_MESSAGES, "server"), (BROWSER_MESSAGES, "client")):
        valid = [parsed(row["frame"]) for row in frames(side) if row["valid"]]
        for name in messages:
            assert any(validator(name).is_valid(frame) for frame in valid), name


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def agree(name: str, decode: Callable[[bytes], object], value: object) -> None:
    try:
        decode(json.dumps(value).encode())
        taken = True
    except MalformedError:
        taken = False
    assert validator(name).is_valid(value) is taken


positions = st.fixed_dictionaries(
    {"taskId": st.just(TASK) | json_values},
    optional={
        "epoch": st.none() | st.text(max_size=70) | json_values,
        "seq": st.integers(-1, 2**53) | json_values,
    },
)
browser_messages = st.fixed_dictionaries(
    {"type": st.sampled_from(["subscribe", "unsubscribe", "ping"])},
    optional={
        "id": st.integers(-1, 2**54) | json_values,
        "data": json_values
        | st.fixed_dictionaries(
            {"tasks": st.lists(positions | st.just(TASK) | json_values, max_size=3)}
        ),
    },
)


@given(browser_messages | json_values)
def test_the_schema_and_the_decoder_take_the_same_messages(value: object) -> None:
    agree("BrowserMessage", lambda body: decode_client_message(body.decode()), value)


REPORT = make_report(TASK)
PART = {"name": ".flights.csv.0123abcd.part", "device": "1", "inode": "2", "size": "3"}
texts = ("done", "running", "x" * 300, "ab" * 32, "/a", "C:\\a", "..", ".", "...", "a/b", "1")
objects: tuple[Json, ...] = (
    {"code": "a", "message": "b", "hint": "c"},
    {"device": "1", "inode": "2", "size": "3", "mtimeNs": "4", "ctimeNs": "5"},
    PART,
)
odd = json_values | st.sampled_from((*texts, 100, 101, 2**53, *objects))


@given(st.dictionaries(st.sampled_from(sorted(REPORT)), odd, max_size=3))
def test_the_schema_and_the_decoder_take_the_same_reports(changes: Json) -> None:
    # That the id is the address's, and the part's name the file's, is between two places.
    for name in ("taskId", "name", "probe"):
        changes.pop(name, None)
    agree("Report", lambda body: decode_report(TASK, body), REPORT | changes)


@given(st.dictionaries(st.sampled_from(sorted(REPORT)), odd, max_size=4))
def test_the_schema_and_the_decoder_take_the_same_orders(changes: Json) -> None:
    agree("Order", decode_order, {"name": "a.csv", "path": "/a.csv"} | changes)
    agree("Order", decode_order, changes)


@given(
    st.dictionaries(st.sampled_from(["relative", "path", "sha256", "size"]), odd | st.text())
    | json_values
)
def test_the_schema_and_the_decoder_take_the_same_places(value: object) -> None:
    agree("Place", decode_place, value)


async def test_what_a_server_really_says_follows_the_schema(
    server: Server, report: Callable[..., Json], tmp_path: Path
) -> None:
    server_message = validator("ServerMessage")
    page, body = await server.connect(), report(TASK)
    await server.reported(body)
    ask = {"type": "subscribe", "id": 1, "data": {"tasks": [{"taskId": TASK}]}}
    await page.write_message(json.dumps(ask))
    await page.write_message(json.dumps(ask | {"data": {"all": True}}))
    await page.write_message(json.dumps({"type": "ping", "id": 2}))
    await page.write_message(json.dumps({"type": "sing", "id": 3}))
    seen: set[str] = set()

    async def until(kind: str) -> None:
        while kind not in seen:
            frame = await page.read_message()
            assert frame is not None
            message = json.loads(frame)
            server_message.validate(message)
            seen.add(message["type"])

    await until("error")
    await server.reported(body | {"revision": 2, "rows": 7})
    await until("progress_update")
    await server.reported(body | {"revision": 3, "status": "cancelled"})
    await until("task_complete")
    await server.fetch(f"api/jobs/{TASK}", method="DELETE")
    await until("task_removed")
    await server.fetch(
        "uploads/",
        method="POST",
        headers={"Tus-Resumable": "1.0.0", "Upload-Length": "3"}
        | {"Content-Type": "application/offset+octet-stream"},
        body=b"abc",
    )
    await until("transfer_update")
    assert seen == {message.type for message in SERVER_MESSAGES.values()}


# --- The addresses --------------------------------------------------------------------------

METHODS = ("get", "head", "post", "put", "patch", "delete")


def own_methods(handler: type[RequestHandler]) -> set[str]:
    found = {
        method
        for method in METHODS
        if getattr(handler, method) is not getattr(RequestHandler, method)
    }
    # What jupyter_server answers by itself to OPTIONS is not ours to describe.
    ours = handler.options.__module__.startswith("jupyter_server_ext")
    return found | ({"options"} if ours else set())


TABLE_OF_ROUTES = routes(None)[:-1]  # type: ignore[arg-type]  # the last takes whatever is left


def routed(address: str) -> tuple[str, type[Any]]:
    example = "progresswidget" + re.sub(r"\{\w+\}", "x", address)
    for pattern, handler, _ in TABLE_OF_ROUTES:
        if re.fullmatch(pattern, example):
            return pattern, handler
    raise AssertionError(f"no route for {address}")


def test_the_document_has_every_method_of_every_route_and_no_other() -> None:
    documented = {address: set(row) - {"parameters"} for address, row in OPENAPI["paths"].items()}
    for address, methods in documented.items():
        assert methods == own_methods(routed(address)[1]), address
    assert {routed(address)[0] for address in documented} == {row[0] for row in TABLE_OF_ROUTES}


def test_every_error_of_the_table_is_told_somewhere() -> None:
    text = json.dumps(OPENAPI)
    # The WebSocket tells its own in a message.
    assert {code for code in TABLE if f"`{code}`" not in text} == {"unknown-type"}


@pytest.mark.parametrize("name", ["openapi", "asyncapi"])
async def test_the_document_can_be_asked_for(server: Server, name: str) -> None:
    response = await server.fetch(f"api/{name}.json")
    assert response.code == 200
    assert response.headers["Content-Type"].startswith("application/json")
    assert json.loads(response.body) == DOCUMENTS[name]
    assert (await server.fetch(f"api/{name}.json", token=False)).code == 403
