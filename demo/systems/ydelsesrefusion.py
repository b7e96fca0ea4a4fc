"""Ydelsesrefusion: a CSV file for each month, as the SFTP server gives them out."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path

from demo.defects import CANNOT_CONVERT, DUPLICATE_ROW, UNKNOWN_VALUE, broken_cpr
from demo.files import TOO_FEW_FIELDS, TOO_MANY_FIELDS, cpr_then
from demo.municipality import TODAY, BenefitWeek, Municipality
from demo.population.benefits import BY_CODE
from demo.population.finance import month_end
from demo.truth import Truth
from demo.values import kroner_dk, kroner_text

SYSTEM = "ydelsesrefusion"
TABLE = "beregninger"
OUTBOX = "udgaaende"
"""Folder on the server."""
NOT_A_BENEFIT = "Fleksbidrag fra staten"
HEADER = "CPR-nummer;Ydelse;Ydelsesuge;Beløb;Refusionsprocent;Refusionsbeløb;Medfinansiering;Finansieringskommune;Beregningsdato"


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write the files to `<folder>/udgaaende`."""
    (folder / OUTBOX).mkdir(parents=True, exist_ok=True)
    rng = random.Random(f"{truth.seed}/{SYSTEM}")
    then = cpr_then(municipality)
    by_month: dict[date, list[BenefitWeek]] = defaultdict(list)
    for week in municipality.benefit_weeks:
        by_month[month_end(week.monday)].append(week)
    files: dict[date, list[str]] = {}
    own: list[tuple[date, int, BenefitWeek]] = []
    extra_rows, extra_oere = 0, 0
    for end, weeks in sorted(by_month.items()):
        calculated = min(end + timedelta(days=5), TODAY)
        lines = files[calculated] = []
        for week in weeks:
            own.append((calculated, len(lines), week))
            lines.append(_line(then(week.cpr, week.monday), week, calculated))
        flex = next((week for week in weeks if week.benefit == "fleksloentilskud"), None)
        if flex:
            lines.append(_state_line(then(flex.cpr, flex.monday), flex.monday, calculated))
            extra_rows, extra_oere = extra_rows + 1, extra_oere + 120_000
    lost = _spoil(rng, files, own, truth)
    for calculated, lines in files.items():
        name = f"yr-ydelsesrefusion-beregning_{calculated:%Y-%m-%d}.csv"
        with (folder / OUTBOX / name).open("w", encoding="cp1252", newline="") as file:
            file.writelines(f"{line}\r\n" for line in (HEADER, *lines))
    rows = sum(len(lines) for lines in files.values())
    truth.table(
        SYSTEM, TABLE, rows, files=len(files), staging=len(own) + extra_rows, ydelsesuger=len(own), fleksbidrag=extra_rows,
        staging_beloeb=kroner_text(sum(week.amount_oere for week in municipality.benefit_weeks) + extra_oere - lost),
        staging_refusion=kroner_text(sum(week.refund_oere for week in municipality.benefit_weeks) + extra_oere),
        uden_finansieringskommune=sum(1 for week in municipality.benefit_weeks if not week.financing_municipality),
    )  # fmt: skip


def _line(cpr: str, week: BenefitWeek, calculated: date) -> str:
    name, share = BY_CODE[week.benefit].name, week.amount_oere - week.refund_oere
    # CPR has been a number on its way: no leading zero.
    return ";".join(
        (
            str(int(cpr)), name, _week(week.monday), kroner_dk(week.amount_oere), f"{week.refund_percent},00",
            kroner_dk(week.refund_oere), kroner_dk(share), week.financing_municipality, f"{calculated:%d-%m-%Y}",
        )
    )  # fmt: skip


def _state_line(cpr: str, monday: date, calculated: date) -> str:
    """What the state pays towards flex jobs: in the file, but no benefit."""
    return f"{int(cpr)};{NOT_A_BENEFIT};{_week(monday)};1.200,00;100,00;1.200,00;0,00;306;{calculated:%d-%m-%Y}"


def _week(monday: date) -> str:
    year, week, _ = monday.isocalendar()
    return f"{year}W{week:02d}"


def _spoil(rng: random.Random, files: dict[date, list[str]], own: list[tuple[date, int, BenefitWeek]], truth: Truth) -> int:
    """Plant the defects in `files`. Return the øre that amounts which cannot be read would have made."""
    chosen = rng.sample(own, 26)
    lost = 0
    for calculated, at, week in chosen[:3]:
        fields = files[calculated][at].split(";")
        fields[3] = f"{week.amount_oere / 100:.2f}"  # a decimal point may be meant for thousands: refused
        files[calculated][at] = ";".join(fields)
        lost += week.amount_oere
    truth.plant(SYSTEM, TABLE, f"beloeb: {CANNOT_CONVERT}", 3)

    def extra(kind: str, some: list[tuple[date, int, BenefitWeek]], change: int | None, value: str = "") -> None:
        for calculated, at, week in some:
            fields = files[calculated][at].split(";")
            if change is not None:
                fields[change] = value or broken_cpr(week.cpr)
            elif value:
                fields.insert(5, value)
            files[calculated].append(";".join(fields[:6] if kind == TOO_FEW_FIELDS else fields))
        truth.plant(SYSTEM, TABLE, kind, len(some))

    extra(DUPLICATE_ROW, chosen[3:15], None)
    extra(f"cpr_nummer: {CANNOT_CONVERT}", chosen[15:19], 0)
    extra(f"ydelsesuge: {CANNOT_CONVERT}", chosen[19:21], 2, "2024W60")
    extra(f"ydelse: {UNKNOWN_VALUE}", chosen[21:22], 1, "Integrationsydelse")
    extra(TOO_MANY_FIELDS, chosen[22:24], None, "se notat")
    extra(TOO_FEW_FIELDS, chosen[24:26], None)
    return lost
