"""Rows that are gone from the source, over whole loads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from connectors_support import TABLE, column, system
from http_support import Server
from pydantic import ValidationError

from ingestion.home import Home
from ingestion.landing import TableLoad, land_system
from ingestion.register.model import System


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


COLUMNS = {"nr": column(), "linje": column("integer"), "rettet": column("date")}


def snapshots(server: Server, **table: Any) -> System:
    source = {"path": "/ting", "paging": {"type": "single"}}
    return system({"protocol": "rest", "url": server.url}, source, COLUMNS, **{"key": ["nr", "linje"], **table})


def changes(server: Server, **table: Any) -> System:
    feed = {"path": "/slettede", "params": {"efter": "{since}"}, "records": "poster", "key": {"nr": "id.nr", "linje": "id.linje"}}
    source = {"path": "/ting", "paging": {"type": "single"}, "deletions": feed}
    more = {"write": "merge", "cursor": {"column": "rettet", "param": "siden"}, "key": ["nr", "linje"], **table}
    return system({"protocol": "rest", "url": server.url}, source, COLUMNS, **more)


def row(nr: str | None, linje: int, rettet: str = "2026-01-01", **more: Any) -> dict[str, Any]:
    return {"nr": nr, "linje": linje, "rettet": rettet, **more}


def land(of: System, server: Server, home: Home, *rows: dict[str, Any], deleted: Any = (), full: bool = False) -> TableLoad:
    def answer(path: str, query: dict[str, Any], headers: Any) -> Any:
        return {"poster": list(deleted)} if path == "/slettede" else list(rows)

    server.answer = answer
    return land_system(of, home, full=full).tables[TABLE]


def stored(home: Home, table: str = TABLE, columns: str = "nr, linje") -> list[tuple[Any, ...]]:
    path: Path = home.raw_file("proeve")
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.sql(f'select {columns} from raw."{table}" order by all').fetchall()


TEN = [row(f"n{n}", n) for n in range(9)] + [row(None, 9)]


def test_what_disappears_is_kept_with_the_time(server: Server, home: Home) -> None:
    of = snapshots(server, on_deleted="keep")
    assert land(of, server, home, *TEN).deleted_rows == 0
    found = land(of, server, home, *TEN[2:], row("ny", 1, ny="x"))
    assert (found.status, found.rows, found.table_rows, found.deleted_rows) == ("loaded", 9, 9, 2)
    assert found.message == "proeve.tabel: 2 rows are gone from the source"
    assert ("n0", "0") not in stored(home)
    kept = stored(home, f"{TABLE}__deleted", "nr, linje, rettet, _source_row, _deleted_at is not null")
    assert kept == [("n0", "0", "2026-01-01", 1, True), ("n1", "1", "2026-01-01", 2, True)]
    # It comes back, goes again together with the new one (that has a column more): every time is told.
    land(of, server, home, *TEN)
    land(of, server, home, *TEN[1:])
    assert stored(home, f"{TABLE}__deleted", "nr, ny") == [("n0", None), ("n0", None), ("n1", None), ("ny", "x")]


def test_a_row_without_a_key_is_no_disappearance(server: Server, home: Home) -> None:
    of = snapshots(server, on_deleted="keep")
    land(of, server, home, *TEN)
    assert land(of, server, home, *TEN).deleted_rows == 0


def test_too_many_gone_is_refused_and_yesterday_stays(server: Server, home: Home) -> None:
    of = snapshots(server, max_deleted_share=0.2)
    land(of, server, home, *TEN)
    found = land(of, server, home, *TEN[3:])
    assert found.status == "failed"
    assert found.message == (
        "proeve.tabel: 3 of 10 rows are gone, more than the 20% that max_deleted_share allows. "
        "Ask the vendor; if it is meant, raise it for one load"
    )
    assert len(stored(home)) == 10
    assert land(of, server, home).status == "failed"
    assert land(of, server, home, *TEN[2:]).status == "loaded"
    with pytest.raises(duckdb.CatalogException):
        stored(home, f"{TABLE}__deleted")
    assert land(snapshots(server, max_deleted_share=1), server, home).table_rows == 0


def test_a_list_of_deletions_takes_rows_out_of_a_merged_table(server: Server, home: Home) -> None:
    of = changes(server, on_deleted="keep", max_deleted_share=0.5)
    land(of, server, home, row("a", 1), row("a", 2), row("b", 1))
    assert [path for path, _ in server.requests] == ["/ting"], "the first load has everything"
    server.requests.clear()
    gone = [{"id": {"nr": "a", "linje": 2}}, {"id": {"nr": "b", "linje": 1}}, {"id": {"nr": "x", "linje": 1}}, {"id": {}}]
    # `b` was deleted and made anew: it is asked for after the list.
    found = land(of, server, home, row("b", 1, "2026-01-02"), deleted=gone)
    assert server.requests == [("/slettede", {"efter": "2026-01-01"}), ("/ting", {"siden": "2026-01-01"})]
    assert (found.status, found.rows, found.deleted_rows, found.rejects) == ("loaded", 1, 1, 1)
    assert stored(home) == [("a", "1"), ("b", "1")]
    assert stored(home, f"{TABLE}__deleted") == [("a", "2")]


def test_nothing_but_deletions_is_news_too(server: Server, home: Home) -> None:
    of = changes(server)
    land(of, server, home, row("a", 1), row("b", 1))
    found = land(of, server, home, deleted=[{"id": {"nr": "a", "linje": 1}}])
    assert (found.status, found.table_rows) == ("loaded", 1)
    assert land(of, server, home).status == "unchanged"


def test_too_many_told_deletions_are_refused(server: Server, home: Home) -> None:
    of = changes(server, max_deleted_share=0.4)
    land(of, server, home, row("a", 1), row("b", 1))
    found = land(of, server, home, row("c", 1), deleted=[{"id": {"nr": "a", "linje": 1}}])
    assert "1 of 2 rows are gone" in found.message
    assert stored(home) == [("a", "1"), ("b", "1")]


def test_a_full_load_of_a_merged_table_is_a_snapshot(server: Server, home: Home) -> None:
    of = changes(server, on_deleted="keep", max_deleted_share=0.5)
    land(of, server, home, row("a", 1), row("b", 1))
    assert land(of, server, home, row("a", 1), full=True).deleted_rows == 1
    assert stored(home, f"{TABLE}__deleted") == [("b", "1")]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"write": "append", "on_deleted": "keep"}, "`append` only ever adds"),
        ({"source": {"path": "/t", "paging": {"type": "single"}, "deletions": {"path": "/x"}}}, "is for `write: merge`"),
    ],
)
def test_what_makes_no_sense_is_refused(server: Server, table: dict[str, Any], message: str) -> None:
    source = table.pop("source", {"path": "/t", "paging": {"type": "single"}})
    with pytest.raises(ValidationError, match=message):
        system({"protocol": "rest", "url": server.url}, source, COLUMNS, **table)
