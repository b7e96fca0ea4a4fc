"""DUBU: an ASP.NET server, OData V4. Links to the next page are relative, amounts are numbers."""

from __future__ import annotations

from pathlib import Path

from starlette.routing import BaseRoute, Mount

from demo.defects import CANNOT_CONVERT, MISSING, NO_CURSOR, UNKNOWN_VALUE, Defects, broken_cpr, with_cpr
from demo.municipality import Municipality
from demo.odata import Entity, ODataServer
from demo.truth import Truth
from demo.values import day, iso, kroner, kroner_text
from demo.web import header, practice_secret

SYSTEM = "dubu"
PAGE = 10
SERVICE = "/odata"
_TEXT, _DATE, _MOMENT = "Edm.String", "Edm.Date", "Edm.DateTimeOffset"
FIRST_CASE_ID = 104_000
_STATES = {"åben": "Aaben", "lukket": "Lukket"}

CASES = Entity(
    "Sag", "Sag", "sager", ("Id",),
    {
        "Id": "Edm.Int32", "SagsNummer": _TEXT, "Cpr": _TEXT, "Kle": _TEXT, "Status": _TEXT, "Paragraf": _TEXT, "Oprettet": _DATE,
        "Lukket": _DATE, "Enhed": _TEXT, "Aendret": _MOMENT,
    },
    sort="Aendret",
)  # fmt: skip
NOTIFICATIONS = Entity(
    "Underretning", "Underretning", "underretninger", ("Id",),
    {
        "Id": _TEXT, "BarnCpr": _TEXT, "SagId": "Edm.Int32", "Modtaget": _DATE, "Vurderet": _DATE, "Underretter": _TEXT,
        "Beskrivelse": _TEXT, "Aendret": _MOMENT,
    },
    sort="Aendret",
)  # fmt: skip
MEASURES = Entity(
    "Ydelse", "Ydelse", "ydelser", ("Id",),
    {
        "Id": _TEXT, "SagId": "Edm.Int32", "Cpr": _TEXT, "Paragraf": _TEXT, "Foranstaltning": _TEXT, "PrisPrDag": "Edm.Decimal",
        "Startdato": _DATE, "Slutdato": _DATE, "LeverandoerCvr": _TEXT,
    },
)  # fmt: skip


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write cases, notifications and measures, and their truth."""
    case_ids = {case.number: FIRST_CASE_ID + nth for nth, case in enumerate(municipality.child_cases)}
    _build_cases(municipality, folder, truth, case_ids)
    _build_notifications(municipality, folder, truth, case_ids)
    _build_measures(municipality, folder, truth, case_ids)


def _build_cases(municipality: Municipality, folder: Path, truth: Truth, case_ids: dict[str, int]) -> None:
    cases = municipality.child_cases
    defects = Defects(truth, SYSTEM, CASES.table, len(cases))
    defects.plant("Cpr", CANNOT_CONVERT, 3, lambda row: row.__setitem__("Cpr", broken_cpr(row["Cpr"])))
    defects.put("SagsNummer", CANNOT_CONVERT, 2, "JB/2024/17", "ukendt")
    defects.put("Lukket", CANNOT_CONVERT, 2, "2025-02-30")
    defects.put("Aendret", NO_CURSOR, 1, None)
    # Some cases keep the number that they had in the system before this one.
    older = {
        case.number: f"306-{case.opened.year}-{1000 + case_ids[case.number] % 9000}"
        for nth, case in enumerate(cases)
        if nth % 9 == 0
    }
    rows = (
        (
            iso(case.changed),
            {
                "Id": case_ids[case.number], "SagsNummer": older.get(case.number, case.number), "Cpr": case.cpr, "Kle": case.kle,
                "Status": _STATES[case.status], "Paragraf": case.paragraph, "Oprettet": day(case.opened),
                "Lukket": day(case.closed), "Enhed": case.org_unit, "Aendret": iso(case.changed) + "Z",
            },
        )
        for case in cases
    )  # fmt: skip
    defects.write(folder, rows, "Aendret", gammelt_sagsnummer=len(older))


def _build_notifications(municipality: Municipality, folder: Path, truth: Truth, case_ids: dict[str, int]) -> None:
    notifications = municipality.notifications
    defects = Defects(truth, SYSTEM, NOTIFICATIONS.table, len(notifications))
    defects.plant("BarnCpr", CANNOT_CONVERT, 2, lambda row: row.__setitem__("BarnCpr", broken_cpr(row["BarnCpr"])))
    defects.put("Modtaget", MISSING, 1, None, drops_row=True)
    defects.put("Underretter", UNKNOWN_VALUE, 2, "nabo")
    defects.plant(
        "Beskrivelse",
        "cpr i fritekst",
        3,
        lambda row: row.__setitem__("Beskrivelse", with_cpr(row["Beskrivelse"], row["BarnCpr"])),
    )
    rows = []
    for notification in notifications:
        changed = f"{(notification.assessed or notification.received).isoformat()}T12:00:00"
        row = {
            "Id": notification.id, "BarnCpr": notification.cpr, "SagId": case_ids.get(notification.case or ""),
            "Modtaget": day(notification.received), "Vurderet": day(notification.assessed), "Underretter": notification.sender,
            "Beskrivelse": notification.reason, "Aendret": changed + "Z",
        }  # fmt: skip
        rows.append((changed, row))
    defects.write(folder, rows, "Aendret")


def _build_measures(municipality: Municipality, folder: Path, truth: Truth, case_ids: dict[str, int]) -> None:
    measures = municipality.measures
    defects = Defects(truth, SYSTEM, MEASURES.table, len(measures))
    defects.put("PrisPrDag", CANNOT_CONVERT, 2, "ca. 1.200")
    defects.put("SagId", MISSING, 1, None, drops_row=True)
    defects.put("LeverandoerCvr", CANNOT_CONVERT, 1, "12345678")
    defects.repeat_at_page_end(PAGE)
    total = sum(measure.day_oere for position, measure in enumerate(measures) if defects.kept("PrisPrDag", position))
    rows = (
        (
            "",
            {
                "Id": measure.id, "SagId": case_ids[measure.case], "Cpr": measure.cpr, "Paragraf": measure.paragraph,
                "Foranstaltning": measure.kind, "PrisPrDag": kroner(measure.day_oere), "Startdato": day(measure.start),
                "Slutdato": day(measure.end), "LeverandoerCvr": measure.supplier_cvr,
            },
        )
        for measure in measures
    )  # fmt: skip
    defects.write(folder, rows, pris_pr_dag=kroner_text(total))


def routes(folder: Path) -> list[BaseRoute]:
    """Return the service's routes, below the system's own path."""
    check = header("Authorization", f"Bearer {practice_secret(SYSTEM, 'token')}")
    server = ODataServer(folder, "v4", "Dubu", (CASES, NOTIFICATIONS, MEASURES), check, PAGE)
    return [Mount(SERVICE, routes=server.routes())]


def settings(url: str) -> dict[str, str]:
    """Return the environment variables that a caller of the system at `url` needs."""
    return {"DUBU_URL": f"{url}{SERVICE}", "DUBU_TOKEN": practice_secret(SYSTEM, "token")}
