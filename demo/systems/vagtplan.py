"""Vagtplan: REST with a key, a cursor in the body, and a limit on how often one may ask (429 with Retry-After)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from demo.defects import CANNOT_CONVERT, MISSING, NO_CURSOR, Defects
from demo.municipality import Municipality
from demo.truth import Truth
from demo.values import day, iso, kroner, kroner_text
from demo.web import Fault, Site, header, json_body, practice_secret, utc_text

SYSTEM = "vagtplan"
API = "/api/v1"
PAGE = 500


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write the shifts, and their truth."""
    shifts = municipality.shifts
    # What substitutes cost stays sound, since the ledger tells the same amounts.
    own = [nth for nth, shift in enumerate(shifts) if shift.cost_oere is None]
    defects = Defects(truth, SYSTEM, "vagter", len(shifts), own)
    defects.put("enhed", MISSING, 1, None, drops_row=True)
    defects.put("dato", CANNOT_CONVERT, 1, "2025-02-31", drops_row=True)
    defects.put("timer", CANNOT_CONVERT, 2, "7,5t")
    defects.put("aendret", NO_CURSOR, 2, None)
    defects.put("medarbejdernr", "ukendt medarbejder", 1, "99999999")
    defects.repeat_at_page_end(PAGE)
    hundredths = sum(round(shift.hours * 100) for position, shift in enumerate(shifts) if defects.kept("timer", position))
    cost = sum(shift.cost_oere or 0 for position, shift in enumerate(shifts) if position not in defects.dropped)

    def rows() -> Iterator[tuple[str, dict[str, Any]]]:
        for shift in shifts:
            changed = iso(shift.changed)
            yield changed, {
                "vagtId": str(shift.id), "enhed": shift.org_unit, "medarbejdernr": shift.employment, "dato": day(shift.day),
                "timer": shift.hours, "type": shift.kind, "pris": None if shift.cost_oere is None else kroner(shift.cost_oere),
                "aendret": changed + "Z",
            }  # fmt: skip

    defects.write(folder, rows(), "aendret", timer=kroner_text(hundredths), pris=kroner_text(cost))


def _refuse(status: int, message: str) -> Response:
    return JSONResponse({"fejl": message}, status)


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(f"vagt:{position}".encode()).decode()


def _position(cursor: str) -> int:
    try:
        name, _, number = base64.urlsafe_b64decode(cursor).decode().partition(":")
        if name == "vagt":
            return int(number)
    except (binascii.Error, ValueError):
        pass
    raise ValueError("cursor er ikke gyldig")


class _Limit:
    """Refuses pages 1, 4, 16, … (counted from 0) the first time they are asked for, so that a long extract waits but seldom."""

    def __init__(self) -> None:
        self._refused: set[str] = set()

    def wait(self, cursor: str, page: int) -> int | None:
        """Return the seconds to wait, or None if the caller may go on. It may when it asks again."""
        if page < 1 or page & (page - 1) or page.bit_length() % 2 == 0:
            return None
        if cursor in self._refused:
            self._refused.discard(cursor)
            return None
        self._refused.add(cursor)
        return 1 if page == 1 else 0


def routes(folder: Path) -> list[BaseRoute]:
    """Return the API's routes, below the system's own path."""
    site = Site(folder, header("X-API-Key", practice_secret(SYSTEM, "apikey")), _refuse)
    limit = _Limit()

    async def shifts(request: Request) -> Response:
        cursor = request.query_params.get("cursor", "")

        def respond(fault: Fault) -> Response:
            start = _position(cursor) if cursor else 0
            seconds = limit.wait(cursor, start // PAGE)
            if seconds is not None:
                return JSONResponse({"fejl": "For mange kald. Vent lidt"}, 429, {"Retry-After": str(seconds)})
            since = request.query_params.get("aendretEfter")
            among = site.table("vagter").since(utc_text(since)) if since else None
            rows, total = site.page("vagter", fault, start, PAGE, among)
            following = _cursor(start + PAGE) if start + PAGE < total else None
            return Response(json_body({}, "items", rows, {"nextCursor": following}), media_type="application/json")

        return await site.serve(request, "vagter", not cursor, respond)

    return [Mount(API, routes=[Route("/vagter", shifts)])]


def settings(url: str) -> dict[str, str]:
    """Return the environment variables that a caller of the system at `url` needs."""
    return {"VAGTPLAN_URL": f"{url}{API}", "VAGTPLAN_APIKEY": practice_secret(SYSTEM, "apikey")}
