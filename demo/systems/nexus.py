"""KMD Nexus: REST with HATEOAS. Tokens live a minute, the next page is a link, what belongs to others comes as nested objects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from demo.administration import OrgUnit
from demo.defects import CANNOT_CONVERT, MISSING, NO_CURSOR, UNKNOWN_VALUE, Defects, broken_cpr
from demo.municipality import Municipality
from demo.truth import Truth
from demo.values import day, iso
from demo.web import Fault, Site, Tokens, json_body, practice_secret, utc_text, whole_number

SYSTEM = "nexus"
API = "/api/core/mobile/odsherred/v2"
TOKEN = "/authx/realms/odsherred/protocol/openid-connect/token"  # noqa: S105 - a path
CLIENT = "odsherred-datagrundlag"
PAGES = {"patients": 20, "grants": 20, "visits": 500}
"""Resource → rows per page; the caller has no say."""
TABLES = {"patients": "borgere", "grants": "indsatser", "visits": "besoeg"}
_DEAD = "90"


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write citizens, grants and visits, and their truth."""
    units = {unit.id: unit for unit in municipality.org_units}
    _build_citizens(municipality, folder, truth)
    _build_grants(municipality, folder, truth, units)
    _build_visits(municipality, folder, truth, units)


def _links(resource: str, number: int) -> dict[str, Any]:
    return {"self": {"href": f"{API}/{resource}/{number}"}}


def _organisation(unit: OrgUnit) -> dict[str, Any]:
    return {"externalId": unit.id, "name": unit.name}


def _build_citizens(municipality: Municipality, folder: Path, truth: Truth) -> None:
    citizens = municipality.care_citizens
    persons = {person.cpr: person for person in municipality.persons}
    defects = Defects(truth, SYSTEM, "borgere", len(citizens))

    def spoil(row: dict[str, Any]) -> None:
        digits = row["patientIdentifier"]["identifier"].replace("-", "").replace(" ", "")
        row["patientIdentifier"]["identifier"] = broken_cpr(digits)

    defects.plant("cpr", CANNOT_CONVERT, 2, spoil, drops_row=True)
    defects.repeat_at_page_end(PAGES["patients"])

    def rows() -> Iterator[tuple[str, dict[str, Any]]]:
        for nth, citizen in enumerate(citizens):
            person = persons[citizen.cpr]
            # Typed by hand over the years: with dash, with a blank, or plain.
            written = citizen.cpr[:6] + ("-", "-", " ", "")[nth % 4] + citizen.cpr[6:]
            yield "", {
                "id": citizen.id, "patientIdentifier": {"type": "cpr", "identifier": written},
                "fullName": f"{person.first_name} {person.last_name}",
                "patientState": {"name": "Død" if person.status == _DEAD else "Aktiv"}, "_links": _links("patients", citizen.id),
            }  # fmt: skip

    defects.write(folder, rows())


def _build_grants(municipality: Municipality, folder: Path, truth: Truth, units: dict[str, OrgUnit]) -> None:
    grants = municipality.care_grants
    defects = Defects(truth, SYSTEM, "indsatser", len(grants))
    defects.put("minutesPerWeek", CANNOT_CONVERT, 2, "ca. 60")
    defects.put("toDate", CANNOT_CONVERT, 1, "2026-02-30")
    total = sum(grant.minutes_per_week for position, grant in enumerate(grants) if defects.kept("minutesPerWeek", position))
    rows = (
        (
            "",
            {
                "id": grant.id, "patientId": grant.citizen, "catalogGrant": {"name": grant.service, "paragraph": grant.paragraph},
                "minutesPerWeek": grant.minutes_per_week, "organization": _organisation(units[grant.org_unit]),
                "fromDate": day(grant.start), "toDate": day(grant.end), "_links": _links("grants", grant.id),
            },
        )
        for grant in grants
    )  # fmt: skip
    defects.write(folder, rows, minutter_pr_uge=total)


def _build_visits(municipality: Municipality, folder: Path, truth: Truth, units: dict[str, OrgUnit]) -> None:
    visits = municipality.care_visits
    defects = Defects(truth, SYSTEM, "besoeg", len(visits))
    defects.put("changedAt", NO_CURSOR, 3, None, drops_row=True)
    defects.put("date", MISSING, 1, None, drops_row=True)
    defects.put("deliveredMinutes", CANNOT_CONVERT, 2, "45 min")
    defects.put("status", UNKNOWN_VALUE, 1, "kladde")
    defects.repeat_at_page_end(PAGES["visits"])
    planned = sum(visit.planned_minutes for position, visit in enumerate(visits) if position not in defects.dropped)
    delivered = sum(
        visit.delivered_minutes for position, visit in enumerate(visits) if defects.kept("deliveredMinutes", position)
    )
    organisations = {unit.id: _organisation(unit) for unit in units.values()}

    def rows() -> Iterator[tuple[str, dict[str, Any]]]:
        for visit in visits:
            changed = iso(visit.changed)
            yield changed, {
                "id": visit.id, "patientId": visit.citizen, "grantId": visit.grant,
                "professional": {"employeeNumber": visit.employment} if visit.employment else None,
                "organization": organisations[visit.org_unit], "date": day(visit.day), "plannedMinutes": visit.planned_minutes,
                "deliveredMinutes": visit.delivered_minutes, "status": visit.status, "changedAt": changed + "Z",
                "_links": _links("visits", visit.id),
            }  # fmt: skip

    defects.write(folder, rows(), "changedAt", planlagte_minutter=planned, leverede_minutter=delivered)


def _refuse(status: int, message: str) -> Response:
    return JSONResponse({"timestamp": None, "status": status, "error": message}, status)


def routes(folder: Path) -> list[BaseRoute]:
    """Return the routes of the API and of its token service, below the system's own path."""
    tokens = Tokens(CLIENT, practice_secret(SYSTEM, "client_secret"))
    site = Site(folder, tokens.check, _refuse)

    async def resource(request: Request) -> Response:
        name = request.path_params["resource"]
        if name not in TABLES:
            return _refuse(404, "Ressourcen findes ikke")

        def respond(fault: Fault) -> Response:
            page = whole_number(request, "page", 0, most=10**9)
            since = request.query_params.get("changedSince")
            among = site.table(TABLES[name]).since(utc_text(since)) if since else None
            size = PAGES[name]
            rows, total = site.page(TABLES[name], fault, page * size, size, among)
            links: dict[str, Any] = {"self": {"href": str(request.url)}}
            if (page + 1) * size < total:
                query = urlencode({**request.query_params, "page": str(page + 1)})
                links["next"] = {"href": str(request.url.replace(query=query))}
            body = json_body({"totalElements": total, "size": size, "number": page}, "content", rows, {"_links": links})
            return Response(body, media_type="application/json")

        return await site.serve(request, TABLES[name], request.query_params.get("page", "0") == "0", respond)

    return [Route(TOKEN, tokens.endpoint, methods=["POST"]), Mount(API, routes=[Route("/{resource}", resource)])]


def settings(url: str) -> dict[str, str]:
    """Return the environment variables that a caller of the system at `url` needs."""
    return {
        "NEXUS_URL": f"{url}{API}",
        "NEXUS_TOKEN_URL": f"{url}{TOKEN}",
        "NEXUS_CLIENT_ID": CLIENT,
        "NEXUS_CLIENT_SECRET": practice_secret(SYSTEM, "client_secret"),
    }
