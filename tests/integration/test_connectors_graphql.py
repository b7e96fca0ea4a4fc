"""GraphQL against a real schema, with Relay's paging and a bitemporal argument."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from connectors_support import column, context, rows, system
from graphql import build_schema, graphql_sync
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from demo.http_server import http_server
from ingestion.connectors.base import SourceError
from ingestion.register.model import System

SCHEMA = """
type Query { medarbejdere(first: Int = 2, after: String, gyldigPr: String!, rettetEfter: String): Side! }
type Side { totalCount: Int! edges: [Kant!]! pageInfo: PageInfo! }
type PageInfo { hasNextPage: Boolean! endCursor: String }
type Kant { node: Medarbejder! }
type Medarbejder { uuid: ID! cpr: String rettet: String loen: Float engagementer: [Engagement!]! }
type Engagement { fra: String! stilling: String }
"""
QUERY = """
query ($first: Int, $after: String, $pr: String!, $siden: String) {
  medarbejdere(first: $first, after: $after, gyldigPr: $pr, rettetEfter: $siden) {
    totalCount
    edges { node { uuid cpr rettet loen engagementer { fra stilling } } }
    pageInfo { hasNextPage endCursor }
  }
}
"""
PEOPLE = [
    {
        "uuid": f"u{n}",
        "cpr": f"010101000{n}",
        "rettet": f"2026-01-0{n}",
        "loen": None if n == 3 else n + 0.5,
        "engagementer": [{"fra": f"2020-01-0{k}", "stilling": f"S{k}"} for k in range(1, n)],
    }
    for n in range(1, 6)
]


class Counterpart:
    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[dict[str, Any]] = []
        self.schema = build_schema(SCHEMA)

    def medarbejdere(
        self, info: Any, first: int, gyldigPr: str, after: str | None = None, rettetEfter: str | None = None
    ) -> dict[str, Any]:
        assert gyldigPr == "2026-01-01"
        found = [person for person in PEOPLE if rettetEfter is None or str(person["rettet"]) >= rettetEfter]
        start = int(after or 0)
        page = found[start : start + first]
        more = start + first < len(found)
        end = {"hasNextPage": more, "endCursor": str(start + first) if page else None}
        return {"totalCount": len(found), "edges": [{"node": person} for person in page], "pageInfo": end}

    async def answer(self, request: Request) -> JSONResponse:
        if request.headers["Authorization"] != "Bearer hemmelig":
            return JSONResponse({"errors": [{"message": "Log ind"}]}, 401)
        asked = await request.json()
        self.asked.append(asked["variables"])
        result = graphql_sync(self.schema, asked["query"], self, variable_values=asked["variables"])
        return JSONResponse(result.formatted, 200 if result.data is not None else 400)


@pytest.fixture
def counterpart(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counterpart]:
    monkeypatch.setenv("TOKEN", "hemmelig")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Counterpart(f"http://127.0.0.1:{port}/graphql")
    with http_server(Starlette(routes=[Route("/graphql", made.answer, methods=["POST"])]), port):
        yield made


def employees(of: Counterpart, **table: Any) -> System:
    source = {
        "query": QUERY,
        "variables": {"first": 2, "pr": "2026-01-01", "siden": "{since}"},
        "records": "medarbejdere.edges",
        "total": "medarbejdere.totalCount",
        "paging": {
            "variable": "after",
            "cursor": "medarbejdere.pageInfo.endCursor",
            "more": "medarbejdere.pageInfo.hasNextPage",
        },
        **table.pop("source", {}),
    }
    columns = table.pop("columns", {name: column(path=f"node.{name}") for name in ("uuid", "cpr", "loen", "rettet")})
    connection = {"protocol": "graphql", "url": of.url, "auth": {"type": "bearer", "token": {"env": "TOKEN"}}}
    return system(connection, source, columns, **table)


def test_all_pages_come_and_are_counted(counterpart: Counterpart, tmp_path: Path) -> None:
    found = context(tmp_path)
    result = rows(employees(counterpart), found)
    assert [row["uuid"] for row in result] == ["u1", "u2", "u3", "u4", "u5"]
    assert result[0] == {
        "uuid": "u1", "cpr": "0101010001", "loen": "1.5", "rettet": "2026-01-01", "_source_ref": "tabel", "_source_row": 1
    }  # fmt: skip
    assert found.source_rows == 5
    assert [asked.get("after") for asked in counterpart.asked] == [None, "2", "4"]
    assert all("siden" not in asked for asked in counterpart.asked)


def test_silence_about_more_pages_is_not_the_end(counterpart: Counterpart, tmp_path: Path) -> None:
    paging = {"variable": "after", "cursor": "medarbejdere.pageInfo.endCursor", "more": "medarbejdere.pageInfo.flere"}
    with pytest.raises(SourceError, match=r"does not say at 'medarbejdere\.pageInfo\.flere' whether there are more pages"):
        rows(employees(counterpart, source={"paging": paging}), context(tmp_path))


def test_the_last_value_goes_into_the_variable(counterpart: Counterpart, tmp_path: Path) -> None:
    of = employees(counterpart, write="merge", cursor={"column": "rettet"}, columns={
        "uuid": column(path="node.uuid"), "rettet": column("date", path="node.rettet")
    })  # fmt: skip
    assert [row["uuid"] for row in rows(of, context(tmp_path, since="2026-01-04"))] == ["u4", "u5"]


def test_a_list_in_each_record_makes_rows_that_know_their_parent(counterpart: Counterpart, tmp_path: Path) -> None:
    columns = {"medarbejder": column(path="^.node.uuid"), "fra": column("date"), "stilling": column()}
    of = employees(counterpart, source={"each": "node.engagementer", "total": None}, columns=columns)
    result = rows(of, context(tmp_path))
    assert [(row["medarbejder"], row["fra"]) for row in result] == [
        (f"u{n}", f"2020-01-0{k}") for n in range(1, 6) for k in range(1, n)
    ]


def test_an_error_names_what_is_wrong(counterpart: Counterpart, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"answers 400: Cannot query field 'navn' on type 'Medarbejder'"):
        rows(employees(counterpart, source={"query": QUERY.replace("uuid cpr", "navn")}), context(tmp_path))


def test_half_an_answer_with_errors_is_no_answer(counterpart: Counterpart, tmp_path: Path) -> None:
    PEOPLE[2]["engagementer"][0]["fra"], kept = None, PEOPLE[2]["engagementer"][0]["fra"]  # type: ignore[index]
    try:
        with pytest.raises(SourceError, match=r"Cannot return null for non-nullable field Engagement\.fra"):
            rows(employees(counterpart), context(tmp_path))
    finally:
        PEOPLE[2]["engagementer"][0]["fra"] = kept  # type: ignore[index]


def test_a_refused_log_in_is_told(counterpart: Counterpart, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN", "forkert")
    with pytest.raises(SourceError, match=r"answers 401: Log ind\. The log-in is refused") as caught:
        rows(employees(counterpart), context(tmp_path))
    assert "forkert" not in str(caught.value)
