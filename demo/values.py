"""How the HTTP systems write what the facts hold."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache

from ingestion.danish_time import DENMARK


@lru_cache(maxsize=4096)
def _offset_hours(day: date, hour: int) -> int:
    moment = datetime(day.year, day.month, day.day, hour, tzinfo=DENMARK)
    offset = moment.utcoffset()
    return 0 if offset is None else int(offset.total_seconds()) // 3600


def utc(moment: datetime) -> datetime:
    """Return a moment in Danish time as UTC (both naive)."""
    return moment - timedelta(hours=_offset_hours(moment.date(), moment.hour))


def iso(moment: datetime) -> str:
    """Return a moment in Danish time as UTC text, `2026-01-05T08:30:00`: what tables are sorted by."""
    return utc(moment).isoformat(timespec="seconds")


def day(value: date | None) -> str | None:
    return None if value is None else value.isoformat()


def kroner(oere: int) -> float:
    """Return an amount as JSON systems write it: a number with up to two decimals."""
    return oere / 100


def kroner_text(oere: int) -> str:
    """Return an amount with two decimals, as sums stand in the truth."""
    sign = "-" if oere < 0 else ""
    return f"{sign}{abs(oere) // 100}.{abs(oere) % 100:02d}"


def kroner_dk(oere: int) -> str:
    """Return an amount (or any hundredths) in Danish: `1.234,56`."""
    whole, hundredths = divmod(abs(oere), 100)
    return f"{'-' if oere < 0 else ''}{whole:,}".replace(",", ".") + f",{hundredths:02d}"
