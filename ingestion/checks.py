"""Judge a load: what came of a table against the register, the source's own count, and what is usual there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ingestion.anomalies import UsualRows

if TYPE_CHECKING:
    from decimal import Decimal

    from ingestion.landing import TableLoad
    from ingestion.register import Table

WARNED = "warned"


@dataclass(frozen=True)
class Check:
    """What a check came to. `said` is for the table's owner, in Danish; empty where there is nothing to say."""

    name: str
    passed: bool
    severe: bool = False
    """Whether it is an error where it has not passed; else a warning."""
    said: str = ""
    measures: Mapping[str, int | float] = field(default_factory=dict)

    @property
    def result(self) -> str:
        """Return how it stands in the load log: `passed`, or `warned` or `failed` with what is said."""
        if self.passed:
            return "passed"
        return f"{'failed' if self.severe else WARNED}: {self.said}"


def judge(table: Table, loaded: TableLoad, usual: UsualRows | None = None) -> list[Check]:
    """Return the checks of a load. Of one that failed: the one that blocked it, if any; there is nothing new to look at."""
    if loaded.status == "failed":
        said = f"Tabellen blev ikke hentet, og er som før: {loaded.message}"
        return [Check(loaded.blocked_by, passed=False, severe=True, said=said)] if loaded.blocked_by else []
    return [
        *_row_range(table, loaded),
        *_usual_rows(table, loaded, usual),
        *_reconciliation(loaded),
        *_control_totals(loaded),
        *_contract(loaded),
    ]


def _row_range(table: Table, loaded: TableLoad) -> Iterator[Check]:
    expected = table.expected_rows
    too_few = loaded.table_rows < expected.min
    too_many = expected.max is not None and loaded.table_rows > expected.max
    most = number(expected.max) if expected.max is not None else "et hvilket som helst antal"
    said = (
        f"{number(loaded.table_rows)} rækker; der ventes {number(expected.min)} til {most}. "
        "Ret kilden, eller flyt grænsen i registeret"
    )
    wrong = too_few or too_many
    yield Check("row_range", not wrong, too_few, said if wrong else "", {"rows": loaded.table_rows})


def _usual_rows(table: Table, loaded: TableLoad, usual: UsualRows | None) -> Iterator[Check]:
    if usual is None:
        return
    rows = loaded.table_rows if table.write == "replace" else loaded.rows
    days = "på denne ugedag" if usual.weekday else "ved en hentning"
    said = (
        f"{number(rows)} rækker; {days} plejer det at være {number(usual.low)} til {number(usual.high)} "
        f"(de seneste {usual.loads} hentninger). Spørg systemets ejer, om det er rigtigt"
    )
    measures = {"rows": rows, "usual_low": usual.low, "usual_high": usual.high}
    yield Check("usual_rows", rows in usual, said="" if rows in usual else said, measures=measures)


def _reconciliation(loaded: TableLoad) -> Iterator[Check]:
    if loaded.source_rows is None:
        return
    accounted = loaded.rows <= loaded.source_rows <= loaded.rows + loaded.rejects
    read, rejected = number(loaded.rows), number(loaded.rejects)
    said = f"Kilden tæller {number(loaded.source_rows)} rækker; {read} blev læst og {rejected} frasorteret"
    measures = {"source_rows": loaded.source_rows, "rows": loaded.rows, "rejects": loaded.rejects}
    yield Check("reconciliation", accounted, True, "" if accounted else said, measures)


def _control_totals(loaded: TableLoad) -> Iterator[Check]:
    if not loaded.totals:
        return
    wrong = [
        f"'{name}' er {amount(told)} hos kilden og {amount(read)} i de læste rækker"
        for name, (told, read) in loaded.totals.items()
        if told != read
    ]
    aside = f"; {number(loaded.rejects)} rækker er frasorteret, og deres tal kan mangle" if loaded.rejects else ""
    said = f"Kontrolsummen af {'; af '.join(wrong)}{aside}. Bed om en ny leverance, eller spørg leverandøren"
    measures = {
        f"{name} ({who})": float(of)
        for name, sums in loaded.totals.items()
        for who, of in zip(("source", "rows"), sums, strict=True)
    }
    yield Check("control_totals", not wrong, True, said if wrong else "", measures)


def _contract(loaded: TableLoad) -> Iterator[Check]:
    drift = "; ".join(_listing("nye kolonner", loaded.new_columns) + _listing("manglende kolonner", loaded.missing_columns))
    # `capitalize` would make the column names small.
    said = f"{drift[:1].upper()}{drift[1:]}. Skriv dem ind i registeret, eller tag dem ud" if drift else ""
    yield Check("contract", not drift, said=said)
    said = f"{number(loaded.rejects)} rækker kunne ikke læses. De står i karantænen med fil og linje" if loaded.rejects else ""
    yield Check("rejects", loaded.rejects == 0, said=said, measures={"rejects": loaded.rejects})


def number(count: int) -> str:
    """Return `count` as it is written in Danish."""
    return f"{count:,}".replace(",", ".")


def amount(value: Decimal) -> str:
    """Return `value` as it is written in Danish, with two decimals, or as many as it has."""
    places = max(2, -int(value.normalize().as_tuple().exponent))
    return f"{value:,.{places}f}".translate(str.maketrans(",.", ".,"))


def _listing(title: str, names: Sequence[str]) -> list[str]:
    return [f"{title}: {', '.join(names)}"] if names else []
