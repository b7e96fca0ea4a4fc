"""KMD Elev: tables for PostgreSQL, kept as COPY text until the server is started."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import date, timedelta
from pathlib import Path

from demo.database import Database, Value, write_copy
from demo.defects import CANNOT_CONVERT, MISSING, UNKNOWN_VALUE, broken_cpr
from demo.municipality import Municipality
from demo.truth import Truth

SYSTEM = "kmd_elev"
TABLES = {"institutioner": "institution", "indskrivninger": "indskrivning", "fravaer": "fravaer"}
"""Name in the register → table in the database."""
DATABASE = Database(
    SYSTEM,
    "elev",
    """
create table institution (
    institutionsnr char(8) not null, navn varchar(80), institutionstype varchar(20), ean_nr varchar(20), p_nummer varchar(12),
    distriktskode varchar(8), omkostningssted varchar(12), org_enhed varchar(12), pladser integer,
    gyldig_fra date, gyldig_til date);
create table indskrivning (
    indskrivning_id bigint primary key, cpr_nr varchar(11), institutionsnr char(8), klasse_stue varchar(20), startdato date,
    slutdato date, skoleaar varchar(9));
create table fravaer (
    fravaer_id bigint primary key, cpr_nr varchar(11), institutionsnr char(8), dato date, art char(1), minutter integer,
    rettet_tidspunkt timestamp);
""",
    tuple(TABLES.values()),
    "create index on fravaer (rettet_tidspunkt)",
)
EAN_CHANGED, FORMER_EAN = date(2023, 1, 1), "5798009880017"
KINDS = {"syg": "S", "lovligt": "L", "ulovligt": "U"}


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write `<table>.copy` for each table to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    _institutions(municipality, folder, truth)
    _enrolments(municipality, folder, truth)
    _absences(municipality, folder, truth)


def _write(folder: Path, table: str, rows: Iterable[list[Value]]) -> None:
    write_copy(folder, TABLES[table], rows)


def _institutions(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """As they are and as they were: one had another EAN; those whose unit was renamed had fewer places under the old name."""
    units = {unit.id: unit for unit in municipality.org_units}
    rows: list[list[Value]] = [
        [i.number, i.name, i.kind, i.ean, i.p_number, i.district, i.cost_centre, i.org_unit, i.places, "2007-01-01", None]
        for i in municipality.institutions
    ]
    former = []
    for nth, row in enumerate(rows):
        unit = units[str(row[7])]
        if nth == 2:
            row[9], name, number, day = EAN_CHANGED.isoformat(), str(row[1]), FORMER_EAN, EAN_CHANGED
        elif unit.former_name:
            row[9], name, number, day = unit.changed.isoformat(), unit.former_name, str(row[3]), unit.changed
        else:
            continue
        ended = day - timedelta(days=1)
        former.append([row[0], name, row[2], number, *row[4:8], int(str(row[8])) - 5, "2007-01-01", ended.isoformat()])
    rows[0][3] = "5,798E+12"
    truth.plant(SYSTEM, "institutioner", f"ean_nr: {CANNOT_CONVERT}")
    rows[1][2] = "sfo"
    truth.plant(SYSTEM, "institutioner", f"institutionstype: {UNKNOWN_VALUE}")
    rows += former
    _write(folder, "institutioner", rows)
    truth.table(SYSTEM, "institutioner", len(rows), staging=len(rows))


def _enrolments(municipality: Municipality, folder: Path, truth: Truth) -> None:
    rng = random.Random(f"{truth.seed}/{SYSTEM}/indskrivninger")
    rows: list[list[Value]] = [
        [
            1000 + n,
            f"{e.cpr[:6]}-{e.cpr[6:]}",
            e.institution,
            e.group,
            e.start.isoformat(),
            e.end.isoformat() if e.end else None,
            e.school_year,
        ]
        for n, e in enumerate(municipality.enrolments)
    ]
    spoilt = rng.sample(rows, 9)
    for row in spoilt[:4]:
        row[1] = broken_cpr(str(row[1]))
    for row in spoilt[4:6]:
        row[2] = None
    for row in spoilt[6:]:
        row[6] = str(row[6])[:4]
    truth.plant(SYSTEM, "indskrivninger", f"cpr_nr: {CANNOT_CONVERT}", 4)
    truth.plant(SYSTEM, "indskrivninger", f"institutionsnr: {MISSING}", 2)
    truth.plant(SYSTEM, "indskrivninger", f"skoleaar: {CANNOT_CONVERT}", 3)
    _write(folder, "indskrivninger", rows)
    truth.table(SYSTEM, "indskrivninger", len(rows), staging=len(rows) - 6)


def _absences(municipality: Municipality, folder: Path, truth: Truth) -> None:
    rng = random.Random(f"{truth.seed}/{SYSTEM}/fravaer")
    rows: list[list[Value]] = [
        [50_000 + n, a.cpr, a.institution, a.day.isoformat(), KINDS[a.kind], a.minutes, a.changed.isoformat(" ")]
        for n, a in enumerate(municipality.school_absences)
    ]
    minutes = sum(absence.minutes for absence in municipality.school_absences)
    spoilt = rng.sample(rows, 10)
    for row in spoilt[:5]:
        row[4] = "X"
    for row in spoilt[5:8]:
        row[1] = None
    for row in spoilt[8:]:
        row[6] = None  # no watermark: such a row cannot be asked for again, so it is set aside
    lost = sum(int(row[5] or 0) for row in spoilt[5:])
    truth.plant(SYSTEM, "fravaer", f"art: {UNKNOWN_VALUE}", 5)
    truth.plant(SYSTEM, "fravaer", f"cpr_nr: {MISSING}", 3)
    truth.plant(SYSTEM, "fravaer", "rettet_tidspunkt: vandmærke mangler", 2)
    _write(folder, "fravaer", rows)
    truth.table(SYSTEM, "fravaer", len(rows), staging=len(rows) - 5, minutter=minutes, staging_minutter=minutes - lost)
