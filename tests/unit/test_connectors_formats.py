"""Workbooks, XML and fixed width, as municipalities get them."""

from __future__ import annotations

import re
import struct
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from connectors_support import TABLE, column, context, rejected, rows, system

from ingestion.connectors.base import SourceError
from ingestion.register.model import System


def files_system(folder: Path, source: dict[str, Any], columns: dict[str, Any]) -> System:
    connection = {"protocol": "files", "transport": {"type": "local", "folder": str(folder)}}
    return system(connection, {"glob": "*", **source}, columns, write="append")


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    folder = tmp_path / "drop"
    folder.mkdir()
    return folder


# --- Excel -------------------------------------------------------------------------------------------------------------------


def workbook(drop: Path, **sheets: list[list[Any]]) -> openpyxl.Workbook:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, lines in sheets.items():
        sheet = book.create_sheet(name)
        for line in lines:
            sheet.append(line)
    book.save(drop / "a.xlsx")
    return book


def excel_system(drop: Path, sheet: str, header_row: int = 3) -> System:
    columns = {"Telefon": column(), "Dato": column("excel_serial"), "Født": column("date"), "Tarif": column("decimal")}
    return files_system(drop, {"format": "excel", "sheet": sheet, "header_row": header_row}, columns)


BANNER = [["Specialtilbud 2026"], []]
HEAD = ["Telefon", "Dato", "Født", "Tarif", None, None]


def test_excel_values_read_as_the_sheet_shows_them(drop: Path, tmp_path: Path) -> None:
    lines = [
        [3234567.0, 46053, datetime(2020, 1, 2), 1234.56],
        [None] * 4,
        ["0012", date(2026, 1, 31), datetime(2020, 1, 2, 8, 30), -5],
    ]
    workbook(drop, A=[*BANNER, HEAD, *lines])
    assert rows(excel_system(drop, "A"), context(tmp_path)) == [
        {
            "telefon": "3234567", "dato": "46053", "foedt": "2020-01-02", "tarif": "1234.56",
            "_source_ref": "a.xlsx#A", "_source_row": 4,
        },
        {
            "telefon": "0012", "dato": "46053", "foedt": "2020-01-02T08:30:00", "tarif": "-5",
            "_source_ref": "a.xlsx#A", "_source_row": 6,
        },
    ]  # fmt: skip


def test_excel_errors_and_formulas_that_nobody_calculated_are_not_empty(drop: Path, tmp_path: Path) -> None:
    book = workbook(drop, A=[*BANNER, HEAD, ["1", None, None, "#N/A"], ["2"], ["3", None, None, "=B1*2"]], B=[*BANNER, HEAD])
    book["B"].cell(5, 4).value = "#REF!"
    book.save(drop / "a.xlsx")
    with zipfile.ZipFile(drop / "a.xlsx") as written:
        parts = {name: written.read(name) for name in written.namelist()}
    sheet = parts["xl/worksheets/sheet1.xml"]
    assert b'<c r="D4" t="e"><v>#N/A</v></c>' in sheet
    # A result that is an empty text, and cells and rows that do not say where they are, as some writers leave them.
    empty = b'<c r="A5" t="inlineStr"><is><t>2</t></is></c><c r="D5" t="str"><f>IF(1,"")</f><v></v></c>'
    parts["xl/worksheets/sheet1.xml"] = re.sub(rb'<c r="A5".*?</c>', empty, sheet)
    parts["xl/worksheets/sheet2.xml"] = re.sub(
        rb' r="[A-Z]?\d+"', b"", parts["xl/worksheets/sheet2.xml"].replace(b'<row r="5"', b"<row><c/></row><row")
    )
    with zipfile.ZipFile(drop / "a.xlsx", "w") as changed:
        for name, content in parts.items():
            changed.writestr(name, content)
    found = rows(excel_system(drop, "?"), context(tmp_path))
    assert [(row["telefon"], row["tarif"]) for row in found] == [("1", "#N/A"), ("2", None), ("3", "=B1*2")]


def test_excel_sums_below_the_records_are_none(drop: Path, tmp_path: Path) -> None:
    workbook(
        drop, A=[*BANNER, HEAD, ["1", None, None, 5], ["2", None, None, 6], [], [None, "I alt", None, 11], ["Udskrevet 1/11"]]
    )
    of = excel_system(drop, "A")
    table = of.tables[TABLE]

    def below(begins: str) -> System:
        source = table.source.model_copy(update={"trailer_begins": begins})
        return of.model_copy(update={"tables": {TABLE: table.model_copy(update={"source": source})}})

    assert [row["telefon"] for row in rows(below("I alt|Sum"), context(tmp_path))] == ["1", "2"]
    with pytest.raises(SourceError, match="has no row that begins with 'Total'"):
        rows(below("Total"), context(tmp_path))


def test_ods_errors_and_formulas_that_nobody_calculated_are_not_empty(drop: Path, tmp_path: Path) -> None:
    oasis = "urn:oasis:names:tc:opendocument:xmlns"
    root = (
        f'd xmlns:office="{oasis}:office:1.0" xmlns:table="{oasis}:table:1.0" xmlns:text="{oasis}:text:1.0"'
        ' xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'
    )
    number, error = 'office:value-type="float" office:value="{}"', 'office:value-type="string" office:string-value=""'

    def row(first: int, said: str, kind: str, more: str = "") -> str:
        formula = f'<table:table-cell table:formula="of:=[.A1]/0" {kind}>{said and f"<text:p>{said}</text:p>"}</table:table-cell>'
        return f"<table:table-row {more}><table:table-cell {number.format(first)}/>{formula}</table:table-row>"

    told = f'{error} calcext:value-type="error"'
    heads = "".join(
        f'<table:table-cell office:value-type="string"><text:p>{name}</text:p></table:table-cell>' for name in ("id", "tal")
    )
    table = (
        f"<table:table-row>{heads}</table:table-row>"
        + row(1, "#DIV/0!", told, 'table:number-rows-repeated="2"')
        + row(2, "#REF!", number.format(0))
        + row(3, "", "")
        + row(4, "7", number.format(7))
    )
    with zipfile.ZipFile(drop / "a.ods", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("META-INF/manifest.xml", f'<m:manifest xmlns:m="{oasis}:manifest:1.0"/>')
        other = f'<table:table table:name="Z">{row(9, "#N/A", told)}</table:table>'
        archive.writestr("content.xml", f'<{root}>{other}<table:table table:name="A">{table}</table:table></d>')
    found = rows(files_system(drop, {"format": "excel", "sheet": "A"}, {"id": column(), "tal": column()}), context(tmp_path))
    expected = [("1", "#DIV/0!"), ("1", "#DIV/0!"), ("2", "#REF!"), ("3", "=[.A1]/0"), ("4", "7")]
    assert [(row["id"], row["tal"]) for row in found] == expected


def test_xls_errors_are_not_empty(drop: Path, tmp_path: Path) -> None:
    book = (Path(__file__).parents[1] / "integration" / "files" / "budget.xls").read_bytes()
    numbers = book.index(struct.pack("<HHHH", 0xBD, 18, 4, 1))  # In the last row, a date and an amount.
    error = struct.pack("<HHHHHBB", 0x205, 8, 4, 1, 18, 0x2A, 1)
    formula = struct.pack("<HHHHHBxB3xHHIH", 6, 22, 4, 2, 17, 2, 0x07, 0xFFFF, 0, 0, 0)
    changed = (book[:numbers] + error + formula + book[numbers + 22 :])[: 512 + 4096] + book[512 + 4096 :]
    second = struct.pack("<I", 1618)  # Where the hidden sheet begins.
    changed = changed.replace(second, struct.pack("<I", 1618 + len(error + formula) - 22), 1)
    (drop / "a.xls").write_bytes(changed)
    columns = {"Nøgle": column(), "Dato": column("excel_serial"), "Beløb": column("decimal")}
    of = files_system(drop, {"format": "excel", "sheet": "Budget*", "header_row": 3}, columns)
    found = [(row["noegle"], row["dato"], row["beloeb"]) for row in rows(of, context(tmp_path))]
    assert found == [("7", "46053", "1234.5"), ("0012", "#N/A", "#DIV/0!")]


def test_excel_sheets_by_pattern_without_hidden_ones_and_with_strange_ones_set_aside(drop: Path, tmp_path: Path) -> None:
    book = workbook(drop, Jan=[*BANNER, HEAD, [1]], Feb=[*BANNER, HEAD, [2]], Guide=[["Læs"], ["dette"], ["først"]], X=[HEAD])
    book["X"].sheet_state = "hidden"
    book.save(drop / "a.xlsx")
    found = context(tmp_path)
    assert [(row["telefon"], row["_source_ref"]) for row in rows(excel_system(drop, "*"), found)] == [
        ("1", "a.xlsx#Jan"),
        ("2", "a.xlsx#Feb"),
    ]
    assert [(r["source_ref"], r["reason"]) for r in rejected(found)] == [
        ("a.xlsx#Guide", "arket har ingen af de forventede overskrifter")
    ]


def test_excel_columns_without_a_heading_are_kept_if_they_hold_something(drop: Path, tmp_path: Path) -> None:
    workbook(drop, A=[*BANNER, HEAD, [1, None, None, None, None, "skjult"]])
    row = rows(excel_system(drop, "A"), context(tmp_path))[0]
    assert row["kolonne_6"] == "skjult"
    assert "kolonne_5" not in row


@pytest.mark.parametrize(
    ("sheet", "header_row", "message"),
    [
        ("C", 3, "has no sheet 'C', only 'A', 'B'"),
        ("A", 1, "row 1 has none of the declared headings"),
        ("A", 99, "row 99 has none of the declared headings"),
    ],
)
def test_excel_says_what_is_missing(drop: Path, tmp_path: Path, sheet: str, header_row: int, message: str) -> None:
    workbook(drop, A=[*BANNER, HEAD], B=[])
    with pytest.raises(SourceError, match=message):
        rows(excel_system(drop, sheet, header_row), context(tmp_path))


def test_excel_headings_alone_give_no_rows(drop: Path, tmp_path: Path) -> None:
    workbook(drop, A=[*BANNER, HEAD])
    assert rows(excel_system(drop, "A"), context(tmp_path)) == []


def test_excel_that_is_no_workbook(drop: Path, tmp_path: Path) -> None:
    (drop / "a.xlsx").write_bytes(b"PK\x03\x04 half a zip")
    with pytest.raises(SourceError, match=r"a\.xlsx is not a readable workbook"):
        rows(excel_system(drop, "A"), context(tmp_path))


# --- XML ---------------------------------------------------------------------------------------------------------------------


def xml_system(drop: Path, record: str = "employee") -> System:
    columns = {
        "id": column(path="@id"),
        "cpr": column(),
        "unit": column(path="position/@unit"),
        "grade": column(path="position/pay/grade"),
    }
    return files_system(drop, {"format": "xml", "record": record}, columns)


XML = """<?xml version="1.0" encoding="iso-8859-1"?>
<kmd:envelope xmlns:kmd="urn:kmd" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
  <employee id="1" action="leave">
    <cpr suppId="7">010101<!-- et ophold -->0001</cpr>
    <position unit="æ1"><pay><grade>12</grade></pay></position>
    <phone>1</phone><phone>2</phone><ny xsi:nil="true"/><adresse><vej>Søvej</vej><nr>5</nr></adresse>
  </employee>
  <kmd:employee id="2"><cpr> </cpr></kmd:employee>
</kmd:envelope>"""


def test_xml_attributes_paths_repeats_and_what_is_new(drop: Path, tmp_path: Path) -> None:
    (drop / "a.xml").write_bytes(XML.encode("latin-1"))
    first, second = rows(xml_system(drop), context(tmp_path))
    assert first == {
        "id": "1", "cpr": "0101010001", "unit": "æ1", "grade": "12", "action": "leave", "cpr_supp_id": "7", "phone": '["1","2"]',
        "ny": None, "adresse": '{"vej":"Søvej","nr":"5"}', "_source_ref": "a.xml", "_source_row": 1,
    }  # fmt: skip
    assert (second["id"], second["cpr"], second["grade"], second["_source_row"]) == ("2", None, None, 2)


def test_xml_records_are_told_apart_by_what_stands_above_them(drop: Path, tmp_path: Path) -> None:
    units = '<unit id="{}"><cpr>a</cpr><unit id="inner"/><grade>b</grade></unit>'
    inside = '<employee><before/><unit id="x">7</unit></employee>'
    (drop / "a.xml").write_text(f"<k>{units.format(1)}{inside * 3}{units.format(2)}</k>")
    assert [(row["id"], row["cpr"], row["grade_2"]) for row in rows(unit_system(drop), context(tmp_path))] == [
        ("1", "a", "b"),
        ("2", "a", "b"),
    ]


def unit_system(drop: Path) -> System:
    columns = {"id": column(path="@id"), "cpr": column(), "grade_2": column(path="grade")}
    return files_system(drop, {"format": "xml", "record": "k/unit"}, columns)


def xml_rows(drop: Path, tmp_path: Path, content: str | bytes, columns: dict[str, Any], **source: str) -> list[dict[str, Any]]:
    (drop / "a.xml").write_bytes(content if isinstance(content, bytes) else content.encode())
    found = rows(files_system(drop, {"format": "xml", **source}, columns), context(tmp_path))
    return [{name: value for name, value in row.items() if not name.startswith("_")} for row in found]


def test_xml_text_of_the_record_itself_and_of_mixed_content(drop: Path, tmp_path: Path) -> None:
    codes = '<r><kode id="1">Ja</kode><kode id="2">Nej<note><b cur="DKK">5</b> og <i>6</i> kr.</note></kode></r>'
    note = '{"b":{"@cur":"DKK","#text":"5"},"i":"6","#text":"og kr."}'
    by_id = {"id": column(path="@id")}
    assert xml_rows(drop, tmp_path, codes, by_id, record="kode") == [
        {"id": "1", "kode": "Ja", "note": None},
        {"id": "2", "kode": "Nej", "note": note},
    ]
    named = by_id | {"navn": column(path="."), "note": column()}
    assert xml_rows(drop, tmp_path, codes, named, record="kode")[1] == {"id": "2", "navn": "Nej", "note": note}
    mails = '<r><p id="7"><mail>a@b.dk</mail><mail>c@d.dk</mail></p></r>'
    columns = {"id": column(path="../@id"), "mail": column()}
    assert xml_rows(drop, tmp_path, mails, columns, record="p", each="mail") == [
        {"id": "7", "mail": "a@b.dk"},
        {"id": "7", "mail": "c@d.dk"},
    ]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ({}, {"id": "0101", "id_attribut": "i"}),
        ({"path": "@id"}, {"id": "i", "id_element": "0101"}),
        ({"path": "sag/id"}, {"id": "9", "id_element": "0101", "id_attribut": "i"}),
    ],
)
def test_xml_attribute_and_child_of_one_name(drop: Path, tmp_path: Path, path: dict[str, str], expected: dict[str, str]) -> None:
    content = '<r><p id="i"><id>0101</id><sag><id>9</id></sag></p></r>'
    (row,) = xml_rows(drop, tmp_path, content, {"id": column(**path)}, record="p")
    assert {name: value for name, value in row.items() if name.startswith("id")} == expected


def test_xml_what_stands_before_the_records_is_there_for_all_of_them(drop: Path, tmp_path: Path) -> None:
    person = '<s><n>{0}</n><p id="{0}a"/><p id="{0}b"/></s>'
    content = "<r><h><dato>2026-01-31</dato></h>" + "".join(person.format(n) for n in range(2_000)) + "</r>"
    columns = {"id": column(path="@id"), "dato": column(path="../../h/dato"), "n": column(path="../n")}
    expected = [{"id": f"{n}{part}", "dato": "2026-01-31", "n": str(n)} for n in range(2_000) for part in "ab"]
    assert xml_rows(drop, tmp_path, content, columns, record="s/p") == expected
    assert xml_rows(drop, tmp_path, content, columns, record="s", each="p") == expected


@pytest.mark.parametrize(
    ("declared", "written"),
    [("utf-16", "utf-8"), ("utf-16", "utf-8-sig"), ("UTF-16", "utf-16"), ("ISO-8859-1", "cp1252"), ("windows-1252", "cp1252")],
)
def test_xml_in_another_encoding_than_it_says(drop: Path, tmp_path: Path, declared: str, written: str) -> None:
    content = f'<?xml version="1.0" encoding="{declared}" standalone="yes"?>\n<r><p>Æ – €</p></r>'.encode(written)
    assert xml_rows(drop, tmp_path, content, {"p": column()}, record="p") == [{"p": "Æ – €"}]


def test_truncated_xml_fails_whole_with_its_line(drop: Path, tmp_path: Path) -> None:
    (drop / "a.xml").write_bytes(XML.encode("latin-1")[:-60])
    found = context(tmp_path)
    with pytest.raises(SourceError, match=r"a\.xml:\d+: not whole or not valid XML"):
        rows(xml_system(drop), found)
    assert found.files_loaded == {}


def test_xml_entities_are_not_read(drop: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hemmelig")
    (drop / "a.xml").write_text(
        f'<!DOCTYPE e [<!ENTITY x SYSTEM "file://{tmp_path}/secret">]><e><employee id="1"><cpr>&x;</cpr></employee></e>'
    )
    with pytest.raises(SourceError, match="has a DTD"):
        rows(xml_system(drop), context(tmp_path))


def test_xml_that_blows_up_before_its_first_record(drop: Path, tmp_path: Path) -> None:
    """Entities in attributes are put in by the parser whatever it is told."""
    tenfold = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
    (drop / "a.xml").write_text(f'<!DOCTYPE e [<!ENTITY e0 "0123456789">{tenfold}]><e a="&e9;"><employee id="1"/></e>')
    with pytest.raises(SourceError, match=r"a\.xml:1: not whole or not valid XML|has a DTD"):
        rows(xml_system(drop), context(tmp_path))


def test_xml_with_a_large_document_inside(drop: Path, tmp_path: Path) -> None:
    content = f'<e><employee id="1"><cpr>1</cpr><fil>{"QUJD" * 3_000_000}</fil></employee><employee id="2"/></e>'
    found = xml_rows(drop, tmp_path, content, {"id": column(path="@id"), "fil": column()}, record="employee")
    assert [(row["id"], len(row["fil"] or "")) for row in found] == [("1", 12_000_000), ("2", 0)]


EMPTY = '<u xmlns:x="urn:y" dag="31"><h><dato>2026</dato></h><sager antal="0"><!-- ingen --></sager><log/></u>'


@pytest.mark.parametrize(
    ("content", "record", "besides"),
    [("<e/>", "sag", []), (EMPTY, "sager/sag", ["h"]), (EMPTY.replace(' antal="0"', ""), "sag", ["dato"])],
)
def test_xml_without_records_is_an_empty_delivery(
    drop: Path, tmp_path: Path, content: str, record: str, besides: list[str]
) -> None:
    (drop / "a.xml").write_text(content)
    found = context(tmp_path)
    of = files_system(drop, {"format": "xml", "record": record, "besides": besides}, {"id": column()})
    assert rows(of, found) == []
    assert list(found.files_loaded) == ["a.xml"]


@pytest.mark.parametrize(
    ("content", "strange"),
    [
        ("<fejl>Timeout</fejl>", "fejl"),
        (EMPTY, "u/h/dato"),
        ("<u><sager><Sag><id>1</id></Sag></sager></u>", "u/sager/Sag/id"),
        ('<u><sager><ny id="1"/></sager></u>', "u/sager/ny"),
        ("<u><andre><sag><id>1</id></sag></andre></u>", "u/andre/sag/id"),
    ],
)
def test_xml_whose_records_are_called_otherwise_is_no_empty_delivery(
    drop: Path, tmp_path: Path, content: str, strange: str
) -> None:
    with pytest.raises(SourceError, match=f"has no 'sager/sag', but {strange}\\."):
        xml_rows(drop, tmp_path, content, {"id": column()}, record="sager/sag")


def test_xml_with_the_records_of_another_table_alone(drop: Path, tmp_path: Path) -> None:
    of = unit_system(drop)
    table = of.tables[TABLE]
    other = table.model_copy(update={"source": table.source.model_copy(update={"record": "k/person"})})
    (drop / "a.xml").write_text("<k><person><unit>1</unit></person></k>")
    assert rows(of.model_copy(update={"tables": {TABLE: table, "anden": other}}), context(tmp_path)) == []


def test_xml_children_of_which_no_record_has_any(drop: Path, tmp_path: Path) -> None:
    content, source = '<r><p id="7"><post>a@b.dk</post></p></r>', {"record": "p", "each": "mail"}
    with pytest.raises(SourceError, match="no 'p' has 'mail'"):
        xml_rows(drop, tmp_path, content, {"mail": column()}, **source)
    assert xml_rows(drop, tmp_path, content, {"mail": column()}, **source, each_missing="empty") == []


def test_xml_elements_are_forgotten_as_the_file_is_read(drop: Path) -> None:
    from ingestion.connectors.xml import elements

    (drop / "a.xml").write_text("<e>" + '<employee id="1"><cpr>x</cpr></employee>\n' * 20_000 + "</e>")
    most = 0
    for element in elements(drop / "a.xml", "a.xml", "employee"):
        parent = element.getparent()
        most = max(most, 0 if parent is None else len(parent))
    assert 0 < most < 2_000  # lxml parses 32 kB ahead; without forgetting, all 20,000 would stand here.


# --- Fixed width -------------------------------------------------------------------------------------------------------------


def fixed_system(drop: Path, record: str = "001") -> System:
    columns = {"cpr": column(at=(4, 10)), "navn": column(at=(14, 6))}
    source = {"format": "fixed", "record_type": record, "trailer_count_at": (4, 4)}
    return files_system(drop, source, columns)


def cpr_file(drop: Path, *lines: str, trailer: str | None = None) -> None:
    last = trailer if trailer is not None else f"999{len(lines):04}"
    (drop / "a.txt").write_bytes("".join(f"{line}\r\n" for line in ("000 CPR", *lines, last) if line).encode("latin-1"))


def test_fixed_width_by_record_type_with_line_numbers(drop: Path, tmp_path: Path) -> None:
    cpr_file(drop, "0010101010001Søren\0", "0220101010001xxxxxx", "0010202020002      ")
    found = context(tmp_path)
    assert rows(fixed_system(drop), found) == [
        {"cpr": "0101010001", "navn": "Søren", "_source_ref": "a.txt", "_source_row": 2},
        {"cpr": "0202020002", "navn": None, "_source_ref": "a.txt", "_source_row": 4},
    ]
    assert found.source_rows == 2


def test_fixed_width_short_lines_are_set_aside(drop: Path, tmp_path: Path) -> None:
    cpr_file(drop, "0010101010001Søren ", "0010202020002")
    found = context(tmp_path)
    assert len(rows(fixed_system(drop), found)) == 1
    assert [(r["source_row"], r["reason"]) for r in rejected(found)] == [(3, "linjen er for kort: 13 tegn i stedet for 19")]
    assert found.source_rows == 2


@pytest.mark.parametrize(
    ("trailer", "message"),
    [
        ("", r"a\.txt:2: ends without the trailer 999: half-written"),
        ("9990007", "the trailer counts 0007, the file has 1"),
        ("999", "the trailer counts nothing"),
        ("9990001\r\n0010101010001Søren ", "goes on after the trailer"),
    ],
)
def test_a_half_written_fixed_file_gives_nothing(drop: Path, tmp_path: Path, trailer: str, message: str) -> None:
    cpr_file(drop, "0010101010001Søren ", trailer=trailer)
    found = context(tmp_path)
    with pytest.raises(SourceError, match=message):
        rows(fixed_system(drop), found)
    assert found.files_loaded == {}


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_fixed_width_in_utf8(drop: Path, tmp_path: Path, mark: str) -> None:
    """Read as latin-1, each ø was two characters, and all that followed it stood one place too far to the right."""
    (drop / "a.txt").write_text(f"{mark}000 CPR\r\n0010101900001Sørens\r\n9990001\r\n", encoding="utf-8", newline="")
    with pytest.raises(SourceError, match=rf"a\.txt:{1 if mark else 2}: the file is UTF-8, not latin-1. Set `encoding: utf-8`"):
        rows(fixed_system(drop), context(tmp_path))
    table = fixed_system(drop)
    source = table.tables[TABLE].source.model_copy(update={"encoding": "utf-8"})
    declared = table.model_copy(update={"tables": {TABLE: table.tables[TABLE].model_copy(update={"source": source})}})
    assert [(row["cpr"], row["navn"]) for row in rows(declared, context(tmp_path))] == [("0101900001", "Sørens")]


def test_fixed_record_types_are_of_one_length(drop: Path) -> None:
    with pytest.raises(ValueError, match="are codes of one length"):
        fixed_system(drop, "0010")


def test_a_fixed_file_without_its_header(drop: Path, tmp_path: Path) -> None:
    (drop / "a.txt").write_text("0010101010001Soeren\n9990001\n")
    with pytest.raises(SourceError, match="begins without the header 000"):
        rows(fixed_system(drop), context(tmp_path))
