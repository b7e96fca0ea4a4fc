"""What the systems that deliver files share."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

from demo.municipality import Municipality

DUPLICATE_KEY = "dubleret nøgle"
TOO_SHORT = "afvist: linjen er for kort"
TOO_MANY_FIELDS = "afvist: for mange felter"
TOO_FEW_FIELDS = "afvist: for få felter"


def cpr_then(municipality: Municipality) -> Callable[[str, date], str]:
    """Return a function that gives, for a person's present CPR number and a day, the number the person had that day.

    Systems that keep what they once wrote go on showing the earlier number on old rows.
    """
    earlier = {person.cpr: person.earlier_cprs[0] for person in municipality.persons if person.earlier_cprs}

    def then(cpr: str, day: date) -> str:
        change = earlier.get(cpr)
        return change.cpr if change and day < change.replaced else cpr

    return then


def write_zip(path: Path, members: dict[str, bytes]) -> None:
    """Write an archive that is the same each time: its members have the age that ZIP begins with."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
