from __future__ import annotations

from datetime import datetime, timedelta

import duckdb
import pytest
from connectors_support import TABLE, column, system

from ingestion.cursor import highest, less_lag
from ingestion.danish_time import DENMARK
from ingestion.watermark import since


def top(values: list[str | None], column_type: str) -> str | None:
    connection = duckdb.connect()
    connection.execute("create table t (c varchar)")
    connection.execute("insert into t select unnest(?)", [values])
    return highest(connection, "t", "c", column_type)


@pytest.mark.parametrize(
    ("values", "column_type", "expected"),
    [
        (["9", "10", None], "integer", "10"),
        (["2026-01-02", "2026-01-10"], "date", "2026-01-10"),
        (["/Date(999999999999)/", "/Date(1767225600000)/"], "odata_date", "/Date(1767225600000)/"),
        (["/Date(1767225600000+0000)/"], "odata_timestamp", "/Date(1767225600000+0000)/"),
        (["2026-01-02T08:00:00Z", "2026-03-02T08:00:00Z", "2026-02-02T08:00:00Z"], "odata_timestamp", "2026-03-02T08:00:00Z"),
        (["2026-10-25T02:30:00+02:00", "2026-10-25T02:10:00+01:00"], "odata_timestamp", "2026-10-25T02:10:00+01:00"),
        (["2026-02-02", "2026-10-02", "2026-03-02"], "odata_date", "2026-10-02"),
        ([None, None], "timestamp", None),
        ([], "timestamp", None),
        (["2026", "2026-01-02T08:00", "2026-02-30T08:00:00", "2026-01-1"], "timestamp", "2026-01-02T08:00"),
        (["2026-01-02 08:00:00.1234567+01:00", "1-1-2026"], "timestamp", "2026-01-02 08:00:00.1234567+01:00"),
        (["2026-01-02", "2026-01-0X", "2026-02-30"], "date", "2026-01-02"),
        (["2026-01-02+01:00", "2026-01-01+01:00"], "date", "2026-01-02+01:00"),
        (["20260102", "2026010X"], "date_sap", "20260102"),
    ],
)
def test_highest(values: list[str | None], column_type: str, expected: str | None) -> None:
    assert top(values, column_type) == expected


@pytest.mark.parametrize(
    ("values", "column_type"),
    [
        (["2026-01-02", "9999-12-31"], "date"),
        (["20260102", "99991231"], "date_sap"),
        (["2026-01-02T08:00:00", "9999-12-31T00:00:00"], "timestamp"),
        (["/Date(1767225600000)/", "/Date(253402214400000)/"], "odata_date"),
        (["2026-01-02T08:00:00Z", "9999-12-31T00:00:00Z"], "odata_timestamp"),
        (["2026W01", "9999W52"], "iso_week"),
    ],
)
def test_a_date_in_the_far_future_does_not_stop_later_loads(values: list[str], column_type: str) -> None:
    assert top(values, column_type) == values[0]


def test_a_row_of_tomorrow_does_not_hide_what_is_written_today() -> None:
    now = datetime.now(DENMARK)
    for column_type, form in (("date", "%Y-%m-%d"), ("date_sap", "%Y%m%d"), ("timestamp", "%Y-%m-%dT%H:%M:%S")):
        yesterday, tomorrow = ((now + timedelta(hours=hours)).strftime(form) for hours in (-24, 24))
        assert top([yesterday, tomorrow], column_type) == yesterday
    assert top([f"{now:%Y-%m-%d}", "2026-01-01"], "date") == f"{now:%Y-%m-%d}"
    assert top([f"/Date({int((now + timedelta(hours=hours)).timestamp())}000)/" for hours in (-1, 1)], "odata_timestamp") == (
        f"/Date({int((now - timedelta(hours=1)).timestamp())}000)/"
    )


@pytest.mark.parametrize(
    ("value", "column_type", "lag", "expected"),
    [
        ("2026-01-10", "date", "P3D", "2026-01-07"),
        ("20260110", "date_sap", "P1W", "20260103"),
        ("2026-01-10T08:00:00", "timestamp", "P1D", "2026-01-09T08:00:00"),
        ("2026-01-10 08:00:00", "timestamp", "P1D", "2026-01-09 08:00:00"),
        ("2026-01-10", "timestamp", "P1D", "2026-01-09T00:00:00"),
        ("/Date(1767225600000+0000)/", "odata_timestamp", "P1D", "/Date(1767139200000+0000)/"),
        ("2026-01-10T08:00:00+01:00", "odata_timestamp", "P1D", "2026-01-09T08:00:00+01:00"),
        ("2026-01-10", "odata_date", "P3D", "2026-01-07"),
        ("2026W53", "iso_week", "P1W", "2026W52"),
        ("2027W01", "iso_week", "P3D", "2026W53"),
        ("2026-03-31", "date", "P1M", "2026-02-28"),
        ("17", "integer", None, "17"),
    ],
)
def test_less_lag(value: str, column_type: str, lag: str | None, expected: str) -> None:
    assert less_lag(value, column_type, lag) == expected


def test_a_number_has_no_lag() -> None:
    cursor = {"column": "id", "lag": "P3D"}
    with pytest.raises(ValueError, match="`lag` is a time, and cursor 'id' a number"):
        system({"protocol": "sql", "url": "sqlite://"}, {"table": "t"}, {"id": column("integer")}, write="merge", cursor=cursor)


def test_from_a_day_before_the_first_everything_is_read() -> None:
    columns = {"id": column("integer"), "dag": column("date")}
    cursor = {"column": "dag", "lag": "P3D"}
    of = system({"protocol": "sql", "url": "sqlite://"}, {"table": "t"}, columns, write="merge", cursor=cursor)
    assert since(of.tables[TABLE], {"cursor": "2026-01-10"}) == "2026-01-07"
    assert since(of.tables[TABLE], {"cursor": "0001-01-01"}) is None  # .NET's "no date", and nothing else in the table.
