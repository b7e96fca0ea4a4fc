"""ESDH (SBSYS): REST over cases and their parties, asked by `skip` and `take`. Two generations of case numbers."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from demo.defects import CANNOT_CONVERT, MISSING, Defects, broken_cpr, with_cpr
from demo.files import cpr_then
from demo.municipality import Municipality
from demo.truth import Truth
from demo.values import day, iso
from demo.web import Fault, Site, Tokens, json_body, practice_secret, utc_text, whole_number

SYSTEM = "esdh"
API = "/webapi/api"
TOKEN = "/oauth2/token"  # noqa: S105 - a path
CLIENT = "odsherred-datagrundlag"
LARGEST_PAGE = 500
TABLES = {"sag": "sager", "sagspart": "parter"}


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write cases and parties, and their truth."""
    cases = municipality.cases
    people = {party.case: party.cpr for party in municipality.case_parties if party.cpr}
    defects = Defects(truth, SYSTEM, "sager", len(cases))
    # One has been written by hand, as a case number of no system's form.
    defects.put("Nummer", CANNOT_CONVERT, 2, "BYG 24/118", "journal 7-b")
    defects.put("Oprettet", MISSING, 1, None, drops_row=True)
    defects.plant(
        "SagsTitel",
        "cpr i fritekst",
        2,
        lambda row: row.__setitem__("SagsTitel", with_cpr(row["SagsTitel"], next(iter(people.values())))),
    )
    rows = (
        (
            iso(case.changed),
            {
                "Id": case.id, "Nummer": case.number, "SagsTitel": case.title, "Emne": {"Nummer": case.kle},
                "Facet": case.facet, "Ansaettelsessted": {"Kode": case.org_unit},
                "Behandler": {"Medarbejdernummer": case.worker} if case.worker else None, "Oprettet": day(case.opened),
                "Afsluttet": day(case.closed), "SagsStatus": {"Navn": "Afsluttet" if case.closed else "Aktiv"},
                "SenestAendret": iso(case.changed) + "Z",
            },
        )
        for case in cases
    )  # fmt: skip
    old = sum(case.number.startswith("306-") for case in cases)
    defects.write(folder, rows, gammel_nummerering=old, aabne=sum(case.closed is None for case in cases))

    parties, opened, then = municipality.case_parties, {case.id: case.opened for case in cases}, cpr_then(municipality)
    persons = [position for position, party in enumerate(parties) if party.cpr]
    defects = Defects(truth, SYSTEM, "parter", len(parties), among=persons)
    defects.plant("CprNummer", CANNOT_CONVERT, 2, lambda row: row.__setitem__("CprNummer", broken_cpr(row["CprNummer"])))
    defects.put("SagId", MISSING, 1, None, drops_row=True)
    rows_of_parties = (
        (
            "",
            {
                "Id": party.id, "SagId": party.case, "PartType": "Person" if party.cpr else "Firma",
                "CprNummer": _dashed(then(party.cpr, opened[party.case])) if party.cpr else None, "CvrNummer": party.cvr or None,
                "Rolle": "Primaer" if party.primary else "Sekundaer",
            },
        )
        for party in parties
    )  # fmt: skip
    defects.write(folder, rows_of_parties, personer=len(persons))


def _dashed(cpr: str) -> str:
    return f"{cpr[:6]}-{cpr[6:]}"


def _refuse(status: int, message: str) -> Response:
    return JSONResponse({"Message": message, "message": message}, status)


def routes(folder: Path) -> list[BaseRoute]:
    """Return the API's routes, below the system's own path."""
    tokens = Tokens(CLIENT, practice_secret(SYSTEM, "client_secret"))
    site = Site(folder, tokens.check, _refuse)

    async def resource(request: Request) -> Response:
        table = TABLES.get(request.path_params["resource"])
        if table is None:
            return _refuse(404, "Ressourcen findes ikke")

        def respond(fault: Fault) -> Response:
            skip, take = whole_number(request, "skip", 0), whole_number(request, "take", 100, least=1, most=LARGEST_PAGE)
            since = request.query_params.get("aendretEfter")
            among = site.table(table).since(utc_text(since)) if since else None
            rows, total = site.page(table, fault, skip, take, among)
            return Response(json_body({"TotalNumberOfResults": total}, "Results", rows), media_type="application/json")

        return await site.serve(request, table, request.query_params.get("skip", "0") == "0", respond)

    return [Route(TOKEN, tokens.endpoint, methods=["POST"]), Mount(API, routes=[Route("/{resource}", resource)])]


def settings(url: str) -> dict[str, str]:
    """Return the environment variables that a caller of the system at `url` needs."""
    return {
        "ESDH_URL": f"{url}{API}",
        "ESDH_TOKEN_URL": f"{url}{TOKEN}",
        "ESDH_CLIENT_ID": CLIENT,
        "ESDH_CLIENT_SECRET": practice_secret(SYSTEM, "client_secret"),
    }
