"""KLE: two editions of the subject plan as XML, with a byte-order mark. Titles are for practice: KL's own are KL's.

The newer edition has retired one subject and brought another. Most say how long a case is kept; all say what the archives want.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from uuid import NAMESPACE_DNS, uuid5
from xml.sax.saxutils import escape

from demo.defects import CANNOT_CONVERT, UNKNOWN_VALUE
from demo.municipality import Municipality
from demo.truth import Truth

SYSTEM = "kle"
TABLE = "emner"
EDITIONS = (date(2026, 5, 1), date(2026, 11, 1))
RETIRED, RETIRED_ON, NEW = "28.06.00", date(2026, 9, 30), "28.06.02"
MAIN_GROUPS = {
    "00": "Kommunens styrelse", "02": "Byggeri", "05": "Veje og trafik", "07": "Affald og genanvendelse", "15": "Beskæftigelse",
    "17": "Folkeskolen", "20": "Idræt og fritid", "21": "Biblioteker", "23": "Borgerbetjening", "27": "Social service",
    "28": "Dagtilbud", "29": "Sundhed", "32": "Kontante ydelser", "81": "Kommunens personale", "85": "It og teknik",
    "88": "Indkøb og udbud",
}  # fmt: skip
SUBJECTS: dict[str, tuple[str, str, str]] = {
    "00.13.02": ("Digitalisering", "P1825D", "K"), "00.30.02": ("Budgetaftaler", "P3650D", "B"),
    "00.32.00": ("Bogføring og regnskab", "P1825D", "K5"), "02.00.00": ("Bygninger i almindelighed", "P3650D", "K"),
    "02.34.02": ("Byggetilladelser", "", "B"), "02.34.10": ("Nedrivning af bygninger", "", "B"),
    "05.01.00": ("Veje i almindelighed", "P3650D", "K10"), "07.18.00": ("Affaldsordninger", "P1825D", "K"),
    "15.00.00": ("Beskæftigelse i almindelighed", "P1825D", "K"), "15.20.00": ("Aktiv beskæftigelsesindsats", "P1825D", "K"),
    "17.01.00": ("Elever og undervisning", "P1825D", "K"), "17.03.00": ("Specialundervisning", "P3650D", "K10"),
    "20.01.00": ("Idrætsanlæg", "P1825D", "K"), "21.05.00": ("Udlån på biblioteker", "P30D", "K"),
    "23.05.00": ("Folkeregistrering", "P1825D", "K"), "27.24.00": ("Særlig støtte til børn og unge", "P1825D", "B"),
    "27.27.00": ("Støttende indsatser til børn og familier", "P1825D", "B"),
    "27.30.00": ("Anbringelse af børn og unge", "P1825D", "B"),
    "27.36.04": ("Personlig og praktisk hjælp", "P1825D", "K"), "27.42.00": ("Plejeboliger", "P1825D", "K"),
    "27.54.00": ("Støtte til voksne", "P1825D", "K"), RETIRED: ("Pladsanvisning i dagtilbud", "P1825D", "K"),
    NEW: ("Anvisning af pladser i dagtilbud", "P1825D", "K"), "29.09.04": ("Sundhedspleje og børnetandpleje", "P3650D", "K"),
    "29.18.02": ("Genoptræning", "P3650D", "K"), "32.00.00": ("Ydelser i almindelighed", "P1825D", "K"),
    "81.00.00": ("Personale i almindelighed", "P1825D", "K"), "81.08.00": ("Løn", "P1825D", "K5"),
    "81.20.00": ("Arbejdstid og vagter", "P1825D", "K"), "85.00.00": ("It i almindelighed", "P1825D", "K"),
    "88.00.00": ("Indkøb i almindelighed", "P1825D", "K"), "88.12.00": ("Indkøb af varer", "P1825D", "K5"),
}  # fmt: skip
"""Number → title, how long personal data are kept after the case is closed, what the archives want."""


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write an XML file for each edition to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = retired = 0
    for edition in EDITIONS:
        old = edition == EDITIONS[0]
        subjects = [number for number in SUBJECTS if not (old and number == NEW)]
        text = _plan(edition, subjects)
        if old:
            text = text.replace("<EmneNr>21.05.00<", "<EmneNr>21-05-00<")
            truth.plant(SYSTEM, TABLE, f"emne_nr: {CANNOT_CONVERT}")
        else:
            text = text.replace(">K10<", ">K12<", 1)
            truth.plant(SYSTEM, TABLE, f"bevaring_jaevnfoer_arkivloven: {UNKNOWN_VALUE}")
        (folder / f"KLE-Emneplan_{edition}.xml").write_text(text, encoding="utf-8-sig", newline="\n")
        rows += len(subjects)
        retired += not old
    truth.table(SYSTEM, TABLE, rows, staging=rows - 1, udgaaede=retired, udgaver=len(EDITIONS))


def _plan(edition: date, subjects: list[str]) -> str:
    parts = [f'<?xml version="1.0" encoding="UTF-8"?>\n<KLE-Emneplan>\n<UdgivelsesDato>{edition}</UdgivelsesDato>\n']
    for main, title in MAIN_GROUPS.items():
        parts.append(f"<Hovedgruppe><HovedgruppeNr>{main}</HovedgruppeNr><HovedgruppeTitel>{escape(title)}</HovedgruppeTitel>\n")
        for group in dict.fromkeys(number[:5] for number in subjects if number.startswith(f"{main}.")):
            inside = "".join(_subject(number, edition) for number in subjects if number.startswith(group))
            parts.append(f"<Gruppe><GruppeNr>{group}</GruppeNr><GruppeTitel>Gruppe {group}</GruppeTitel>\n{inside}</Gruppe>\n")
        parts.append("</Hovedgruppe>\n")
    return "".join((*parts, "</KLE-Emneplan>\n"))


def _subject(number: str, edition: date) -> str:
    title, kept, archive = SUBJECTS[number]
    over = number == RETIRED and edition > RETIRED_ON
    gone = f"<Historisk><UdgaaetDato>{RETIRED_ON}</UdgaaetDato></Historisk>" if over else ""
    made = "2026-10-01" if number == NEW else "2008-01-01"
    deletion = f"<SletningJaevnfoerPersondataloven>{kept}</SletningJaevnfoerPersondataloven>" if kept else ""
    return (
        f"<Emne><EmneNr>{number}</EmneNr><EmneTitel>{escape(title)}</EmneTitel>"
        f"<EmneVejledning><p>Sager om <b>{escape(title.lower())}</b>.</p></EmneVejledning>"
        f"<EmneAdministrativInfo><OprettetDato>{made}</OprettetDato>{gone}</EmneAdministrativInfo>"
        f"<BevaringJaevnfoerArkivloven>{archive}</BevaringJaevnfoerArkivloven>{deletion}"
        f"<UUID>{uuid5(NAMESPACE_DNS, f'{number}.kle.invalid')}</UUID></Emne>\n"
    )
