"""The export dialog, by the messages that its front end sends."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import progresswidget as pw
from progresswidget.dialog import widget
from progresswidget.dialog.preview import SupersededError
from progresswidget.dialog.wish import Wish

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from progresswidget.dialog.widget import ExportDialog
    from progresswidget.protocol import Json

FRAME = pl.DataFrame({"id": range(5), "name": ["a", None, "c", "d", "e"], "price": [1.5] * 5})
LIMIT = 60


def asked(dialog: ExportDialog, *, exporting: bool = False, **choice: Any) -> Json:
    """Send what the front end sends, and wait for the answer."""
    form, there = dialog.form, threading.Event()
    wish = {"path": "out.csv", "format": "csv"} | choice

    def answered(change: Any) -> None:
        if change["new"].get("re") == "question":
            there.set()

    form.answer = {}
    form.observe(answered, "answer")
    form._hear(form, {"export" if exporting else "ask": wish, "re": "question"}, [])
    assert there.wait(LIMIT)
    form.unobserve(answered, "answer")
    answer: Json = form.answer
    return answer


def test_the_first_rows_and_the_size_are_told() -> None:
    dialog = pw.export_dialog(FRAME, name="df")
    assert dialog.form.columns == [["id", "int64"], ["name", "string"], ["price", "double"]]
    assert dialog.form.total == 5
    answer = asked(dialog)
    assert answer["code"] == 'pw.export(df, "out.csv")'
    found = answer["preview"]
    assert found["rows"][1] == ["1", None, "1.5"]
    text = "id,name,price\n0,a,1.5\n1,,1.5\n2,c,1.5\n3,d,1.5\n4,e,1.5\n"
    assert (found["total"], found["bytes"], found["exact"]) == (5, len(text), True)


def test_columns_sql_and_options_are_in_preview_and_code() -> None:
    dialog = pw.export_dialog(FRAME, name="df")
    answer = asked(dialog, columns=["price", "id"], where="id > 2", options={"delimiter": ";"})
    assert answer["preview"]["rows"] == [["1.5", "3"], ["1.5", "4"]]
    assert [name for name, _ in answer["preview"]["columns"]] == ["price", "id"]
    assert answer["code"] == (
        "pw.export(\n"
        "    df,\n"
        '    "out.csv",\n'
        '    columns=["price", "id"],\n'
        '    where="id > 2",\n'
        '    delimiter=";",\n'
        ")"
    )


def test_the_code_does_what_the_dialog_does(tmp_path: Path) -> None:
    dialog = pw.export_dialog(FRAME, name="df")
    choice = {
        "path": str(tmp_path / "a.txt"),
        "format": "tsv",
        "columns": ["id"],
        "where": "name = 'c'",
        "options": {"header": False, "null": "N/A"},
    }
    answer = asked(dialog, exporting=True, **choice)
    assert dialog.job is not None
    dialog.job.result(LIMIT)
    code = answer["code"].replace("a.txt", "b.txt")
    exec(code, {"pw": pw, "df": FRAME})
    assert (tmp_path / "a.txt").read_bytes() == (tmp_path / "b.txt").read_bytes() == b"2\n"
    assert len(dialog.children) == 2
    assert dialog.children[1].task_id == dialog.job.id


@pytest.mark.parametrize(
    ("choice", "code", "word"),
    [
        ({"where": "price >"}, "bad-option", "SQL"),
        ({"columns": ["none"]}, "bad-column", "none"),
        ({"options": {"delimiter": "ab"}}, "bad-option", "delimiter"),
        ({"format": "nonsense"}, "unsupported-format", "nonsense"),
        ({"columns": 5}, "bad-option", "choice"),
    ],
)
def test_what_is_wrong_is_said_in_words(choice: Json, code: str, word: str) -> None:
    answer = asked(pw.export_dialog(FRAME), **choice)
    assert answer["error"]["code"] == code
    assert word in answer["error"]["message"]
    assert "preview" not in answer


def test_a_file_that_is_there_is_replaced_only_when_it_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("mine")
    dialog = pw.export_dialog(FRAME)
    assert asked(dialog, path=str(path))["exists"] is True
    refused = asked(dialog, exporting=True, path=str(path))
    assert refused["taken"] is True
    assert (path.read_text(), dialog.job) == ("mine", None)
    asked(dialog, exporting=True, path=str(path), overwrite=True)
    assert dialog.job is not None
    dialog.job.result(LIMIT)
    assert path.read_text().startswith("id,name")


def test_a_lazy_frame_is_not_collected_for_the_preview() -> None:
    read = []

    def note(frame: pl.DataFrame) -> pl.DataFrame:
        read.append(frame.height)
        return frame

    # Far more rows than an engine reads ahead, however its threads happen to run.
    lazy = pl.LazyFrame({"n": pl.int_range(20_000_000, eager=True)}).map_batches(
        note, streamable=True, schema=pl.Schema({"n": pl.Int64}), slice_pushdown=True
    )
    answer = asked(pw.export_dialog(lazy))
    assert len(answer["preview"]["rows"]) == 12
    assert 0 < sum(read) < 20_000_000
    assert answer["preview"]["total"] is None


@pytest.mark.parametrize(
    "make", [lambda: iter([{"a": 1}]), lambda: pa.table({"a": [1]}).to_reader()]
)
def test_what_can_be_read_once_is_left_for_the_export(
    make: Callable[[], object], tmp_path: Path
) -> None:
    dialog = pw.export_dialog(make())
    assert "preview" not in asked(dialog)
    asked(dialog, exporting=True, path=str(tmp_path / "out.csv"))
    assert dialog.job is not None
    assert dialog.job.result(LIMIT).rows == 1


def test_the_size_of_many_rows_is_about_right(tmp_path: Path) -> None:
    frame = pd.DataFrame({"n": range(200_000), "t": ["some text"] * 200_000})
    dialog = pw.export_dialog(frame)
    found = asked(dialog, format="parquet", path="out.parquet", columns=["n"])["preview"]
    assert (found["exact"], found["total"]) == (False, 200_000)
    true = pw.export(frame, tmp_path / "a.csv", index=False).bytes
    about = asked(dialog)["preview"]["bytes"]
    assert 0.7 * true < about < 1.6 * true


def test_only_the_newest_question_is_answered() -> None:
    dialog = pw.export_dialog(FRAME)
    form, begun, go = dialog.form, threading.Event(), threading.Event()
    answers: list[object] = []
    given_up: list[bool] = []

    def answer(question: Json, wanted: Callable[[], bool]) -> Json:
        begun.set()
        go.wait(LIMIT)
        given_up.append(not wanted())
        return {"re": question["re"]}

    form._answer = answer
    form.observe(lambda change: answers.append(change["new"].get("re")), "answer")
    form._hear(form, {"ask": {}, "re": 1}, [])
    assert begun.wait(LIMIT)
    for number in (2, 3, 4):
        form._hear(form, {"ask": {}, "re": number}, [])
    end = threading.Event()
    form.observe(lambda change: end.set() if change["new"].get("re") == 4 else None, "answer")
    go.set()
    assert end.wait(LIMIT)
    assert 2 not in answers
    assert 3 not in answers
    assert given_up[0] is True


def test_sql_that_would_go_on_for_hours_is_interrupted_when_another_question_comes() -> None:
    dialog = pw.export_dialog(FRAME)
    # Far more rows are looked at before the first one comes than anybody waits for.
    endless = "SELECT count(*) FROM data, range(1_000_000_000_000) WHERE (id + range) % 7 = 3"
    wish = {"path": "out.csv", "format": "csv", "where": endless}
    dialog.form._hear(dialog.form, {"ask": wish, "re": "endless"}, [])
    wait_until(lambda: len(reading()) == 1)
    assert asked(dialog, where="id < 2")["preview"]["total"] == 2
    wait_until(lambda: not reading())


def reading() -> list[threading.Thread]:
    """Return the threads that read for a preview."""
    return [one for one in threading.enumerate() if one.name == "progresswidget-read"]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Slow:
    """A form whose first preview goes on until `go`, and what it answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.dialog = pw.export_dialog(FRAME)
        self.go, begun = threading.Event(), threading.Event()
        self.answers: list[Json] = []
        self._there = threading.Condition()
        self.dialog.form.observe(self._note, "answer")

        def slow(_frame: object, wish: Wish, wanted: Callable[[], bool]) -> Json:
            begun.set()
            assert self.go.wait(LIMIT)
            if not wanted():
                raise SupersededError
            return {"of": wish.where}

        monkeypatch.setattr(widget, "preview", slow)
        self.send("ask", 1, where="first")
        assert begun.wait(LIMIT)

    def send(self, what: str, number: int, **choice: Any) -> None:
        wish = {"path": "out.csv", "format": "csv"} | choice
        self.dialog.form._hear(self.dialog.form, {what: wish, "re": number}, [])

    def _note(self, change: Any) -> None:
        with self._there:
            self.answers.append(change["new"])
            self._there.notify_all()

    def numbers(self, *last: int) -> list[object]:
        """Return what was answered, as soon as these were."""
        self.go.set()
        with self._there:
            assert self._there.wait_for(
                lambda: {*last} <= {answer["re"] for answer in self.answers}, LIMIT
            )
            return [answer["re"] for answer in self.answers]


def test_an_edit_after_export_neither_replaces_it_nor_its_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there.csv"
    there.write_text("mine")
    slow = Slow(monkeypatch)
    slow.send("export", 2, path=str(tmp_path / "a.csv"))
    slow.send("export", 3, path=str(there))
    slow.send("ask", 4, where="newest")
    assert slow.numbers(2, 3, 4) == [2, 3, 4]
    begun, refused, seen = slow.answers
    assert (begun["exporting"], "error" in begun) == (True, False)
    assert (refused["exporting"], refused["taken"]) == (True, True)
    assert (seen["exporting"], seen["preview"]) == (False, {"of": "newest"})
    assert slow.dialog.job is not None
    assert slow.dialog.job.result(LIMIT).rows == FRAME.height
    assert (tmp_path / "a.csv").exists()


def test_what_waits_to_be_exported_already_is_not_exported_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(monkeypatch)
    for number in (2, 3):
        slow.send("export", number, path=str(tmp_path / "a.csv"))
    # Each is answered, and the preview that gave way to them comes after all.
    assert slow.numbers(1, 2, 3) == [2, 3, 1]
    assert len(slow.dialog.children) == 2
    assert slow.dialog.job is not None
    slow.dialog.job.result(LIMIT)


def test_it_is_the_same_in_every_run_and_called_as_the_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("__main__.sales", FRAME, raising=False)
    dialog = pw.export_dialog(FRAME)
    assert repr(dialog) == "ExportDialog(sales)"
    assert widget.variable_of(object()) is None


def test_what_is_no_frame_is_refused_at_once() -> None:
    with pytest.raises(pw.UnsupportedSourceError):
        pw.export_dialog(5)


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        (Wish("a.csv", "csv"), 'pw.export(df, "a.csv")'),
        (Wish("a.csv", "tsv"), 'pw.export(df, "a.csv", format="tsv")'),
        (Wish('q"\n.csv', "csv"), "pw.export(df, 'q\"\\n.csv')"),
        (Wish("a.csv", "csv", options={"bom": True, "null": None}),
         'pw.export(df, "a.csv", bom=True, null=None)'),
    ],
)  # fmt: skip
def test_the_code_is_python(wish: Wish, code: str) -> None:
    assert wish.call("df", "csv") == code
    compile(code, "code", "eval")
