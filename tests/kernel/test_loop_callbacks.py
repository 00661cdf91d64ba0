"""What other libraries do, shown by their own hooks: each with the library itself."""

from __future__ import annotations

import asyncio
import gzip
import io
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import duckdb
import httpx
import polars as pl
import pytest
import requests

import progresswidget as pw
from progresswidget.errors import MissingExtraError
from progresswidget.loops import callbacks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import ReportingServer

BODY = b"0123456789" * 50_000


@contextmanager
def serving(*, compressed: bool) -> Iterator[str]:
    """Serve `BODY`, and give its address."""
    sent = gzip.compress(BODY) if compressed else BODY

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(sent)))
            if compressed:
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def last_line(text: io.StringIO) -> str:
    return text.getvalue().strip().rpartition("\r")[2]


async def body_of(url: str, out: io.StringIO) -> bytes:
    async with httpx.AsyncClient() as client, client.stream("GET", url) as response:
        pieces = callbacks.aiter_bytes(response, 1000, "body", file=out)
        return b"".join([piece async for piece in pieces])


@pytest.mark.parametrize("compressed", [False, True])
def test_a_response_is_counted_as_it_comes(*, compressed: bool) -> None:
    for_requests, for_httpx, for_async = io.StringIO(), io.StringIO(), io.StringIO()
    with serving(compressed=compressed) as url:
        with requests.get(url, stream=True, timeout=60) as response:
            assert b"".join(callbacks.iter_bytes(response, file=for_requests)) == BODY
        with httpx.stream("GET", url) as response:
            assert b"".join(callbacks.iter_bytes(response, 1000, file=for_httpx)) == BODY
        assert asyncio.run(body_of(url, for_async)) == BODY
    assert last_line(for_requests).startswith("100%")
    assert last_line(for_httpx).startswith("100%")
    assert last_line(for_async).startswith("body: 100%")


def test_fsspec_tells_the_bytes_of_a_file_and_the_number_of_files(tmp_path: Path) -> None:
    fsspec = import_module("fsspec")
    for name in ("a", "b", "c"):
        (tmp_path / name).write_bytes(BODY)
    (tmp_path / "copied").mkdir()
    text = io.StringIO()
    files = fsspec.filesystem("local")
    with callbacks.fsspec_callback("copy", file=text) as callback:
        files.get(
            [f"{tmp_path}/{name}" for name in "abc"], f"{tmp_path}/copied/", callback=callback
        )
    assert (tmp_path / "copied" / "b").read_bytes() == BODY
    assert last_line(text).startswith("copy: 100%")
    assert "file/s" in last_line(text)
    assert "3/3" in last_line(text)


def test_what_a_transfer_counts_is_told_to_the_server(
    tmp_path: Path, reporting_server: ReportingServer
) -> None:
    fsspec = import_module("fsspec")
    (tmp_path / "a").write_bytes(BODY)
    with callbacks.fsspec_callback("copy") as callback:
        fsspec.filesystem("local").put(f"{tmp_path}/a", f"{tmp_path}/b", callback=callback)
        report = reporting_server.wait_for("running")
    assert (report["title"], report["rows"], report["unit"]) == ("copy", 1, "file")


def test_the_callback_of_fsspec_for_tqdm_takes_our_bar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsspec, text = import_module("fsspec"), io.StringIO()
    # It asks for tqdm to be there, and then takes the class that it is given.
    there: Any = SimpleNamespace(tqdm=None)
    monkeypatch.setitem(sys.modules, "tqdm", there)
    callback = import_module("fsspec.callbacks").TqdmCallback({"file": text}, tqdm_cls=pw.tqdm)
    (tmp_path / "a").write_bytes(BODY)
    fsspec.filesystem("local").put(f"{tmp_path}/a", f"{tmp_path}/b", callback=callback)
    callback.close()
    assert "1/1" in last_line(text)


def test_a_query_of_duckdb_tells_how_far_it_is() -> None:
    connection = duckdb.connect()
    text = io.StringIO()
    with callbacks.duckdb_progress(connection, "query", file=text, mininterval=0) as bar:
        query = "SELECT count(*) FROM range(1500000) a, range(200) b WHERE (a.range*b.range)%7=3"
        assert connection.execute(query).fetchone()
    assert bar.n == 100
    # It went through some of the percents, and did not only begin and end.
    shown = {part.partition("%")[0].rpartition(" ")[2] for part in text.getvalue().split("\r")}
    assert len(shown) > 3


def settings_of(connection: Any) -> tuple[bool, bool]:
    asked = "SELECT current_setting('enable_progress_bar'), "
    asked += "current_setting('enable_progress_bar_print')"
    found: tuple[bool, bool] = connection.sql(asked).fetchall()[0]
    return found


@pytest.mark.parametrize("fetched", [0, 1])
@pytest.mark.parametrize("rows", [5, 100_000])
def test_a_result_of_duckdb_can_be_fetched_after_the_block(rows: int, fetched: int) -> None:
    connection = duckdb.connect()
    with callbacks.duckdb_progress(connection, file=io.StringIO()):
        connection.execute(f"SELECT * FROM range({rows})")
        begun = connection.fetchmany(fetched)
    assert begun + connection.fetchall() == [(n,) for n in range(rows)]


@pytest.mark.parametrize("before", [(False, True), (True, True), (True, False)])
def test_the_settings_of_duckdb_are_put_back(before: tuple[bool, bool]) -> None:
    connection = duckdb.connect()
    connection.execute(f"SET enable_progress_bar = {before[0]}")
    connection.execute(f"SET enable_progress_bar_print = {before[1]}")
    with callbacks.duckdb_progress(connection, file=io.StringIO()):
        assert connection.sql("SELECT 42").fetchall() == [(42,)]
        assert settings_of(connection) == (True, False)
    assert settings_of(connection) == before
    # Not while a result waits, which it would end; but then after the next block.
    for _ in range(2):
        with callbacks.duckdb_progress(connection, file=io.StringIO()):
            connection.execute("SELECT 42")
    assert connection.fetchall() == [(42,)]
    with callbacks.duckdb_progress(connection, file=io.StringIO()):
        pass
    assert settings_of(connection) == before


def test_what_is_set_after_a_block_of_duckdb_stands() -> None:
    connection = duckdb.connect()
    with callbacks.duckdb_progress(connection, file=io.StringIO()):
        connection.execute("SELECT 42")
    connection.execute("SET enable_progress_bar = true; SET enable_progress_bar_print = true")
    with callbacks.duckdb_progress(connection, file=io.StringIO()):
        pass
    assert settings_of(connection) == (True, True)


def test_the_error_of_duckdb_is_the_one_that_is_raised() -> None:
    connection = duckdb.connect()
    connection.execute("BEGIN")
    # Nothing can be set in a transaction that has failed.
    with (
        pytest.raises(duckdb.ConversionException),
        callbacks.duckdb_progress(connection, file=io.StringIO()),
    ):
        connection.execute("SELECT 'a'::INTEGER").fetchall()
    connection.execute("ROLLBACK")
    with callbacks.duckdb_progress(connection, file=io.StringIO()):
        pass
    assert settings_of(connection) == (False, True)


@pytest.mark.filterwarnings("error")
def test_a_connection_of_duckdb_may_be_closed_in_the_block() -> None:
    connection = duckdb.connect()
    with callbacks.duckdb_progress(connection, file=io.StringIO()):
        (watcher,) = [each for each in threading.enumerate() if each.name == "duckdb_progress"]
        connection.close()
        watcher.join(60)
        assert not watcher.is_alive()


def test_a_query_of_duckdb_that_fails_is_not_told_to_be_done() -> None:
    connection = duckdb.connect()
    with (
        pytest.raises(duckdb.Error),
        callbacks.duckdb_progress(connection, file=io.StringIO()) as bar,
    ):
        connection.execute("SELECT nothing")
    assert bar.n < 100


def test_batches_of_polars_are_counted_by_rows() -> None:
    text = io.StringIO()
    plan = pl.LazyFrame({"a": range(1000)}).filter(pl.col("a") % 2 == 0)
    parts = list(callbacks.polars_batches(plan, "rows", total=500, chunk_size=100, file=text))
    assert sum(part.height for part in parts) == 500
    assert "500/500" in last_line(text)
    assert "row/s" in last_line(text)  # as a file, a task, a fit: one of them


@pytest.mark.parametrize("options", [{"n_jobs": 1}, {"n_jobs": 2, "backend": "threading"}])
def test_tasks_of_joblib_are_counted_whoever_works(options: dict[str, Any]) -> None:
    joblib = import_module("joblib")
    usual = joblib.parallel.Parallel.print_progress
    with callbacks.joblib_progress(total=30, file=io.StringIO()) as bar:
        for _ in range(2):
            found = joblib.Parallel(**options)(joblib.delayed(abs)(-n) for n in range(15))
            assert found == list(range(15))
        assert bar.n == 30
    assert joblib.parallel.Parallel.print_progress is usual


def in_parallel(options: dict[str, Any], count: int) -> int:
    joblib = import_module("joblib")
    return sum(joblib.Parallel(**options)(joblib.delayed(abs)(1) for _ in range(count)))


@pytest.mark.parametrize(
    "outer",
    [
        {"n_jobs": 1},
        {"n_jobs": 1, "return_as": "generator"},
        {"n_jobs": 2, "backend": "threading"},
        {"n_jobs": 2, "backend": "multiprocessing"},
        {"n_jobs": 2, "backend": "loky"},
    ],
)
@pytest.mark.parametrize("inner", [{"n_jobs": 1}, {"n_jobs": 2, "backend": "threading"}])
def test_what_a_task_of_joblib_does_in_parallel_does_not_count(
    outer: dict[str, Any], inner: dict[str, Any]
) -> None:
    joblib = import_module("joblib")
    with (
        callbacks.joblib_progress(total=8, file=io.StringIO()) as bar,
        joblib.Parallel(**outer) as parallel,
    ):
        for done in (4, 8):  # the same one counts each time that it is called
            tasks = (joblib.delayed(in_parallel)(inner, 5) for _ in range(4))
            assert list(parallel(tasks)) == [5] * 4
            assert bar.n == done


def test_a_grid_search_knows_its_fits_before() -> None:
    selection = import_module("sklearn.model_selection")
    dummy = import_module("sklearn.dummy")
    search = selection.GridSearchCV(
        dummy.DummyClassifier(), {"strategy": ["uniform", "stratified"]}, cv=3
    )
    with callbacks.sklearn_progress(search, file=io.StringIO()) as bar:
        assert bar.total == 6
        search.fit([[n] for n in range(12)], [0, 1] * 6)
        assert bar.n == 6
    random = selection.RandomizedSearchCV(search.estimator, search.param_grid, n_iter=2, cv=2)
    with callbacks.sklearn_progress(random, file=io.StringIO()) as bar:
        random.fit([[n] for n in range(12)], [0, 1] * 6)
        assert (bar.n, bar.total) == (4, 4)


@pytest.mark.parametrize(
    ("splitter", "total"),
    [
        pytest.param(lambda kinds, data: kinds.KFold(3).split(data), None, id="iterator"),
        pytest.param(lambda kinds, data: list(kinds.KFold(3).split(data)), 6, id="list"),
        pytest.param(lambda kinds, _: kinds.LeaveOneOut(), None, id="of the data"),
        pytest.param(lambda kinds, _: kinds.KFold(4), 8, id="splitter"),
        pytest.param(lambda _, __: None, 10, id="default"),
    ],
)
def test_a_search_is_as_it_is_without_progress(splitter: Any, total: int | None) -> None:
    selection = import_module("sklearn.model_selection")
    dummy = import_module("sklearn.dummy")
    data, classes = [[n] for n in range(12)], [0, 1] * 6
    grid = {"strategy": ["uniform", "stratified"]}
    search = selection.GridSearchCV(
        dummy.DummyClassifier(), grid, cv=splitter(selection, data), refit=False
    )
    with callbacks.sklearn_progress(search, file=io.StringIO()) as bar:
        assert bar.total == total
        search.fit(data, classes)
        assert bar.n == 2 * search.n_splits_


@pytest.mark.filterwarnings("ignore:The total space of parameters")
def test_no_more_is_drawn_than_there_is() -> None:
    selection = import_module("sklearn.model_selection")
    dummy = import_module("sklearn.dummy")
    space = {"strategy": ["uniform", "stratified", "prior"]}
    search = selection.RandomizedSearchCV(dummy.DummyClassifier(), space, n_iter=10, cv=3)
    with callbacks.sklearn_progress(search, file=io.StringIO()) as bar:
        search.fit([[n] for n in range(12)], [0, 1] * 6)
    assert (bar.n, bar.total) == (9, 9)


def test_what_a_search_cannot_do_it_says_itself() -> None:
    selection = import_module("sklearn.model_selection")
    dummy = import_module("sklearn.dummy")
    search = selection.GridSearchCV(dummy.DummyClassifier(), {"strategy": "uniform"})
    with (
        callbacks.sklearn_progress(search, file=io.StringIO()) as bar,
        pytest.raises(TypeError, match="strategy"),
    ):
        search.fit([[n] for n in range(12)], [0, 1] * 6)
    assert (bar.n, bar.total) == (0, None)


def test_tasks_of_dask_are_counted() -> None:
    dask = import_module("dask")
    text = io.StringIO()
    tasks = [dask.delayed(abs)(-n) for n in range(20)]
    with callbacks.dask_callback("graph", file=text):
        assert dask.compute(*tasks, scheduler="threads")[19] == 19
    assert "20/20" in last_line(text)
    with callbacks.dask_callback(file=text), pytest.raises(ZeroDivisionError):
        dask.delayed(divmod)(1, 0).compute(scheduler="sync")


def test_training_shows_epochs_and_batches() -> None:
    """In the order in which the guide of Keras says that its callbacks are called."""
    text = io.StringIO()
    callback = callbacks.keras_callback(file=text)
    callback.set_params({"epochs": 2, "steps": 3, "verbose": 0})
    callback.set_model(object())
    callback.on_train_begin()
    for epoch in range(2):
        callback.on_epoch_begin(epoch, {})
        for batch in range(3):
            callback.on_train_batch_begin(batch, {})
            callback.on_train_batch_end(batch, {"loss": 1 / (batch + 1)})
        callback.on_test_begin({})
        callback.on_epoch_end(epoch, {"loss": 0.25, "val_loss": 0.5})
    callback.on_train_end({"loss": 0.25})
    assert "2/2" in last_line(text)
    assert "loss=0.25" in last_line(text)


@pytest.mark.parametrize(
    ("hook", "module", "hint"),
    [
        (callbacks.fsspec_callback, "fsspec.callbacks", "pip install 'fsspec'"),
        (callbacks.dask_callback, "dask.callbacks", "pip install 'dask'"),
        (
            lambda: callbacks.joblib_progress().__enter__(),
            "joblib.parallel",
            "pip install 'joblib'",
        ),
        (
            lambda: callbacks.duckdb_progress().__enter__(),
            "duckdb",
            "pip install 'progresswidget[duckdb]'",
        ),
    ],
)
def test_what_is_missing_is_named(
    hook: Any, module: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError) as raised:
        hook()
    assert raised.value.hint == hint
