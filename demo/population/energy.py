"""Meters at the institutions: consumption by month, and by hour on the days around the changes of summer time."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from demo.municipality import Municipality
from demo.population.common import months, stream
from demo.services import Consumption, Meter
from ingestion.danish_time import DENMARK

MEDIA = (("el", 28.0), ("varme", 70.0), ("vand", 1.1))
"""Medium, and what a place in an institution uses of it in a year, about."""
CHANGES = (date(2026, 3, 29), date(2026, 10, 25))
"""The days of 23 and 25 hours."""


def add(municipality: Municipality) -> None:
    """Fill meters, monthly and hourly consumption."""
    rng = stream(municipality, "energy")
    for place in municipality.institutions:
        for medium, yearly in MEDIA:
            meter = Meter(f"57{rng.randint(0, 9_999_999_999):010d}", place.p_number, medium)
            municipality.meters.append(meter)
            for month in months():
                cold = 1 + 0.8 * (month.month in (11, 12, 1, 2, 3)) - 0.8 * (month.month in (6, 7, 8))
                used = place.places * yearly / 12 * (cold if medium == "varme" else 1.0) * rng.uniform(0.8, 1.2)
                municipality.monthly_consumption.append(
                    Consumption(meter.number, datetime(month.year, month.month, 1), False, round(used * 100))
                )
            if medium == "el":
                for change in CHANGES:
                    for moment in _hours(change - timedelta(days=1), change + timedelta(days=2)):
                        used = place.places * yearly / 8760 * (1.9 if 7 <= moment.hour <= 16 else 0.5) * rng.uniform(0.7, 1.3)
                        summer = bool(moment.dst())
                        municipality.hourly_consumption.append(
                            Consumption(meter.number, moment.replace(tzinfo=None, fold=0), summer, round(used * 100))
                        )


def _hours(first: date, end: date) -> list[datetime]:
    """Return every hour there is from midnight of `first` to midnight of `end`, in Danish time."""
    start = datetime(first.year, first.month, first.day, tzinfo=DENMARK).astimezone(ZoneInfo("UTC"))
    stop = datetime(end.year, end.month, end.day, tzinfo=DENMARK).astimezone(ZoneInfo("UTC"))
    hours = int((stop - start).total_seconds()) // 3600
    return [(start + timedelta(hours=hour)).astimezone(DENMARK) for hour in range(hours)]
