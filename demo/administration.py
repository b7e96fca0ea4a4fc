"""Facts of the administration: units, institutions, staff, ledger, building cases and IT systems.

Part of `demo.municipality`, which says how money, time and periods are written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime


@dataclass(slots=True, frozen=True)
class Address:
    municipality_code: str
    """Three digits."""
    road_code: str
    """Four digits (vejkode)."""
    road_name: str
    house_number: str
    """`12`, `12A`."""
    floor: str
    """`st`, `1`, … or empty."""
    door: str
    """`tv`, `th` or empty."""
    postcode: str
    town: str
    district: str
    """Code of the school district; empty outside the municipality."""


@dataclass(slots=True)
class OrgUnit:
    id: str
    """OPUS orgUnit id, eight digits."""
    parent: str | None
    name: str
    department: str
    """Code of ingestion/vocabulary/departments.yml; empty for the root."""
    kind: str
    """`kommune`, `center`, `afdeling`, `skole`, `dagtilbud`, `hjemmepleje`, `plejecenter`."""
    cost_centre: str
    ean: str
    p_number: str
    start: date
    end: date | None
    changed: date
    """When it got the name and the place in the tree that it has now."""
    former_name: str | None = None
    """Its name until `changed`, if that was another."""
    former_parent: str | None = None
    """What it stood under until `changed`, if that was another unit."""


@dataclass(slots=True)
class UnitManager:
    """Who manages a unit in a period; the same post has several after each other."""

    org_unit: str
    employment: str | None
    """None while the post is vacant."""
    start: date
    end: date | None


@dataclass(slots=True)
class UnitTask:
    """A KLE topic that a unit has to do with."""

    org_unit: str
    kle: str
    aspect: str
    """`ansvarlig`, `udførende` or `indsigt`."""
    start: date


@dataclass(slots=True)
class Employment:
    number: str
    """OPUS employee id (medarbejdernummer), unique per employment."""
    cpr: str
    org_unit: str
    position: str
    job_code: str
    pay_grade: str
    hours: int
    """Weekly hours: numerator of the share of full time (37)."""
    entry: date
    leave: date | None
    monthly_oere: int
    """Gross salary per month at the hours given."""
    changed: date


@dataclass(slots=True)
class Employee:
    """A person employed by the municipality, resident in it or not."""

    cpr: str
    first_name: str
    last_name: str
    address: Address
    protected: bool
    employments: list[Employment] = field(default_factory=list)


@dataclass(slots=True)
class Absence:
    """An employee's absence."""

    employment: str
    org_unit: str
    kind: str
    """`syg`, `ferie` or `barns_syg`."""
    first: date
    last: date
    hours: float
    """Working hours missed, two decimals."""


@dataclass(slots=True)
class Account:
    number: str
    """Artskonto, eight digits."""
    name: str
    kind: str
    """Main kind (hovedart) of the chart of accounts, one digit."""


@dataclass(slots=True)
class AccountPlace:
    """Where a local account stands in the authorised chart of accounts, from a day on."""

    account: str
    start: date
    end: date | None
    grouping: str
    """Gruppering, three digits, of the authorised plan or a local one."""
    kind: str
    """Hovedart."""
    art: str


@dataclass(slots=True)
class PspElement:
    """What is posted to a project goes to the function the project belongs to at the time."""

    id: str
    name: str
    function: str
    start: date
    end: date | None


@dataclass(slots=True)
class CostCentre:
    code: str
    """Unpadded, six digits."""
    name: str
    org_unit: str
    department: str
    function: str
    """`5.32.30`."""
    start: date = date(2007, 1, 1)
    end: date | None = None


@dataclass(slots=True)
class Posting:
    document: str
    """Ten digits."""
    line: int
    account: str
    cost_centre: str
    psp: str
    """`XG-0000003394-00044` or empty."""
    function: str
    """`5.32.30`."""
    dranst: str
    """`1` operation, `2` state refund."""
    oere: int
    """Cost is positive, income negative."""
    posted: date
    year: int
    """The year whose accounts it stands in: what belongs to a year that is over is posted in January, in its period 13."""
    period: int
    """1–13."""
    text: str
    changed: datetime


@dataclass(slots=True)
class BudgetLine:
    year: int
    account: str
    cost_centre: str
    function: str
    dranst: str
    original_oere: int
    corrected_oere: int


@dataclass(slots=True)
class Parcel:
    """Jordstykke."""

    id: str
    bfe: int
    """Number of the property (bestemt fast ejendom)."""
    cadastral_number: str
    """Matrikelnummer, `12a`, within its cadastral district."""
    cadastral_district: int
    """Ejerlavskode."""
    area: int
    """m²."""


@dataclass(slots=True)
class House:
    """Husnummer: an access address with its parcel."""

    id: str
    """DAR's UUID."""
    address: Address
    """Without floor and door."""
    parcel: Parcel
    east: int
    north: int
    """Metres in EPSG:25832."""


@dataclass(slots=True)
class Dwelling:
    """An address (with floor and door, if it has them) and the unit of the building that stands there."""

    id: str
    """DAR's UUID of the address."""
    unit_id: str
    """BBR's UUID of the unit."""
    house: House
    address: Address
    area: int
    """m²."""


@dataclass(slots=True)
class Building:
    id: str
    """BBR's UUID."""
    house: House
    use_code: str
    """BBR's use: `120` detached house, `140` flats, `510` summer house, `421` school, …"""
    built: int
    """Year."""
    area: int
    """m², all floors."""
    living_area: int
    """m² of `area` that is lived in."""
    registered: datetime
    earlier_area: int | None
    """m² before an extension; None if it has always been as it is."""
    extended: date | None
    dwellings: list[Dwelling] = field(default_factory=list)


@dataclass(slots=True)
class InvoiceLine:
    number: int
    item_number: str
    item: str
    unspsc: str
    """Eight digits; ends in zeros where only the class or family is told."""
    unspsc_name: str
    quantity_hundredths: int
    """Hundredths of `unit`; negative on a credit note."""
    unit: str
    """`stk`, `kg`, `liter`, `kWh`, `MWh`, `m3`, `time`."""
    price_oere: int
    """Per unit, for reading alone: `oere` is what counts."""
    oere: int
    """Without VAT."""


@dataclass(slots=True)
class Invoice:
    """What a supplier has invoiced a unit for: its amount without VAT is one posting in the ledger."""

    number: str
    """The supplier's: unique with `supplier_cvr`."""
    order: str
    """Order number in the e-procurement system; empty where nobody ordered there."""
    supplier_cvr: str
    supplier: str
    org_unit: str
    ean: str
    account: str
    issued: date
    due: date
    oere: int
    """Without VAT; negative for a credit note."""
    lines: list[InvoiceLine] = field(default_factory=list)


@dataclass(slots=True)
class ItSystem:
    usage_uuid: str
    system_uuid: str
    register_id: str | None
    """The system's id in the register, or None where no data is taken from it."""
    name: str
    vendor: str
    vendor_cvr: str
    department: str
    data_level: str
    """KITOS: `None`, `PersonData`, `SensitiveData`, `LegalData`."""
    life_cycle: str
    hosted_at: str
    business_critical: bool
    kle: list[str]
    users: int
    changed: datetime


@dataclass(slots=True)
class ItInterface:
    uuid: str
    name: str
    interface_id: str
    exposed_by: str
    """`system_uuid` of the system."""
    kind: str
    data: list[str]
    changed: datetime


@dataclass(slots=True)
class ItRelation:
    uuid: str
    from_usage: str
    to_usage: str
    interface: str | None
    frequency: str
    description: str
    changed: datetime


@dataclass(slots=True)
class BuildingCase:
    task_seq_no: int
    number: str
    """Older cases `306-2023-1234`, newer ones the KLE form."""
    kle: str
    kind: str
    address: Address
    received: date
    complete: date | None
    """When the application had all it needed."""
    decided: date | None
    decision: str
    """`tilladelse`, `afslag`, `trukket` or empty."""
    fee_oere: int
    status: str
    """`under behandling` or `afsluttet`."""


@dataclass(slots=True)
class Institution:
    number: str
    """STIL number: six characters, some with letters."""
    name: str
    kind: str
    """`skole` or `dagtilbud`."""
    address: Address
    district: str
    ean: str
    p_number: str
    cost_centre: str
    org_unit: str
    places: int
