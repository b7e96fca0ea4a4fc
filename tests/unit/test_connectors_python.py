"""The escape hatch, and the command that shows what was set aside, over a whole load."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

import duckdb
import pyarrow as pa
import pytest
from connectors_support import TABLE, column, context, rejected, rows, system
from typer.testing import CliRunner

import ingestion.register
from cli.main import app
from ingestion.connectors.base import SourceError
from ingestion.home import Home
from ingestion.landing import land_system
from ingestion.raw_file import read_rejects
from ingestion.register.model import Register, System


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = ModuleType("egne_funktioner")
    monkeypatch.setitem(sys.modules, "egne_funktioner", module)
    monkeypatch.setenv("KODE", "hemmelig-kode")
    return module


def python(function: str = "rows", columns: Any = None, **table: Any) -> System:
    connection = {"protocol": "python", "settings": {"kode": {"env": "KODE"}}}
    source = {"function": f"egne_funktioner:{function}"}
    return system(connection, source, columns or {"id": column("integer")}, **table)


def test_values_come_as_text_and_settings_by_name(functions: Any, tmp_path: Path) -> None:
    def rows_of(table_name: str, since: str | None, kode: str) -> Iterator[Any]:
        assert (table_name, since, kode) == (TABLE, "2026-01-01", "hemmelig-kode")
        yield {
            "id": 1, "Beløb": Decimal("1E+2"), "ja": True, "dag": date(2026, 1, 2), "tid": datetime(2026, 1, 2, 3), "intet": None,
            "nan": float("nan"), "flere": [1, "å"], "par": (1, 2), "råt": b"\x00\xff", "uid": UUID(int=1),
            "inden i": [{"dag": date(2026, 1, 2), "kr": Decimal("1.10")}],
        }  # fmt: skip
        yield "vrøvl"

    functions.rows = rows_of
    found = context(tmp_path, since="2026-01-01")
    assert rows(python(), found) == [{
        "id": "1", "beloeb": "100", "ja": "true", "dag": "2026-01-02", "tid": "2026-01-02T03:00:00", "intet": None,
        "nan": None, "flere": '[1,"å"]', "par": "[1,2]", "raat": "00ff", "uid": "00000000-0000-0000-0000-000000000001",
        "inden_i": '[{"dag":"2026-01-02","kr":"1.10"}]',
        "_source_ref": "egne_funktioner:rows", "_source_row": 1,
    }]  # fmt: skip
    assert [(r["source_row"], r["raw_text"]) for r in rejected(found)] == [(2, "'vrøvl'")]


def test_a_resource_of_dlt_lands_with_its_pages_and_its_state(functions: Any, home: Home) -> None:
    import dlt

    @dlt.resource(name="sider", primary_key="id", max_table_nesting=0)
    def pages(table_name: str, since: str | None, kode: str) -> Iterator[Any]:
        dlt.current.resource_state()["seen"] = kode
        yield [{"id": 1, "Beløb": {"kr": 7}}, {"id": 2}]
        yield pa.table({"id": [3], "Beløb": ["8"]})
        yield {"id": 4}

    @dlt.transformer(data_from=pages)
    def detailed(items: Any, **_: Any) -> Iterator[Any]:
        yield [{**item, "af": "dlt"} for item in items] if isinstance(items, list) else items

    functions.rows = pages
    assert land_system(python(), home).tables[TABLE].status == "loaded"
    functions.rows = lambda *args, **settings: pages(*args, **settings) | detailed
    assert land_system(python(), home).tables[TABLE].status == "loaded"
    with duckdb.connect(str(home.raw_file("proeve")), read_only=True) as connection:
        landed = connection.execute(f'select id, beloeb, af from raw."{TABLE}" order by id').fetchall()
    assert landed == [("1", '{"kr":7}', "dlt"), ("2", None, "dlt"), ("3", "8", None), ("4", None, None)]


def test_a_function_that_fails_sinks_its_table_and_shows_no_secret(functions: Any, tmp_path: Path) -> None:
    def rows_of(table_name: str, since: str | None, kode: str) -> Iterator[Any]:
        yield {"id": 1}
        raise RuntimeError(f"nej til {kode}\nog mere")

    functions.rows = rows_of
    with pytest.raises(SourceError, match=r"egne_funktioner:rows fails after 1 rows: RuntimeError: nej til \*\*\* og mere"):
        rows(python(), context(tmp_path))


@pytest.mark.parametrize(("function", "message"), [("ingen", "there is no function"), ("tal", "is no function")])
def test_what_is_no_function_is_told(functions: Any, tmp_path: Path, function: str, message: str) -> None:
    functions.tal = 7
    with pytest.raises(SourceError, match=message):
        rows(python(function), context(tmp_path))


@pytest.fixture
def landed(functions: Any, home: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    functions.rows = lambda table_name, since, kode: iter([{"id": 1}, "Åge 010101-0001"])
    of = python()
    assert land_system(of, home).tables[TABLE].rejects == 1
    monkeypatch.setattr(ingestion.register, "read_leniently", lambda: (Register(systems={"proeve": of}), []))
    return home


def test_rejects_are_shown_by_their_shape_unless_asked_for(landed: Home) -> None:
    found, total = read_rejects(landed.raw_file("proeve"), TABLE, raw=False, limit=10)
    assert total == 1
    assert (found[0]["source_ref"], found[0]["source_row"]) == ("egne_funktioner:rows", 2)
    assert (found[0]["reason"], found[0]["raw_text"]) == ("posten er ikke et objekt", "'aaa 999999-9999'")
    run = CliRunner().invoke
    shown = run(app, ["systems", "rejects", "proeve", "--home", str(landed.path)])
    assert shown.exit_code == 0, shown.output
    assert "egne_funktioner:rows" in shown.output
    assert "'aaa 999999-9999'" in shown.output
    assert "010101" not in shown.output
    raw = run(app, ["systems", "rejects", "proeve", TABLE, "--raw", "--json", "--home", str(landed.path)])
    assert json.loads(raw.stdout)[0]["raw_text"] == "'Åge 010101-0001'"


def test_a_cpr_number_in_a_files_name_is_shown_to_who_asks_for_the_text_alone(home: Home, tmp_path: Path) -> None:
    (tmp_path / "brev_0101010001.csv").write_text("id;navn\n1;Åge;x\n")
    files = {"protocol": "files", "transport": {"type": "local", "folder": str(tmp_path)}}
    source = {"format": "csv", "glob": "brev_*.csv", "separator": ";"}
    of = system(files, source, {"id": column("integer"), "navn": column()}, write="append", expected_rows={"min": 0})
    told = land_system(of, home).tables[TABLE].message
    assert "brev_######-####.csv:2: for mange felter" in told
    refs = [read_rejects(home.raw_file("proeve"), TABLE, raw=raw, limit=1)[0][0]["source_ref"] for raw in (False, True)]
    assert refs == ["brev_######-####.csv", "brev_0101010001.csv"]


def test_rejects_of_nothing(landed: Home, tmp_path: Path) -> None:
    run = CliRunner().invoke
    empty = run(app, ["systems", "rejects", "proeve", "--home", str(tmp_path / "andet")])
    assert (empty.exit_code, "0 rejects" in empty.output) == (0, True)
    assert run(app, ["systems", "rejects", "ukendt"]).exit_code == 2
    assert run(app, ["systems", "rejects", "proeve", "ukendt"]).exit_code == 2
