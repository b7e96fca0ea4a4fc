"""ESDH's reporting view: what came in, went out and was noted on the cases, by case number, as in its SQL Server."""

from __future__ import annotations

from pathlib import Path

from demo.database import Database
from demo.defects import CANNOT_CONVERT, UNKNOWN_VALUE, Defects, with_cpr
from demo.municipality import Municipality
from demo.truth import Truth

SYSTEM = "esdh_visning"
DATABASE = Database(
    SYSTEM,
    "dbo",
    """
create table "SagsHaendelseData" (
    "HaendelseId" bigint primary key, "SagsNr" varchar(40), "HaendelseType" char(1), "DokumentNr" varchar(30),
    "Titel" varchar(200), "Enhed" varchar(12), "Dato" date, "Klokkeslaet" time(0));
create view "vw_SagsHaendelse" as select * from "SagsHaendelseData";
""",
    ("SagsHaendelseData",),
)


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write the events of the cases, and their truth."""
    events = municipality.case_events
    someone = municipality.persons[0].cpr
    defects = Defects(truth, SYSTEM, "haendelser", len(events))
    defects.put("SagsNr", CANNOT_CONVERT, 2, "ukendt sag", "24/118")
    defects.put("HaendelseType", UNKNOWN_VALUE, 1, "X")
    defects.plant("Titel", "cpr i fritekst", 2, lambda row: row.__setitem__("Titel", with_cpr(row["Titel"], someone)))
    rows = (
        {
            "HaendelseId": event.id, "SagsNr": event.case.number, "HaendelseType": event.kind,
            "DokumentNr": event.document or None, "Titel": event.title, "Enhed": event.case.org_unit,
            "Dato": event.moment.date().isoformat(), "Klokkeslaet": event.moment.time().isoformat(),
        }
        for event in events
    )  # fmt: skip
    defects.copy(folder, "SagsHaendelseData", rows, dokumenter=sum(bool(event.document) for event in events))
