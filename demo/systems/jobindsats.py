"""Jobindsats v3: the state's figures for all municipalities, in one answer. Sums stand among the rows, periods are `2026M01`."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from demo.defects import CANNOT_CONVERT, Defects
from demo.municipality import MUNICIPALITY_CODE, TODAY, Municipality
from demo.population.benefits import BY_CODE, POPULATIONS
from demo.rows import StoredTable
from demo.truth import Truth
from demo.web import Fault, Site, header, json_body, practice_secret

SYSTEM = "jobindsats"
API = "/v3"
TABLE = "ptv_a01"
ALL_BENEFITS = "Ydelser i alt"
WORKING_AGE = range(16, 67)
_NAMES = {"fleksloentilskud": "Fleksjob"}
"""Where Jobindsats has another name for a benefit than the system that pays it."""


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write the figures with their sums over benefits and over the country, and their truth."""
    figures = municipality.benefit_figures
    names = {figure.area_code: figure.area_name for figure in figures}
    by_key: dict[tuple[str, str, str], int] = defaultdict(int)
    for figure in figures:
        for area in (figure.area_code, ""):
            for benefit in (_NAMES.get(figure.benefit, BY_CODE[figure.benefit].name), ALL_BENEFITS):
                by_key[figure.month, area, benefit] += figure.full_time_persons
    own = sum(person.age(TODAY) in WORKING_AGE and person.lives_here(TODAY) for person in municipality.persons)
    population = {MUNICIPALITY_CODE: float(own), **{code: own * size for code, size in POPULATIONS.items()}}
    population[""] = sum(population.values())  # "the country" is those municipalities that there are figures for
    rows: list[tuple[str, dict[str, Any]]] = [
        (
            "",
            {
                "periode": month, "omraadekode": f"/5/{area}/" if area else "/0/", "omraade": names.get(area, "Hele landet"),
                "kommunekode": area or None, "ydelsesgruppe": benefit, "fuldtidspersoner": persons,
                "andelAfBefolkning": round(100 * persons / population[area], 2),
            },
        )
        for (month, area, benefit), persons in by_key.items()
    ]  # fmt: skip
    # Few persons are hidden, which is no defect.
    for _, row in rows[1::500]:
        row["fuldtidspersoner"] = row["andelAfBefolkning"] = "*"
    defects = Defects(truth, SYSTEM, "ydelsesmodtagere", len(rows))
    defects.put("fuldtidspersoner", CANNOT_CONVERT, 2, "ca. 40")
    sums = sum("" in key[1:2] or ALL_BENEFITS in key for key in by_key)
    defects.write(folder, rows, heraf_summer=sums)


def _refuse(status: int, message: str) -> Response:
    return JSONResponse({"message": message, "statusCode": status}, status)


def routes(folder: Path) -> list[BaseRoute]:
    """Return the API's routes, below the system's own path."""
    site = Site(folder, header("Authorization", practice_secret(SYSTEM, "token")), _refuse)

    async def tables(request: Request) -> Response:
        listing = [{"id": TABLE, "name": "Ydelsesmodtagere i alt", "periods": ["M"]}]
        return await site.serve(request, "", True, lambda _: JSONResponse(listing))

    async def data(request: Request) -> Response:
        if request.path_params["table"] != TABLE:
            return _refuse(404, "Tabellen findes ikke")

        def respond(fault: Fault) -> Response:
            if "period.M" not in request.query_params:
                raise ValueError("Angiv perioder med period.M")
            stored = site.table("ydelsesmodtagere")
            rows, total = site.page("ydelsesmodtagere", fault, 0, len(stored), _wanted(request, stored))
            return Response(json_body({"tableId": TABLE, "rows": total}, "data", rows), media_type="application/json")

        return await site.serve(request, "ydelsesmodtagere", True, respond)

    return [Mount(API, routes=[Route("/tables", tables), Route("/data/{table}", data)])]


def _wanted(request: Request, stored: StoredTable) -> list[int] | None:
    """Return the positions of the months asked for (`period.M=2026M01,2026M02`), None for all (`*`)."""
    months = request.query_params["period.M"]
    if months == "*":
        return None
    asked = set(months.split(","))
    return [position for position, row in enumerate(stored.parsed()) if row["periode"] in asked]


def settings(url: str) -> dict[str, str]:
    """Return the environment variables that a caller of the system at `url` needs."""
    return {"JOBINDSATS_URL": f"{url}{API}", "JOBINDSATS_TOKEN": practice_secret(SYSTEM, "token")}
