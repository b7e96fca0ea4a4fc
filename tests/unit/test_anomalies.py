"""What is out of the ordinary is told by a table's own last weeks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ingestion.anomalies import history, usual_rows
from ingestion.danish_time import DENMARK

MONDAY = datetime(2026, 11, 23, 3)


def nights(count: int, weekday_rows: int, monday_rows: int | None = None, noise: int = 0) -> list[tuple[datetime, int]]:
    """Return the loads of the `count` nights before Monday the 23rd."""
    found = []
    for back in range(count, 0, -1):
        night = MONDAY - timedelta(days=back)
        rows = monday_rows if monday_rows is not None and night.weekday() == 0 else weekday_rows
        found.append((night, rows + noise * (back * 7 % 11 - 5) // 5))
    return found


def test_nothing_is_unusual_before_there_is_a_history() -> None:
    assert usual_rows(nights(4, 1000), MONDAY) is None
    assert usual_rows(nights(5, 1000), MONDAY) is not None


@pytest.mark.parametrize(("rows", "usual"), [(1000, True), (1080, True), (920, True), (1200, False), (500, False), (0, False)])
def test_a_steady_table(rows: int, usual: bool) -> None:
    found = usual_rows(nights(21, 1000, noise=5), MONDAY)
    assert found is not None
    assert (rows in found) is usual


def test_a_lively_table_has_more_room() -> None:
    found = usual_rows(nights(21, 1000, noise=200), MONDAY)
    assert found is not None
    assert 1500 in found
    assert 5000 not in found


def test_a_monday_is_held_up_against_mondays() -> None:
    known = nights(35, 100, monday_rows=3000)
    monday, tuesday = usual_rows(known, MONDAY), usual_rows(known, MONDAY + timedelta(days=1))
    assert monday is not None
    assert tuesday is not None
    assert (monday.weekday, tuesday.weekday) == (True, True)
    assert 3000 in monday
    assert 100 not in monday, "the weekend is missing"
    assert 100 in tuesday
    assert 3000 not in tuesday


def test_a_monday_is_a_danish_one_when_the_clock_has_changed() -> None:
    """At half past one it is still yesterday in UTC in summer, and not in winter."""
    nights = [datetime(2026, 2, 1, 1, 30, tzinfo=DENMARK) + timedelta(days=day) for day in range(58)]
    known = [(night.astimezone(UTC).replace(tzinfo=None), 100 if night.weekday() else 3000) for night in nights]
    *earlier, (monday, _) = known
    assert monday == datetime(2026, 3, 29, 23, 30)
    found = usual_rows(earlier, monday)
    assert found is not None
    assert found.weekday
    assert 3000 in found


def test_a_small_table_may_come_and_go_by_a_few_rows() -> None:
    found = usual_rows(nights(10, 3), MONDAY)
    assert found is not None
    assert all(rows in found for rows in (0, 3, 13))
    assert 14 not in found


def test_what_is_long_ago_does_not_count() -> None:
    old = [(time - timedelta(weeks=30), rows) for time, rows in nights(30, 10)]
    assert usual_rows(old, MONDAY) is None


def test_history_is_of_the_table_and_of_loads_that_succeeded() -> None:
    log = [
        {"table_name": "t", "status": "loaded", "started_at": MONDAY, "rows": 3, "table_rows": 30},
        {"table_name": "t", "status": "failed", "started_at": MONDAY, "rows": 0, "table_rows": 30},
        {"table_name": "t", "status": "unchanged", "started_at": MONDAY, "rows": 0, "table_rows": 30},
        {"table_name": "u", "status": "loaded", "started_at": MONDAY, "rows": 4, "table_rows": 40},
    ]
    assert history(log, "t", whole=True) == [(MONDAY, 30)]
    assert history(log, "t", whole=False) == [(MONDAY, 3), (MONDAY, 0)]
