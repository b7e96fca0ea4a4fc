"""Totals that cut across systems, taken from the clean facts: what the marts must come to, but for planted defects."""

from __future__ import annotations

from calendar import monthrange
from collections import Counter, defaultdict
from datetime import date, timedelta
from typing import Any

from demo.municipality import FIRST_DAY, MUNICIPALITY_CODE, TODAY, Measure, Municipality, SpecialPlacement
from demo.population.cases import COMPLAINT
from demo.population.places import house_uuid
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
        ledger[str(posting.year)] += posting.oere
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
        "flytninger": _moves(municipality),
        "byggesager": _building_cases(municipality),
        "boern_forloeb": _before_and_after(municipality),
        "sommerhuse": _summer_peak(municipality),
        "kapacitet": _capacity(municipality),
        "koblinger": {
            "adresser": {str(customer.number): house_uuid(customer.address) for customer in municipality.waste_customers},
            "leverandoerer": {system.usage_uuid: system.vendor_cvr for system in municipality.it_systems},
        },
    }


def _moves(municipality: Municipality) -> dict[str, dict[str, int]]:
    """Return the moves over the municipality's border since FIRST_DAY, by direction and month."""
    found: dict[str, Counter[str]] = {"tilflytning": Counter(), "fraflytning": Counter()}
    for person in municipality.persons:
        stays = person.residences
        here = [stay.address.municipality_code == MUNICIPALITY_CODE for stay in stays]
        days: list[tuple[str, date | None]] = []
        if here[0] and stays[0].moved_in > person.born:
            days.append(("tilflytning", stays[0].moved_in))
        for position in range(1, len(stays)):
            if here[position] != here[position - 1]:
                days.append(("tilflytning" if here[position] else "fraflytning", stays[position].moved_in))
        if here[-1] and person.status == "80":
            days.append(("fraflytning", stays[-1].moved_out))
        for direction, day in days:
            if day is not None and day >= FIRST_DAY:
                found[direction][f"{day:%Y-%m}"] += 1
    return {direction: dict(sorted(months.items())) for direction, months in found.items()}


def _building_cases(municipality: Municipality) -> dict[str, dict[str, int]]:
    """Return building cases received and decided, and complaints and notes of calls under their subjects, by month."""
    subjects = {case.kle for case in municipality.building_cases}
    days = {
        "modtagne": [case.received for case in municipality.building_cases],
        "afgjorte": [case.decided for case in municipality.building_cases if case.decided],
        "klager": [case.opened for case in municipality.cases if case.kle in subjects and case.facet == COMPLAINT],
        "telefonnotater": [
            event.moment.date() for event in municipality.case_events if event.kind == "T" and event.case.kle in subjects
        ],
    }
    return {what: dict(sorted(Counter(f"{day:%Y-%m}" for day in found).items())) for what, found in days.items()}


def _capacity(municipality: Municipality) -> dict[str, dict[str, dict[str, int]]]:
    """Return, by school district and kind of institution, the children who live there on TODAY, and the places.

    Who has ever been protected lives in no district.
    """
    children: dict[str, Counter[str]] = defaultdict(Counter)
    for person in municipality.persons:
        home = next((stay for stay in person.residences if stay.moved_in <= TODAY <= (stay.moved_out or date.max)), None)
        if person.age(TODAY) <= 16 and home and home.address.municipality_code == MUNICIPALITY_CODE:
            district = "-1" if person.protections else home.address.district
            children[district]["dagtilbud" if person.age(TODAY) < 6 else "skole"] += 1
    places: dict[str, Counter[str]] = defaultdict(Counter)
    for institution in municipality.institutions:
        places[institution.district][institution.kind] += institution.places
    return {"boern": {key: dict(found) for key, found in children.items()}, "pladser": {k: dict(v) for k, v in places.items()}}


def _summer_peak(municipality: Municipality) -> dict[str, dict[str, float]]:
    """Return, by month, who lives in a summer house at its end, who of them is granted care, and home care's substitute hours.

    Who has ever been protected lives in none. The last month ends with the last visit that is known.
    """
    summer = {
        (building.house.address.road_code, building.house.address.house_number)
        for building in municipality.buildings
        if building.use_code == "510"
    }
    granted: dict[str, list[tuple[date, date]]] = defaultdict(list)
    for grant in municipality.care_grants:
        granted[grant.cpr].append((grant.start, grant.end or date.max))
    homes = {unit.id for unit in municipality.org_units if unit.kind == "hjemmepleje"}
    hours: Counter[str] = Counter()
    for shift in municipality.shifts:
        if shift.kind == "vikar" and shift.org_unit in homes:
            hours[f"{shift.day:%Y-%m}"] += round(shift.hours * 100)
    days = [visit.day for visit in municipality.care_visits]
    start, last = min(days).replace(day=1), max(days)
    found: dict[str, dict[str, float]] = {}
    while start <= last:
        end = min(add_months(start, 1) - timedelta(days=1), last)
        living = [
            person.cpr
            for person in municipality.persons
            if not person.protections
            and any(
                stay.address.municipality_code == MUNICIPALITY_CODE
                and (stay.address.road_code, stay.address.house_number) in summer
                and stay.moved_in <= end <= (stay.moved_out or date.max)
                for stay in person.residences
            )
        ]
        found[f"{start:%Y-%m}"] = {
            "beboere": len(living),
            "bevilgede": sum(any(first <= end <= until for first, until in granted[cpr]) for cpr in living),
            "vikartimer": hours[f"{start:%Y-%m}"] / 100,
        }
        start = add_months(start, 1)
    return found


def _before_and_after(municipality: Municipality) -> dict[str, dict[str, int | str]]:
    """Return children, days of absence, costs and contacts by quarter from the child's first notification (-4 to 7).

    Only quarters of which every day is covered by the absence register, and costs that this municipality bears.
    """
    first: dict[str, date] = {}
    for notification in municipality.notifications:
        first[notification.cpr] = min(notification.received, first.get(notification.cpr, date.max))
    absent: dict[str, list[date]] = defaultdict(list)
    for absence in municipality.school_absences:
        absent[absence.cpr].append(absence.day)
    measures: dict[str, list[Measure]] = defaultdict(list)
    for measure in municipality.measures:
        measures[measure.cpr].append(measure)
    placements: dict[str, list[SpecialPlacement]] = defaultdict(list)
    for place in municipality.placements:
        if place.payer == MUNICIPALITY_CODE:
            placements[place.cpr].append(place)
    contacts = _contacts(municipality)
    days = [absence.day for absence in municipality.school_absences]
    from_day, to_day = min(days, default=date.max), max(days, default=date.min)
    found = {quarter: Counter[str]() for quarter in range(-4, 8)}
    for cpr, notified in first.items():
        for quarter, sums in found.items():
            start, end = add_months(notified, 3 * quarter), add_months(notified, 3 * quarter + 3) - timedelta(days=1)
            if start < from_day or end > to_day:
                continue
            sums["boern"] += 1
            sums["fravaersdage"] += sum(start <= day <= end for day in absent[cpr])
            for kind, by_child in contacts.items():
                sums[kind] += sum(start <= day <= end for day in by_child[cpr])
            for measure in measures[cpr]:
                sums["oere"] += measure.day_oere * _shared(start, end, measure.start, measure.end)
            for place in placements[cpr]:
                sums["oere"] += round(place.yearly_oere * _shared(start, end, place.start, place.end) / 365)
    return {
        str(quarter): {
            **{kind: sums[kind] for kind in ("boern", "fravaersdage", *contacts)},
            "udgift": kroner_text(sums["oere"]),
        }
        for quarter, sums in found.items()
    }


def _contacts(municipality: Municipality) -> dict[str, dict[str, list[date]]]:
    """Return, by kind and child, the days of health visits that were kept and of referrals to PPR."""
    found: dict[str, dict[str, list[date]]] = {"sundhedsbesoeg": defaultdict(list), "henvisninger": defaultdict(list)}
    cprs = {child.id: child.cpr for child in municipality.health_children}
    for visit in municipality.health_visits:
        if visit.kept:
            found["sundhedsbesoeg"][cprs[visit.child]].append(visit.day)
    for referral in municipality.referrals:
        found["henvisninger"][referral.cpr].append(referral.received)
    return found


def add_months(day: date, months: int) -> date:
    """Return the same day of the month `months` later, or that month's last day where it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _shared(start: date, end: date, first: date, last: date | None) -> int:
    """Days that two periods share; both ends count, and no `last` is for ever."""
    return max(0, (min(end, last or end) - max(start, first)).days + 1)
