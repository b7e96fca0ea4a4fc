"""The practice municipality's facts: the same from the same seed, possible as people and numbers, and in agreement."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from datetime import date, timedelta

import pytest
from stdnum import ean
from stdnum.dk import cpr as stdnum_cpr
from stdnum.dk import cvr

from demo.facts import add_months, facts
from demo.municipality import FIRST_DAY, MUNICIPALITY_CODE, TODAY, Municipality, build_municipality, kitos_uuid
from demo.population.common import roads
from demo.population.cpr import modulus_11
from demo.population.finance import PENSION_PERCENT, month_end
from demo.population.places import address_uuid, house_uuid
from ingestion.register import read_register

SCALE = 0.03


@pytest.fixture(scope="module")
def municipality() -> Municipality:
    return build_municipality(306, SCALE)


def fingerprint(municipality: Municipality) -> str:
    return hashlib.sha256(repr(municipality).encode()).hexdigest()


def test_the_seed_decides_everything(municipality: Municipality) -> None:
    assert fingerprint(build_municipality(306, SCALE)) == fingerprint(municipality)
    assert fingerprint(build_municipality(307, SCALE)) != fingerprint(municipality)


def test_scale_is_the_number_of_inhabitants(municipality: Municipality) -> None:
    assert facts(municipality)["indbyggere"] == pytest.approx(33_000 * SCALE, abs=6)  # a household more or less


def test_cpr_numbers_are_ones_that_could_be_given(municipality: Municipality) -> None:
    numbers = [person.cpr for person in municipality.persons]
    numbers += [earlier.cpr for person in municipality.persons for earlier in person.earlier_cprs]
    numbers += [employee.cpr for employee in municipality.employees if employee.cpr not in set(numbers)]
    assert len(set(numbers)) == len(numbers)
    for person in municipality.persons:
        day = int(person.cpr[:2])
        born = stdnum_cpr.get_birth_date(f"{day % 60 if day > 60 else day:02d}{person.cpr[2:]}")
        assert born == person.born
        assert int(person.cpr[9]) % 2 == (person.sex == "M")
        if not modulus_11(person.cpr):
            assert (person.born.day, person.born.month) == (1, 1)
            assert 1960 <= person.born.year <= 1994


def test_the_odd_cpr_numbers_occur() -> None:
    persons = build_municipality(306, 0.2).persons
    assert any(int(person.cpr[:2]) > 60 for person in persons), "replacement numbers"
    assert any(not modulus_11(person.cpr) for person in persons), "numbers without check digit"
    earlier = [change.cpr for person in persons for change in person.earlier_cprs]
    assert any(int(cpr[:2]) > 60 for cpr in earlier)
    assert any(int(cpr[:2]) < 32 for cpr in earlier)


def test_company_and_location_numbers_have_right_check_digits(municipality: Municipality) -> None:
    assert all(ean.is_valid(unit.ean) for unit in municipality.org_units)
    assert all(cvr.is_valid(offer.company_cvr) for offer in municipality.offers)
    assert all(cvr.is_valid(measure.supplier_cvr) for measure in municipality.measures)


def test_people_live_in_one_place_at_a_time(municipality: Municipality) -> None:
    for person in municipality.persons:
        assert person.residences
        assert person.residences[0].moved_in >= person.born
        for stay, following in zip(person.residences, person.residences[1:], strict=False):
            assert stay.moved_out is not None
            assert stay.moved_out + timedelta(days=1) == following.moved_in
        last = person.residences[-1]
        assert (last.moved_out is None) == (person.status == "01")
        assert last.moved_out is None or last.moved_out >= last.moved_in


def test_there_is_a_building_wherever_somebody_lives_or_works(municipality: Municipality) -> None:
    m = municipality
    known = {dwelling.id for building in m.buildings for dwelling in building.dwellings}
    homes = {stay.address for person in m.persons for stay in person.residences if stay.address.municipality_code == "306"}
    places = {*homes, *m.unit_addresses.values()}
    assert {address_uuid(address) for address in places} <= known
    assert set(m.unit_addresses) == {unit.id for unit in m.org_units}
    summer = {building.house.id for building in m.buildings if building.use_code == "510"}
    assert any(house_uuid(address) in summer for address in homes), "some live in a summer house all year"
    assert sum(house_uuid(address) in summer for address in homes) < len(homes) / 4


def test_addresses_follow_the_reference_data(municipality: Municipality) -> None:
    known = {(code, district, postcode) for code, _, district, postcode in roads()}
    assert len({code for code, _, _ in known}) == len(roads()) == 120
    for person in municipality.persons:
        for stay in person.residences:
            if stay.address.municipality_code == MUNICIPALITY_CODE:
                assert (stay.address.road_code, stay.address.district, stay.address.postcode) in known


def test_keys_are_unique(municipality: Municipality) -> None:
    m = municipality
    for keys in (
        [i.number for i in m.institutions],
        [u.id for u in m.org_units],
        [u.cost_centre for u in m.org_units],
        [e.number for e in m.employments],
        [(w.cpr, w.benefit, w.monday) for w in m.benefit_weeks],
        [(p.posted.year, p.document, p.line) for p in m.postings],
        [c.number for c in m.child_cases],
        [(e.cpr, e.institution, e.school_year) for e in m.enrolments],
        [(a.cpr, a.institution, a.day) for a in m.school_absences],
        [(i.supplier_cvr, i.number) for i in m.invoices],
        [i.order for i in m.invoices if i.order],
        [b.id for b in m.buildings],
        [b.house.parcel.bfe for b in m.buildings],
        [d.id for b in m.buildings for d in b.dwellings],
    ):
        assert len(set(keys)) == len(keys)


def test_what_refers_to_something_refers_to_what_exists(municipality: Municipality) -> None:
    m = municipality
    persons, units = {p.cpr for p in m.persons}, {u.id for u in m.org_units}
    employments, grants = {e.number for e in m.employments}, {g.id for g in m.care_grants}
    assert {u.parent for u in m.org_units} <= units | {None}
    assert {i.org_unit for i in m.institutions} | {e.org_unit for e in m.employments} <= units
    for citizens in (m.enrolments, m.care_grants, m.benefit_weeks, m.child_cases, m.notifications, m.placements):
        assert {row.cpr for row in citizens} <= persons
    assert {a.employment for a in m.absences} <= employments
    assert {v.employment for v in m.care_visits} <= employments | {None}
    assert {v.grant for v in m.care_visits} <= grants
    assert {x.case for x in m.measures} <= {c.number for c in m.child_cases}
    assert {p.account for p in m.postings} <= {a.number for a in m.accounts}
    assert {p.cost_centre for p in m.postings} <= {c.code for c in m.cost_centres}


def test_nothing_happens_after_today(municipality: Municipality) -> None:
    m = municipality
    assert max(p.posted for p in m.postings) <= TODAY
    assert max(v.day for v in m.care_visits) == TODAY
    assert max(w.monday for w in m.benefit_weeks) + timedelta(days=6) <= TODAY
    assert max(a.day for a in m.school_absences) <= TODAY
    assert min(a.first for a in m.absences) >= FIRST_DAY


def test_the_ledger_is_what_the_facts_cost(municipality: Municipality) -> None:
    m = municipality
    by_account: Counter[str] = Counter()
    for posting in m.postings:
        by_account[posting.account] += posting.oere
    benefits = sum(oere for account, oere in by_account.items() if account.startswith("52"))
    assert benefits == sum(week.amount_oere for week in m.benefit_weeks)
    assert by_account["86000100"] == -sum(week.refund_oere for week in m.benefit_weeks)
    assert by_account["40000100"] == sum(shift.cost_oere or 0 for shift in m.shifts)
    assert by_account["71000100"] == -sum(case.fee_oere for case in m.building_cases)


def test_an_invoice_is_what_was_posted(municipality: Municipality) -> None:
    m = municipality
    goods = [p.oere for p in m.postings if p.text.startswith("Faktura ")]
    assert [invoice.oere for invoice in m.invoices] == goods
    assert len(goods) > 300
    assert all(sum(line.oere for line in invoice.lines) == invoice.oere for invoice in m.invoices)
    assert {invoice.ean for invoice in m.invoices} == {unit.ean for unit in m.org_units if unit.kind != "kommune"}


def test_salaries_of_a_unit_in_a_month(municipality: Municipality) -> None:
    unit = next(unit for unit in municipality.org_units if unit.kind == "skole")
    month = date(2025, 3, 1)
    expected = 0
    for employment in municipality.employments:
        if employment.org_unit == unit.id:
            days = [month + timedelta(days=n) for n in range(31)]
            worked = sum(1 for d in days if employment.entry <= d and (employment.leave is None or d <= employment.leave))
            expected += employment.monthly_oere * worked // 31
    posted: Counter[str] = Counter()
    for posting in municipality.postings:
        if posting.cost_centre == unit.cost_centre and posting.posted == month_end(month):
            posted[posting.account] += posting.oere
    assert posted["11000100"] == expected
    assert posted["11000200"] == pytest.approx(expected * PENSION_PERCENT // 100, abs=10)  # rounded down by position


def test_the_refund_follows_the_week_on_benefits(municipality: Municipality) -> None:
    assert {week.refund_percent for week in municipality.benefit_weeks} == {0, 20, 30, 40, 80}
    for week in municipality.benefit_weeks:
        assert week.refund_oere == week.amount_oere * week.refund_percent // 100
        assert week.monday.weekday() == 0


def test_sickness_costs_substitutes_and_visits() -> None:
    """What the cross-department marts are to find must be there to be found."""
    m = build_municipality(306, 0.2)
    away: Counter[tuple[str, date]] = Counter()
    for absence in m.absences:
        if absence.kind == "syg":
            for offset in range((absence.last - absence.first).days + 1):
                away[absence.org_unit, absence.first + timedelta(days=offset)] += 1
    substitutes = Counter((shift.org_unit, shift.day) for shift in m.shifts if shift.kind == "vikar")
    visits: dict[bool, list[int]] = {True: [0, 0], False: [0, 0]}
    for visit in m.care_visits:
        strained = away[visit.org_unit, visit.day] >= 3
        visits[strained][0] += visit.status == "aflyst_kommune"
        visits[strained][1] += 1
    assert visits[True][0] / visits[True][1] > 1.5 * visits[False][0] / visits[False][1]
    days = {(shift.org_unit, shift.day) for shift in m.shifts}
    with_sick = [substitutes[key] for key in days if away[key] >= 2]
    without = [substitutes[key] for key in days if not away[key]]
    assert sum(with_sick) / len(with_sick) > 2 * sum(without) / len(without)


def test_absence_rises_before_a_notification() -> None:
    m = build_municipality(306, 0.2)
    received = {n.cpr: n.received for n in m.notifications}
    before: Counter[bool] = Counter()
    days: Counter[bool] = Counter()
    for absence in m.school_absences:
        if absence.cpr in received:
            before[0 <= (received[absence.cpr] - absence.day).days <= 180] += 1
    for day in received.values():
        within = min(180, (day - FIRST_DAY).days)
        days[True] += within
        days[False] += (TODAY - FIRST_DAY).days - within
    assert before[True] / days[True] > 1.5 * before[False] / days[False]


def test_case_numbers_have_the_two_forms(municipality: Municipality) -> None:
    old, new = r"306-\d{4}-\d+", r"\d\d\.\d\d\.\d\d-[A-Z]\d\d-\d\d-\d+"
    assert all(re.fullmatch(new, case.number) for case in municipality.child_cases)
    assert all(re.fullmatch(f"{old}|{new}", case.number) for case in municipality.building_cases)
    assert any(re.fullmatch(old, case.number) for case in municipality.building_cases)


def test_institution_numbers_are_six_characters_some_with_letters(municipality: Municipality) -> None:
    numbers = [place.number for place in municipality.institutions]
    assert all(re.fullmatch(r"[A-Z0-9]{6}", number) for number in numbers)
    assert any(number.isdigit() for number in numbers)
    assert any(not number.isdigit() for number in numbers)


def test_the_register_and_kitos_name_the_same_systems(municipality: Municipality) -> None:
    known = {system.register_id: system.usage_uuid for system in municipality.it_systems if system.register_id}
    register = read_register().systems
    assert {name: register[name].kitos_uuid for name in known} == known
    assert all(kitos_uuid(name) == value for name, value in known.items())


def test_totals_across_systems(municipality: Municipality) -> None:
    """What the marts are held against, counted another way."""
    found = facts(municipality)
    moved_in = {
        (person.cpr, stay.moved_in)
        for person in municipality.persons
        for before, stay in zip(person.residences, person.residences[1:], strict=False)
        if before.address.municipality_code != MUNICIPALITY_CODE == stay.address.municipality_code and stay.moved_in >= FIRST_DAY
    }
    assert sum(found["flytninger"]["tilflytning"].values()) == len(moved_in) > 10
    assert sum(found["flytninger"]["fraflytning"].values()) > 10
    cases = municipality.building_cases
    assert sum(found["byggesager"]["modtagne"].values()) == len(cases)
    assert sum(found["byggesager"]["afgjorte"].values()) == len([case for case in cases if case.decided])
    course = found["boern_forloeb"]
    assert list(course) == [str(quarter) for quarter in range(-4, 8)]
    # Absence rises before a notification, and what is done about it costs afterwards.
    assert course["-1"]["fravaersdage"] / course["-1"]["boern"] > course["-4"]["fravaersdage"] / max(1, course["-4"]["boern"])
    assert float(course["1"]["udgift"]) > float(course["-1"]["udgift"])


def test_months_are_added_as_a_database_does() -> None:
    assert add_months(date(2024, 1, 31), 1) == date(2024, 2, 29)
    assert add_months(date(2024, 1, 31), -2) == date(2023, 11, 30)
    assert add_months(date(2024, 11, 30), 3) == date(2025, 2, 28)
