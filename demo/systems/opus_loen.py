"""OPUS Løn: XML drops. The first file has everything; each later one has what changed since the one before.

Plain string building with escapes: no XML library is as fast, and what is written here is what OPUS writes, oddities and all.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from demo.administration import Employee, Employment, OrgUnit
from demo.defects import CANNOT_CONVERT, DUPLICATE_ROW, MISSING, UNKNOWN_VALUE, broken_cpr
from demo.files import cpr_then
from demo.municipality import FIRST_DAY, MUNICIPALITY_CODE, MUNICIPALITY_CVR, TODAY, Municipality
from demo.population.common import months
from demo.truth import Truth

SYSTEM = "opus_loen"
OPEN_END = "9999-12-31"
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<kmd>\n'


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write the drops to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    drops = _Drops(municipality, truth)
    drops.units()
    drops.employments()
    for day in drops.days:
        name = f"ZLPE{day:%Y%m%d}040000_delta.xml"
        _write(folder / name, (*drops.unit_lines[day], *drops.employee_lines[day]))
    _absences(municipality, folder, truth)


def _write(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(HEAD)
        file.writelines(f"{line}\n" for line in lines)
        file.write("</kmd>\n")


def _element(tag: str, value: str) -> str:
    return f"<{tag}>{escape(value)}</{tag}>" if value else f"<{tag}/>"


def _record(tag: str, attributes: dict[str, str], children: dict[str, str]) -> str:
    given = "".join(f" {name}={quoteattr(value)}" for name, value in attributes.items())
    return f"<{tag}{given}>" + "".join(_element(*child) for child in children.items()) + f"</{tag}>"


class _Drops:
    """Versions of units and employments, each under the day of the file that brings it."""

    def __init__(self, municipality: Municipality, truth: Truth) -> None:
        self.municipality = municipality
        self.truth = truth
        self.rng = random.Random(f"{truth.seed}/{SYSTEM}")
        self.days = [FIRST_DAY, *[month for month in months() if month > FIRST_DAY], TODAY]
        self.unit_lines: dict[date, list[str]] = defaultdict(list)
        self.employee_lines: dict[date, list[str]] = defaultdict(list)
        self.then: Callable[[str, date], str] = cpr_then(municipality)

    def _drop_of(self, day: date) -> date:
        """Return the day of the first file that can tell what happened on `day`."""
        return next(drop for drop in self.days if drop >= day)

    def units(self) -> None:
        """Write each unit as it was at first and, if it has been renamed, moved or closed since, as it is now."""
        rows = 0
        bad = self.municipality.org_units[4].id
        units = [*self.municipality.org_units, *self.municipality.closed_units]
        for unit in units:
            changed = unit.changed > FIRST_DAY
            before = replace(
                unit, name=unit.former_name or unit.name, parent=unit.former_parent or unit.parent, end=None,
                ean="5,798E+12" if unit.id == bad else unit.ean,
            )  # fmt: skip
            self.unit_lines[FIRST_DAY].append(self._unit(before, FIRST_DAY))
            if changed:
                self.unit_lines[self._drop_of(unit.changed)].append(self._unit(unit, unit.changed))
            rows += 1 + changed
        self.truth.plant(SYSTEM, "org_enheder", f"ean_nr: {CANNOT_CONVERT}")
        self.truth.table(SYSTEM, "org_enheder", rows, staging=rows, enheder=len(units))

    def _unit(self, unit: OrgUnit, changed: date) -> str:
        attributes = {"id": unit.id, "client": MUNICIPALITY_CODE, "lastChanged": changed.isoformat()}
        children = {
            "parentOrgUnit": unit.parent or "", "shortName": unit.name[:12], "longName": unit.name,
            "costCenter": unit.cost_centre, "eanNr": unit.ean, "pNr": unit.p_number, "cvrNr": MUNICIPALITY_CVR,
            "orgTypeTxt": unit.kind, "fagomraade": unit.department,
            "startDate": unit.start.isoformat(), "endDate": unit.end.isoformat() if unit.end else OPEN_END,
        }  # fmt: skip
        return _record("orgUnit", attributes, children)

    def employments(self) -> None:
        """Write each employment when it begins (or in the first file), when its pay changes, and when it ends."""
        everyone = [(employee, employment) for employee in self.municipality.employees for employment in employee.employments]
        stayers = [employment.number for _, employment in everyone if employment.entry < FIRST_DAY and employment.leave is None]
        spoilt = self.rng.sample(stayers, 5)
        bad_cpr, bad_entry = set(spoilt[:3]), set(spoilt[3:])
        rows = leaves = 0
        for employee, employment in everyone:
            place = employee.employments.index(employment)
            first = max(employment.entry, FIRST_DAY)
            raised = first + timedelta(days=self.rng.randint(40, 900))
            end = employment.leave or TODAY
            changes = self.rng.random() < 0.25 and raised < end
            cpr, entry = self.then(employee.cpr, first), employment.entry.isoformat()
            if employment.number in bad_cpr:
                cpr, changes = broken_cpr(cpr), False
            if employment.number in bad_entry:
                entry, changes = "2019-02-30", False
            before = f"Grundløn {int(employment.pay_grade.split()[1]) - 1}" if changes else employment.pay_grade
            version = self._employee(employee, employment, first, place, cpr, entry, before)
            self.employee_lines[self._drop_of(first)].append(version)
            rows += 1
            if changes:
                now = self.then(employee.cpr, raised)
                version = self._employee(employee, employment, raised, place, now, entry, employment.pay_grade)
                self.employee_lines[self._drop_of(raised)].append(version)
                rows += 1
            if employment.leave:
                attributes = {
                    "id": employment.number, "client": MUNICIPALITY_CODE, "lastChanged": employment.leave.isoformat(),
                    "action": "leave",
                }  # fmt: skip
                self.employee_lines[self._drop_of(employment.leave)].append(_record("employee", attributes, {}))
                rows, leaves = rows + 1, leaves + 1
        nobody, employment = everyone[0]
        lost = self._employee(nobody, employment, TODAY, 0, nobody.cpr, OPEN_END, employment.pay_grade).replace(
            f' id="{employment.number}"', "", 1
        )
        self.employee_lines[TODAY].append(lost)
        self.truth.plant(SYSTEM, "ansaettelser", f"cpr: {CANNOT_CONVERT}", 3)
        self.truth.plant(SYSTEM, "ansaettelser", f"entry_date: {CANNOT_CONVERT}", 2)
        self.truth.plant(SYSTEM, "ansaettelser", f"id: {MISSING}")
        active = sum(1 for _, e in everyone if e.entry <= TODAY and (e.leave is None or e.leave > TODAY))
        self.truth.table(
            SYSTEM, "ansaettelser", rows + 1, staging=rows, ansaettelser=len(everyone), fratraedelser=leaves, aktive=active
        )

    def _employee(
        self, employee: Employee, employment: Employment, changed: date, place: int, cpr: str, entry: str, grade: str
    ) -> str:
        attributes = {"id": employment.number, "client": MUNICIPALITY_CODE, "lastChanged": changed.isoformat()}
        hidden = employee.protected
        children = {
            "firstName": employee.first_name, "lastName": employee.last_name,
            "address": "" if hidden else f"{employee.address.road_name} {employee.address.house_number}",
            "postalCode": "" if hidden else employee.address.postcode, "orgUnit": employment.org_unit,
            "position": employment.position, "jobCode": employment.job_code, "payGradeText": grade,
            "numerator": f"{employment.hours} ", "denominator": "37 ", "entryDate": entry, "leaveDate": OPEN_END,
        }  # fmt: skip
        # A person with one employment has the number plain; with several, each has a supplementary id.
        supplement = f' suppId="{place}"' if len(employee.employments) > 1 else ""
        return _record("employee", attributes, children).replace(">", f"><cpr{supplement}>{cpr}</cpr>", 1)


def _absences(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write one file of absences for each month in which they begin."""
    rng = random.Random(f"{truth.seed}/{SYSTEM}/fravaer")
    by_month: dict[str, list[str]] = defaultdict(list)
    spoilt = rng.sample(range(len(municipality.absences)), 17)
    unknown, nobody, undated, comma, twice = spoilt[:4], spoilt[4:7], spoilt[7:9], spoilt[9:12], spoilt[12:]
    sick = sick_lost = 0
    for position, absence in enumerate(municipality.absences):
        attributes = {"id": f"F{700_000 + position}", "client": MUNICIPALITY_CODE}
        hours = f"{absence.hours:.2f}"
        children = {
            "employeeId": "" if position in nobody else absence.employment, "orgUnit": absence.org_unit,
            "absenceType": "orlov?" if position in unknown else absence.kind,
            "fromDate": f"{absence.first:%d-%m-%Y}" if position in undated else absence.first.isoformat(),
            "toDate": absence.last.isoformat(), "hours": hours.replace(".", ",") if position in comma else f"{hours} ",
        }  # fmt: skip
        line = _record("absence", attributes, children)
        by_month[f"{absence.first:%Y%m}"] += [line] * (2 if position in twice else 1)
        if absence.kind == "syg":
            sick += round(absence.hours * 100)
            if position in (*unknown, *nobody, *undated, *comma):
                sick_lost += round(absence.hours * 100)
    for month, lines in by_month.items():
        _write(folder / f"ZLFR{month}28050000.xml", lines)
    truth.plant(SYSTEM, "fravaer", f"absence_type: {UNKNOWN_VALUE}", len(unknown))
    truth.plant(SYSTEM, "fravaer", f"employee_id: {MISSING}", len(nobody))
    truth.plant(SYSTEM, "fravaer", f"from_date: {CANNOT_CONVERT}", len(undated))
    truth.plant(SYSTEM, "fravaer", f"hours: {CANNOT_CONVERT}", len(comma))
    truth.plant(SYSTEM, "fravaer", DUPLICATE_ROW, len(twice))
    rows = len(municipality.absences)
    truth.table(
        SYSTEM, "fravaer", rows + len(twice), staging=rows - len(nobody) - len(undated), sygetimer=f"{sick / 100:.2f}",
        staging_sygetimer=f"{(sick - sick_lost) / 100:.2f}",
    )  # fmt: skip
