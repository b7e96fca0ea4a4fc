"""The practice municipality: an invented Odsherred Kommune, whole and consistent, before any system has spoilt its data.

The systems under `demo.systems` write these facts the way their real counterparts would, quirks and defects included. Everything
here is clean, deterministic (seed and scale decide all; no wall clock) and synthetic: no person, case or number is real.

Units: money is an `int` in øre, time is minutes or hours as the field's name says, rates are kroner only where said. Days are
`date`, moments are naive `datetime` in Danish local time. An open period has `None` as its end; ends are inclusive.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import date, datetime

from demo.administration import (
    Absence,
    Account,
    AccountPlace,
    Address,
    BudgetLine,
    Building,
    BuildingCase,
    CostCentre,
    Employee,
    Employment,
    Institution,
    Invoice,
    ItInterface,
    ItRelation,
    ItSystem,
    OrgUnit,
    Posting,
    PspElement,
    UnitManager,
    UnitTask,
)
from demo.services import (
    Case,
    CaseEvent,
    CaseParty,
    ChildProfile,
    Consumption,
    CounterQueue,
    Emptying,
    HealthChild,
    HealthDistrict,
    HealthVisit,
    LibraryBranch,
    Loans,
    Meter,
    Presence,
    Ticket,
    WasteArticle,
    WasteCustomer,
    Weighing,
)

MUNICIPALITY_CODE = "306"
MUNICIPALITY_NAME = "Odsherred Kommune"
MUNICIPALITY_CVR = "29188459"
FIRST_DAY = date(2023, 11, 23)
TODAY = date(2026, 11, 22)
"""The last day with data; the practice refresh happens the night after."""


def kitos_uuid(system_id: str) -> str:
    """Return the UUID that OS2kitos gives the usage of the system `system_id`; the register's `kitos_uuid` is this."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{system_id}.it-system-usages.kitos.odsherred.invalid"))


@dataclass(slots=True)
class Residence:
    address: Address
    moved_in: date
    moved_out: date | None


@dataclass(slots=True)
class Protection:
    """Protected name and address (navne- og adressebeskyttelse)."""

    start: date
    end: date | None


@dataclass(slots=True)
class EarlierCpr:
    cpr: str
    replaced: date


@dataclass(slots=True)
class Person:
    cpr: str
    """Ten digits, the one now valid. May be a replacement number (day + 60)."""
    sex: str
    """`M` or `K`."""
    born: date
    first_name: str
    last_name: str
    household: int
    status: str
    """CPR status: `01` lives in Denmark, `80` left the country, `90` dead."""
    status_date: date
    residences: list[Residence] = field(default_factory=list)
    """Oldest first; those after the last move out of the municipality are in another one."""
    protections: list[Protection] = field(default_factory=list)
    earlier_cprs: list[EarlierCpr] = field(default_factory=list)

    def age(self, day: date) -> int:
        """Whole years on `day`."""
        return day.year - self.born.year - ((day.month, day.day) < (self.born.month, self.born.day))

    def lives_here(self, day: date) -> bool:
        """Whether the person is a resident of the municipality on `day`."""
        return any(
            r.address.municipality_code == MUNICIPALITY_CODE and r.moved_in <= day and (r.moved_out is None or day <= r.moved_out)
            for r in self.residences
        )


@dataclass(slots=True)
class Enrolment:
    cpr: str
    institution: str
    group: str
    """`3.B` in a school, the room's name in day care."""
    start: date
    end: date | None
    school_year: str
    """`2025/2026`."""


@dataclass(slots=True)
class SchoolAbsence:
    """A day's absence of a child in day care or school."""

    cpr: str
    institution: str
    day: date
    kind: str
    """`syg`, `lovligt` or `ulovligt`."""
    minutes: int
    changed: datetime


@dataclass(slots=True)
class SpecialPlacement:
    """A place in special education, as the department's own workbook has it."""

    number: str
    cpr: str
    school: str
    payer: str
    """Kommunekode of the municipality that pays."""
    tariff_group: str
    start: date
    end: date | None
    yearly_oere: int


@dataclass(slots=True)
class CareCitizen:
    id: int
    """Nexus patient id."""
    cpr: str


@dataclass(slots=True)
class CareGrant:
    id: int
    citizen: int
    cpr: str
    paragraph: str
    """`§ 83` (home help), `§ 83a`, `§ 86`, `§ 138` (home nursing)."""
    service: str
    org_unit: str
    minutes_per_week: int
    start: date
    end: date | None


@dataclass(slots=True)
class CareVisit:
    id: int
    grant: int
    citizen: int
    employment: str | None
    """None when a substitute from an agency came, or nobody."""
    org_unit: str
    day: date
    planned_minutes: int
    delivered_minutes: int
    status: str
    """`gennemført`, `delvist`, `aflyst_borger`, `aflyst_kommune`."""
    changed: datetime


@dataclass(slots=True)
class Shift:
    id: int
    org_unit: str
    employment: str | None
    """None for a substitute from an agency."""
    day: date
    hours: float
    kind: str
    """`fast` or `vikar`."""
    cost_oere: int | None
    """Invoiced price of a substitute's shift; None for `fast`."""
    changed: datetime


@dataclass(slots=True)
class BenefitWeek:
    """One person's benefit for one ISO week, with what the state refunds."""

    cpr: str
    benefit: str
    """Code: `kontanthjaelp`, `sygedagpenge`, … (see BENEFITS in demo.population.benefits)."""
    monday: date
    amount_oere: int
    refund_percent: int
    refund_oere: int
    financing_municipality: str
    """Kommunekode of the municipality that bears the cost; empty when unknown."""


@dataclass(slots=True)
class EffortCitizen:
    id: str
    """Momentum id (UUID)."""
    cpr: str
    target_group: str
    """`2.2`, `2.3` … of the employment act."""
    start: date
    end: date | None


@dataclass(slots=True)
class ContactEvent:
    id: str
    citizen: str
    cpr: str
    moment: datetime
    kind: str
    """`jobsamtale`, `rehabiliteringsteam`, `opfølgning`."""
    form: str
    """`fremmøde`, `telefon`, `video`."""
    outcome: str
    """`afholdt`, `udeblevet`, `aflyst`."""


@dataclass(slots=True)
class Offer:
    """An offer of the employment effort: work practice, wage subsidy, course."""

    id: str
    citizen: str
    cpr: str
    kind: str
    company_cvr: str
    start: date
    end: date | None


@dataclass(slots=True)
class BenefitFigure:
    """Jobindsats: full-time persons on a benefit, per month and municipality."""

    month: str
    """`2025M03`."""
    area_code: str
    area_name: str
    benefit: str
    full_time_persons: int


@dataclass(slots=True)
class ChildCase:
    number: str
    """KLE form: `27.24.00-G01-25-12`."""
    cpr: str
    kle: str
    paragraph: str
    status: str
    """`åben` or `lukket`."""
    opened: date
    closed: date | None
    org_unit: str
    changed: datetime


@dataclass(slots=True)
class Notification:
    """Underretning: a notification of concern for a child."""

    id: str
    cpr: str
    case: str | None
    received: date
    assessed: date | None
    sender: str
    """`skole`, `dagtilbud`, `sundhedspleje`, `politi`, `anonym`, `familie`."""
    reason: str


@dataclass(slots=True)
class Measure:
    """Foranstaltning: what a child case has granted."""

    id: str
    case: str
    cpr: str
    paragraph: str
    kind: str
    supplier_cvr: str
    start: date
    end: date | None
    day_oere: int
    """Price per day."""


@dataclass(slots=True)
class Referral:
    """Henvisning: a child is referred to PPR."""

    number: str
    cpr: str
    institution: str
    """Number of the institution that refers."""
    received: date
    closed: date | None
    reason: str
    outcome: str
    """`rådgivning`, `undersøgelse`, `afvist`; empty while it is open."""
    hours_hundredths: int
    """Hundredths of an hour spent."""


@dataclass(slots=True)
class Municipality:
    """All facts. Lists are in a fixed order: the same seed and scale give the same lists."""

    seed: int
    scale: float
    districts: dict[str, str] = field(default_factory=dict)
    """School district code → name."""
    persons: list[Person] = field(default_factory=list)
    institutions: list[Institution] = field(default_factory=list)
    enrolments: list[Enrolment] = field(default_factory=list)
    school_absences: list[SchoolAbsence] = field(default_factory=list)
    placements: list[SpecialPlacement] = field(default_factory=list)
    org_units: list[OrgUnit] = field(default_factory=list)
    """Those that exist today."""
    closed_units: list[OrgUnit] = field(default_factory=list)
    unit_managers: list[UnitManager] = field(default_factory=list)
    """By unit, oldest first; no two of one unit overlap."""
    unit_tasks: list[UnitTask] = field(default_factory=list)
    employees: list[Employee] = field(default_factory=list)
    absences: list[Absence] = field(default_factory=list)
    care_citizens: list[CareCitizen] = field(default_factory=list)
    care_grants: list[CareGrant] = field(default_factory=list)
    care_visits: list[CareVisit] = field(default_factory=list)
    shifts: list[Shift] = field(default_factory=list)
    benefit_weeks: list[BenefitWeek] = field(default_factory=list)
    effort_citizens: list[EffortCitizen] = field(default_factory=list)
    contacts: list[ContactEvent] = field(default_factory=list)
    offers: list[Offer] = field(default_factory=list)
    benefit_figures: list[BenefitFigure] = field(default_factory=list)
    child_cases: list[ChildCase] = field(default_factory=list)
    notifications: list[Notification] = field(default_factory=list)
    measures: list[Measure] = field(default_factory=list)
    referrals: list[Referral] = field(default_factory=list)
    building_cases: list[BuildingCase] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    account_places: list[AccountPlace] = field(default_factory=list)
    psp_elements: list[PspElement] = field(default_factory=list)
    cost_centres: list[CostCentre] = field(default_factory=list)
    former_cost_centres: list[CostCentre] = field(default_factory=list)
    """The same cost centres as they were: under another name, department or unit."""
    postings: list[Posting] = field(default_factory=list)
    budget: list[BudgetLine] = field(default_factory=list)
    buildings: list[Building] = field(default_factory=list)
    """One at each access address that occurs anywhere, and the summer houses where nobody lives."""
    unit_addresses: dict[str, Address] = field(default_factory=dict)
    """Unit → where it is."""
    invoices: list[Invoice] = field(default_factory=list)
    health_children: list[HealthChild] = field(default_factory=list)
    health_visits: list[HealthVisit] = field(default_factory=list)
    health_districts: list[HealthDistrict] = field(default_factory=list)
    waste_customers: list[WasteCustomer] = field(default_factory=list)
    waste_articles: list[WasteArticle] = field(default_factory=list)
    weighings: list[Weighing] = field(default_factory=list)
    emptyings: list[Emptying] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)
    case_parties: list[CaseParty] = field(default_factory=list)
    case_events: list[CaseEvent] = field(default_factory=list)
    counter_queues: list[CounterQueue] = field(default_factory=list)
    tickets: list[Ticket] = field(default_factory=list)
    child_profiles: list[ChildProfile] = field(default_factory=list)
    presences: list[Presence] = field(default_factory=list)
    library_branches: list[LibraryBranch] = field(default_factory=list)
    loans: list[Loans] = field(default_factory=list)
    meters: list[Meter] = field(default_factory=list)
    monthly_consumption: list[Consumption] = field(default_factory=list)
    hourly_consumption: list[Consumption] = field(default_factory=list)
    it_systems: list[ItSystem] = field(default_factory=list)
    it_interfaces: list[ItInterface] = field(default_factory=list)
    it_relations: list[ItRelation] = field(default_factory=list)

    @property
    def employments(self) -> list[Employment]:
        return [employment for employee in self.employees for employment in employee.employments]


def build_municipality(seed: int = 306, scale: float = 1.0) -> Municipality:
    """Return the municipality of `seed`, with about 33,000 × `scale` inhabitants."""
    from demo.population import (
        benefits,
        buildings,
        care,
        cases,
        children,
        energy,
        finance,
        health,
        it,
        library,
        organisation,
        people,
        places,
        presence,
        purchases,
        referrals,
        staff,
        units,
        waste,
    )

    municipality = Municipality(seed, scale)
    early = (people, organisation, staff, units, care, children, benefits, buildings)
    late = (library, energy, it, finance, purchases, places, referrals)
    for step in (*early, health, presence, waste, cases, *late):
        step.add(municipality)
    return municipality
