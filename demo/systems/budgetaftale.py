"""The budget agreement: one CSV file a year, as the finance department saves its spreadsheet.

The figures are the one thing here that nobody invented: the published 2026 budget of Center for Social og Arbejdsmarked. They do
not follow the scale, and the invented ledger does not follow them.
"""

from __future__ import annotations

from pathlib import Path

from demo.municipality import Municipality
from demo.truth import Truth

SYSTEM = "budgetaftale"
TABLE = "bevillinger"
FILE = "Budgetaftale 2026.csv"
YEAR = 2026
CENTRE = "Center for Social og Arbejdsmarked"
GRANTS = (
    ("Rusmidler", "9,4"),
    ("Væresteder", "1,4"),
    ("Egne tilbud", "8,9"),
    ("Myndighedsområdet", "232,2"),
    ("Beboelse", "4,6"),
    ("Andre sundhedsudgifter", "1,7"),
    ("Aktiv beskæftigelsesindsats", "34,2"),
    ("Overførselsudgifter", "735,0"),
    ("Råd og nævn", "0,3"),
    ("Administration", "50,0"),
)
"""Millions of kroner."""


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write the file to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / FILE).open("w", encoding="cp1252", newline="") as file:
        file.write("Budgetår;Center;Bevilling;Mio. kr.\r\n")
        file.writelines(f"{YEAR};{CENTRE};{name};{amount}\r\n" for name, amount in GRANTS)
    truth.table(SYSTEM, TABLE, len(GRANTS), staging=len(GRANTS), staging_mio_kr="1077.7")
