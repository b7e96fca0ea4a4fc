"""Files behind web addresses, as Datafordeler gives them out."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import duckdb
import pytest
from connectors_support import column, context, rows, system
from http_support import Server
from pydantic import ValidationError

from ingestion.connectors.base import SourceError
from ingestion.home import Home
from ingestion.landing import land_system, preview
from ingestion.register.model import System

KEY = "en-meget-hemmelig-noegle"
BODY = b"id;navn\n1;en\n2;to\n"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("API_KEY", KEY)
    server = Server()
    yield server
    server.close()


def downloads(server: Server, **source: Any) -> System:
    transport = {
        "type": "http",
        "url": f"{server.url}/GetFile",
        "query": {"apiKey": {"env": "API_KEY"}},
        "files": {"DAR_Adresse.csv": {"Register": "DAR", "type": "current"}},
    }
    source = {"format": "csv", "glob": "DAR_*.csv", **source}
    return system({"protocol": "files", "transport": transport}, source, {"id": column(), "navn": column()}, write="append")


def test_a_file_is_asked_for_by_its_parameters_and_known_again(server: Server, tmp_path: Path) -> None:
    server.answer = lambda path, query, headers: (200, {"Last-Modified": formatdate(1_700_000_000, usegmt=True)}, BODY)
    first = context(tmp_path)
    assert [row["navn"] for row in rows(downloads(server), first)] == ["en", "to"]
    assert {path for path, _ in server.requests} == {"/GetFile"}
    assert all(query == {"apiKey": KEY, "Register": "DAR", "type": "current"} for _, query in server.requests)
    assert rows(downloads(server), context(tmp_path, files_seen=first.files_loaded)) == []


def test_where_no_time_is_told_the_content_decides(server: Server, tmp_path: Path) -> None:
    server.answer = lambda path, query, headers: (200, {}, BODY)
    first = context(tmp_path)
    assert len(rows(downloads(server), first)) == 2
    seen = {name: f"{mark.partition(':')[0]}:1:{mark.rpartition(':')[2]}" for name, mark in first.files_loaded.items()}
    assert rows(downloads(server), context(tmp_path, files_seen=seen)) == []
    server.answer = lambda path, query, headers: (200, {}, BODY.replace(b"to", b"ny"))
    assert [row["navn"] for row in rows(downloads(server), context(tmp_path, files_seen=seen))] == ["en", "ny"]


def test_a_preview_lands_nothing_and_takes_nothing_from_the_next_load(server: Server, home: Home) -> None:
    server.answer = lambda path, query, headers: (200, {}, BODY)
    assert preview(downloads(server), "tabel", 1).column("navn").to_pylist() == ["en"]
    assert not home.raw_file("proeve").exists()
    assert land_system(downloads(server), home).tables["tabel"].table_rows == 2
    assert preview(downloads(server), "tabel").column("navn").to_pylist() == ["en", "to"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((401, {}, ""), "The log-in is refused"),
        ((404, {}, ""), "Nothing stands at that address"),
        ((200, {"X-Length": "999"}, BODY), "stops in the middle of a file"),
    ],
)
def test_what_goes_wrong_is_one_line_without_the_key(server: Server, tmp_path: Path, answer: Any, said: str) -> None:
    server.answer = lambda path, query, headers: answer
    with pytest.raises(SourceError, match=said) as error:
        rows(downloads(server), context(tmp_path))
    assert KEY not in str(error.value)


def test_nothing_can_be_put_away_there(server: Server) -> None:
    with pytest.raises(ValidationError, match="nothing can be put away"):
        downloads(server, archive="arkiv")


def test_an_old_workbook_over_the_web(server: Server, tmp_path: Path) -> None:
    """`budget.xls` was written in Excel 97's format (BIFF8): banner, key as a number and as text, dates, a hidden sheet."""
    book = (Path(__file__).parent / "files" / "budget.xls").read_bytes()
    assert book.startswith(b"\xd0\xcf\x11\xe0"), "OLE2, not a ZIP"
    server.answer = lambda path, query, headers: (200, {"Last-Modified": formatdate(1_700_000_000, usegmt=True)}, book)
    transport = {"type": "http", "url": f"{server.url}/GetFile", "files": {"budget.xls": {}}}
    columns = {"Nøgle": column(), "Dato": column("excel_serial"), "Beløb": column("decimal")}
    of = system(
        {"protocol": "files", "transport": transport},
        {"format": "excel", "glob": "*.xls", "sheet": "*", "header_row": 3},
        columns,
        write="append",
    )
    home = Home(tmp_path / "home")
    loads = [land_system(of, home).tables["tabel"] for _ in range(2)]
    assert [(load.status, load.rows, load.rejects) for load in loads] == [("loaded", 2, 0), ("unchanged", 0, 0)], loads[0].message
    with duckdb.connect(str(home.raw_file("proeve")), read_only=True) as connection:
        found = connection.sql(
            "select noegle, dato, beloeb, _source_ref, _source_row from raw.tabel order by _source_row"
        ).fetchall()
    assert found == [
        ("7", "46053", "1234.5", "budget.xls#Budget 2026", 4),
        ("0012", "46054", "-3", "budget.xls#Budget 2026", 5),
    ]
