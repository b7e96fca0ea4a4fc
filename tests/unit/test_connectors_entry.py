"""The way in: what it imports, and what its errors show."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from connectors_support import column, context, rows, system

from ingestion.connectors.base import Number, RawNames, SourceError, text
from ingestion.messages import one_line


def test_nothing_heavy_is_imported_before_a_table_is_read() -> None:
    modules = "sql, odata, rest, http, files, csv, excel, xml, fixed, duck"
    heavy = {"duckdb", "pyarrow", "sqlalchemy", "requests", "paramiko", "lxml", "python_calamine", "dlt", "psycopg"}
    code = f"import sys; from ingestion.connectors import {modules}; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_secret_in_a_file_is_not_shown_either(tmp_path: Path) -> None:
    secret = tmp_path / "kode"
    secret.write_text("meget-hemmelig\n")
    of = system(
        {"protocol": "sql", "url": "sqlite:////findes/ikke/meget-hemmelig.db", "password": {"file": str(secret)}},
        {"table": "meget-hemmelig"},
        {"id": column()},
    )
    with pytest.raises(SourceError, match=r"^proeve\.tabel: ") as caught:
        rows(of, context(tmp_path))
    assert "meget-hemmelig" not in str(caught.value)


@pytest.mark.parametrize(
    "written",
    [
        "010190-1234",
        "0101901234",
        "610190-1234",
        "010190 1234",
        "010190 – 1234",
        "010190%201234",
        "brev_010190_1234.pdf",
        "101901234",
        "01/01/90-1234",
        "01 01 90 1234",
    ],
)
def test_a_cpr_number_stands_in_no_message(tmp_path: Path, written: str) -> None:
    """Nor does a replacement number, and however it is written; a database's own words pass the same way."""
    assert "1234" not in one_line(f"Conversion Error: could not convert '{written}'\nto INT32")
    (tmp_path / "tom.db").touch()
    of = system({"protocol": "sql", "url": f"sqlite:///{tmp_path}/tom.db"}, {"table": written}, {"id": column()})
    with pytest.raises(SourceError, match="####") as caught:
        rows(of, context(tmp_path))
    assert "1234" not in str(caught.value)


@pytest.mark.parametrize(
    "said",
    [
        "invoice 1900001234",
        "20261127T132221 1 of 2",
        "123456 rows, 2000 usual",
        "2026-11-27 13:22:21.640547",
        "27-11-2026 kl. 14.05",
        "no answer from 10.20.10.25:1433, nor from 10.20.11.30:8443",
    ],
)
def test_other_numbers_stay_in_messages(said: str) -> None:
    assert one_line(said) == said


def test_json_values_keep_their_writing() -> None:
    value = {"a": Number("1.10"), "b": [True, None, 'x"æ'], "c": {}}
    assert text(value) == '{"a":1.10,"b":[true,null,"x\\"æ"],"c":{}}'
    assert [text(one) for one in (None, True, Number("1.10"), "x")] == [None, "true", "1.10", "x"]


def test_two_names_for_one_column_are_refused() -> None:
    names = RawNames()
    assert [names[name] for name in ("år", "ær", "ør", "år")] == ["aar", "aer", "oer", "aar"]
    with pytest.raises(SourceError, match="'år' and 'Aar' both become 'aar'"):
        names["Aar"]
