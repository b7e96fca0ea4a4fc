"""Row counts out of the ordinary, learnt from a table's own last weeks: no limit has to be written down for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from ingestion.danish_time import DENMARK

WEEKS = 8
FEWEST = 5
"""Earlier loads needed before anything is called unusual."""
FEWEST_OF_WEEKDAY = 4
SPREADS = 5.0
"""How many spreads (the median distance from the median) are still usual. Of a normal distribution, 5 are 3.4 deviations."""
SHARE, ROWS = 0.1, 10
"""What differs by less than this share, or this many rows, is never unusual: a table that never changes has no spread."""


@dataclass(frozen=True)
class UsualRows:
    """The range of row counts that is usual, and how many loads it is learnt from."""

    low: int
    high: int
    loads: int
    weekday: bool
    """Whether it holds for this day of the week alone."""

    def __contains__(self, rows: int) -> bool:
        return self.low <= rows <= self.high


def usual_rows(history: Sequence[tuple[datetime, int]], at: datetime) -> UsualRows | None:
    """Return the usual range for a load at `at`, from earlier loads as (time in UTC, rows); None while they are too few.

    Loads of the same weekday count alone where there are enough of them: on Mondays a system may deliver a weekend.
    """
    recent = [(time, rows) for time, rows in history if at - timedelta(weeks=WEEKS) <= time < at]
    same_day = [rows for time, rows in recent if _weekday(time) == _weekday(at)]
    weekday = len(same_day) >= FEWEST_OF_WEEKDAY
    counts = same_day if weekday else [rows for _, rows in recent]
    if len(counts) < (FEWEST_OF_WEEKDAY if weekday else FEWEST):
        return None
    middle = median(counts)
    spread = median(abs(rows - middle) for rows in counts)
    room = max(SPREADS * spread, SHARE * middle, ROWS)
    return UsualRows(max(0, round(middle - room)), round(middle + room), len(counts), weekday)


def _weekday(at: datetime) -> int:
    """In Denmark: by UTC, half past one at night is another day in summer than in winter."""
    return at.replace(tzinfo=UTC).astimezone(DENMARK).weekday()


def history(log: Sequence[Mapping[str, Any]], table_name: str, whole: bool) -> list[tuple[datetime, int]]:
    """Return (time, rows) of the loads of a table: rows in the table where each load reads the `whole`, else rows it brought."""
    column = "table_rows" if whole else "rows"
    return [
        (entry["started_at"], entry[column])
        for entry in log
        if entry["table_name"] == table_name and (entry["status"] == "loaded" or (not whole and entry["status"] == "unchanged"))
    ]
