"""Facts of services to citizens and buildings: health visits, waste, cases and counters.

Part of `demo.municipality`, which says how money, time and periods are written.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from demo.administration import Address


@dataclass(slots=True)
class HealthChild:
    """A child that the health visitors follow."""

    id: int
    cpr: str
    nurse: str | None
    """OPUS employee id of the child's health visitor."""
    address: Address
    active: bool
    changed: datetime


@dataclass(slots=True)
class HealthVisit:
    id: int
    child: int
    kind: str
    """`B1` … `B5` in the first year, `BX` extra, `S0` at school start."""
    day: date
    minutes: int
    nurse: str | None
    kept: bool
    registered: datetime


@dataclass(slots=True)
class HealthDistrict:
    child: int
    district: str
    start: date
    end: date | None


@dataclass(slots=True)
class WasteCustomer:
    number: int
    name: str
    kind: str
    """`I` an institution of ours, `E` a company."""
    cvr: str
    p_number: str
    """Empty for companies."""
    address: Address


@dataclass(slots=True)
class WasteArticle:
    number: int
    name: str
    fraction: str
    """`rest`, `mad`, `pap`, `plast` or `have`."""


@dataclass(slots=True)
class Weighing:
    """A load weighed in at the recycling station."""

    number: int
    moment: datetime
    customer: int
    article: int
    carrier: int | None
    """None when the customer drove itself."""
    net_kg: int
    tare_kg: int
    oere: int


@dataclass(slots=True)
class Emptying:
    """A container emptied and weighed by the collector."""

    id: int
    day: date
    customer: int
    p_number: str
    fraction: str
    tenths_of_kg: int
    litres: int
    registered: datetime


@dataclass(slots=True)
class Case:
    """A case in the municipality's case and document system (ESDH)."""

    id: int
    number: str
    """Until 2024 `306-2023-263412`, since then the KLE form `00.30.02-S00-26-1`."""
    title: str
    kle: str
    facet: str
    org_unit: str
    worker: str | None
    """OPUS employee id."""
    opened: date
    closed: date | None
    changed: datetime


@dataclass(slots=True)
class CaseParty:
    id: int
    case: int
    cpr: str
    """Of a person, or empty."""
    cvr: str
    """Of a company, or empty."""
    primary: bool


@dataclass(slots=True)
class CaseEvent:
    """Something that came in, went out or was noted on a case."""

    id: int
    case: Case
    kind: str
    """`I` came in, `U` went out, `N` a note."""
    document: str
    """Document number, empty for a note."""
    title: str
    moment: datetime


@dataclass(slots=True)
class CounterQueue:
    id: int
    name: str
    place: str
    kle: str


@dataclass(slots=True)
class Ticket:
    """A citizen who drew a number."""

    id: int
    queue: int
    created: datetime
    waited_ms: int
    served_hundredths: int
    """Hundredths of a minute; none if nobody came when called."""
    came: bool
    employment: str | None
    """None where the place keeps its staff anonymous."""


@dataclass(slots=True)
class ChildProfile:
    """A child in one institution, as Aula knows it."""

    id: int
    """Institution profile id."""
    cpr: str
    institution: str
    group: str


@dataclass(slots=True)
class Presence:
    """A child's day in day care."""

    id: int
    profile: int
    day: date
    status: int
    """Aula's own: 1 sick, 2 day off, 8 gone home."""
    came: datetime | None
    went: datetime | None


@dataclass(slots=True)
class LibraryBranch:
    number: str
    name: str
    org_unit: str


@dataclass(slots=True)
class Loans:
    """What one patron has borrowed of one kind at one branch in a month."""

    month: date
    branch: str
    patron: int
    material: str
    """`Bog`, `Tidsskrift`, `Lydbog` or `Film`."""
    loans: int
    renewals: int


@dataclass(slots=True)
class Meter:
    number: str
    """Installation number."""
    p_number: str
    medium: str
    """`el` (kWh), `varme` (kWh) or `vand` (m³)."""


@dataclass(slots=True)
class Consumption:
    """What a meter has used; hundredths of its unit."""

    meter: str
    start: datetime
    """Danish local time: the hour that comes twice in October is told apart by `summer`."""
    summer: bool
    hundredths: int
