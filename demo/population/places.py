"""Places: addresses, buildings and parcels behind everything that happens somewhere, and the summer houses."""

from __future__ import annotations

import random
import uuid
from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta

from demo.administration import Address, Building, Dwelling, House, Parcel
from demo.municipality import FIRST_DAY, MUNICIPALITY_CODE, TODAY, Municipality
from demo.population.common import count, day_between, local_address, stream

SUMMER_HOUSES = 26_000
USES = {"skole": "421", "dagtilbud": "441", "plejecenter": "160"}
"""Kind of unit → BBR's code for the use of its building. The others work in offices."""
OFFICE, DETACHED, FLATS, SUMMER = "321", "120", "140", "510"
SIZES = {
    "421": (2_800, 9_000), "441": (380, 1_200), "160": (2_400, 6_500), OFFICE: (300, 4_200), DETACHED: (85, 240),
    FLATS: (300, 1_500), SUMMER: (45, 130),
}  # fmt: skip
"""Use → m² from and to."""
HouseKey = tuple[str, str]


def house_key(address: Address) -> HouseKey:
    """Return what tells an access address within the municipality: road code and house number."""
    return address.road_code, address.house_number


def house_uuid(address: Address) -> str:
    """Return DAR's UUID of the access address (husnummer)."""
    return _uuid("husnummer", address.municipality_code, *house_key(address))


def address_uuid(address: Address) -> str:
    """Return DAR's UUID of the address, with floor and door."""
    return _uuid("adresse", address.municipality_code, *house_key(address), address.floor, address.door)


def parish_uuid(code: str) -> str:
    """Return DAGI's UUID of the parish, by which DAR points to it."""
    return _uuid("sogn", code)


def _uuid(*parts: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, "/".join((*parts, "dar.odsherred.invalid"))))


def add(municipality: Municipality) -> None:
    """Fill unit addresses and buildings."""
    rng = stream(municipality, "places")
    own = {place.org_unit: place.address for place in municipality.institutions}
    town_hall = replace(local_address(rng, "D01"), floor="", door="")
    for unit in municipality.org_units:
        apart = unit.kind in ("plejecenter", "hjemmepleje")
        address = own.get(unit.id) or (local_address(rng) if apart else town_hall)
        municipality.unit_addresses[unit.id] = replace(address, floor="", door="")
    addresses, summer, workplaces = _addresses(municipality, rng)
    built = _Builder(rng, workplaces)
    for key in sorted(addresses):
        municipality.buildings.append(built.building(addresses[key], key in summer))


def _addresses(
    municipality: Municipality, rng: random.Random
) -> tuple[dict[HouseKey, set[Address]], set[HouseKey], dict[HouseKey, str]]:
    """Return the addresses at each access address; which are summer houses; and which house units of the municipality."""
    found: dict[HouseKey, set[Address]] = defaultdict(set)
    oldest: dict[HouseKey, int] = {}
    for person in municipality.persons:
        for stay in person.residences:
            if stay.address.municipality_code == MUNICIPALITY_CODE:
                found[house_key(stay.address)].add(stay.address)
                if stay.moved_out is None:
                    oldest[house_key(stay.address)] = max(oldest.get(house_key(stay.address), 0), person.age(TODAY))
    for address in (
        *(employee.address for employee in municipality.employees if employee.address.municipality_code == MUNICIPALITY_CODE),
        *(case.address for case in municipality.building_cases),
    ):
        found[house_key(address)].add(address)
    workplaces = {}
    for unit in municipality.org_units:
        address = municipality.unit_addresses[unit.id]
        found[house_key(address)].add(address)
        workplaces[house_key(address)] = USES.get(unit.kind, OFFICE)
    # A pensioner may live in a summer house all year; others hardly ever do.
    lived_in = [key for key in sorted(oldest) if len(found[key]) == 1 and key not in workplaces]
    summer = {key for key in lived_in if rng.random() < (0.16 if oldest[key] >= 66 else 0.01)}
    for _ in range(count(municipality, SUMMER_HOUSES, 100)):
        address = replace(local_address(rng), floor="", door="", house_number=f"{rng.randint(141, 900)}")
        if house_key(address) not in found:
            found[house_key(address)].add(address)
            summer.add(house_key(address))
    return found, summer, workplaces


class _Builder:
    def __init__(self, rng: random.Random, workplaces: dict[HouseKey, str]) -> None:
        self.rng = rng
        self.workplaces = workplaces
        self.bfe = 2_300_000

    def building(self, addresses: set[Address], summer: bool) -> Building:
        """Return the building at an access address, with a unit for each of its addresses."""
        rng = self.rng
        each = sorted(addresses, key=lambda address: (address.floor, address.door))
        house = self._house(replace(each[0], floor="", door=""))
        use = self.workplaces.get(house_key(house.address)) or (SUMMER if summer else FLATS if len(each) > 1 else DETACHED)
        area = rng.randint(*SIZES[use])
        built = rng.randint(1890, 2022)
        extended = day_between(rng, FIRST_DAY, TODAY) if rng.random() < 0.04 else None
        earlier = round(area * rng.uniform(0.6, 0.9)) if extended else None
        registered = datetime(2017, 10, 12) + timedelta(days=rng.randint(0, 1500), seconds=rng.randint(0, 86_399))
        homes = use in (DETACHED, FLATS, SUMMER, "160")
        building = Building(
            _uuid("bygning", house.id), house, use, built, area, area if homes else 0, registered, earlier, extended
        )
        building.dwellings = [
            Dwelling(address_uuid(address), _uuid("enhed", address_uuid(address)), house, address, area // len(each))
            for address in each
        ]
        return building

    def _house(self, address: Address) -> House:
        rng = self.rng
        self.bfe += rng.randint(1, 40)
        number = f"{rng.randint(1, 160)}{rng.choice(('', 'a', 'b', 'c', 'dk', 'ø'))}"
        parcel = Parcel(
            _uuid("jordstykke", str(self.bfe)), self.bfe, number, 1_400_000 + int(address.road_code), rng.randint(420, 2_600)
        )
        return House(house_uuid(address), address, parcel, rng.randint(640_000, 670_000), rng.randint(6_178_000, 6_206_000))
