"""SQL as a source: real PostgreSQL, SQLite and DuckDB, in batches, bound, closed, no secrets."""

from __future__ import annotations

import datetime as dt
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import duckdb
import psycopg
import pyarrow as pa
import pytest
import sqlalchemy
from adbc_driver_postgresql import dbapi as adbc_postgresql

from progresswidget.errors import (
    ColumnError,
    ExportCancelledError,
    OptionError,
    ProgressWidgetError,
    SourceError,
    UnsupportedSourceError,
)
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.sources.sql import Query, read, recognises, sql
from progresswidget.export.sources.sql_uri import redact

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from progresswidget.export.sources import Source

LIMIT = 200 * 2**20

TYPES = """select 1::int2 a, 2::int8 b, 2.5::float8 c, true d, 'x'::text e, '\\x00ff'::bytea f,
 date '2020-01-02' g, timestamp '2020-01-02 03:04:05' h, timestamptz '2020-01-02 03:04:05+02' i,
 time '01:02:03' j, 1.25::numeric(10,2) k, 12345678901234567890.123::numeric l,
 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid m, '{"a": 1}'::jsonb n, array[1,2] o, null::int p"""
VALUES = {
    "a": 1,
    "b": 2,
    "c": 2.5,
    "d": True,
    "e": "x",
    "f": b"\x00\xff",
    "g": dt.date(2020, 1, 2),
    "h": dt.datetime(2020, 1, 2, 3, 4, 5),  # noqa: DTZ001 - the column has no zone
    "i": dt.datetime(2020, 1, 2, 1, 4, 5, tzinfo=dt.UTC),
    "j": dt.time(1, 2, 3),
    "k": Decimal("1.25"),
    "l": "12345678901234567890.123",
    "m": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    "n": '{"a": 1}',
    "o": [1, 2],
    "p": None,
}


def source(query: Query) -> Source:
    assert recognises(query)
    return read(query, "columnar")


def rows(query: Query) -> list[dict[str, Any]]:
    found = source(query)
    assert found.total is None
    return pa.Table.from_batches(found.batches(), schema=found.schema).to_pylist()


def alchemy(uri: str) -> str:
    return uri.replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture
def connection(postgres_uri: str) -> Iterator[psycopg.Connection[Any]]:
    with closing(psycopg.connect(postgres_uri)) as opened:
        yield opened


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    path = tmp_path / "a file.db"
    with closing(sqlite3.connect(path)) as made:
        made.execute("create table t(i integer, s text, r real, b blob)")
        values = ((i, f"row {i}", i / 2, b"x") for i in range(100_000))
        made.executemany("insert into t values (?, ?, ?, ?)", values)
        made.commit()
    return path


def active(uri: str, text: str, wanted: int, looks: int = 500) -> int:
    """Return how many statements or open transactions there are, as soon as it is `wanted`."""
    found = 0
    with closing(psycopg.connect(uri, autocommit=True)) as watching:
        for _ in range(looks):
            # The server notices a little later that a client has left.
            row = watching.execute(
                "select count(*) from pg_stat_activity where pid <> pg_backend_pid()"
                " and query like %s and state <> 'idle'",
                (f"%{text}%",),
            ).fetchone()
            assert row is not None
            found = int(row[0])
            if found == wanted:
                break
            watching.execute("select pg_sleep(0.01)")
    return found


def test_types_come_through_adbc(postgres_uri: str) -> None:
    assert rows(sql(TYPES, postgres_uri)) == [VALUES]


def test_types_come_through_psycopg_and_sqlalchemy(
    postgres_uri: str, connection: psycopg.Connection[Any]
) -> None:
    assert rows(sql(TYPES, connection)) == [VALUES]
    assert rows(sql(TYPES, alchemy(postgres_uri))) == [VALUES]


def test_parameters_are_bound(postgres_uri: str, sqlite_path: Path) -> None:
    evil = "'; drop table t; --"
    assert rows(sql("select $1::text a", postgres_uri, params=(evil,))) == [{"a": evil}]
    named = sql("select :a ||'' as a", alchemy(postgres_uri), params={"a": evil})
    assert rows(named) == [{"a": evil}]
    assert rows(sql("select %s::int a", alchemy(postgres_uri), params=[3])) == [{"a": 3}]
    assert rows(sql("select ? as a", sqlite_path, params=[evil])) == [{"a": evil}]
    assert rows(sql("select i from t where i = :i", sqlite_path, params={"i": 7})) == [{"i": 7}]
    assert rows(sql("select $a a", "duckdb://", params={"a": evil})) == [{"a": evil}]


def test_signs_of_placeholders_are_text_without_parameters(postgres_uri: str) -> None:
    query = "select '100%' a, ':x' b"
    assert rows(sql(query, alchemy(postgres_uri))) == [{"a": "100%", "b": ":x"}]


def test_nothing_is_executed_before_it_is_read(tmp_path: Path) -> None:
    query = sql("select * from nowhere", tmp_path / "absent.db")
    assert Query.deferred
    with pytest.raises(SourceError, match="no database file"):
        source(query)
    assert not (tmp_path / "absent.db").exists()


@pytest.mark.parametrize("how", ["adbc", "psycopg", "sqlalchemy"])
def test_a_query_that_is_left_ends_on_the_server(
    how: str, postgres_uri: str, connection: psycopg.Connection[Any]
) -> None:
    where = {"adbc": postgres_uri, "psycopg": connection, "sqlalchemy": alchemy(postgres_uri)}[how]
    found = source(sql("select generate_series(1, 100000000) x", where))
    batches = found.batches()
    assert next(batches).num_rows
    seen = "100000000" if how == "adbc" else "FETCH FORWARD"
    assert active(postgres_uri, seen, 1) == 1
    batches.close()
    assert active(postgres_uri, seen, 0) == 0
    assert connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE


ENDLESS = "select count(*) from pg_sleep(3600) endless"
FOREVER = {
    "adbc": ENDLESS,
    "adbc uri": ENDLESS,
    "psycopg": ENDLESS,
    "sqlalchemy": ENDLESS,
    "sqlalchemy uri": ENDLESS,
    "duckdb": "select count(*) from range(1000000) a, range(1000000) b where a.range * b.range = 7",
    "sqlite3": "with recursive n(x) as (select 1 union all select x + 1 from n) "
    "select count(*) from n",
}


def opened(how: str, uri: str) -> Any:
    match how:
        case "adbc":
            return adbc_postgresql.connect(uri)
        case "psycopg":
            return psycopg.connect(uri)
        case "sqlalchemy":
            return sqlalchemy.create_engine(alchemy(uri), poolclass=sqlalchemy.NullPool).connect()
        case "duckdb":
            return duckdb.connect()
        case "sqlite3":
            return sqlite3.connect(":memory:", check_same_thread=False)
    return uri if how == "adbc uri" else alchemy(uri)


@pytest.mark.parametrize("when", ["at once", "as it runs"])
@pytest.mark.parametrize("how", FOREVER)
def test_a_cancel_ends_a_statement_that_gives_no_row(
    how: str, when: str, postgres_uri: str, tmp_path: Path
) -> None:
    where = opened(how, postgres_uri)
    served = how not in {"duckdb", "sqlite3"}
    shown = "endless" if how.startswith("adbc") else "FETCH FORWARD"

    looks = count()

    def look() -> None:
        # A statement that is only being sent cannot be interrupted yet; it is all the same.
        running = active(postgres_uri, shown, 1, 1) if served else next(looks) > 5
        if when == "at once" or running:
            raise ExportCancelledError("Enough.")

    with pytest.raises(ExportCancelledError):
        Export(sql(FOREVER[how], where), tmp_path / "a.csv").run(Progress(checkpoint=look))
    for each in threading.enumerate():
        if each.name in {"progresswidget-read", "progresswidget-stop"}:
            each.join(60)
            assert not each.is_alive(), "the statement goes on"
    assert not served or active(postgres_uri, shown, 0) == 0
    if not how.endswith("uri"):
        assert rows(sql("select 1 a", where)) == [{"a": 1}]
        where.close()


def test_a_transaction_of_the_user_on_adbc_is_left_as_it_was(postgres_uri: str) -> None:
    with (
        closing(adbc_postgresql.connect(postgres_uri)) as where,
        closing(psycopg.connect(postgres_uri, autocommit=True)) as other,
    ):
        with closing(where.cursor()) as cursor:
            cursor.execute("create temp table mine as select 5 a")
        assert rows(sql("select a from mine", where)) == [{"a": 5}]
        with closing(where.cursor()) as cursor:  # neither committed nor rolled back
            cursor.execute("select a from mine")
            assert cursor.fetchone() == (5,)
        where.commit()
        with pytest.raises(SourceError, match="division by zero"):
            rows(sql("select 1 / (a - 5) from mine", where))
        assert rows(sql("select a from mine", where)) == [{"a": 5}]  # no transaction was open
        other.execute("create table if not exists shared(a integer)")
        assert rows(sql("select a from shared", where)) == []
        other.execute("set lock_timeout = '20s'")
        other.execute("drop table shared")  # nothing of ours holds a lock on it


def test_a_transaction_of_the_user_goes_on(connection: psycopg.Connection[Any]) -> None:
    connection.execute("create temp table mine as select 5 a")
    assert rows(sql("select a from mine", connection)) == [{"a": 5}]
    with pytest.raises(SourceError, match="division by zero"):
        rows(sql("select 1 / (a - 5) from mine", connection))
    assert connection.info.transaction_status is psycopg.pq.TransactionStatus.INTRANS
    assert connection.execute("select a from mine").fetchone() == (5,)


def test_queries_of_one_connection_take_turns(
    postgres_uri: str, connection: psycopg.Connection[Any]
) -> None:
    with closing(adbc_postgresql.connect(postgres_uri)) as adbc, closing(duckdb.connect()) as duck:
        duck.execute("create temp table t as select 4 a")
        for where in (adbc, duck):
            text = "select * from generate_series(1, 200000) x(a)"
            sources = [source(sql(text, where)) for _ in range(2)]
            for each in sources:
                assert sum(batch.num_rows for batch in each.batches()) == 200_000
        assert rows(sql("select a from t", duck)) == [{"a": 4}]
        assert rows(sql("select 1 a", adbc)) == [{"a": 1}]  # neither was closed


def test_a_failure_in_the_middle_is_told(postgres_uri: str) -> None:
    found = source(sql("select 1/(3000000 - x) a from generate_series(1, 3000000) x", postgres_uri))
    with pytest.raises(SourceError, match="division by zero"):
        list(found.batches())


@pytest.mark.parametrize("how", ["adbc", "sqlalchemy"])
def test_no_secret_is_shown(how: str, postgres_uri: str) -> None:
    uri = postgres_uri.replace("open%20sesame", "s3cret%40word")
    query = sql("select 1", uri if how == "adbc" else alchemy(uri))
    with pytest.raises(SourceError, match="password authentication failed") as caught:
        source(query)
    for text in (repr(query), str(query), str(caught.value), str(caught.value.__cause__)):
        assert "s3cret" not in text
    assert ":***@127.0.0.1" in repr(query)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://u:p@ss@h/d", "postgresql://u:***@h/d"),
        ("postgresql://h/d?user=u&password=pw&x=1", "postgresql://h/d?user=u&password=***&x=1"),
        ("host=h password=pw user=u", "host=h password=*** user=u"),
        ("postgresql://u@h:5432/d", "postgresql://u@h:5432/d"),
    ],
)
def test_addresses_are_shown_without_passwords(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize("text", ["select * from nowhere", "selec 1"])
def test_a_wrong_query_says_what_the_database_says(
    text: str, postgres_uri: str, sqlite_path: Path
) -> None:
    for where in (postgres_uri, alchemy(postgres_uri), sqlite_path, "duckdb://"):
        with pytest.raises(SourceError, match=r"The query failed: .*(nowhere|selec)"):
            source(sql(text, where))


def test_an_engine_uses_a_cursor_of_the_server(postgres_uri: str) -> None:
    engine = sqlalchemy.create_engine(alchemy(postgres_uri))
    statements: list[str] = []

    @sqlalchemy.event.listens_for(engine, "after_cursor_execute")
    def seen(_: Any, cursor: Any, *rest: Any) -> None:
        statements.append(type(cursor).__name__)

    assert len(rows(sql("select x from generate_series(1, 50000) x", engine))) == 50_000
    assert "ServerCursor" in statements
    with engine.connect() as given:
        assert rows(sql(sqlalchemy.text("select 1 a"), given)) == [{"a": 1}]
        assert not given.in_transaction()
        assert not given.closed
    engine.dispose()


def test_sqlite_is_read_both_ways(sqlite_path: Path) -> None:
    last = {"i": 99_999, "s": "row 99999", "r": 49_999.5, "b": b"x"}
    text = "select * from t order by i"
    with closing(sqlite3.connect(sqlite_path, check_same_thread=False)) as given:
        for where in (sqlite_path, f"sqlite:///{sqlite_path}", given):
            found = rows(sql(text, where))
            assert len(found) == 100_000
            assert found[-1] == last
        assert given.execute("select 1").fetchone() == (1,)


def test_values_that_come_late_tell_the_type_too(sqlite_path: Path) -> None:
    text = "select case when i >= 16000 then s end late from t order by i"
    with closing(sqlite3.connect(sqlite_path, check_same_thread=False)) as given:
        for where in (sqlite_path, given):
            assert rows(sql(text, where))[16_000] == {"late": "row 16000"}


def test_a_sqlite_connection_of_one_thread_is_refused(sqlite_path: Path) -> None:
    with (
        closing(sqlite3.connect(sqlite_path)) as given,
        pytest.raises(SourceError, match="check_same_thread=False"),
    ):
        source(sql("select 1", given))


@pytest.mark.parametrize("how", ["path", "connection"])
def test_a_value_of_another_kind_names_column_and_row(how: str, sqlite_path: Path) -> None:
    with closing(sqlite3.connect(sqlite_path, check_same_thread=False)) as given:
        given.execute("insert into t values ('late', 's', 1, x'00')")
        given.commit()
        where = sqlite_path if how == "path" else given
        with pytest.raises(ColumnError, match=r"'i'.*(98303|98304|65536 to|row 100000)") as caught:
            rows(sql("select * from t", where))
    assert "CAST" in caught.value.hint


def test_numbers_that_are_not_are_named(postgres_uri: str) -> None:
    text = (
        "select (case x when 3 then 'NaN' else x end)::numeric(5,1) n from generate_series(1., 5) x"
    )
    with pytest.raises(ColumnError, match=r"'n'.* row 2"):
        rows(sql(text, postgres_uri))
    with pytest.raises(ColumnError, match="inet") as caught:
        rows(sql("select '1.2.3.4'::inet address", postgres_uri))
    assert "::text" in caught.value.hint


def test_what_is_no_connection_is_refused() -> None:
    for wrong in (3, "words", None):
        with pytest.raises(UnsupportedSourceError):
            sql("select 1", wrong)
    with pytest.raises(OptionError):
        sql("select 1", "duckdb://", params="x")
    with pytest.raises(OptionError):
        sql("select 1", "duckdb://", batch_rows=0)


def test_a_missing_driver_names_the_extra() -> None:
    with pytest.raises(ProgressWidgetError, match=r"progresswidget\[sql\]"):
        source(sql("select 1", "mysql+pymysql://u:p@127.0.0.1/d"))


def test_a_query_in_a_list_is_a_frame_and_no_row(tmp_path: Path) -> None:
    queries = [sql(f"select {number} a", "duckdb://") for number in (7, 8)]
    export = Export(queries, tmp_path / "a.zip")
    assert export.columns == 0  # nothing has been executed
    export.run(Progress())
    with ZipFile(tmp_path / "a.zip") as made:
        assert [made.read(name) for name in made.namelist()] == [b"a\n7\n", b"a\n8\n"]


def test_the_size_of_a_batch_reaches_postgresql(postgres_uri: str) -> None:
    text = "select repeat('long ', 40) || x t from generate_series(1, 200000) _(x)"
    with closing(adbc_postgresql.connect(postgres_uri)) as given:
        for where in (given, postgres_uri):
            schema, batches = sql(text, where).open()
            assert schema.names == ["t"]
            # What the driver would make of it by itself is 16 MiB.
            assert all(batch.nbytes < 6 << 20 for batch in batches)


def test_a_second_reading_executes_anew() -> None:
    with closing(duckdb.connect()) as given:
        given.execute("create table t as select 1 a")
        found = source(sql("select * from t", given))
        assert sum(batch.num_rows for batch in found.batches()) == 1
        given.execute("insert into t values (2)")
        assert sum(batch.num_rows for batch in found.batches()) == 2


@pytest.mark.parametrize("sort", ["uri", "narrowed"])
def test_duckdb_writes_no_bar_of_its_own(sort: str, tmp_path: Path) -> None:
    """By itself it draws one on the standard output after two seconds."""
    setting = "select current_setting('enable_progress_bar') a"
    if sort == "uri":
        export = Export(sql(setting, "duckdb://"), tmp_path / "a.csv")
    else:
        export = Export(pa.table({"x": [1]}), tmp_path / "a.csv", where=f"{setting} from data")
    export.run(Progress())
    assert (tmp_path / "a.csv").read_text() == "a\nfalse\n"


MEASURED = """
import sys
from pathlib import Path
from progresswidget.export.sources.sql import sql
where, text, rows = sys.argv[1:]
def status(name):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
def read(text):
    schema, batches = sql(text, where).open()
    return sum(batch.num_rows for batch in batches)
read(text.replace(rows, "10"))
before = status("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
assert read(text) == int(rows)
print(status("VmHWM") - before)
"""


@pytest.mark.parametrize("how", ["adbc", "sqlalchemy", "duckdb"])
def test_memory_is_bounded(how: str, postgres_uri: str) -> None:
    where = {"adbc": postgres_uri, "sqlalchemy": alchemy(postgres_uri), "duckdb": "duckdb://"}[how]
    number = "500000" if how == "sqlalchemy" else "2000000"
    text = f"select x, repeat('long ', 40) || x t from generate_series(1, {number}) _(x)"
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, where, text, number],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    print(how, int(done.stdout) >> 20, "MB")
    assert int(done.stdout) < LIMIT


def test_a_query_is_exported(sqlite_path: Path, tmp_path: Path) -> None:
    query = sql("select i, s from t where i < ?", sqlite_path, params=(3,))
    result = Export(query, tmp_path / "t.csv").run(Progress())
    assert result.rows == 3
    assert (tmp_path / "t.csv").read_text().splitlines()[1:] == ["0,row 0", "1,row 1", "2,row 2"]
