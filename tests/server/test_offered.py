"""What a conversion may ask for: formats and options that are offered, and no secret ones."""

from __future__ import annotations

import json
from typing import Any

import pytest

from jupyter_server_ext.conversions.offered import require_offered
from jupyter_server_ext.errors import ApiError
from progresswidget.export.formats import find_format, formats
from progresswidget.export.offers import offers
from progresswidget.export.writers import compressed

OFFERS = {"allowed": True, "engine": True, **json.loads(json.dumps(offers()))}


def order(target: str, name: str = "", **options: Any) -> dict[str, Any]:
    return {"source": "a.parquet", "target": target, "format": name, "options": options}


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("a/b.CSV", ""),
        ("b.csv.gz", ""),
        ("b.jsonl.zst", ""),
        ("b.txt", "CSV.xz"),
        ("b.csv", "parquet"),
        ("b.zip.xlsx", ""),
    ],
)
def test_the_format_is_the_one_that_the_engine_takes(target: str, name: str) -> None:
    found = require_offered(order(target, name), OFFERS)["format"]
    assert found == find_format(target.rpartition("/")[2], name or None).name


@pytest.mark.parametrize(
    "asked",
    [
        order("b.zip"),
        order("b.zip", password="s3cret"),
        order("b.csv", "zip", password="s3cret"),
        order("b.csv", password="s3cret"),
        order("b.csv", compression_level=3),
        order("b.parquet.gz"),
        order("b.csv.age"),
        order("b.nonsense"),
        order("b.csv", "nonsense"),
        order("csv"),
    ],
    ids=str,
)
def test_what_is_not_offered_is_malformed_and_not_quoted(asked: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as refused:
        require_offered(asked, OFFERS)
    assert refused.value.code == "malformed"
    assert "s3cret" not in refused.value.message


def test_every_option_that_is_no_secret_is_taken() -> None:
    for row in OFFERS["formats"]:
        options = {option["name"]: option["default"] for option in row["options"]}
        asked = order("b", row["name"], **options)
        assert require_offered(asked, OFFERS) == asked
    packed = {option.name: None for option in compressed.OPTIONS}
    assert require_offered(order("b.csv.gz", **packed), OFFERS)["options"] == packed


def test_no_secret_of_any_format_is_taken() -> None:
    secrets = [
        (row.name, option.name)
        for row in formats().values()
        for option in row.options
        if option.secret
    ]
    assert secrets
    for name, option in secrets:
        with pytest.raises(ApiError):
            require_offered(order("b", name, **{option: "s3cret"}), OFFERS)


def test_without_an_engine_no_option_is_taken() -> None:
    nothing = {"allowed": True, "engine": False, "formats": [], "packings": []}
    assert require_offered(order("b.csv"), nothing) == order("b.csv")
    with pytest.raises(ApiError):
        require_offered(order("b.csv", delimiter=";"), nothing)
