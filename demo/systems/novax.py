"""Novax, the health visitors' journal: views as in its SQL Server, here in PostgreSQL. Capital letters, blanks for what is not
known, and the time of the last change in two columns, a day and a time of day.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from demo.database import Database
from demo.defects import CANNOT_CONVERT, NO_CURSOR, UNKNOWN_VALUE, Defects, broken_cpr, with_cpr
from demo.municipality import Municipality
from demo.truth import Truth

SYSTEM = "novax"
DATABASE = Database(
    SYSTEM,
    "dbo",
    """
create table "NAVN" (
    "ID" bigint primary key, "CPRNR" char(10), "FORNAVN" varchar(50), "EFTERNAVN" varchar(50), "KOMMUNEKODE" char(4),
    "VEJKODE" char(4), "HUSNR" char(4), "SUNDHEDSPLEJERSKE" varchar(10), "STATUS" char(1), "TS_DATE" date, "TS_TIME" time(0));
create table "BESOEG" (
    "ID" bigint primary key, "NAVN_ID" bigint, "BESOEGSTYPE" varchar(4), "DATO" date, "VARIGHED" integer,
    "SUNDHEDSPLEJERSKE" varchar(10), "GENNEMFOERT" char(1), "BEMAERKNING" varchar(500), "TS_DATE" date, "TS_TIME" time(0));
create table "PERSONDISTRICT" ("NAVN_ID" bigint, "DISTRIKT" varchar(8), "FRA" date, "TIL" char(10));
""",
    ("NAVN", "BESOEG", "PERSONDISTRICT"),
)


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write children, visits and district history, and their truth."""
    children, visits, districts = municipality.health_children, municipality.health_visits, municipality.health_districts
    names = {person.cpr: person for person in municipality.persons}
    defects = Defects(truth, SYSTEM, "boern", len(children))
    defects.plant("CPRNR", CANNOT_CONVERT, 2, lambda row: row.__setitem__("CPRNR", broken_cpr(row["CPRNR"])))
    rows: list[dict[str, Any]] = [
        {
            "ID": child.id, "CPRNR": child.cpr, "FORNAVN": names[child.cpr].first_name, "EFTERNAVN": names[child.cpr].last_name,
            "KOMMUNEKODE": f"0{child.address.municipality_code}", "VEJKODE": child.address.road_code,
            "HUSNR": child.address.house_number, "SUNDHEDSPLEJERSKE": child.nurse or " ", "STATUS": "A" if child.active else "F",
            "TS_DATE": child.changed.date().isoformat(), "TS_TIME": child.changed.time().isoformat(),
        }
        for child in children
    ]  # fmt: skip
    defects.copy(folder, "NAVN", rows, aktive=sum(child.active for child in children))

    defects = Defects(truth, SYSTEM, "besoeg", len(visits))
    defects.put("BESOEGSTYPE", UNKNOWN_VALUE, 1, "X9")
    defects.plant("tidsstempel", NO_CURSOR, 1, lambda row: row.__setitem__("TS_DATE", None), drops_row=True)
    cprs = {child.id: child.cpr for child in children}
    defects.plant(
        "BEMAERKNING",
        "cpr i fritekst",
        1,
        lambda row: row.__setitem__("BEMAERKNING", with_cpr("Mor ringer tilbage", cprs[row["NAVN_ID"]])),
    )
    minutes = sum(visit.minutes for position, visit in enumerate(visits) if position not in defects.dropped)
    rows = [
        {
            "ID": visit.id, "NAVN_ID": visit.child, "BESOEGSTYPE": visit.kind, "DATO": visit.day.isoformat(),
            "VARIGHED": visit.minutes, "SUNDHEDSPLEJERSKE": visit.nurse or " ", "GENNEMFOERT": "J" if visit.kept else "N",
            "BEMAERKNING": " " if visit.id % 3 else "Trives godt", "TS_DATE": visit.registered.date().isoformat(),
            "TS_TIME": visit.registered.time().isoformat(),
        }
        for visit in visits
    ]  # fmt: skip
    defects.copy(folder, "BESOEG", rows, minutter=sum(visit.minutes for visit in visits), staging_minutter=minutes)

    defects = Defects(truth, SYSTEM, "distrikthistorik", len(districts))
    defects.put("TIL", CANNOT_CONVERT, 1, "2024-00-00")
    rows = [
        {
            "NAVN_ID": district.child, "DISTRIKT": district.district, "FRA": district.start.isoformat(),
            "TIL": district.end.isoformat() if district.end else " ",
        }
        for district in districts
    ]  # fmt: skip
    defects.copy(folder, "PERSONDISTRICT", rows)
