"""Aula: RPC over HTTP. The method stands in the query, the real status in the body; a retired version is 410 Gone.

What a municipality can have is an agreed extract: the last four weeks of presence and absence. Nobody is logged in as a person.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from demo.defects import MISSING, NO_CURSOR, UNKNOWN_VALUE, Defects
from demo.municipality import TODAY, Municipality
from demo.population.presence import DAYS
from demo.population.unilogin import unilogin
from demo.truth import Truth
from demo.values import day
from demo.web import Fault, Site, header, json_body, practice_secret, whole_number

SYSTEM = "aula"
VERSION = 23
"""The one that is served. Each new one retires the one before."""
LARGEST_PAGE = 1000
METHODS = {
    "profiles.getChildProfiles": "profiler",
    "presence.getDailyOverview": "tilstedevaerelse",
    "presence.getAbsences": "fravaer",
}
KINDS = {"syg": "SICK", "lovligt": "VACATION", "ulovligt": "UNEXCUSED"}
_IN_BAND = {401: 448, 400: 40, 404: 404}


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write profiles, presence and absence, and their truth."""
    profiles, presences = municipality.child_profiles, municipality.presences
    names = {person.cpr: f"{person.first_name} {person.last_name}" for person in municipality.persons}
    defects = Defects(truth, SYSTEM, "profiler", len(profiles))
    defects.put("institutionCode", MISSING, 1, None, drops_row=True)
    rows = (
        (
            "",
            {
                "institutionProfileId": profile.id, "institutionCode": profile.institution,
                "uniId": unilogin(profile.cpr), "mainGroup": {"name": profile.group}, "role": "child", "name": names[profile.cpr],
            },
        )
        for profile in profiles
    )  # fmt: skip
    defects.write(folder, rows)

    defects = Defects(truth, SYSTEM, "tilstedevaerelse", len(presences))
    defects.put("status", UNKNOWN_VALUE, 3, 9, 11)  # Aula brings new ones, and tells nobody.
    defects.put("date", NO_CURSOR, 1, None, drops_row=True)
    rows = (
        (
            presence.day.isoformat(),
            {
                "id": presence.id, "institutionProfileId": presence.profile, "date": day(presence.day), "status": presence.status,
                "checkInTime": presence.came.strftime("%H:%M") if presence.came else None,
                "checkOutTime": presence.went.strftime("%H:%M") if presence.went else None,
            },
        )
        for presence in presences
    )  # fmt: skip
    defects.write(folder, rows, "date", til_stede=sum(presence.came is not None for presence in presences))

    first = TODAY - timedelta(days=DAYS)
    own = {(profile.cpr, profile.institution): profile.id for profile in profiles}
    absences = [a for a in municipality.school_absences if a.day >= first and (a.cpr, a.institution) in own]
    defects = Defects(truth, SYSTEM, "fravaer", len(absences))
    defects.put("reason", UNKNOWN_VALUE, 1, "EMPLOYEE_REPORTED")
    rows = (
        (
            absence.day.isoformat(),
            {
                "absenceId": 70_000_000 + position, "institutionProfileId": own[absence.cpr, absence.institution],
                "date": day(absence.day), "reason": KINDS[absence.kind], "minutes": absence.minutes,
            },
        )
        for position, absence in enumerate(absences)
    )  # fmt: skip
    defects.write(folder, rows, minutter=sum(absence.minutes for absence in absences))


def _refuse(status: int, message: str) -> Response:
    """Say no as Aula does: inside the answer, unless the server itself fails."""
    code = _IN_BAND.get(status, status)
    return JSONResponse({"status": {"code": code, "message": message}, "data": None}, status if status >= 500 else 200)


def routes(folder: Path) -> list[BaseRoute]:
    """Return the API's route, below the system's own path."""
    site = Site(folder, header("Authorization", f"Bearer {practice_secret(SYSTEM, 'token')}"), _refuse)

    async def call(request: Request) -> Response:
        if request.path_params["version"] != VERSION:
            return Response(status_code=410)
        table = METHODS.get(request.query_params.get("method", ""))
        if table is None:
            return _refuse(404, "Ukendt metode")

        def respond(fault: Fault) -> Response:
            page = whole_number(request, "page", 1, least=1)
            size = whole_number(request, "limit", 100, least=1, most=LARGEST_PAGE)
            since = request.query_params.get("from")
            among = site.table(table).since(date.fromisoformat(since[:10]).isoformat()) if since else None
            rows, total = site.page(table, fault, (page - 1) * size, size, among)
            data = json_body({"totalCount": total}, "items", rows)
            status = b'{"code":0,"message":"OK"}'
            return Response(b'{"status":%s,"version":%d,"data":%s}' % (status, VERSION, data), media_type="application/json")

        return await site.serve(request, table, request.query_params.get("page", "1") == "1", respond)

    return [Route("/api/v{version:int}/", call)]


def settings(url: str) -> dict[str, str]:
    """Return the environment variables that a caller of the system at `url` needs."""
    return {"AULA_URL": f"{url}/api", "AULA_TOKEN": practice_secret(SYSTEM, "token")}
