"""KMD Momentum: REST paged by number. A token and an `apikey` header are both asked for, on every request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from demo.defects import CANNOT_CONVERT, NO_CURSOR, UNKNOWN_VALUE, Defects, broken_cpr, with_cpr
from demo.municipality import Municipality, Offer
from demo.truth import Truth
from demo.values import day, iso
from demo.web import Fault, Site, Tokens, header, json_body, practice_secret, utc_text, whole_number

SYSTEM = "momentum"
API = "/api/v1"
TOKEN = "/oauth2/token"  # noqa: S105 - a path
CLIENT = "odsherred-datagrundlag"
LARGEST_PAGE = 500
TABLES = {"citizens": "borgere", "contacts": "kontaktforloeb", "offers": "tilbud"}
_NOTES = ("Aftalt ny samtale", "Borgeren søger job i detailhandlen", "Afventer lægens svar", "CV gennemgået", "Mødet flyttet")


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write citizens, contacts and offers, and their truth."""
    citizens = municipality.effort_citizens
    defects = Defects(truth, SYSTEM, "borgere", len(citizens))
    defects.plant("cpr", CANNOT_CONVERT, 2, lambda row: row.__setitem__("cpr", broken_cpr(row["cpr"])), drops_row=True)
    defects.put("slutdato", CANNOT_CONVERT, 2, "31-13-2025")
    defects.write(
        folder,
        (
            (
                "",
                {
                    "id": citizen.id, "cpr": citizen.cpr, "maalgruppe": citizen.target_group, "startdato": day(citizen.start),
                    "slutdato": day(citizen.end),
                },
            )
            for citizen in citizens
        ),
    )  # fmt: skip
    _build_contacts(municipality, folder, truth)

    offers = municipality.offers
    defects = Defects(truth, SYSTEM, "tilbud", len(offers))
    defects.put("cvr", CANNOT_CONVERT, 2, "12345678", "DK")
    defects.put("type", UNKNOWN_VALUE, 1, "andet")
    defects.put("pNummer", CANNOT_CONVERT, 1, "P-1012")
    defects.write(
        folder,
        (
            (
                "",
                {
                    "id": offer.id, "borgerId": offer.citizen, "type": offer.kind, "startdato": day(offer.start),
                    "slutdato": day(offer.end), "cvr": offer.company_cvr, "pNummer": _production_unit(offer),
                },
            )
            for offer in offers
        ),
    )  # fmt: skip


def _production_unit(offer: Offer) -> str | None:
    """Companies have two production units each; of some offers it is not told at which."""
    place = int(offer.id[:8], 16) % 10
    return None if place == 0 else f"10{(int(offer.company_cvr) * 7 + place % 2) % 100_000_000:08d}"


def _build_contacts(municipality: Municipality, folder: Path, truth: Truth) -> None:
    contacts = municipality.contacts
    defects = Defects(truth, SYSTEM, "kontaktforloeb", len(contacts))
    defects.put("senestAendret", NO_CURSOR, 2, None, drops_row=True)
    defects.put("tidspunkt", CANNOT_CONVERT, 1, "i går", drops_row=True)
    defects.put("udfald", UNKNOWN_VALUE, 2, "ukendt")
    citizens = iter(municipality.effort_citizens)
    defects.plant("note", "cpr i fritekst", 3, lambda row: row.__setitem__("note", with_cpr(row["note"], next(citizens).cpr)))
    held = sum(contact.outcome == "afholdt" for position, contact in enumerate(contacts) if defects.kept("udfald", position))

    def rows() -> Iterator[tuple[str, dict[str, Any]]]:
        for nth, contact in enumerate(contacts):
            changed = iso(contact.moment)
            yield changed, {
                "id": contact.id, "borgerId": contact.citizen, "tidspunkt": contact.moment.isoformat(timespec="seconds"),
                "type": contact.kind, "kanal": contact.form, "udfald": contact.outcome, "note": _NOTES[nth % len(_NOTES)],
                "senestAendret": changed + "Z",
            }  # fmt: skip

    defects.write(folder, rows(), "senestAendret", afholdt=held)


def _refuse(status: int, message: str) -> Response:
    return JSONResponse(
        {"type": "about:blank", "title": message, "status": status}, status, media_type="application/problem+json"
    )


def routes(folder: Path) -> list[BaseRoute]:
    """Return the routes of the API and of its token service, below the system's own path."""
    tokens = Tokens(CLIENT, practice_secret(SYSTEM, "client_secret"))
    key = header("apikey", practice_secret(SYSTEM, "apikey"))
    site = Site(folder, lambda request: key(request) and tokens.check(request), _refuse)

    async def resource(request: Request) -> Response:
        name = request.path_params["resource"]
        if name not in TABLES:
            return _refuse(404, "Ressourcen findes ikke")

        def respond(fault: Fault) -> Response:
            page = whole_number(request, "page", 1, least=1)
            size = whole_number(request, "pageSize", 100, least=1, most=LARGEST_PAGE)
            since = request.query_params.get("changedSince")
            among = site.table(TABLES[name]).since(utc_text(since)) if since else None
            rows, total = site.page(TABLES[name], fault, (page - 1) * size, size, among)
            body = json_body({"page": page, "pageSize": size, "totalCount": total}, "data", rows)
            return Response(body, media_type="application/json")

        return await site.serve(request, TABLES[name], request.query_params.get("page", "1") == "1", respond)

    return [Route(TOKEN, tokens.endpoint, methods=["POST"]), Mount(API, routes=[Route("/{resource}", resource)])]


def settings(url: str) -> dict[str, str]:
    """Return the environment variables that a caller of the system at `url` needs."""
    return {
        "MOMENTUM_URL": f"{url}{API}",
        "MOMENTUM_TOKEN_URL": f"{url}{TOKEN}",
        "MOMENTUM_CLIENT_ID": CLIENT,
        "MOMENTUM_CLIENT_SECRET": practice_secret(SYSTEM, "client_secret"),
        "MOMENTUM_APIKEY": practice_secret(SYSTEM, "apikey"),
    }
