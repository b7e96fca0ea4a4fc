"""Datafordeler: total downloads of BBR, DAR and the cadastre, each in a ZIP; and the units from OIS, XML in latin-1."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from email.utils import formatdate
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from demo.administration import Building, House
from demo.defects import CANNOT_CONVERT, UNKNOWN_VALUE, Defects
from demo.files import write_zip
from demo.municipality import MUNICIPALITY_CODE, Municipality
from demo.population.common import PARISHES
from demo.population.places import parish_uuid
from demo.truth import Truth
from demo.web import Site, practice_secret

SYSTEM = "datafordeler"
PATH = "/FileDownloads/GetFile"
FILES = {
    "bygninger": "BBR_Bygning", "husnumre": "DAR_Husnummer", "adresser": "DAR_Adresse", "jordstykker": "MAT_Jordstykke",
    "enheder": "OIS_Enhed",
}  # fmt: skip
"""Table → register and entity, as one asks for them."""
CODE = f"0{MUNICIPALITY_CODE}"
OLD = "1753-01-01T00:00:00.000000+00:00"
"""DAR's beginning of time."""
NO_GUID = "{00000000-0000-0000-0000-000000000000}"
Rows = Iterator[tuple[str, dict[str, Any]]]


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write an archive for each entity to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    buildings = municipality.buildings
    houses = [building.house for building in buildings]
    _buildings(buildings, folder, truth)
    _house_numbers(houses, folder, truth)
    _addresses(buildings, folder, truth)
    rows = [_parcel(house) for house in houses]
    _zip(folder, "jordstykker", "ndjson", _lines(rows))
    truth.table(SYSTEM, "jordstykker", len(rows), staging=len(rows), staging_registreret_areal=sum(h.parcel.area for h in houses))
    _units(buildings, folder, truth)


def _zip(folder: Path, table: str, kind: str, text: str, encoding: str = "utf-8") -> None:
    write_zip(folder / f"{FILES[table]}.zip", {f"{FILES[table]}.{kind}": text.encode(encoding)})


def _lines(rows: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.000000+00:00"


def _buildings(buildings: list[Building], folder: Path, truth: Truth) -> None:
    rows = [row for building in buildings for row in _versions(building)]
    now = [position for position, row in enumerate(rows) if row["registreringTil"] is None]
    defects = Defects(truth, SYSTEM, "bygninger", len(rows))
    defects.put("byg021BygningensAnvendelse", UNKNOWN_VALUE, 2, "999")
    defects.put("byg026Opførelsesår", CANNOT_CONVERT, 2, "ukendt")
    defects.put("id_lokalId", CANNOT_CONVERT, 1, "{mangler}", drops_row=True)
    kept = [rows[position]["byg038SamletBygningsareal"] for position in range(len(rows)) if position not in defects.dropped]
    summer = sum(rows[position]["byg021BygningensAnvendelse"] == "510" for position in now)
    spoilt = (row for _, row in defects.spoil(("", row) for row in rows))
    _zip(folder, "bygninger", "ndjson", _lines(spoilt))  # type: ignore[arg-type]
    truth.table(
        SYSTEM, "bygninger", len(rows), staging=len(kept), staging_samlet_areal=sum(kept), bygninger=len(now), sommerhuse=summer
    )


def _versions(building: Building) -> Iterator[dict[str, Any]]:
    """Yield what BBR has registered of a building: as it was before an extension, and as it is."""
    changed = datetime.combine(building.extended, datetime.min.time()) + timedelta(hours=9) if building.extended else None
    if changed and building.earlier_area:
        yield _building(building, building.registered, changed, building.earlier_area)
    yield _building(building, changed or building.registered, None, building.area)


def _building(building: Building, since: datetime, until: datetime | None, area: int) -> dict[str, Any]:
    return {
        "id_lokalId": building.id, "registreringFra": _moment(since), "registreringTil": _moment(until) if until else None,
        "virkningFra": _moment(since), "virkningTil": _moment(until) if until else None, "status": "6", "kommunekode": CODE,
        "byg021BygningensAnvendelse": building.use_code, "byg026Opførelsesår": str(building.built),
        "byg038SamletBygningsareal": area, "byg039BygningensSamledeBoligAreal": min(building.living_area, area),
        "husnummer": building.house.id, "jordstykke": building.house.parcel.id,
    }  # fmt: skip


def _parcel(house: House) -> dict[str, Any]:
    parcel = house.parcel
    return {
        "id_lokalId": parcel.id, "bestemtFastEjendomBFENr": parcel.bfe, "matrikelnummer": parcel.cadastral_number,
        "ejerlavskode": parcel.cadastral_district, "registreretAreal": parcel.area, "kommunekode": CODE, "status": "Gældende",
    }  # fmt: skip


def _csv(rows: Iterable[Any]) -> str:
    """Return comma-separated text as Datafordeler writes it: every field quoted."""
    lines: list[str] = []
    for row in rows:
        if not lines:
            lines.append(",".join(f'"{name}"' for name in row))
        lines.append(",".join(f'"{value}"' for value in row.values()))
    return "".join(f"{line}\n" for line in lines)


def _house_numbers(houses: list[House], folder: Path, truth: Truth) -> None:
    def rows() -> Rows:
        for position, house in enumerate(houses):
            address, since = house.address, OLD if position % 3 == 0 else "2018-05-03T12:00:00.000000+00:00"
            yield "", {
                "id_lokalId": house.id, "status": "3", "virkningFra": since,
                "adgangsadressebetegnelse": f"{address.road_name} {address.house_number}, {address.postcode} {address.town}",
                "husnummertekst": address.house_number, "kommunekode": CODE, "vejkode": address.road_code,
                "vejnavn": address.road_name, "postnr": address.postcode, "postdistrikt": address.town,
                "jordstykke": house.parcel.id, "sogneinddeling": parish_uuid(PARISHES[address.postcode]),
                "etrs89oest": f"{house.east}.00", "etrs89nord": f"{house.north}.00",
            }  # fmt: skip

    defects = Defects(truth, SYSTEM, "husnumre", len(houses))
    defects.put("kommunekode", CANNOT_CONVERT, 2, "Odsherred")
    defects.put("etrs89oest", CANNOT_CONVERT, 1, "6,5E5")
    _zip(folder, "husnumre", "csv", _csv(row for _, row in defects.spoil(rows())))
    old = len(range(0, len(houses), 3))
    truth.table(SYSTEM, "husnumre", len(houses), staging=len(houses), fra_1753=old)


def _addresses(buildings: list[Building], folder: Path, truth: Truth) -> None:
    dwellings = [dwelling for building in buildings for dwelling in building.dwellings]

    def rows() -> Rows:
        for dwelling in dwellings:
            address = dwelling.address
            flat = f", {address.floor}. {address.door}".rstrip() if address.floor else ""
            yield "", {
                "id_lokalId": dwelling.id, "status": "3", "virkningFra": OLD, "husnummer": f"{{{dwelling.house.id}}}",
                "etagebetegnelse": address.floor, "doerbetegnelse": address.door,
                "adressebetegnelse": f"{address.road_name} {address.house_number}{flat}, {address.postcode} {address.town}",
            }  # fmt: skip

    defects = Defects(truth, SYSTEM, "adresser", len(dwellings))
    defects.put("husnummer", CANNOT_CONVERT, 2, "{12AB-}")
    # DAR does not promise that what an address points to is there.
    orphan = dwellings[len(dwellings) // 2]
    text = _csv(row for _, row in defects.spoil(rows())).replace(
        f"{{{orphan.house.id}}}", "{deadbeef-0000-4000-8000-000000000306}"
    )
    _zip(folder, "adresser", "csv", text)
    orphans = text.count("deadbeef")
    truth.table(SYSTEM, "adresser", len(dwellings), staging=len(dwellings), uden_husnummer=orphans)


def _units(buildings: list[Building], folder: Path, truth: Truth) -> None:
    elements: list[str] = []
    total = nowhere = 0
    for building in buildings:
        for position, dwelling in enumerate(building.dwellings):
            # A unit that has no address of its own points to nothing, which OIS writes as zeros.
            lost = len(elements) % 40 == 7
            nowhere += lost
            total += dwelling.area
            values = {
                "id_lokalId": f"{{{dwelling.unit_id.upper()}}}", "forretningshændelse": "Ny enhed" if position else "Oprettelse",
                "registreringsaktør": "BBR", "bygning": f"{{{building.id}}}",
                "adresse": NO_GUID if lost else f"{{{dwelling.id}}}",
                "enh020EnhedensAnvendelse": building.use_code, "enh026EnhedensSamledeAreal": str(dwelling.area),
                "enh031AntalVærelser": str(1 + dwelling.area // 32),
            }  # fmt: skip
            inside = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in values.items())
            elements.append(f"<Enhed>{inside}</Enhed>\n")
    elements[3] = elements[3].replace("enh026EnhedensSamledeAreal>", "enh026EnhedensSamledeAreal>ca. ", 1)
    truth.plant(SYSTEM, "enheder", f"enh026_enhedens_samlede_areal: {CANNOT_CONVERT}")
    dwellings = [dwelling for building in buildings for dwelling in building.dwellings]
    head = '<?xml version="1.0" encoding="ISO-8859-1"?>\n<OIS xmlns="http://data.gov.dk/schemas/bbr">\n'
    _zip(folder, "enheder", "xml", f"{head}{''.join(elements)}</OIS>\n", "latin-1")
    truth.table(
        SYSTEM, "enheder", len(elements), staging=len(elements), staging_samlet_areal=total - dwellings[3].area,
        uden_adresse=nowhere,
    )  # fmt: skip


def routes(folder: Path) -> list[BaseRoute]:
    """Return the download's route, below the system's own path."""
    return downloads(folder, SYSTEM, FILES)


def downloads(folder: Path, system: str, files: dict[str, str]) -> list[BaseRoute]:
    """Return a route that gives out the archives in `folder`: `files` has, by table, register and entity."""

    def allowed(request: Request) -> bool:
        return secrets.compare_digest(request.query_params.get("apiKey", ""), practice_secret(system, "api_key"))

    site = Site(folder, allowed, lambda status, message: JSONResponse({"message": message}, status))
    tables = {name: table for table, name in files.items()}

    async def get_file(request: Request) -> Response:
        name = f"{request.query_params.get('Register')}_{request.query_params.get('LatestTotalForEntity')}"
        if name not in tables:
            return JSONResponse({"message": "Filen findes ikke"}, 404)
        path = folder / f"{name}.zip"
        headers = {"Last-Modified": formatdate(path.stat().st_mtime, usegmt=True)}
        return await site.serve(
            request, tables[name], True, lambda _: Response(path.read_bytes(), headers=headers, media_type="application/zip")
        )

    return [Route(PATH, get_file)]


def settings(url: str) -> dict[str, str]:
    """Return the environment variables by which the register reaches this system, served at `url`."""
    return {"DATAFORDELER_URL": f"{url}{PATH}", "DATAFORDELER_API_KEY": practice_secret(SYSTEM, "api_key")}
