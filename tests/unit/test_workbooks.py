"""The departments' workbooks: read back with another library than the one that writes them."""

from __future__ import annotations

import stat

import duckdb
import pytest
from python_calamine import CalamineWorkbook

import serving.workbooks
from ingestion.home import Home
from ingestion.register import read_register
from serving.workbooks import HEADINGS, LINKS, write_workbooks

LOADED = "1795521377.846531"
HIDDEN = [None, None, None]  # a key that is confidential is not there
SHORT = "for få felter: 2 i stedet for 9"
ENTRIES = [
    ("ydelsesrefusion", "beregninger", "beloeb", "9.999,99x", "kan ikke konverteres", HIDDEN, False, LOADED, "yr-2026-01.csv", 7),
    ("ydelsesrefusion", "beregninger", None, "9999;aaa", SHORT, None, True, LOADED, "yr-2026-01.csv", 9),
    ("vagtplan", "vagter", "vagt_id, dato", "=1+1", "dubleret nøgle", ["500499"], True, LOADED, "vagter", None),
]


@pytest.fixture
def built(home: Home) -> Home:
    home.path.mkdir()
    with duckdb.connect(str(home.warehouse)) as warehouse:
        warehouse.execute("create schema quality")
        warehouse.execute(
            "create table quality.quarantine (system_id varchar, table_name varchar, column_name varchar, raw_value varchar,"
            " reason varchar, row_key varchar[], row_dropped boolean, load_id varchar, source_ref varchar, source_row bigint)"
        )
        warehouse.executemany(f"insert into quality.quarantine values ({', '.join('?' * 10)})", ENTRIES)
        warehouse.execute("create schema marts")
        warehouse.execute(
            "create table marts.mart_koblinger_til_gennemsyn (fagomraade varchar, slags varchar, system_id varchar,"
            " tekst varchar, maal varchar, forslag varchar, tillid decimal(5, 4))"
        )
    return home


def test_what_record_linkage_is_not_sure_of_is_asked_of_the_department(built: Home) -> None:
    with duckdb.connect(str(built.warehouse)) as warehouse:
        warehouse.execute(
            "insert into marts.mart_koblinger_til_gennemsyn values ('plan_byg_natur_miljoe', 'adresse', 'scanxnet',"
            " 'Havntræde 10, 4540', 'dar-1', 'Havnestræde 10, 4540 Fårevejle', 0.6788)"
        )
    register = read_register()
    written = write_workbooks(register, built)
    assert set(written) == {"social_arbejdsmarked", "omsorg_sundhed", "plan_byg_natur_miljoe"}
    rows = CalamineWorkbook.from_path(written["plan_byg_natur_miljoe"]).get_sheet_by_name("Koblinger").to_python()
    assert rows == [
        list(LINKS),
        [register.systems["scanxnet"].title, "Havntræde 10, 4540", "Havnestræde 10, 4540 Fårevejle", "0,68", "dar-1", "", ""],
    ]
    assert "Koblinger" not in CalamineWorkbook.from_path(written["omsorg_sundhed"]).sheet_names


def test_each_department_finds_its_own_rows_and_where_they_stand(built: Home) -> None:
    register = read_register()
    written = write_workbooks(register, built)
    assert set(written) == {"social_arbejdsmarked", "omsorg_sundhed"}
    rows = CalamineWorkbook.from_path(written["social_arbejdsmarked"]).get_sheet_by_name("Rettes i kilden").to_python()
    steward = register.systems["ydelsesrefusion"].data_steward
    labels = register.systems["ydelsesrefusion"].tables["beregninger"]
    title = register.systems["ydelsesrefusion"].title
    assert rows[0] == list(HEADINGS)
    broken, unread = sorted(rows[1:], key=lambda row: row[8])
    label = {raw: labels.columns[source].label for source, raw in labels.raw_names().items()}["beloeb"]
    assert broken[:6] == [title, labels.title, label, "kan ikke konverteres", "9.999,99x", "Værdien er tom"]
    assert broken[6:9] == ["", "yr-2026-01.csv", 7]
    assert broken[9] == "24-11-2026 kl. 12.56"  # Danish winter time
    assert broken[10] == f"{steward.team} ({steward.email})"
    assert unread[3:6] == [SHORT, "9999;aaa", "Rækken er ikke med"]
    of_shifts = CalamineWorkbook.from_path(written["omsorg_sundhed"]).get_sheet_by_name("Rettes i kilden").to_python()
    assert [row[6] for row in of_shifts[1:]] == ["Vagt-id 500499"]
    overview = CalamineWorkbook.from_path(written["social_arbejdsmarked"]).get_sheet_by_name("Overblik").to_python()
    assert [title, 2, f"{steward.team} ({steward.email})"] in overview


def test_what_a_source_wrote_is_no_formula(built: Home) -> None:
    path = write_workbooks(read_register(), built)["omsorg_sundhed"]
    from openpyxl import load_workbook

    sheet = load_workbook(path)["Rettes i kilden"]
    assert [(cell.value, cell.data_type) for cell in sheet["E"][1:]] == [("=1+1", "s")]


def test_a_files_name_tells_of_nobody(built: Home) -> None:
    with duckdb.connect(str(built.warehouse)) as warehouse:
        warehouse.execute("update quality.quarantine set source_ref = 'henvisning 010190-1234.xlsx#Ark 1'")
    path = write_workbooks(read_register(), built)["omsorg_sundhed"]
    rows = CalamineWorkbook.from_path(path).get_sheet_by_name("Rettes i kilden").to_python()
    assert {row[7] for row in rows[1:]} == {"henvisning ######-####.xlsx#Ark 1"}


def test_only_its_owner_reads_it_and_what_is_mended_is_gone(built: Home) -> None:
    first = write_workbooks(read_register(), built)
    assert {stat.S_IMODE(path.stat().st_mode) for path in first.values()} == {0o600}
    assert stat.S_IMODE((built.path / "workbooks").stat().st_mode) == 0o700
    with duckdb.connect(str(built.warehouse)) as warehouse:
        warehouse.execute("delete from quality.quarantine where system_id = 'vagtplan'")
    assert set(write_workbooks(read_register(), built)) == {"social_arbejdsmarked"}
    assert {path.name for path in (built.path / "workbooks").iterdir()} == {"social_arbejdsmarked.xlsx"}


def test_what_is_too_much_to_list_is_said(built: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving.workbooks, "MOST_ROWS", 1)
    path = write_workbooks(read_register(), built)["social_arbejdsmarked"]
    rows = CalamineWorkbook.from_path(path).get_sheet_by_name("Rettes i kilden").to_python()
    assert len(rows) == 3
    assert rows[2][3] == "og 1 til; se tabellen quality.quarantine"
