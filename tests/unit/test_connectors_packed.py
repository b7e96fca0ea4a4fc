"""Packed files, and what a file's name and time tell."""

from __future__ import annotations

import gzip
import json
import os
import stat
import zipfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from connectors_support import batches, column, context, rejected, rows, system

from ingestion.connectors.base import SourceError
from ingestion.register.model import System


def packed(folder: Path, source: dict[str, Any], columns: tuple[str, ...] = ("id",), **more: Any) -> System:
    connection = {"protocol": "files", "transport": {"type": "local", "folder": str(folder)}}
    return system(connection, source, {name: column(**more.get(name, {})) for name in columns}, write="append")


def csv_in(unpack: dict[str, Any], glob: str = "*.zip") -> dict[str, Any]:
    return {"format": "csv", "glob": glob, "unpack": unpack}


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    folder = tmp_path / "drop"
    folder.mkdir()
    return folder


def archive(drop: Path, members: dict[str, str], name: str = "a.zip") -> None:
    with zipfile.ZipFile(drop / name, "w", zipfile.ZIP_DEFLATED) as file:
        for member, text in members.items():
            file.writestr(member, text)


def test_each_matching_file_of_an_archive_is_read(drop: Path, tmp_path: Path) -> None:
    archive(drop, {"b/2.csv": "id\n2\n", "b/1.csv": "id\n1\n", "readme.txt": "hej"})
    found = context(tmp_path)
    kept = rows(packed(drop, csv_in({"type": "zip", "members": "*.csv"})), found)
    assert [(row["id"], row["_source_ref"]) for row in kept] == [("1", "a.zip#b/1.csv"), ("2", "a.zip#b/2.csv")]
    assert list(found.files_loaded) == ["a.zip"]


@pytest.mark.parametrize(
    ("written", "utf8"),
    [("børn/a\u030a.CSV".encode(), True), ("børn\\å.CSV".encode("cp850"), False), ("børn/å.CSV".encode(), False)],
    ids=["Mac", "Windows and .NET", "Mac without a flag"],
)
def test_names_in_archives_of_other_programs(drop: Path, tmp_path: Path, written: bytes, utf8: bool) -> None:
    plain = "x" * len(written)
    archive(drop, {plain: "id\n1\n", "børn/": "", "__MACOSX/børn/._å.csv": "\0\5", "børn/.~å.csv": "\0"})
    content = bytearray((drop / "a.zip").read_bytes().replace(plain.encode(), written))
    content[7] = content[content.index(b"PK\1\2") + 9] = 8 * utf8  # In both of its headers, whether the name is UTF-8.
    (drop / "a.zip").write_bytes(content)
    kept = rows(packed(drop, csv_in({"type": "zip", "members": "bør*/å.csv"})), context(tmp_path))
    assert [(row["id"], row["_source_ref"]) for row in kept] == [("1", "a.zip#børn/å.CSV")]


def test_gzip(drop: Path, tmp_path: Path) -> None:
    (drop / "a.csv.gz").write_bytes(gzip.compress(b"id\n1\n"))
    table = packed(drop, csv_in({"type": "gzip"}, "*.gz"))
    assert [row["_source_ref"] for row in rows(table, context(tmp_path))] == ["a.csv.gz"]
    (drop / "a.csv.gz").write_bytes(gzip.compress(b"id\n1\n")[:-3])
    with pytest.raises(SourceError, match="is not a whole gzip file"):
        rows(table, context(tmp_path))


@pytest.mark.parametrize(
    ("members", "unpack", "message"),
    [
        ({"../../etc/x.csv": "id\n1\n"}, {}, "points out of it"),
        ({"/x.csv": "id\n1\n"}, {}, "points out of it"),
        ({"a\\..\\x.csv": "id\n1\n"}, {}, "points out of it"),
        ({"C:/x.csv": "id\n1\n"}, {}, "points out of it"),
        ({"x.csv": "id\n" + "0\n" * 8_000_000}, {}, "200 times its own size"),
        ({"x.csv": "id\n" + "0123456789\n" * 100_000}, {"max_megabytes": 1}, "more than 1 MB"),
        ({"1.csv": "id\n", "2.csv": "id\n"}, {"max_files": 1}, "holds 2 files"),
        ({"x.txt": "id\n"}, {"members": "*.csv"}, r"no file that matches \*\.csv \(x\.txt\)"),
    ],
)
def test_bombs_and_tricks_are_refused(
    drop: Path, tmp_path: Path, members: dict[str, str], unpack: dict[str, Any], message: str
) -> None:
    archive(drop, members)
    with pytest.raises(SourceError, match=message):
        rows(packed(drop, csv_in({"type": "zip", **unpack})), context(tmp_path))


def test_a_link_in_an_archive_and_a_broken_archive_are_refused(drop: Path, tmp_path: Path) -> None:
    table = packed(drop, csv_in({"type": "zip"}))
    with zipfile.ZipFile(drop / "a.zip", "w") as file:
        link = zipfile.ZipInfo("x.csv")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(link, "/etc/passwd")
    with pytest.raises(SourceError, match="points out of it"):
        rows(table, context(tmp_path))
    (drop / "a.zip").write_bytes((drop / "a.zip").read_bytes()[:-30])
    with pytest.raises(SourceError, match="is not a whole zip file"):
        rows(table, context(tmp_path))


def test_period_from_the_name_and_version_from_the_time(drop: Path, tmp_path: Path) -> None:
    (drop / "yr-2026-10.csv").write_text("id\n1\n")
    os.utime(drop / "yr-2026-10.csv", (1_793_491_200, 1_793_491_200))
    source = {"format": "csv", "glob": "*.csv", "name_pattern": r"yr-(?P<periode>\d{4}-\d\d)(-(?P<udgave>v\d))?\.csv"}
    table = packed(drop, {**source, "modified_as": "Ændret"}, ("id", "periode", "udgave", "Ændret"))
    row = rows(table, context(tmp_path))[0]
    assert (row["id"], row["periode"], row["udgave"], row["aendret"]) == ("1", "2026-10", None, "2026-11-01T00:00:00+00:00")
    (drop / "yr-oktober.csv").write_text("id\n1\n")
    with pytest.raises(SourceError, match=r"yr-oktober\.csv is not named as"):
        rows(table, context(tmp_path))


def test_a_column_of_the_name_must_be_declared(drop: Path) -> None:
    with pytest.raises(ValueError, match="'periode' comes from the file's name"):
        packed(drop, {"format": "csv", "glob": "*", "name_pattern": "(?P<periode>.*)"})


def test_folders_below(drop: Path, tmp_path: Path) -> None:
    for name in ("1.csv", "2026/2.csv", "2026/10/3.csv"):
        (drop / name).parent.mkdir(exist_ok=True)
        (drop / name).write_text(f"id\n{Path(name).stem}\n")

    def found(glob: str) -> list[str]:
        return [row["_source_ref"] for row in rows(packed(drop, {"format": "csv", "glob": glob}), context(tmp_path))]

    assert found("*.csv") == ["1.csv"]
    assert found("2026/*.csv") == ["2026/2.csv"]
    assert found("**/*.csv") == ["1.csv", "2026/10/3.csv", "2026/2.csv"]


def test_json_lines_keep_their_numbers_and_a_broken_line_is_set_aside(drop: Path, tmp_path: Path) -> None:
    (drop / "a.jsonl").write_text(
        '{"id": 1.10, "navn": "Åse", "x": {"y": [1]}}\n\n{"id": \n[1]\n{"id": true}\n', encoding="utf-8"
    )
    found = context(tmp_path)
    kept = rows(packed(drop, {"format": "json", "glob": "*.jsonl", "lines": True}, ("id", "navn")), found)
    assert [(row["id"], row["_source_row"]) for row in kept] == [("1.10", 1), ("true", 5)]
    assert kept[0]["x"] == '{"y":[1]}'
    assert [(r["source_row"], r["raw_text"]) for r in rejected(found)] == [(3, '{"id":'), (4, "[1]")]


def test_a_json_document_with_children(drop: Path, tmp_path: Path) -> None:
    body = {"svar": {"sager": [{"id": "S1", "parter": [{"nr": 1}, {"nr": 2}]}, {"id": "S2", "parter": []}]}}
    (drop / "a.json").write_text(json.dumps(body))
    source = {"format": "json", "glob": "*.json", "records": "svar.sager", "each": "parter"}
    table = packed(drop, source, ("nr", "sag"), sag={"path": "^.id"})
    found = context(tmp_path)
    assert [(row["nr"], row["sag"]) for row in rows(table, found)] == [("1", "S1"), ("2", "S1")]
    assert found.source_rows == 2
    (drop / "a.json").write_text('{"svar": ')
    with pytest.raises(SourceError, match="not whole or not JSON"):
        rows(table, context(tmp_path))


def test_parquet_comes_with_its_types(drop: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1, 2], "Beløb": [1.5, None]}), drop / "a.parquet")
    found = context(tmp_path)
    kept = rows(packed(drop, {"format": "parquet", "glob": "*.parquet"}), found)
    assert [(row["id"], row["beloeb"], row["_source_row"]) for row in kept] == [(1, 1.5, 1), (2, None, 2)]
    assert found.source_rows == 2
    (drop / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(SourceError, match="not a whole Parquet file"):
        rows(packed(drop, {"format": "parquet", "glob": "*.parquet"}), context(tmp_path))


def test_parquet_of_spark_keeps_the_days_of_open_ends(drop: Path, tmp_path: Path) -> None:
    moments = [datetime(9999, 12, 31), datetime(1753, 1, 1), datetime(2026, 1, 31, 8, 30, 0, 123456)]
    table = pa.table({"id": [1, 2, 3], "slut": pa.array(moments, pa.timestamp("us"))})
    pq.write_table(table, drop / "a.parquet", use_deprecated_int96_timestamps=True)
    kept = rows(packed(drop, {"format": "parquet", "glob": "*.parquet"}), context(tmp_path))
    assert [row["slut"] for row in kept] == moments


def test_parquet_types_are_the_same_whoever_writes_them(drop: Path, tmp_path: Path) -> None:
    moment, one = datetime(2026, 1, 31, 8, 30), pa.array
    ours = {
        "id": one([1]), "navn": one(["Åse"]), "tid": one([moment], pa.timestamp("us")), "beloeb": one([1.5]),
        "kl": one([moment.time()], pa.time64("us")), "antal": one([Decimal(2**64 - 1)], pa.decimal128(20)), "raa": one([b"\xff"]),
    }  # fmt: skip
    others = [
        {"id": one([1], pa.int8()), "tid": one([moment], pa.timestamp("s")), "beloeb": one([1.5], pa.float32())},
        {"id": one([1], pa.uint32()), "navn": one(["Åse"]).dictionary_encode(), "kl": one([moment.time()], pa.time32("ms"))},
        {
            "tid": one([int(moment.replace(tzinfo=UTC).timestamp()) * 10**9 + 7], pa.timestamp("ns")),
            "navn": one(["Åse".encode()]),
        },
        {"antal": one([2**64 - 1], pa.uint64())},
    ]
    for number, other in enumerate(others):
        pq.write_table(pa.table(ours | other), drop / f"{number}.parquet")
    into = context(tmp_path)
    found = batches(packed(drop, {"format": "parquet", "glob": "*.parquet"}, ("id", "navn")), into)
    assert [batch.drop_columns(["_source_ref", "_source_row"]) for batch in found] == [pa.table(ours)] * len(others)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (pa.array([1], pa.duration("us")), r"column 'x' is of type duration\[us\], which has no place here"),
        (pa.array([Decimal(1)], pa.decimal256(50, 2)), r"column 'x' is of type decimal256\(50, 2\), which has no place"),
        (pa.array([b"\xff"]), "a value is no string"),
    ],
)
def test_parquet_that_cannot_be_landed_fails_its_table(drop: Path, tmp_path: Path, values: pa.Array, said: str) -> None:
    pq.write_table(pa.table({"id": [1], "x": values}), drop / "a.parquet")
    with pytest.raises(SourceError, match=rf"a\.parquet.*{said}"):
        rows(packed(drop, {"format": "parquet", "glob": "*.parquet"}, ("id", "x")), context(tmp_path))
    pq.write_table(pa.Table.from_arrays([values] * 2, ["x", "x"]), drop / "a.parquet")
    with pytest.raises(SourceError, match="two columns called 'x'"):
        rows(packed(drop, {"format": "parquet", "glob": "*.parquet"}, ("id", "x")), context(tmp_path))


def test_repeated_xml_children_make_a_table_with_the_records_key(drop: Path, tmp_path: Path) -> None:
    xml = "<kmd><sag id='7'><parter><part nr='1'>A</part><part nr='2'/></parter><titel>T</titel></sag><sag id='8'/></kmd>"
    archive(drop, {"ois.xml": xml})
    source = {"format": "xml", "glob": "*.zip", "unpack": {"type": "zip"}, "record": "sag", "each": "parter/part"}
    paths = {"sag": {"path": "../../@id"}, "titel": {"path": "../../titel"}, "nr": {"path": "@nr"}}
    kept = rows(packed(drop, source, ("nr", "sag", "titel"), **paths), context(tmp_path))
    assert [(row["nr"], row["sag"], row["titel"], row["_source_row"]) for row in kept] == [("1", "7", "T", 1), ("2", "7", "T", 2)]


def test_headings_in_several_rows(drop: Path, tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for line in ([], ["", "Budget", "", "Regnskab", ""], ["id", "Q1", "Q2", "Q1", "Q2"], ["a", 1, 2, 3, 4]):
        sheet.append(line)
    sheet.merge_cells("B2:C2")
    book.save(drop / "a.xlsx")
    source = {"format": "excel", "glob": "*.xlsx", "sheet": "Sheet", "header_row": 2, "header_rows": 2}
    row = rows(packed(drop, source), context(tmp_path))[0]
    assert [row[name] for name in ("id", "budget_q1", "budget_q2", "regnskab_q1", "regnskab_q2")] == ["a", "1", "2", "3", "4"]
    assert row["_source_row"] == 4
