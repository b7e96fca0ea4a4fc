"""GeoEnviron: almost OData. A function call with `()` in the path, a `value` array, `$filter` with the `M` suffix, no paging."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path

from starlette.routing import BaseRoute, Mount

from demo.administration import BuildingCase
from demo.defects import CANNOT_CONVERT, MISSING, Defects
from demo.municipality import Municipality
from demo.odata import Entity, ODataServer
from demo.truth import Truth
from demo.values import day, kroner, kroner_text
from demo.web import basic, practice_secret

SYSTEM = "geoenviron"
SERVICE = "/api"
USERNAME = "odsherred_bi"
_TEXT, _DATE, _NUMBER = "Edm.String", "Edm.Date", "Edm.Decimal"

CASES = Entity(
    "view_bldCasefile()", "bldCasefile", "byggesager", ("task_seq_no",),
    {
        "task_seq_no": _NUMBER, "case_no": _TEXT, "kle_no": _TEXT, "case_type": _TEXT, "case_status": _TEXT,
        "received_date": _DATE, "complete_date": _DATE, "decided_date": _DATE, "municipality_code": _TEXT, "road_code": _TEXT,
        "house_no": _TEXT, "fee": _NUMBER, "applicant_name": _TEXT,
    },
)  # fmt: skip
_KINDS = {
    "Enfamiliehus": "ENFAM", "Sommerhus": "SOMMERHUS", "Tilbygning": "TILBYG", "Carport eller garage": "GARAGE",
    "Erhvervsbyggeri": "ERHVERV", "Nedrivning": "NEDRIV",
}  # fmt: skip
_DECISIONS = {"tilladelse": "GRANTED", "afslag": "REFUSED", "trukket": "WITHDRAWN"}


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write the building cases, and their truth."""
    cases = municipality.building_cases
    defects = Defects(truth, SYSTEM, CASES.table, len(cases))
    defects.put("received_date", MISSING, 1, None, drops_row=True)
    defects.put("decided_date", CANNOT_CONVERT, 2, "2024-13-05T00:00:00")
    defects.put("case_no", CANNOT_CONVERT, 2, "BYG 24/118")
    defects.put("fee", CANNOT_CONVERT, 1, "fritaget")
    total = sum(case.fee_oere for position, case in enumerate(cases) if defects.kept("fee", position))
    applicants = cycle(f"{person.first_name} {person.last_name}" for person in municipality.persons)
    # One code, as three generations of the program have written it.
    codes = cycle(("306", "0306", "306.0"))
    rows = (
        (
            "",
            {
                "task_seq_no": case.task_seq_no, "case_no": case.number, "kle_no": case.kle, "case_type": _KINDS[case.kind],
                "case_status": _status(case), "received_date": _midnight(day(case.received)),
                "complete_date": _midnight(day(case.complete)), "decided_date": _midnight(day(case.decided)),
                "municipality_code": next(codes), "road_code": case.address.road_code, "house_no": case.address.house_number,
                "fee": kroner(case.fee_oere), "applicant_name": next(applicants),
            },
        )
        for case in cases
    )  # fmt: skip
    defects.write(folder, rows, gebyr=kroner_text(total))


def _status(case: BuildingCase) -> str:
    return _DECISIONS.get(case.decision, "OPEN")


def _midnight(text: str | None) -> str | None:
    return None if text is None else f"{text}T00:00:00"


def routes(folder: Path) -> list[BaseRoute]:
    """Return the service's routes, below the system's own path."""
    check = basic(USERNAME, practice_secret(SYSTEM, "password"))
    return [Mount(SERVICE, routes=ODataServer(folder, "plain", "GeoEnviron", (CASES,), check, realm="GeoEnviron").routes())]


def settings(url: str) -> dict[str, str]:
    """Return the environment variables that a caller of the system at `url` needs."""
    return {
        "GEOENVIRON_URL": f"{url}{SERVICE}",
        "GEOENVIRON_USERNAME": USERNAME,
        "GEOENVIRON_PASSWORD": practice_secret(SYSTEM, "password"),
    }
