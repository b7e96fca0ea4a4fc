"""OS2kitos: REST API V2. A bearer token, pages from 0 of at most 250 rows, `changedSinceGtEq`, deeply nested answers.

Two liberties. The main contract carries its supplier here; OS2kitos has it on the contract's own page. Outgoing relations stand
in a list of their own, each with the usage it goes out from; OS2kitos has them inside that usage, and only there.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from demo.administration import ItSystem, OrgUnit
from demo.defects import CANNOT_CONVERT, MISSING, Defects
from demo.municipality import Municipality
from demo.truth import Truth
from demo.values import iso
from demo.web import Fault, Site, header, json_array, practice_secret, utc_text, whole_number

SYSTEM = "os2kitos"
API = "/api/v2"
LARGEST_PAGE = 250
TABLES = {
    "it-system-usages": "it_systemer",
    "it-interfaces": "snitflader",
    "it-system-usages/outgoing-system-relations": "relationer",
    "data-processing-registrations": "databehandlinger",
}
_USER_BANDS = ((0, 9), (10, 49), (50, 99), (100, None))


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write usages, interfaces, relations and data processing registrations, and their truth."""
    systems = municipality.it_systems
    usages = {system.system_uuid: system.usage_uuid for system in systems}
    dark = sum(system.register_id is None for system in systems)
    defects = Defects(truth, SYSTEM, "it_systemer", len(systems))

    def wrong_check_digit(row: dict[str, Any]) -> None:
        row["general"]["mainContract"]["supplier"]["cvr"] = "29188450"

    defects.plant("leverandoerCvr", CANNOT_CONVERT, 2, wrong_check_digit)
    defects.write(folder, _usages(municipality), moerke=dark)

    defects = Defects(truth, SYSTEM, "snitflader", len(municipality.it_interfaces))
    interfaces = (
        (
            iso(interface.changed),
            {
                "uuid": interface.uuid, "name": interface.name, "interfaceId": interface.interface_id,
                "exposedBySystem": {"uuid": usages[interface.exposed_by]}, "itInterfaceType": {"name": interface.kind},
                "version": "1.0", "data": [{"description": text, "dataType": None} for text in interface.data],
                "lastModified": iso(interface.changed) + "Z",
            },
        )
        for interface in municipality.it_interfaces
    )  # fmt: skip
    defects.write(folder, interfaces)

    defects = Defects(truth, SYSTEM, "relationer", len(municipality.it_relations))
    defects.plant("tilSystem", MISSING, 1, lambda row: row.__setitem__("toSystemUsage", None), drops_row=True)
    relations = (
        (
            iso(relation.changed),
            {
                "uuid": relation.uuid, "fromSystemUsage": {"uuid": relation.from_usage},
                "toSystemUsage": {"uuid": relation.to_usage},
                "relationInterface": {"uuid": relation.interface} if relation.interface else None,
                "relationFrequency": {"name": relation.frequency}, "description": relation.description,
            },
        )
        for relation in municipality.it_relations
    )  # fmt: skip
    defects.write(folder, relations)
    _build_processing(municipality, folder, truth)


def _usages(municipality: Municipality) -> Iterator[tuple[str, dict[str, Any]]]:
    centres: dict[str, OrgUnit] = {}
    for unit in municipality.org_units:
        if unit.department:
            centres.setdefault(unit.department, unit)
    for nth, system in enumerate(municipality.it_systems):
        centre = centres.get(system.department)
        lower, upper = next(band for band in reversed(_USER_BANDS) if system.users >= band[0])
        personal = system.data_level != "None"
        yield iso(system.changed), {
            "uuid": system.usage_uuid,
            "systemContext": {"uuid": system.system_uuid, "name": system.name},
            "general": {
                "localCallName": system.name, "localSystemId": system.register_id,
                "numberOfExpectedUsers": {"lowerBound": lower, "upperBound": upper},
                "mainContract": {
                    "name": f"Kontrakt {system.name}", "supplier": _supplier(system, nth),
                },
                "validity": {"lifeCycleStatus": system.life_cycle, "valid": system.life_cycle == "Operational"},
            },
            "organizationUsage": {
                "responsibleOrganizationUnit": {"name": centre.name, "externalId": centre.id} if centre else None
            },
            "gdpr": {
                "purpose": f"Understøtter opgaver i {centre.name}" if centre else None,
                "businessCritical": "Yes" if system.business_critical else "No", "hostedAt": system.hosted_at,
                "dataSensitivityLevels": [system.data_level],
                "retentionPeriodDefined": "Undecided" if not personal else ("Yes", "No", "DontKnow")[nth % 3],
            },
            "localKLEDeviations": {"addedKLE": [{"name": topic} for topic in system.kle], "removedKLE": []},
            "archiving": {"archiveDuty": ("K", "B", "Undecided")[nth % 3]},
            "lastModified": iso(system.changed) + "Z",
        }  # fmt: skip


def _build_processing(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Every system that holds personal data outside our walls ought to have an agreement; most have."""
    processed = [system for system in municipality.it_systems if system.data_level != "None" and system.hosted_at != "OnPremise"]
    defects = Defects(truth, SYSTEM, "databehandlinger", len(processed))
    defects.plant(
        "aftaledato", CANNOT_CONVERT, 2, lambda row: row["general"].__setitem__("agreementConcludedAt", "2023-00-00T00:00:00Z")
    )
    rows = [(iso(system.changed), _registration(system, nth)) for nth, system in enumerate(processed)]
    missing = sum(row["general"]["isAgreementConcluded"] != "Yes" for _, row in rows)
    defects.write(folder, rows, uden_aftale=missing)


def _registration(system: ItSystem, nth: int) -> dict[str, Any]:
    concluded = ("Yes", "Yes", "Yes", "No", "Yes", "Undecided", "Yes")[nth % 7]
    return {
        "uuid": str(uuid.uuid5(uuid.UUID(system.usage_uuid), "dpa")),
        "name": f"Databehandling i {system.name}",
        "systemUsage": {"uuid": system.usage_uuid},
        "general": {
            "dataProcessor": {"name": system.vendor},
            "isAgreementConcluded": concluded,
            "agreementConcludedAt": f"20{18 + nth % 8}-0{1 + nth % 9}-01T00:00:00Z" if concluded == "Yes" else None,
        },
        "oversight": {"oversightInterval": ("Yearly", "Half_yearly", "Every_second_year")[nth % 3]},
        "lastModified": iso(system.changed) + "Z",
    }


def _refuse(status: int, message: str) -> Response:
    return JSONResponse({"message": message}, status)


def routes(folder: Path) -> list[BaseRoute]:
    """Return the API's routes, below the system's own path."""
    site = Site(folder, header("Authorization", f"Bearer {practice_secret(SYSTEM, 'token')}"), _refuse)

    async def resource(request: Request) -> Response:
        table = TABLES.get(request.path_params["resource"])
        if table is None:
            return _refuse(404, "Ressourcen findes ikke")

        def respond(fault: Fault) -> Response:
            page = whole_number(request, "page", 0)
            size = whole_number(request, "pageSize", LARGEST_PAGE, least=1, most=LARGEST_PAGE)
            since = request.query_params.get("changedSinceGtEq")
            among = site.table(table).since(utc_text(since)) if since else None
            rows, _ = site.page(table, fault, page * size, size, among)
            return Response(json_array(rows), media_type="application/json")

        return await site.serve(request, table, request.query_params.get("page", "0") == "0", respond)

    return [Mount(API, routes=[Route("/{resource:path}", resource)])]


def settings(url: str) -> dict[str, str]:
    """Return the environment variables that a caller of the system at `url` needs."""
    return {"OS2KITOS_URL": f"{url}{API}", "OS2KITOS_TOKEN": practice_secret(SYSTEM, "token")}


def _supplier(system: ItSystem, nth: int) -> dict[str, str | None]:
    """Return the contract's supplier: of every seventh dark system by a name that somebody typed, without its number."""
    if system.register_id or nth % 7:
        return {"name": system.vendor, "cvr": system.vendor_cvr}
    middle = len(system.vendor) // 2
    typed = (
        f"{system.vendor} A/S",
        f"{system.vendor.upper()} Danmark",
        f"{system.vendor[:middle]}{system.vendor[middle + 1 :]}",
        f"{system.vendor.split()[0]} Kommune og Region",
        f"Konsulent {nth}",
    )
    return {"name": typed[nth // 7 % 5], "cvr": None}
