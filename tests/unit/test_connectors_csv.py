"""CSV: no line is lost, padded or moved, whatever is in it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Literal

import pytest
from connectors_support import column, context, rejected, rows, system
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.connectors import csv as csv_connector
from ingestion.connectors.base import SourceError

HEADER = "CPR-nr;Beløb;Bemærkning\r\n"
CP1252 = {byte: bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in range(0x80, 0xA0)}
"""What cp1252 makes of the bytes that latin-1 takes for control characters; five it leaves alone."""


def twice(text: str) -> bytes:
    """Return what a vendor makes of UTF-8 whose export takes it for cp1252."""
    return text.encode().decode("latin-1").translate(CP1252).encode()


def csv_system(folder: Path, columns: tuple[str, ...] = ("CPR-nr", "Beløb", "Bemærkning"), write: str = "append", **source: str):
    return system(
        {"protocol": "files", "transport": {"type": "local", "folder": str(folder)}},
        {"format": "csv", "glob": "*.csv", "encoding": "cp1252", **source},
        {name: column() for name in columns},
        write=write,
    )


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    folder = tmp_path / "drop"
    folder.mkdir()
    return folder


def write(drop: Path, text: str, encoding: str = "cp1252", name: str = "a.csv") -> None:
    (drop / name).write_bytes(text.encode(encoding))


@pytest.mark.parametrize(("declared", "written"), [("utf-16", "utf-16-le"), ("utf-16", "utf-16-be"), ("cp850", "cp850")])
@pytest.mark.parametrize("chunk", [7, 1 << 20])
def test_microsofts_other_alphabets(
    drop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, declared: str, written: str, chunk: int
) -> None:
    monkeypatch.setattr(csv_connector, "_CHUNK", chunk)
    mark = "\ufeff" if declared == "utf-16" else ""
    write(
        drop,
        f'{mark}{HEADER}1;2;ćå\r\n3;4\r\n5;6;"linje 1\r\nlinje 2"\r\n'.replace("ć", "ø" if declared == "cp850" else "ć"),
        written,
    )
    found = context(tmp_path)
    kept = rows(csv_system(drop, encoding=declared), found)
    assert [(row["bemaerkning"], row["_source_row"]) for row in kept] == [
        ("øå" if declared == "cp850" else "ćå", 2),
        ("linje 1\nlinje 2", 4),
    ]
    assert [(reject["source_row"], reject["raw_text"]) for reject in rejected(found)] == [(3, "3;4")]


def test_values_come_as_written_with_line_numbers_and_load_id(drop: Path, tmp_path: Path) -> None:
    write(drop, HEADER + '101010101;1.234,50;="007"\r\n;-1,00-; æøå € \r\n')
    found = context(tmp_path)
    assert rows(csv_system(drop), found) == [
        {
            "cpr_nr": "101010101", "beloeb": "1.234,50", "bemaerkning": '="007"',
            "_dlt_load_id": "1700000000.1", "_source_ref": "a.csv", "_source_row": 2,
        },
        {
            "cpr_nr": None, "beloeb": "-1,00-", "bemaerkning": " æøå € ",
            "_dlt_load_id": "1700000000.1", "_source_ref": "a.csv", "_source_row": 3,
        },
    ]  # fmt: skip
    assert found.source_rows == 2
    assert list(found.files_loaded) == ["a.csv"]


def test_lines_with_too_many_or_too_few_fields_are_set_aside_and_the_numbering_holds(drop: Path, tmp_path: Path) -> None:
    write(drop, HEADER + "1;2;3\r\n1;2;3;4\r\n\r\n5;6;7\r\n8;9\r\n10;11;12\r\n")
    found = context(tmp_path)
    kept = rows(csv_system(drop), found)
    assert [(row["cpr_nr"], row["_source_row"]) for row in kept] == [("1", 2), ("5", 5), ("10", 7)]
    assert [(r["source_row"], r["reason"], r["raw_text"]) for r in rejected(found)] == [
        (3, "for mange felter: 4 i stedet for 3", "1;2;3;4"),
        (6, "for få felter: 2 i stedet for 3", "8;9"),
    ]
    assert found.source_rows == len(kept) + found.rejects == 5


def test_quotes_separators_and_line_breaks_inside_fields(drop: Path, tmp_path: Path) -> None:
    write(drop, HEADER + '1;"a;b";"c""d"\r\n2;"to\r\nlinjer";x\r\n3;5" rør;y\r\n4;a\rb;z\r\n')
    kept = rows(csv_system(drop), context(tmp_path))
    assert [(row["beloeb"], row["bemaerkning"], row["_source_row"]) for row in kept] == [
        ("a;b", 'c"d', 2),
        ("to\nlinjer", "x", 3),
        ('5" rør', "y", 5),
        ("a\rb", "z", 6),
    ]


def test_a_stray_opening_quote_swallows_no_other_line(drop: Path, tmp_path: Path) -> None:
    write(drop, HEADER + '1;"aldrig lukket;x\r\n2;b;c\r\n3;d;e\r\n')
    found = context(tmp_path)
    assert [row["cpr_nr"] for row in rows(csv_system(drop), found)] == ["2", "3"]
    assert [(r["source_row"], r["reason"]) for r in rejected(found)] == [(2, "anførselstegn uden afslutning")]


def test_a_quoted_field_that_crosses_a_chunk(drop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestion.connectors.csv._CHUNK", 40)
    write(drop, HEADER + "".join(f'{n};"en lang tekst\nover flere\nlinjer";x\n{n};b;c\n' for n in range(50)))
    monkeypatch.setattr("ingestion.connectors.csv._PIECE", 7)
    kept = sorted(rows(csv_system(drop), context(tmp_path)), key=lambda row: row["_source_row"])
    assert len(kept) == 100
    assert [row["_source_row"] for row in kept] == [line for n in range(50) for line in (2 + 4 * n, 5 + 4 * n)]


@pytest.mark.parametrize(
    "content",
    [
        HEADER + "1;2;3\r\n4;5;ø\r\n\x1a",
        HEADER + "1;2;3\r\n4;5;ø\x1a\x1a",
        (HEADER + "1;2;3\r\n4;5;ø\r\n").replace("\r\n", "\r"),
        (HEADER + "1;2;3\r\n4;5;ø").replace("\r\n", "\r"),
        (HEADER + '"1";2;3\r\n4;5;ø\r\n').replace("\r\n", "\r\r\n"),
        "\ufeff" + HEADER + "1;2;3\r\n\ufeff4;5;ø\r\n",
    ],
    ids=["Ctrl-Z", "Ctrl-Z without a line's end", "old Mac", "old Mac without a line's end", "CR twice", "marks put together"],
)
@pytest.mark.parametrize("chunk", [28, 1 << 20])
def test_ends_of_lines_and_files_of_other_programs(
    drop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, chunk: int
) -> None:
    monkeypatch.setattr(csv_connector, "_CHUNK", chunk)
    write(drop, content, "utf-8")
    found = context(tmp_path)
    kept = rows(csv_system(drop, encoding="utf-8"), found)
    assert [(row["cpr_nr"], row["bemaerkning"], row["_source_row"]) for row in kept] == [("1", "3", 2), ("4", "ø", 3)]
    assert found.rejects == 0


def test_latin_1_of_windows(drop: Path, tmp_path: Path) -> None:
    (drop / "a.csv").write_bytes(HEADER.encode("cp1252") + "1;“2” – €;\r\n".encode("cp1252") + b"3;\x81;\xf8\r\n")
    found = rows(csv_system(drop, encoding="latin-1"), context(tmp_path))
    assert [(row["beloeb"], row["bemaerkning"]) for row in found] == [("“2” – €", None), ("\x81", "ø")]


@pytest.mark.parametrize("chunk", [9, 1 << 20])
def test_headings_with_line_breaks(drop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(csv_connector, "_CHUNK", chunk)
    write(drop, 'Udtræk\r\nCPR-nr;"Beløb\r\ni kr.";"Be""mærkning"\r\n1;2;3\r\n')
    found = rows(csv_system(drop, preamble_lines=1), context(tmp_path))
    assert [(row["cpr_nr"], row["beloeb_i_kr"], row["be_maerkning"], row["_source_row"]) for row in found] == [("1", "2", "3", 4)]


@pytest.mark.parametrize("lines", [1, 300_000])
def test_headings_that_come_again_are_set_aside(drop: Path, tmp_path: Path, lines: int) -> None:
    write(drop, HEADER + "1;2;3\r\n" * lines + HEADER + "4;5;6\r\n" + HEADER.rstrip())
    found = context(tmp_path)
    kept = sorted(rows(csv_system(drop), found), key=lambda row: row["_source_row"])
    assert [(row["cpr_nr"], row["_source_row"]) for row in kept[lines - 1 :]] == [("1", lines + 1), ("4", lines + 3)]
    assert [(r["source_row"], r["reason"]) for r in rejected(found)] == [
        (lines + 2, "overskrifterne igen"),
        (lines + 4, "overskrifterne igen"),
    ]


def test_a_bare_cr_beside_quotes_and_a_field_longer_than_python_takes(drop: Path, tmp_path: Path) -> None:
    note = 'et ""langt"" notat\n' + "x" * 200_000
    write(drop, HEADER + f'"1";b\rc;d\r\n2;"{note}";y\r\n')
    assert [(row["beloeb"], row["bemaerkning"]) for row in rows(csv_system(drop), context(tmp_path))] == [
        ("b\rc", "d"),
        (note.replace('""', '"'), "y"),
    ]


def test_a_line_of_many_megabytes_is_read_as_others_are(drop: Path, tmp_path: Path) -> None:
    """DuckDB reads in small steps where no line is longer than one, and refuses a line that is."""
    long = "æ" * (3 << 20)
    write(drop, f"{HEADER}1;2;a\n3;4;{long}\n5;6;b\n", "utf-8")
    found = context(tmp_path)
    kept = rows(csv_system(drop, encoding="utf-8"), found)
    assert [(row["bemaerkning"], row["_source_row"]) for row in kept] == [("a", 2), (long, 3), ("b", 4)]
    assert rejected(found) == []


def test_nul_goes_to_the_rejects(drop: Path, tmp_path: Path) -> None:
    write(drop, HEADER + "1;a\0;b\r\n2;c;d\r\n")
    found = context(tmp_path)
    assert [row["cpr_nr"] for row in rows(csv_system(drop), found)] == ["2"]
    assert rejected(found)[0]["reason"] == "NUL-tegn i linjen"


@pytest.mark.parametrize(
    ("content", "declared", "message"),
    [
        ((HEADER + "1;2;x\r\n1;2;smør\r\n").encode(), "cp1252", r"a\.csv:1: the file is UTF-8, not cp1252"),
        (b"\xef\xbb\xbfCPR-nr;a;b\r\n", "cp1252", "begins as a UTF-8 file"),
        (HEADER.encode("cp1252") + b"1;2;3\r\n1;\x81;3\r\n", "cp1252", r"a\.csv:3: byte 0x81 is not cp1252"),
        ((HEADER + "1;2;ø\r\n").encode("cp1252"), "utf-8", r"a\.csv:1: byte 0xf8 is not utf-8\. Set `encoding: cp1252`"),
        (twice(HEADER), "utf-8", r"a\.csv:1: 'Ã¸' stands for 'ø', .* set `encoding: utf-8-twice`"),
        (HEADER.encode("utf-16"), "cp1252", "begins as a UTF-16 file, not cp1252. Set `encoding: utf-16`"),
        (HEADER.encode("utf-16")[:-1], "utf-16", "is not UTF-16, or half-written"),
        (b"CPR-nr;a;b\r\n1;2;sm\xc3\xb8r\r\n", "utf-8-twice", r"a\.csv:2: is not UTF-8 made twice"),
        (b"", "cp1252", "not even a heading"),
        (b"0101010001;Hansen;3\r\n", "cp1252", "none of the declared headings"),
        (b"CPR-nr;CPR-nr;x\r\n", "cp1252", "two columns called 'CPR-nr'"),
        (b"CPR-nr;Vej nr;vej_nr\r\n", "cp1252", "'Vej nr' and 'vej_nr' both become 'vej_nr'"),
    ],
)
def test_a_file_that_cannot_be_trusted_fails_with_its_place(
    drop: Path, tmp_path: Path, content: bytes, declared: str, message: str
) -> None:
    (drop / "a.csv").write_bytes(content)
    with pytest.raises(SourceError, match=message) as caught:
        rows(csv_system(drop, encoding=declared), context(tmp_path))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("proeve.tabel: ")
    assert "0101010001" not in str(caught.value)


def test_utf8_with_a_byte_order_mark(drop: Path, tmp_path: Path) -> None:
    write(drop, HEADER + "1;2;ø\r\n", "utf-8-sig")
    assert rows(csv_system(drop, encoding="utf-8"), context(tmp_path))[0]["bemaerkning"] == "ø"


def test_utf8_made_twice_is_undone_where_declared(drop: Path, tmp_path: Path) -> None:
    for text in ("Rødgrød på Ærø, ÅØÆ", "“citat” à Á € – ÝÍÏ"):  # The last has letters whose bytes cp1252 lacks.
        (drop / "a.csv").write_bytes(twice(HEADER + f"1;2;{text}\r\n"))
        assert rows(csv_system(drop, encoding="utf-8-twice"), context(tmp_path))[0]["bemaerkning"] == text


def test_a_spoilt_name_among_sound_ones_is_read_as_it_stands(drop: Path, tmp_path: Path) -> None:
    write(drop, HEADER + "1;2;SÃ¸ren\r\n2;3;Søren\r\n", "utf-8")
    assert [row["bemaerkning"] for row in rows(csv_system(drop, encoding="utf-8"), context(tmp_path))] == ["SÃ¸ren", "Søren"]


def test_headings_alone_give_no_rows_and_count_none(drop: Path, tmp_path: Path) -> None:
    write(drop, HEADER)
    found = context(tmp_path)
    assert rows(csv_system(drop), found) == []
    assert (found.source_rows, list(found.files_loaded)) == (0, ["a.csv"])


def test_danish_letters_stay_apart_and_unknown_columns_come_along(drop: Path, tmp_path: Path) -> None:
    write(drop, "år;ær;ør;Ny kolonne;\r\n1;2;3;4;5\r\n")
    row = rows(csv_system(drop, columns=("år", "ær", "ør")), context(tmp_path))[0]
    assert [row[name] for name in ("aar", "aer", "oer", "ny_kolonne", "kolonne_5")] == ["1", "2", "3", "4", "5"]


def test_a_declared_column_that_is_missing_is_not_made_up(drop: Path, tmp_path: Path) -> None:
    write(drop, "CPR-nr;Beløb\r\n1;2\r\n")
    assert "bemaerkning" not in rows(csv_system(drop), context(tmp_path))[0]


def test_a_preview_stops_early(drop: Path, tmp_path: Path) -> None:
    write(drop, HEADER + "1;2;3\r\n" * 1000)
    assert len(rows(csv_system(drop), context(tmp_path, limit=10))) == 10


VALUES = st.text(st.sampled_from("aæ \"; =\n'5\u00a0|\\,"), max_size=8)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    records=st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=8), quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
)
def test_whatever_a_csv_writer_writes_comes_back(
    drop: Path, tmp_path: Path, records: list[tuple[str, str, str]], quoting: Literal[0, 1]
) -> None:
    with (drop / "a.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";", quoting=quoting)
        writer.writerows([("CPR-nr", "Beløb", "Bemærkning"), *records])
    found = context(tmp_path)
    read = [
        tuple(row[name] or "" for name in ("cpr_nr", "beloeb", "bemaerkning"))
        for row in rows(csv_system(drop, encoding="utf-8"), found)
    ]
    assert read == records
    assert (found.source_rows, found.rejects) == (len(records), 0)


def test_one_strange_line_leaves_the_pieces_around_it_to_duckdb(
    drop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingestion.connectors.csv._CHUNK", 200)
    monkeypatch.setattr("ingestion.connectors.csv._PIECE", 13)
    lines = [f"{number};{'x' * 20};ø" for number in range(2, 102)]
    lines[50] = "for;mange;felter;her"
    write(drop, HEADER + "\r\n".join(lines) + "\r\n")
    found = context(tmp_path)
    table = csv_system(drop)
    kept = rows(table, found)
    assert sorted((int(row["cpr_nr"]), row["_source_row"]) for row in kept) == [(n, n) for n in range(2, 102) if n != 52]
    assert [(r["source_row"], r["raw_text"]) for r in rejected(found)] == [(52, lines[50])]
    assert len(list(found.workdir.glob("*.numbered"))) == 1
    assert len(list(found.workdir.glob("*.000??"))) > 3, "only the piece with the strange line was taken apart"


@pytest.mark.parametrize(
    "line", ["1;2", "1;2;3;4", "", '1;"2;3', '1;2"x;3\n"', '1;"2"x;3', '1; "2";3', '1;";2;3', "1;2\r3;4", "\N{NO-BREAK SPACE};;"]
)
@pytest.mark.parametrize("around", ["a;b;c", '"a";"b";"c"'])
def test_in_bulk_and_by_the_careful_way_the_same_comes_out(
    drop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, around: str
) -> None:
    write(drop, HEADER + f"{around}\n{line}\n{around}\n")
    outcomes = []
    for number in range(2):
        found = context(tmp_path / str(number)) if (tmp_path / str(number)).mkdir() is None else None
        assert found is not None
        kept = sorted(rows(csv_system(drop), found), key=lambda row: row["_source_row"])
        outcomes.append((kept, rejected(found), found.source_rows))
        monkeypatch.setattr("ingestion.connectors.csv._is_regular", lambda *_: False)
    assert outcomes[0] == outcomes[1]


def test_lines_above_and_below_the_records(drop: Path, tmp_path: Path) -> None:
    text = "Udtræk 01-11-2026\r\n\r\n" + HEADER + "1;2;x\r\n3;4;y\r\n\r\nI alt\r\nAntal linjer: {}\r\n\r\n"
    options = {"preamble_lines": 2, "trailer_lines": 2, "trailer_count": r"Antal linjer: (?P<rows>\d+)"}
    write(drop, text.format(2))
    found = context(tmp_path)
    kept = rows(csv_system(drop, **options), found)
    assert [(row["cpr_nr"], row["_source_row"]) for row in kept] == [("1", 4), ("3", 5)]
    assert (found.source_rows, found.rejects) == (2, 0)
    write(drop, text.format(3))
    with pytest.raises(SourceError, match="the trailer counts 3, the file has 2"):
        rows(csv_system(drop, **options), context(tmp_path))
    write(drop, text.format(2).partition("\r\n\r\nI alt")[0])
    with pytest.raises(SourceError, match="without the trailer that tells its count"):
        rows(csv_system(drop, **options), context(tmp_path))


def test_what_is_passed_over_is_known_by_how_it_begins(drop: Path, tmp_path: Path) -> None:
    options = {
        "preamble_lines": 1,
        "preamble_begins": "Udtræk",
        "header": False,
        "trailer_lines": 1,
        "trailer_begins": "Slut|I alt",
    }
    write(drop, "Udtræk 1/11\r\n1;2;x\r\n3;4;y\r\nI alt;2;\r\n")
    assert [row["cpr_nr"] for row in rows(csv_system(drop, **options), context(tmp_path))] == ["1", "3"]
    for text, which in (
        ("Udtræk 1/11\r\n1;2;x\r\n3;4;y\r\n", "trailer"),
        ("1;2;x\r\nI alt;1;\r\n", "preamble"),
        ("", "preamble"),
    ):
        write(drop, text)
        with pytest.raises(SourceError, match=f"where the {which} stood stands something else"):
            rows(csv_system(drop, **options), context(tmp_path))
    for unknown in ({"trailer_lines": 1}, {"preamble_lines": 1, "header": False}):
        with pytest.raises(ValueError, match="known by nothing"):
            csv_system(drop, **unknown)


def test_without_headings_fields_come_as_declared(drop: Path, tmp_path: Path) -> None:
    write(drop, "0101010001;2;x\r\n1;2\r\n")
    found = context(tmp_path)
    kept = rows(csv_system(drop, header=False), found)
    assert [(row["cpr_nr"], row["bemaerkning"], row["_source_row"]) for row in kept] == [("0101010001", "x", 1)]
    assert [r["source_row"] for r in rejected(found)] == [2]
    write(drop, HEADER.upper() + "0101010001;2;x\r\n")
    with pytest.raises(SourceError, match=r":1: the columns' names stand here"):
        rows(csv_system(drop, header=False), context(tmp_path))


def test_cells_written_for_excel_are_unwrapped_where_declared(drop: Path, tmp_path: Path) -> None:
    write(drop, HEADER + '="0012";="";"=""a """"b"""\r\n=7;2;"x"\r\n')
    kept = rows(csv_system(drop, excel_text=True), context(tmp_path))
    assert [(row["cpr_nr"], row["beloeb"], row["bemaerkning"]) for row in kept] == [("0012", "", 'a "b'), ("=7", "2", "x")]


def test_a_trailer_count_needs_a_trailer_and_a_group(drop: Path) -> None:
    for options in (
        {"trailer_count": "x"},
        {"trailer_count": "x", "trailer_lines": 1},
        {"trailer_count": "(", "trailer_lines": 1},
    ):
        with pytest.raises(ValueError, match=r"trailer_lines|no group called rows|not a regular expression"):
            csv_system(drop, **options)
