"""Every conversion macro over a table of cases, compiled by plain Jinja and run by DuckDB in one query per type."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import duckdb
import jinja2
import pytest
import yaml

from ingestion.register.vocabulary import terms

ROOT = Path(__file__).resolve().parents[2]
CASE_FILE = Path(__file__).with_name("conversions.yml")
CASES: dict[str, list[tuple[str, str | None]]] = yaml.safe_load(CASE_FILE.read_text(encoding="utf-8"))
REFUSED = "!"


@pytest.fixture(scope="module")
def macros() -> Any:
    source = (ROOT / "dbt_project" / "macros" / "sql" / "conversions.sql").read_text(encoding="utf-8")
    return jinja2.Environment().from_string(source).module


def outcomes(macros: Any, type_: str, values: list[str | None]) -> list[tuple[str | None, bool]]:
    """Return, for each value, what comes out as text and whether the quarantine takes it."""
    with duckdb.connect() as connection:
        connection.execute("create table cases (position integer, v varchar)")
        connection.executemany("insert into cases values (?, ?)", list(enumerate(values)))
        return connection.execute(
            f"select cast({macros.converted(type_, 'v')} as varchar), coalesce({macros.does_not_convert(type_, 'v')}, false)"
            " from cases order by position"
        ).fetchall()


def test_no_time_is_read_by_a_list_of_formats() -> None:
    """DuckDB 1.5.5 ends the process (SIGSEGV in `StrpTimeFormat::Parse`) in one of some hundred statements that do.

    It was found by making all staging tables a hundred times over: every run died, none without the list; no single statement
    does.
    """
    statements = {path: path.read_text(encoding="utf-8") for path in (ROOT / "dbt_project").rglob("*.sql")}
    assert any("strptime(" in text for text in statements.values()), "look at this test again"
    assert [str(path) for path, text in statements.items() if re.search(r"\[ *'[^']*%", text)] == []


def test_every_type_has_cases() -> None:
    assert list(CASES) == list(terms("types"))


@pytest.mark.parametrize("type_", list(CASES))
def test_cases(macros: Any, type_: str) -> None:
    values = [raw.replace("_", "\u00a0") if type_ != "integer" else raw for raw, _ in CASES[type_]]
    expected = [(None, True) if outcome == REFUSED else (outcome, False) for _, outcome in CASES[type_]]
    assert dict(zip(values, outcomes(macros, type_, list(values)), strict=True)) == dict(zip(values, expected, strict=True))


@pytest.mark.parametrize("type_", list(CASES))
def test_type_that_comes_out(macros: Any, type_: str) -> None:
    """The vocabulary says what SQL type a column gets; CPR becomes its person's id only when staging joins the vault."""
    promised = "varchar" if type_ == "cpr" else terms("types")[type_].extra["sql"]
    with duckdb.connect() as connection:
        description = connection.execute(f"select {macros.converted(type_, 'v')} from (select null::varchar as v)").description
    assert str(description[0][1]).lower() == promised


@pytest.mark.parametrize("type_", list(CASES))
def test_nothing_is_no_fault(macros: Any, type_: str) -> None:
    assert outcomes(macros, type_, [None, "", "\u00a0 \t"]) == [(None, False)] * 3


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("date", "date '2026-01-31'"),
        ("timestamp", "timestamp '2026-01-31 08:30:00'"),
        ("boolean", "true"),
        ("decimal", "12.50::decimal(9, 2)"),
        ("integer", "34::smallint"),
        ("kommunekode", "306"),
    ],
)
def test_typed_columns_of_sql_sources(macros: Any, type_: str, value: str) -> None:
    with duckdb.connect() as connection:
        outcome = connection.execute(f"select {macros.converted(type_, 'v')} is not null from (select {value} as v)").fetchone()
    assert outcome == (True,)


def test_check_digits_against_stdnum(macros: Any) -> None:
    """python-stdnum as oracle: of numbers counted up, the same ones pass."""
    from stdnum import ean
    from stdnum.dk import cvr

    for type_, oracle, first in (("cvr", cvr, 29188400), ("ean", ean, 5798000420400)):
        numbers: list[str | None] = [str(first + step) for step in range(400)]
        passed = [number for number, (outcome, _) in zip(numbers, outcomes(macros, type_, numbers), strict=True) if outcome]
        assert passed == [number for number in numbers if oracle.is_valid(number)]
        assert 30 <= len(passed) <= 50


def test_cpr_dates_against_stdnum(macros: Any) -> None:
    """stdnum's CPR check is date and format only, as ours; it knows neither the future nor replacement numbers."""
    from stdnum.dk import cpr

    parts = itertools.product((1, 28, 29, 30, 31, 32), (1, 2, 4, 12, 13), (0, 4, 36, 37, 57, 58, 99), range(10))
    numbers = [f"{day:02}{month:02}{year:02}{seventh}111" for day, month, year, seventh in parts]
    # 2036 (digits 4 to 9), 2037 and 2057 (5 to 8) are to come: refused by stdnum, accepted here, since clocks differ.
    in_future = {
        number
        for number in numbers
        if number[4:7] in {f"36{d}" for d in "456789"} | {f"{y}{d}" for y in (37, 57) for d in "5678"}
    }
    for number, (outcome, _) in zip(numbers, outcomes(macros, "cpr", list(numbers)), strict=True):
        if number not in in_future:
            assert (outcome is not None) == cpr.is_valid(number), number


def test_shape_hides_everything(macros: Any) -> None:
    with duckdb.connect() as connection:
        outcome = connection.execute("select " + macros.shape("'010190-123x Ærø'")).fetchone()
    assert outcome == ("999999-999a aaa",)
