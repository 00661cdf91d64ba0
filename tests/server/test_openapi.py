"""The OpenAPI document against a real server: schemathesis asks for what it says, and for more."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from reports import done_report, make_report
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.config import SchemathesisConfig

from jupyter_server_ext.schemas import path_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Process

DOCUMENT = json.loads(path_of("openapi").read_text())
OPERATIONS = [
    (method, address)
    for address, row in DOCUMENT["paths"].items()
    for method in row
    # A WebSocket is no request and answer; a question for the methods there are is never wrong.
    if method not in {"parameters", "options"} and address != "/ws"
]


def can_be_wrong(method: str, address: str) -> bool:
    """Say whether the document has a rule for anything that this operation takes."""
    row = DOCUMENT["paths"][address]
    refs = [*row.get("parameters", ()), *row[method].get("parameters", ())]
    names = [ref["$ref"].rpartition("/")[2] for ref in refs]
    schemas = [DOCUMENT["components"]["parameters"][name]["schema"] for name in names]
    ruled = any({"pattern", "maxLength", "enum"} & set(schema) for schema in schemas)
    return ruled or "requestBody" in row[method]


ASKED = [(*row, GenerationMode.POSITIVE) for row in OPERATIONS]
ASKED += [(*row, GenerationMode.NEGATIVE) for row in OPERATIONS if can_be_wrong(*row)]
asked = pytest.mark.parametrize(
    ("method", "address", "mode"), ASKED, ids=lambda one: getattr(one, "value", one)
)
LONGEST_ADDRESS = 8_000
"""Characters: tornado reads no head of more than 64 KiB, and does not say so."""
# What may come of a request that the document allows, or forbids.
CONFIG = {
    "checks": {
        "positive_data_acceptance": {
            "expected-statuses": ["2xx", "3xx", "403", "404", "405", "409", "41x", "422", "503"]
        },
        "negative_data_rejection": {
            "expected-statuses": ["400", "401", "403", "404", "405", "409", "41x", "422"]
        },
    }
}
# Rules that the document cannot say: which file a part belongs to, which names no file may have,
# how long a link may be open, which is a setting, which header fields of tus go together, and which
# options a conversion has, which depends on what is installed.
UNSAYABLE = {
    ("put", "/api/jobs/{taskId}"),
    ("put", "/api/jobs/{taskId}/place"),
    ("post", "/api/jobs/{taskId}/links"),
    ("post", "/api/links/{path}"),
    ("post", "/api/conversions"),
    ("post", "/uploads/"),
    ("patch", "/uploads/{uploadId}"),
    ("post", "/uploads/{uploadId}"),
}

load_all_checks()
CHECKED = [
    CHECKS.get_one(name)
    for name in (
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "response_headers_conformance",
        "negative_data_rejection",
        "positive_data_acceptance",
    )
]


@schemathesis.serializer("application/offset+octet-stream")
def octets(_: object, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


@dataclass
class Api:
    """A server with something in it, and the document of it."""

    process: Process
    root: Path
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.url = self.process.url.rstrip("/")
        document = DOCUMENT | {"servers": [{"url": self.url}]}
        config = SchemathesisConfig.from_dict(CONFIG)
        self.schema = schemathesis.openapi.from_dict(document, config=config)

    def credentials(self, address: str = "/api/limits", method: str = "put") -> dict[str, str]:
        ways = DOCUMENT["paths"][address][method]["security"]
        for_kernels = {name for way in ways for name in way} <= {"kernel", "reporter", "counter"}
        secret = self.process.content["secret"]
        scheme = f"Kernel {secret}" if for_kernels else f"token {self.process.token}"
        return {"Authorization": scheme}

    def post(self, path: str, **headers: str) -> requests.Response:
        fields = self.credentials()
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.session.post(f"{self.url}{path}", headers=fields, timeout=30)
        assert answer.status_code == 201, answer.text
        return answer

    def furnish(self) -> list[dict[str, str]]:
        """Make one thing of each kind, and return what of an address names them."""
        # Limits that were set at random would make a file take for ever.
        limits = {"transfer": 0, "user": 0, "server": 0}
        self.session.put(f"{self.url}/api/limits", json=limits, headers=self.credentials())
        whole, half, ended = done_report(self.root / "a.csv"), make_report(), make_report()
        for report in (whole, half, ended):
            self.process.report(report)
        self.process.report(ended | {"revision": 2, "status": "failed"})
        link = self.post(f"/api/jobs/{whole['taskId']}/links").json()
        upload = self.post("/uploads/", Tus_Resumable="1.0.0", Upload_Length="3")
        file = {"generation": "1", "name": "a.csv", "path": "a.csv", "folder": "sub", "worker": "1"}
        file |= {"linkId": link["id"], "token": link["url"].split("/")[-2]}
        file |= {"uploadId": upload.headers["Location"], "fileId": upload.headers["Location"]}
        elsewhere = {"path": "sub/b.csv", "folder": ""}
        return [
            file | {"taskId": whole["taskId"]},
            file | elsewhere | {"taskId": half["taskId"], "name": "flights.csv"},
            file | elsewhere | {"taskId": ended["taskId"], "name": "flights.csv"},
        ]


@pytest.fixture(scope="module")
def api(start_once: tuple[Callable[..., Process], Path]) -> Api:
    start, root = start_once
    (root / "sub").mkdir()
    (root / "a.csv").write_text("a,b\n1,2\n")
    (root / "sub" / "b.csv").write_text("b\n")
    return Api(start("--ProgressExtension.max_uploads_per_user=100000"), root)


def ask_for(api: Api, method: str, address: str, mode: GenerationMode, examples: int) -> None:
    operation = api.schema[address][method]
    credentials, places = api.credentials(address, method), api.furnish()
    checks = [
        check
        for check in CHECKED
        if (method, address) not in UNSAYABLE or check.__name__ != "positive_data_acceptance"
    ]

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode), place=st.sampled_from([None, *places]))
    def ask(case: Any, place: dict[str, str] | None) -> None:
        # In an address that leads somewhere the rest of a request is looked at, too.
        for name in case.path_parameters or {} if place is not None else {}:
            case.path_parameters[name] = place[name]
        if mode is GenerationMode.POSITIVE and isinstance(case.body, dict):
            # The document cannot say that it is the id of the address.
            case.body.pop("taskId", None)
        assume(len(case.formatted_path) + len(str(case.query)) < LONGEST_ADDRESS)
        response = case.call(base_url=api.url, session=api.session, headers=credentials, timeout=60)
        assert response.status_code not in {500, 501, 502, 504}, response.text
        found = checks if place is None or mode is GenerationMode.POSITIVE else checks[:4]
        case.validate_response(response, checks=found, headers=credentials)

    ask()


@asked
def test_the_server_keeps_to_the_document(
    api: Api, method: str, address: str, mode: GenerationMode
) -> None:
    ask_for(api, method, address, mode, examples=4)


@pytest.mark.faults
@asked
def test_the_server_keeps_to_the_document_for_long(
    api: Api, method: str, address: str, mode: GenerationMode
) -> None:
    ask_for(api, method, address, mode, examples=100)


def test_nothing_of_it_failed_unexpectedly(api: Api) -> None:
    assert "Traceback" not in api.process.log.read_text()


@pytest.mark.parametrize("address", sorted({address for _, address in OPERATIONS}))
def test_a_method_that_is_not_there_is_refused_with_those_that_are(api: Api, address: str) -> None:
    row = {method for method in DOCUMENT["paths"][address] if method != "parameters"}
    known = {method.upper() for method in row}
    path = address.replace("{", "").replace("}", "")
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} - known:
        headers = {"Tus-Resumable": "1.0.0"} | api.credentials(address, min(row))
        answer = api.session.request(method, f"{api.url}{path}", headers=headers, timeout=30)
        assert answer.status_code == 405, (method, answer.text)
        assert known <= set(answer.headers["Allow"].split(", "))


def test_nobody_is_let_in_without_credentials(api: Api) -> None:
    for method, address in OPERATIONS:
        security = DOCUMENT["paths"][address][method]["security"]
        path = address.replace("{", "").replace("}", "")
        answer = requests.request(method.upper(), f"{api.url}{path}", timeout=30)
        assert (answer.status_code in {401, 403}) is bool(security), (method, address)
