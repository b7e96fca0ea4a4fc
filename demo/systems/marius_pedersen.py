"""Marius Pedersen, who empties the institutions' containers: REST that is asked by POST, weights with a decimal comma."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from demo.defects import CANNOT_CONVERT, MISSING, UNKNOWN_VALUE, Defects
from demo.municipality import Municipality
from demo.truth import Truth
from demo.values import iso
from demo.web import Fault, Site, header, json_body, practice_secret, utc_text

SYSTEM = "marius_pedersen"
API = "/kundeportal/v1"
TABLE = "toemninger"
LARGEST_PAGE = 1000


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write the emptyings, and their truth. Weights are told in tenths of a kilo."""
    emptyings = municipality.emptyings
    defects = Defects(truth, SYSTEM, TABLE, len(emptyings))
    defects.put("vaegtKg", CANNOT_CONVERT, 2, "ikke vejet")
    defects.put("fraktion", UNKNOWN_VALUE, 1, "GLAS")
    defects.put("dato", MISSING, 1, None, drops_row=True)
    kept = sum(e.tenths_of_kg for position, e in enumerate(emptyings) if defects.kept("vaegtKg", position))
    rows = (
        (
            iso(e.registered),
            {
                "toemningId": e.id, "dato": e.day.isoformat(), "kunde": {"nummer": e.customer, "pNummer": e.p_number},
                "fraktion": e.fraction.upper(), "vaegtKg": _with_comma(e.tenths_of_kg), "beholderLiter": e.litres,
                "registreret": iso(e.registered) + "Z",
            },
        )
        for e in emptyings
    )  # fmt: skip
    defects.write(folder, rows, tiendedele_kg=sum(e.tenths_of_kg for e in emptyings), staging_tiendedele_kg=kept)


def _with_comma(tenths: int) -> str:
    return f"{tenths // 10:,}".replace(",", ".") + f",{tenths % 10}"


def _whole(body: dict[str, Any], name: str, default: int, least: int, most: int) -> int:
    value = body.get(name, default)
    if not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name} skal være et tal fra {least} til {most}")
    return value


def routes(folder: Path) -> list[BaseRoute]:
    """Return the API's route, below the system's own path."""

    def refuse(status: int, message: str) -> Response:
        return JSONResponse({"fejl": status, "message": message}, status)

    site = Site(folder, header("x-api-key", practice_secret(SYSTEM, "apikey")), refuse)

    async def search(request: Request) -> Response:
        body = await request.json()

        def respond(fault: Fault) -> Response:
            page, size = _whole(body, "side", 1, 1, 100_000), _whole(body, "antalPrSide", 100, 1, LARGEST_PAGE)
            since = body.get("registreretEfter")
            among = site.table(TABLE).since(utc_text(since)) if since else None
            rows, total = site.page(TABLE, fault, (page - 1) * size, size, among)
            return Response(json_body({"antal": total, "side": page}, "resultater", rows), media_type="application/json")

        return await site.serve(request, TABLE, body.get("side", 1) == 1, respond)

    return [Route(f"{API}/toemninger/soeg", search, methods=["POST"])]


def settings(url: str) -> dict[str, str]:
    """Return the environment variables that a caller of the system at `url` needs."""
    return {"MARIUS_PEDERSEN_URL": f"{url}{API}", "MARIUS_PEDERSEN_APIKEY": practice_secret(SYSTEM, "apikey")}
