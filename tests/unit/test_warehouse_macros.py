"""The small macros that conformed models and marts share, compiled by plain Jinja and run by DuckDB."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import jinja2
import pytest

MACROS = Path(__file__).resolve().parents[2] / "dbt_project" / "macros" / "sql" / "warehouse.sql"


class Refused(Exception):
    pass


class Exceptions:
    @staticmethod
    def raise_compiler_error(message: str) -> None:
        raise Refused(message)


@pytest.fixture(scope="module")
def macros() -> Any:
    return jinja2.Environment().from_string(MACROS.read_text(encoding="utf-8"), globals={"exceptions": Exceptions}).module


def value(expression: str) -> Any:
    with duckdb.connect() as connection:
        row = connection.execute(f"select {expression}").fetchone()
    return row[0] if row else None


@pytest.mark.parametrize(("count", "shown"), [("0", 7), ("1", None), ("4", None), ("5", 7), ("null", 7)])
def test_few_persons_are_hidden_and_nobody_is_not(macros: Any, count: str, shown: int | None) -> None:
    assert value(macros.suppress(count, "7")) == shown
    assert value(macros.is_small(count)) is (shown is None)


def test_threshold_has_a_floor(macros: Any) -> None:
    assert value(macros.suppress("3", "7", threshold=3)) == 7
    with pytest.raises(Refused, match="below the floor of 3"):
        macros.suppress("3", "7", threshold=2)


@pytest.mark.parametrize(("padded", "plain"), [("0000001234", "1234"), ("1234", "1234"), ("0000", None)])
def test_keys_lose_their_padding(macros: Any, padded: str, plain: str | None) -> None:
    assert value(macros.unpadded(f"'{padded}'")) == plain


def test_danish_time_on_both_nights_of_the_clock(macros: Any) -> None:
    """Every half hour around the changes of 2024 to 2028, and one hour of each month, against the time zone database."""
    starts = [datetime(year, month, 24, tzinfo=UTC) for year in range(2024, 2029) for month in (3, 10)]
    moments = [start + timedelta(minutes=30 * step) for start in starts for step in range(48 * 8)]
    moments += [datetime(2026, month, 15, 12, tzinfo=UTC) for month in range(1, 13)]
    expected = [moment.astimezone(ZoneInfo("Europe/Copenhagen")).replace(tzinfo=None) for moment in moments]
    with duckdb.connect() as connection:
        connection.execute("create table moments (position integer, moment timestamp)")
        rows = [(position, moment.replace(tzinfo=None).isoformat()) for position, moment in enumerate(moments)]
        connection.executemany("insert into moments values (?, ?)", rows)
        found = connection.execute("select " + macros.danish_time("moment") + " from moments order by position").fetchall()
    assert [row[0] for row in found] == expected
