"""Who was in day care on which day, and when; and who was away, in day care and school: the last weeks."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from demo.municipality import TODAY, Municipality
from demo.population.common import stream
from demo.services import ChildProfile, Presence

DAYS = 28
"""How far back the agreed extract reaches."""
FULL_DAY = 420
"""Minutes of absence that are a whole day in day care."""


def add(municipality: Municipality) -> None:
    """Fill child profiles and presences. Whoever is noted as away all day was not there."""
    rng = stream(municipality, "presence")
    for enrolment in municipality.enrolments:
        if enrolment.end is None:
            municipality.child_profiles.append(
                ChildProfile(2_100_000 + len(municipality.child_profiles), enrolment.cpr, enrolment.institution, enrolment.group)
            )
    first = TODAY - timedelta(days=DAYS)
    away = {
        (absence.cpr, absence.day): absence for absence in municipality.school_absences if absence.day >= first
    }  # fmt: skip
    started = {(e.cpr, e.institution): e.start for e in municipality.enrolments if e.end is None}
    for profile in municipality.child_profiles:
        if "." in profile.group:
            continue
        for offset in range(DAYS + 1):
            day = first + timedelta(days=offset)
            if day.weekday() > 4 or day < started[profile.cpr, profile.institution]:
                continue
            absence = away.get((profile.cpr, day))
            if absence is not None and absence.minutes >= FULL_DAY:
                status, came, went = (1 if absence.kind == "syg" else 2), None, None
            else:
                status, came = 8, _at(day, 6, rng.randint(30, 210))
                went = _at(day, 14, rng.randint(0, 170))
            municipality.presences.append(Presence(90_000_000 + len(municipality.presences), profile.id, day, status, came, went))


def _at(day: date, hour: int, minutes: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour) + timedelta(minutes=minutes)
