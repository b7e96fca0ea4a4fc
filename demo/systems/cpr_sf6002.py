"""The CPR subscription: one file of fixed-width records, ISO-8859-1 and CRLF, with a counting trailer."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path

from demo.defects import CANNOT_CONVERT, DUPLICATE_ROW, MISSING, UNKNOWN_VALUE, broken_cpr
from demo.files import DUPLICATE_KEY, TOO_SHORT
from demo.municipality import MUNICIPALITY_CODE, TODAY, Municipality, Person, Residence
from demo.truth import Truth

SYSTEM = "cpr_sf6002"
FILE = f"D{TODAY:%y%m%d}.L431101"
OLDER_THAN_PARENT = "pnrbarn: ældre end forælder"
_WIDTHS = {"001": 49, "004": 33, "008": 103, "014": 23, "022": 31, "023": 56}


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write the extract to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    extract = _Extract(municipality, truth)
    lines = extract.lines()
    header = f"000{MUNICIPALITY_CODE.zfill(4)}{TODAY:%Y%m%d}L431101"
    trailer = f"999{len(lines):09d}"
    with (folder / FILE).open("w", encoding="latin-1", newline="") as file:
        file.writelines(f"{line}\r\n" for line in (header, *lines, trailer))


class _Extract:
    def __init__(self, municipality: Municipality, truth: Truth) -> None:
        self.persons = sorted(municipality.persons, key=lambda person: person.cpr)
        self.truth = truth
        self.rng = random.Random(f"{truth.seed}/{SYSTEM}")
        self.rows = dict.fromkeys(("personer", "adresser", "beskyttelse", "tidligere_cpr", "navne", "boern"), 0)
        self.lost = dict.fromkeys(self.rows, 0)

    def lines(self) -> list[str]:
        """Return all records between header and trailer, and tell the truth about them."""
        spoilt = self.rng.sample(self.persons, 6)
        bad_birth, bad_status = {p.cpr for p in spoilt[:4]}, {p.cpr for p in spoilt[4:]}
        self._plant("personer", f"foed_dt: {CANNOT_CONVERT}", len(bad_birth))
        self._plant("personer", f"status: {UNKNOWN_VALUE}", len(bad_status))
        found: list[str] = []
        for person in self.persons:
            born = f"{person.born.year}-02-31" if person.cpr in bad_birth else person.born.isoformat()
            found.append(self._person(person.cpr, "70" if person.cpr in bad_status else person.status, person, born))
            found += [self._protection(person.cpr, p.start, p.end) for p in person.protections]
            found.append(self._count("navne", f"008{person.cpr}{person.first_name:50}{person.last_name:40}"))
            for earlier in person.earlier_cprs:
                found.append(self._count("tidligere_cpr", f"022{person.cpr}{earlier.cpr}{earlier.replaced:%Y%m%d}"))
            found += [self._address(person.cpr, stay) for stay in person.residences]
        found += self._children(bad_birth)
        found += self._defects()
        residents = sum(1 for person in self.persons if person.lives_here(TODAY))
        for table, rows in self.rows.items():
            sums = {"indbyggere": residents} if table == "personer" else {}
            self.truth.table(SYSTEM, table, rows, staging=rows - self.lost[table], **sums)
        return found

    def _children(self, bad_birth: set[str]) -> list[str]:
        """Who is under age is a child of the household's adults; of two families somebody has written it the wrong way round."""
        adults: dict[int, list[Person]] = {}
        for person in self.persons:
            if person.age(TODAY) >= 18:
                adults.setdefault(person.household, []).append(person)
        pairs = [(parent.cpr, one.cpr) for one in self.persons if one.age(TODAY) < 18 for parent in adults.get(one.household, ())]
        swapped = [pair for pair in pairs if bad_birth.isdisjoint(pair)][:2]
        self._plant("boern", OLDER_THAN_PARENT, len(swapped))
        return [self._count("boern", f"014{parent}{child}") for parent, child in pairs] + [
            self._count("boern", f"014{child}{parent}") for parent, child in swapped
        ]

    def _defects(self) -> list[str]:
        """Extra records that cannot stand in the warehouse."""
        someone = self.rng.sample(self.persons, 8)
        found = []
        for person in someone[:3]:
            found.append(self._person(broken_cpr(person.cpr), "01", person, person.born.isoformat()))
        self._plant("personer", f"cpr: {CANNOT_CONVERT}", 3, lost=True)
        found.append(self._person(" " * 10, "01", someone[3], someone[3].born.isoformat()))
        self._plant("personer", f"cpr: {MISSING}", 1, lost=True)
        for person in someone[3:5]:
            found.append(self._count("navne", f"008{person.cpr}{person.first_name:50}{person.last_name:40}"))
        self._plant("navne", DUPLICATE_ROW, 2, lost=True)
        for person in someone[:2]:
            found.append(self._address(person.cpr, person.residences[-1], "20241345"))
        self._plant("adresser", f"tilflytningsdato: {CANNOT_CONVERT}", 2, lost=True)
        for person in someone[2:4]:
            found.append(self._address(person.cpr, person.residences[-1], " " * 8))
        self._plant("adresser", f"tilflytningsdato: {MISSING}", 2, lost=True)
        for person in someone[4:6]:
            found.append(self._address(person.cpr, person.residences[-1]))
        self._plant("adresser", DUPLICATE_ROW, 2, lost=True)
        # The same move, corrected: the record that comes last holds.
        corrected = self._address(someone[6].cpr, someone[6].residences[-1])
        found.append(f"{corrected[:22]}999Z{corrected[26:]}")
        self._plant("adresser", DUPLICATE_KEY, 1, lost=True)
        for person in someone[6:8]:
            # Cut off in transfer: such a line is no row, but stands among the rejects.
            found.append(self._address(person.cpr, person.residences[-1])[:30])
        self._plant("adresser", TOO_SHORT, 2, lost=True)
        return found

    def _person(self, cpr: str, status: str, person: Person, born: str) -> str:
        return self._count("personer", f"001{cpr}{'':10}{status}{person.status_date:%Y%m%d}0000 {person.sex}{born}")

    def _protection(self, cpr: str, start: date, end: date | None) -> str:
        return self._count("beskyttelse", f"004{cpr}0001{start:%Y%m%d}{_day(end)}")

    def _address(self, cpr: str, stay: Residence, moved_in: str = "") -> str:
        address = stay.address
        digits, letter = address.house_number.rstrip("ABC"), address.house_number.lstrip("0123456789")
        number = f"{digits:0>3}{letter:1}"
        place = (
            f"{address.municipality_code.zfill(4)}{address.road_code}{number}{address.floor.upper():2}{address.door.upper():4}"
        )
        return self._count("adresser", f"023{cpr} {place}{moved_in or f'{stay.moved_in:%Y%m%d}'}0000{_day(stay.moved_out)}    ")

    def _count(self, table: str, line: str) -> str:
        self.rows[table] += 1
        return f"{line:{_WIDTHS[line[:3]]}}"

    def _plant(self, table: str, kind: str, count: int, lost: bool = False) -> None:
        self.truth.plant(SYSTEM, table, kind, count)
        self.lost[table] += count if lost else 0


def _day(day: date | None) -> str:
    return " " * 8 if day is None else f"{day:%Y%m%d}"
