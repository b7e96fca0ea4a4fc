"""The ledger: what the other facts cost, month by month, and a budget for it.

Every posting follows from a fact (salaries, substitutes, benefits and their refund, placements, measures, building fees) except
the invoices for goods and running costs, which fill up to the usual volume.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import date, timedelta

from demo.administration import AccountPlace, BudgetLine, Posting, PspElement
from demo.municipality import FIRST_DAY, MUNICIPALITY_CODE, TODAY, Measure, Municipality
from demo.population.benefits import BENEFITS, BY_CODE
from demo.population.common import count, day_between, moment, months, stream

POSTINGS = 150_000
PENSION_PERCENT = 15
GOODS = {
    "skole": ("22000200", "22000100", "49000200", "27000100"), "dagtilbud": ("22000100", "22000200", "49000200"),
    "hjemmepleje": ("27000100", "49000100"), "plejecenter": ("22000100", "49000200", "27000100"),
}  # fmt: skip
PROJECT, PROJECT_UNIT, PROJECT_ACCOUNT = "9900000800", "Digitalisering og IT", "49000100"
"""A project of ten bare digits; from PROJECT_MOVED on it belongs to another function."""
PROJECT_FUNCTIONS, PROJECT_MOVED = ("6.45.51", "6.45.52"), date(2026, 1, 1)
OPEN_ACCOUNTS = date(2019, 1, 1)
GROUPINGS = {"46000100": "002", "49000100": "999", "49000200": "999", "27000100": "201"}
"""Account → grouping, `001` for the others. 201 is a local one: the authorised plan has none of that name."""
ART_CHANGED, NEW_ART = ("49000200", date(2025, 1, 1)), "0"


def month_end(day: date) -> date:
    """Return the last day of the month of `day`."""
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)


def add(municipality: Municipality) -> None:
    """Fill postings and budget, and what of the local chart of accounts belongs where in the authorised one."""
    municipality.account_places = _account_places(municipality)
    municipality.psp_elements = _psp_elements(municipality)
    ledger = _Ledger(municipality)
    ledger.salaries()
    ledger.substitutes()
    ledger.benefits()
    ledger.children()
    ledger.fees()
    ledger.goods()
    ledger.supplement()
    ledger.number()
    ledger.budget()


def _account_places(municipality: Municipality) -> list[AccountPlace]:
    """One place for each account; one account changes its art with a new year."""
    places = [
        AccountPlace(
            account.number, OPEN_ACCOUNTS, None, GROUPINGS.get(account.number, "001"), account.kind, account.number[1]
        )
        for account in municipality.accounts
    ]  # fmt: skip
    number, day = ART_CHANGED
    before = next(place for place in places if place.account == number)
    before.end = day - timedelta(days=1)
    return [*places, replace(before, start=day, end=None, art=NEW_ART)]


def measure_psp(measure: Measure) -> str:
    """Return the PSP element that a child's measure is posted to."""
    return f"XG-{int(measure.id[2:]):010d}-00044"


def _psp_elements(municipality: Municipality) -> list[PspElement]:
    """The project, whose earlier row is not closed where a later one follows it, and an element for each measure."""
    first, later = PROJECT_FUNCTIONS
    return [
        PspElement(PROJECT, "Digital forvaltning", first, OPEN_ACCOUNTS, None),
        PspElement(PROJECT, "Digital forvaltning", later, PROJECT_MOVED, None),
        *(PspElement(measure_psp(measure), measure.kind, "5.28.21", OPEN_ACCOUNTS, None) for measure in municipality.measures),
    ]


class _Ledger:
    def __init__(self, municipality: Municipality) -> None:
        self.municipality = municipality
        self.rng: random.Random = stream(municipality, "finance")
        self.centre = {centre.org_unit: centre for centre in municipality.cost_centres}
        self.unit = {unit.name: unit.id for unit in municipality.org_units}

    def post(
        self, account: str, unit: str, oere: int, day: date, text: str, function: str = "", dranst: str = "1", psp: str = ""
    ) -> None:
        """Add a posting, not yet numbered; nothing is posted after today."""
        centre = self.centre[unit]
        day = min(day, TODAY)
        changed = moment(self.rng, day)
        self.municipality.postings.append(
            Posting(
                "",
                1,
                account,
                centre.code,
                psp,
                function or centre.function,
                dranst,
                oere,
                day,
                day.year,
                day.month,
                text,
                changed,
            )
        )

    def salaries(self) -> None:
        """Salary and pension by unit, position and month; the last month is not run yet when today is before its end."""
        for month in months():
            end = month_end(month)
            if end > TODAY:
                continue
            sums: Counter[tuple[str, str]] = Counter()
            for employment in self.municipality.employments:
                if employment.entry <= end and (employment.leave is None or employment.leave >= month):
                    worked = (min(end, employment.leave or end) - max(month, employment.entry)).days + 1
                    sums[employment.org_unit, employment.position] += employment.monthly_oere * worked // ((end - month).days + 1)
            for (unit, position), oere in sorted(sums.items()):
                self.post("11000100", unit, oere, end, f"Løn {position}")
                self.post("11000200", unit, oere * PENSION_PERCENT // 100, end, f"Pension {position}")

    def substitutes(self) -> None:
        """One invoice line per unit and week of substitutes."""
        sums: Counter[tuple[date, str]] = Counter()
        for shift in self.municipality.shifts:
            if shift.cost_oere is not None:
                sums[shift.day - timedelta(days=shift.day.weekday()), shift.org_unit] += shift.cost_oere
        for (monday, unit), oere in sorted(sums.items()):
            self.post("40000100", unit, oere, monday + timedelta(days=6), f"Vikarfaktura uge {monday.isocalendar().week}")

    def benefits(self) -> None:
        """Benefits by kind and week, and the state's refund of them at the month's end."""
        unit = self.unit["Ydelsesteamet"]
        paid: Counter[tuple[date, str]] = Counter()
        refund: Counter[tuple[date, str]] = Counter()
        for week in self.municipality.benefit_weeks:
            paid[week.monday, week.benefit] += week.amount_oere
            refund[month_end(week.monday), week.benefit] += week.refund_oere
        for (monday, code), oere in sorted(paid.items()):
            benefit = BY_CODE[code]
            self.post(
                benefit.account,
                unit,
                oere,
                monday + timedelta(days=6),
                f"{benefit.name} uge {monday.isocalendar().week}",
                benefit.function,
            )
        for (end, code), oere in sorted(refund.items()):
            if oere:
                self.post("86000100", unit, -oere, end, f"Statsrefusion {BY_CODE[code].name}", BY_CODE[code].function, "2")

    def children(self) -> None:
        """Special placements that this municipality pays, and measures of child cases, by month."""
        special, family = self.unit["PPR"], self.unit["Familieafdelingen"]
        for month in months():
            end = month_end(month)
            for placement in self.municipality.placements:
                if (
                    placement.payer == MUNICIPALITY_CODE
                    and placement.start <= end
                    and (placement.end is None or placement.end >= month)
                ):
                    self.post("46000100", special, placement.yearly_oere // 12, end, f"Takst {placement.number}", "3.22.08")
            for measure in self.municipality.measures:
                first, last = max(month, measure.start, FIRST_DAY), min(end, measure.end or end, TODAY)
                if first <= last:
                    days = (last - first).days + 1
                    text = f"{measure.kind} {measure.id}"
                    self.post("46000200", family, measure.day_oere * days, end, text, "5.28.21", psp=measure_psp(measure))

    def fees(self) -> None:
        """Building fees, posted as income when the permit is given."""
        unit = self.unit["Byggesager"]
        for case in self.municipality.building_cases:
            if case.decided and case.fee_oere:
                self.post("71000100", unit, -case.fee_oere, case.decided, f"Gebyr {case.number}")

    def goods(self) -> None:
        """Invoices for goods and running costs, up to the usual number of postings, but some for every unit."""
        units = [unit for unit in self.municipality.org_units if unit.kind != "kommune"]
        # However small the municipality, its institutions buy food and pay for heating.
        at_least = 12 * len(units)
        for _ in range(max(at_least, count(self.municipality, POSTINGS) - len(self.municipality.postings))):
            unit = self.rng.choice(units)
            account = self.rng.choice(GOODS.get(unit.kind, ("27000100", "49000100")))
            oere = round(self.rng.lognormvariate(11.6, 1.0))
            if self.rng.random() < 0.04:
                oere = -oere // 2  # credit note
            day, text = day_between(self.rng, FIRST_DAY, TODAY), f"Faktura {self.rng.randint(10_000, 99_999)}"
            if (unit.name, account) == (PROJECT_UNIT, PROJECT_ACCOUNT):
                self.post(account, unit.id, oere, day, text, PROJECT_FUNCTIONS[day >= PROJECT_MOVED], psp=PROJECT)
            else:
                self.post(account, unit.id, oere, day, text)

    def supplement(self) -> None:
        """Every seventh of December's invoices comes when the year is over: posted in January, in the old year's period 13."""
        late = [
            posting for posting in self.municipality.postings if posting.posted.month == 12 and posting.text[:8] == "Faktura "
        ]
        for nth, posting in enumerate(late[::7]):
            posting.period, posting.posted = 13, date(posting.year + 1, 1, 5 + nth % 20)
            posting.changed = moment(self.rng, posting.posted)

    def number(self) -> None:
        """Number the postings in order of date: documents of one to a few lines."""
        postings = self.municipality.postings
        postings.sort(key=lambda posting: (posting.posted, posting.year, posting.cost_centre, posting.account, posting.text))
        document, line, previous = 1_900_000_000, 0, None
        for posting in postings:
            key = (posting.posted, posting.year, posting.cost_centre)
            line = line + 1 if key == previous and line < 99 else 1
            document += line == 1
            posting.document, posting.line, previous = f"{document:010d}", line, key

    def budget(self) -> None:
        """A year's budget for each account, cost centre and function: last year's use, roughly; corrected during the year."""
        used: dict[tuple[str, str, str, str], Counter[int]] = defaultdict(Counter)
        for posting in self.municipality.postings:
            used[posting.account, posting.cost_centre, posting.function, posting.dranst][posting.year] += posting.oere
        for (account, centre, function, dranst), by_year in sorted(used.items()):
            for year in (2024, 2025, 2026):
                # The present year is used for eleven months only; its budget covers twelve.
                base = by_year[year] * (12 / 10.7 if year == TODAY.year else 1)
                original = round(base * self.rng.uniform(0.9, 1.07) / 100_000) * 100_000
                corrected = original + (
                    round(original * self.rng.uniform(-0.04, 0.06) / 100_000) * 100_000 if self.rng.random() < 0.4 else 0
                )
                self.municipality.budget.append(BudgetLine(year, account, centre, function, dranst, original, corrected))


__all__ = ["BENEFITS", "add", "month_end"]
