"""Totals that cut across systems, taken from the clean facts: what the marts must come to, but for planted defects."""

from __future__ import annotations

from collections import Counter
from typing import Any

from demo.municipality import TODAY, Municipality
from demo.values import kroner_text


def facts(municipality: Municipality) -> dict[str, Any]:
    """Return the totals, with money as text in kroner, months as `2026-01` and units by their OPUS number."""
    paid: Counter[str] = Counter()
    refund: Counter[str] = Counter()
    for week in municipality.benefit_weeks:
        paid[f"{week.monday:%Y-%m}"] += week.amount_oere
        refund[f"{week.monday:%Y-%m}"] += week.refund_oere
    sick: Counter[str] = Counter()
    for absence in municipality.absences:
        if absence.kind == "syg":
            sick[absence.org_unit] += round(absence.hours * 100)
    substitutes: Counter[str] = Counter()
    for shift in municipality.shifts:
        substitutes[shift.org_unit] += shift.cost_oere or 0
    minutes = {"planlagt": 0, "leveret": 0}
    for visit in municipality.care_visits:
        minutes["planlagt"] += visit.planned_minutes
        minutes["leveret"] += visit.delivered_minutes
    ledger: Counter[str] = Counter()
    for posting in municipality.postings:
        ledger[str(posting.posted.year)] += posting.oere
    living = [person for person in municipality.persons if person.lives_here(TODAY)]
    return {
        "indbyggere": len(living),
        "beskyttede": sum(
            1 for p in living if any(s.start <= TODAY and (s.end is None or s.end >= TODAY) for s in p.protections)
        ),
        "ydelser": {
            month: {"beloeb": kroner_text(paid[month]), "refusion": kroner_text(refund[month])} for month in sorted(paid)
        },
        "sygetimer": {unit: f"{sick[unit] / 100:.2f}" for unit in sorted(sick)},
        "vikarudgift": {unit: kroner_text(substitutes[unit]) for unit in sorted(substitutes)},
        "besoeg_minutter": minutes,
        "posteringer": {year: kroner_text(ledger[year]) for year in sorted(ledger)},
    }
