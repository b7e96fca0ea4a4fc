"""REST beyond plain pages: offsets, Link headers, bodies, statuses inside, parents and children, limits and quotas."""

from __future__ import annotations

import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from connectors_support import TABLE, column, context, rejected, rows, system
from http_support import Server
from pydantic import ValidationError

from ingestion.connectors.base import SourceError
from ingestion.connectors.quota import Quota
from ingestion.danish_time import DENMARK
from ingestion.home import Home
from ingestion.landing import land_system
from ingestion.register.basics import Limits
from ingestion.register.model import System

SINGLE = {"type": "single"}


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


def rest(server: Server, source: dict[str, Any], columns: Any = None, **table: Any) -> System:
    return system(
        {"protocol": "rest", "url": server.url},
        {"path": "/ting", "paging": SINGLE, **source},
        columns or {"id": column("integer")},
        **table,
    )


def with_parents(server: Server, source: dict[str, Any], columns: dict[str, Any], **parent: Any) -> System:
    """The table under test, and `borgere` before it."""
    made = rest(server, {"path": "/borgere", "records": "$", **parent}, {"id": column(), "cpr": column(path="cpr")})
    child = rest(server, {"path": "/x"}, columns).tables[TABLE]
    table = child.model_copy(update={"source": type(child.source).model_validate({"paging": SINGLE, **source})})
    return made.model_copy(update={"tables": {"borgere": made.tables[TABLE], TABLE: table}})


def test_offsets_go_on_by_what_came_whatever_was_asked_for(server: Server, tmp_path: Path) -> None:
    server.answer = lambda path, query, headers: [{"id": n} for n in range(5)][int(query["start"]) :][:2]
    paging = {"type": "offset", "offset_param": "start", "limit_param": "antal", "limit": 100}
    assert [row["id"] for row in rows(rest(server, {"paging": paging}), context(tmp_path))] == ["0", "1", "2", "3", "4"]
    assert server.requests[1][1] == {"start": "2", "antal": "100"}


@pytest.mark.parametrize("paging", [{"type": "page", "size": 2}, {"type": "offset", "limit": 2}])
def test_a_total_that_counts_a_page_does_not_end_the_table(server: Server, tmp_path: Path, paging: dict[str, Any]) -> None:
    def answer(path: str, query: dict[str, str], headers: Any) -> Any:
        at = int(query["offset"]) if "offset" in query else int(query["page"]) * 2
        page = [{"id": n} for n in range(5)][at : at + 2]
        return {"antal": len(page), "poster": page}

    server.answer = answer
    with pytest.raises(SourceError, match="more records come than 'antal' says"):
        rows(rest(server, {"records": "poster", "total": "antal", "paging": paging}), context(tmp_path))


@pytest.mark.parametrize("beyond", [[], [2, 3], (404, {}, ""), (400, {}, "")])
def test_behind_the_total_may_stand_what_will(server: Server, tmp_path: Path, beyond: Any) -> None:
    def answer(path: str, query: dict[str, str], headers: Any) -> Any:
        page = [[0, 1], [2, 3], beyond][int(query["page"])]
        return page if isinstance(page, tuple) else {"antal": 4, "poster": [{"id": n} for n in page]}

    server.answer = answer
    of = rest(server, {"records": "poster", "total": "antal", "paging": {"type": "page", "size": 2}})
    assert [row["id"] for row in rows(of, context(tmp_path))] == ["0", "1", "2", "3"]


def test_rows_that_come_while_pages_are_read_are_read_too(server: Server, tmp_path: Path) -> None:
    def answer(path: str, query: dict[str, str], headers: Any) -> Any:
        page = int(query["page"])
        return {"antal": [2, 3][page], "poster": [{"id": n} for n in [[0, 1], [2]][page]]}

    server.answer = answer
    of = rest(server, {"records": "poster", "total": "antal", "paging": {"type": "page", "size": 2}})
    assert [row["id"] for row in rows(of, context(tmp_path))] == ["0", "1", "2"]


def test_the_link_header_is_followed(server: Server, tmp_path: Path) -> None:
    def answer(path: str, query: dict[str, str], headers: Any) -> Any:
        page = int(query.get("side", 1))
        link = {"Link": f'</ting?side={page + 1}&a=b>; rel="next", </ting>; rel="first"'} if page < 3 else {}
        return (200, link, [{"id": page}])

    server.answer = answer
    of = rest(server, {"paging": {"type": "link_header"}, "params": {"a": "b"}})
    assert [row["id"] for row in rows(of, context(tmp_path))] == ["1", "2", "3"]
    assert [query for _, query in server.requests] == [{"a": "b"}, {"side": "2", "a": "b"}, {"side": "3", "a": "b"}]


@pytest.mark.parametrize(
    "link",
    [
        '</ting?side=2>; rel="last next"',
        "</ting?side=2>; REL=Next",
        '</ting;jsessionid=1?side=2>; rel="next"',
        '</ting?side=2>; title="a=b, <c>; d"; rel="next"',
        '</ting?side=1>; rel="first", </ting?side=2>; rel="next"; rel="prev"',
    ],
)
def test_the_next_page_is_found_however_its_link_is_written(server: Server, tmp_path: Path, link: str) -> None:
    server.answer = lambda path, query, headers: [{"id": 2}] if query else (200, {"Link": link}, [{"id": 1}])
    assert [row["id"] for row in rows(rest(server, {"paging": {"type": "link_header"}}), context(tmp_path))] == ["1", "2"]


def test_a_body_carries_the_paging_and_the_cursor(server: Server, tmp_path: Path) -> None:
    server.answer = lambda path, query, headers: [{"id": 1, "rettet": "2026-01-02"}] if query["body"]["side"] == 0 else []
    body = {"filter": {"type": ["a", "{today}"], "fra": "{since:1900-01-01}", "til": "{since}"}}
    paging = {"type": "page", "page_param": "side", "size_param": "antal"}
    of = rest(
        server, {"method": "post", "body": body, "paging": paging}, {"id": column(), "rettet": column("date")},
        write="merge", cursor={"column": "rettet", "param": "siden"},
    )  # fmt: skip
    assert len(rows(of, context(tmp_path))) == 1
    today = datetime.now(DENMARK).date().isoformat()
    sent = server.requests[0][1]["body"]
    assert sent == {"filter": {"type": ["a", today], "fra": "1900-01-01"}, "antal": 250, "side": 0}
    server.requests.clear()
    rows(of, context(tmp_path, since="2026-01-02"))
    assert server.requests[0][1]["body"]["siden"] == "2026-01-02"
    assert server.requests[0][1]["body"]["filter"]["til"] == "2026-01-02"


def increments(server: Server, cursor: Any = (), **table: Any) -> System:
    """A table with a cursor, beside one that has none."""
    columns = {"id": column("integer"), "rettet": column("timestamp")}
    of = rest(
        server, {"paging": {"type": "single"}}, columns,
        write="merge", cursor={"column": "rettet", "param": "siden", **dict(cursor)}, **table,
    )  # fmt: skip
    other = of.tables[TABLE].model_copy(update={"cursor": None, "write": "replace"})
    return of.model_copy(update={"tables": {TABLE: of.tables[TABLE], "anden": other}})


def test_a_strange_value_becomes_no_watermark_and_costs_no_other_table(server: Server, home: Home) -> None:
    of = increments(server, {"lag": "P1D"})
    for latest in ("2026", "2026-02-30T08:00:00", "2026-01-02T08:00:00Z"):
        server.answer = lambda *_, latest=latest: [{"id": 1, "rettet": "2026-01-01T08:00:00Z"}, {"id": 2, "rettet": latest}]
        assert land_system(of, home).failed == []
    sent = [query.get("siden") for _, query in server.requests if query]
    assert sent == ["2025-12-31T08:00:00+00:00", "2025-12-31T08:00:00+00:00"]


@pytest.mark.parametrize(
    ("cursor", "record", "lacks"),
    [
        ({}, {"rettet": "2026-01-02T08:00:00"}, "'id'"),
        ({}, {"id": 2}, "'rettet'"),
        ({"on_missing": "include"}, {"id": 2}, None),
    ],
)
def test_no_row_comes_in_without_its_key_or_cursor_where_a_column_may_be_missing(
    server: Server, home: Home, cursor: Any, record: Any, lacks: str | None
) -> None:
    of = increments(server, cursor, on_missing_column="warn")
    server.answer = lambda *_: [{"id": 1, "rettet": "2026-01-01T08:00:00"}]
    assert land_system(of, home).failed == []
    server.answer = lambda *_: [record]
    load = land_system(of, home, tables=[TABLE, "anden"] if lacks is None else [TABLE])
    assert load.failed == ([] if lacks is None else [TABLE])
    assert lacks is None or f"the source no longer gives {lacks}" in load.tables[TABLE].message


def test_a_status_inside_the_answer_counts(server: Server, tmp_path: Path) -> None:
    source = {"records": "data", "status": {"path": "status.code", "accepted": ["0", "200"], "message": "status.text"}}
    server.answer = lambda path, query, headers: {"status": {"code": 0}, "data": [{"id": 1}]}
    assert len(rows(rest(server, source), context(tmp_path))) == 1
    server.answer = lambda path, query, headers: {"status": {"code": 40, "text": "Ukendt metode."}, "data": []}
    with pytest.raises(SourceError, match=r"/ting answers with status\.code = 40: Ukendt metode\. Check the request"):
        rows(rest(server, source), context(tmp_path))
    server.answer = lambda path, query, headers: {"data": []}
    with pytest.raises(SourceError, match=r"status\.code = None"):
        rows(rest(server, source), context(tmp_path))


@pytest.mark.parametrize("rest_of_it", [{"items": None}, {"items": []}, {}])
@pytest.mark.parametrize(
    "error", [{"error": {"message": "Timeout."}}, {"errors": [{"detail": "Timeout."}]}, {"error": "Timeout."}]
)
def test_an_error_without_rows_is_no_last_page(server: Server, tmp_path: Path, error: Any, rest_of_it: Any) -> None:
    server.answer = lambda path, query, headers: (
        {"items": [{"id": 1}], "error": None} if query["page"] == "0" else error | rest_of_it
    )
    with pytest.raises(SourceError, match=r"/ting answers: Timeout\. Check the request"):
        rows(rest(server, {"records": "items", "paging": {"type": "page"}}), context(tmp_path))


def test_a_retired_version_is_named(server: Server, tmp_path: Path) -> None:
    server.answer = lambda path, query, headers: (410, {}, "")
    with pytest.raises(SourceError, match=r"answers 410\. Version v17 of the interface is retired: ask the vendor for the new"):
        rows(rest(server, {"path": "/api/v17/ting"}), context(tmp_path))


def test_children_are_asked_for_once_per_parent_and_know_it(server: Server, tmp_path: Path) -> None:
    def answer(path: str, query: dict[str, str], headers: Any) -> Any:
        if path == "/borgere":
            side = int(query["page"])
            return [{"id": n, "cpr": f"010101000{n}"} for n in (1, 2, 2, None, "")] if side == 0 else []
        borger = path.split("/")[2]
        return {"antal": 2, "poster": [{"nr": 1}, {"nr": 2, "borger": "x"}]} if borger == "1" else (404, {}, "")

    server.answer = answer
    source = {
        "path": "/borgere/{borger}/kontakter",
        "records": "poster",
        "total": "antal",
        "for_each": {"table": "borgere", "parameters": {"borger": "id", "ubrugt": "cpr"}, "missing": "empty"},
    }
    of = with_parents(server, source, {"borger": column(), "nr": column()}, paging={"type": "page"})
    found = context(tmp_path)
    result = rows(of, found)
    assert [(row["borger"], row["nr"], row["_source_row"]) for row in result] == [("1", "1", 1), ("x", "2", 2)]
    assert {row["_source_ref"] for row in result} == {"/borgere/{borger}/kontakter"}
    assert found.source_rows == 2
    assert [path for path, _ in server.requests if path != "/borgere"] == ["/borgere/1/kontakter", "/borgere/2/kontakter"]
    assert rejected(found) == []
    source["for_each"]["missing"] = "fail"  # type: ignore[index]
    with pytest.raises(SourceError, match="answers 404"):
        rows(with_parents(server, source, {"nr": column()}, paging={"type": "page"}), context(tmp_path))


def test_all_children_of_a_new_parent_are_asked_for(server: Server, home: Home) -> None:
    """Only what is newer than the watermark was, also of one that had just come."""
    parents = [{"id": "a"}, {"id": "b"}]

    def answer(path: str, query: dict[str, str], headers: Any) -> Any:
        if path == "/borgere":
            return parents
        days = [day for day in ("2026-01-01", "2026-01-09") if day >= query.get("siden", "")]
        return [{"nr": day, "rettet": day} for day in days] if path != "/borgere/b/kontakter" else []

    server.answer = answer
    of = with_parents(
        server, {"path": "/borgere/{borger}/kontakter", "for_each": {"table": "borgere", "parameters": {"borger": "id"}}},
        {"borger": column(), "nr": column(), "rettet": column("date")}, records="$", paging=SINGLE,
    )  # fmt: skip
    children = of.tables[TABLE].model_dump() | {
        "key": ["borger", "nr"], "write": "merge", "cursor": {"column": "rettet", "param": "siden"}
    }  # fmt: skip
    tables = {**of.tables, TABLE: type(of.tables[TABLE]).model_validate(children)}
    of = of.model_copy(
        update={"tables": {name: tables[name].model_copy(update={"on_missing_column": "warn"}) for name in tables}}
    )
    assert land_system(of, home).tables[TABLE].rows == 2
    parents.append({"id": "ny"})
    server.requests.clear()
    assert land_system(of, home).tables[TABLE].rows == 3
    assert {path.split("/")[2]: query.get("siden") for path, query in server.requests if path != "/borgere"} == {
        "a": "2026-01-09", "b": None, "ny": None
    }  # fmt: skip
    assert land_system(of, home).tables[TABLE].table_rows == 4


def test_children_of_parents_that_did_not_come_are_missed(server: Server, tmp_path: Path) -> None:
    parents = {"antal": 3, "poster": [{"id": 1, "cpr": "0101010001"}]}
    server.answer = lambda path, query, headers: parents if path == "/borgere" else [{"nr": 1}]
    of = with_parents(
        server, {"path": "/borgere/{borger}/kontakter", "for_each": {"table": "borgere", "parameters": {"borger": "id"}}},
        {"nr": column()}, records="poster", total="antal", paging=SINGLE,
    )  # fmt: skip
    with pytest.raises(SourceError, match=r"counts 3 rows of 'borgere', each of which is asked about, but gave 1\. Load again"):
        rows(of, context(tmp_path))


def test_an_empty_list_may_be_left_out(server: Server, tmp_path: Path) -> None:
    columns = {"nr": column(), "borger": column(path="^.id")}
    of = rest(server, {"paging": SINGLE, "each": "kontakter"}, columns)
    server.answer = lambda *_: [{"id": 1}, {"id": 2, "kontakter": [{"nr": 7}]}, {"id": 3, "kontakter": []}]
    assert [(row["borger"], row["nr"]) for row in rows(of, context(tmp_path))] == [("2", "7")]
    server.answer = lambda *_: [{"id": 1}, {"id": 2}]
    with pytest.raises(SourceError, match="no record has a list at 'kontakter'"):
        rows(of, context(tmp_path))


def test_a_cpr_number_in_an_address_is_escaped_and_not_told(server: Server, tmp_path: Path) -> None:
    server.answer = lambda path, query, headers: (500, {}, {"message": "ukendt 010101-0001"})
    of = rest(server, {"path": "/p/{cpr}", "for_each": {"values": {"cpr": ["0101010001"]}}})
    with pytest.raises(SourceError, match=r"/p/######-#### answers 500: ukendt ######-####"):
        rows(of, context(tmp_path))
    server.answer = lambda path, query, headers: []
    rows(rest(server, {"path": "/p/{x}", "for_each": {"values": {"x": ["a/../b?c"]}}}), context(tmp_path))
    assert server.requests[-1][0] == "/p/a%2F..%2Fb%3Fc"


@pytest.mark.parametrize(
    ("for_each", "message"),
    [
        ({"table": "borgere"}, "give either `table` with `parameters`"),
        ({"values": {"a": ["1"], "b": ["2"]}}, "give either"),
        ({"table": "ingen", "parameters": {"a": "b"}}, "names table 'ingen', which the system doesn't have"),
        ({"table": TABLE, "parameters": {"a": "id"}}, "goes in a ring: tabel → tabel"),
    ],
)
def test_what_for_each_cannot_mean_is_refused(server: Server, for_each: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        rest(server, {"for_each": for_each})


def test_requests_keep_to_the_pace(server: Server, tmp_path: Path) -> None:
    server.answer = lambda path, query, headers: [{"id": query["page"]}] if int(query["page"]) < 3 else []
    began = time.monotonic()
    of = rest(server, {"paging": {"type": "page"}}, limits={"timeout_seconds": 5, "retries": 0, "requests_per_second": 10})
    assert len(rows(of, context(tmp_path))) == 3
    assert time.monotonic() - began >= 0.3


def quota(server: Server, most: int, **more: Any) -> System:
    limits = {"timeout_seconds": 5, "retries": 3, "max_calls_per_day": most, **more}
    return rest(server, {"path": "/skole/{skole}", "for_each": {"values": {"skole": ["a", "b"]}}}, limits=limits)


def test_the_days_calls_are_counted_over_loads_that_fail(server: Server, home: Home) -> None:
    server.answer = lambda path, query, headers: (503, {}, "") if path == "/skole/b" else []
    of = quota(server, 3)
    assert "answers 503" in land_system(of, home).tables[TABLE].message
    assert len(server.requests) == 2, "where calls are counted, a failed one is not tried again"
    server.answer = lambda path, query, headers: []
    assert "the system allows 3 calls a day, and today's are used up" in land_system(of, home).tables[TABLE].message
    assert len(server.requests) == 3
    assert "used up" in land_system(of, home, full=True).tables[TABLE].message
    assert len(server.requests) == 3


LAND = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from connectors_support import column, system
from ingestion.home import Home
from ingestion.landing import land_system
source = {"path": "/hængt", "paging": {"type": "single"}}
limits = {"max_calls_per_day": 1}
land_system(system({"protocol": "rest", "url": sys.argv[2]}, source, {"id": column()}, limits=limits), Home(Path(sys.argv[3])))
"""


def test_the_call_of_a_killed_load_counts(server: Server, home: Home) -> None:
    reached, on = threading.Event(), threading.Event()

    def answer(path: str, query: dict[str, Any], headers: Any) -> Any:
        reached.set()
        on.wait(30)
        return []

    server.answer = answer
    process = subprocess.Popen([sys.executable, "-c", LAND, str(Path(__file__).parents[1]), server.url, str(home.path)])
    try:
        assert reached.wait(60)
    finally:
        process.kill()
        process.wait()
        on.set()
    of = rest(server, {}, limits={"timeout_seconds": 5, "retries": 0, "max_calls_per_day": 1})
    assert "used up" in land_system(of, home).tables[TABLE].message
    assert len(server.requests) == 1


def test_calls_are_counted_for_each_institution(server: Server, home: Home) -> None:
    server.answer = lambda path, query, headers: []
    of = quota(server, 2, calls_counted="by_arguments")
    assert [land_system(of, home).tables[TABLE].status for _ in range(3)] == ["loaded", "loaded", "failed"]
    assert len(server.requests) == 4
    assert "skole" not in home.quota_file("proeve").read_text()
    assert stat.S_IMODE(home.quota_file("proeve").stat().st_mode) == 0o600, "a hash of a CPR number is searched in minutes"


def test_a_new_day_begins_at_nought_and_two_at_once_are_both_counted(tmp_path: Path) -> None:
    path = tmp_path / "quotas" / "x.json"
    path.parent.mkdir()
    path.write_text('{"2020-01-01": {"all": 99}}')
    limits = Limits(max_calls_per_day=20)
    threads = [threading.Thread(target=lambda: [Quota(path, limits).take("") for _ in range(5)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with pytest.raises(SourceError, match="used up"):
        Quota(path, limits).take("")
