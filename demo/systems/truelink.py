"""Truelink: purchase lines from the e-procurement system, a ZIP for each month, as its SFTP server gives them out."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from demo.administration import Invoice
from demo.defects import CANNOT_CONVERT, DUPLICATE_ROW, MISSING, Defects
from demo.files import write_zip
from demo.municipality import Municipality
from demo.truth import Truth
from demo.values import kroner_dk, kroner_text

SYSTEM = "truelink"
TABLE = "indkoebslinjer"
OUTBOX = "udtraek"
"""Folder on the server."""
WRAPPED = ("Fakturanr.", "Ordrenr.", "CVR-nr.", "EAN-nr.", "Varenr.", "UNSPSC")
"""Written as `="0012"`, so that Excel keeps their zeros."""


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write the archives to `<folder>/udtraek`."""
    (folder / OUTBOX).mkdir(parents=True, exist_ok=True)
    ordered = [invoice for invoice in municipality.invoices if invoice.order]
    flat = [(invoice, line) for invoice in ordered for line in invoice.lines]
    defects = Defects(truth, SYSTEM, TABLE, len(flat))
    defects.put("EAN-nr.", CANNOT_CONVERT, 4, "5,798E+12")
    defects.put("CVR-nr.", CANNOT_CONVERT, 2, "1234567", drops_row=True)
    defects.put("Linjebeløb", CANNOT_CONVERT, 3, "1,234.50")
    defects.put("Fakturadato", CANNOT_CONVERT, 2, "31-02-2025")
    sound = sorted(set(range(len(flat))).difference(*defects.unreadable.values()))
    again = set(random.Random(f"{truth.seed}/{SYSTEM}/again").sample(sound, 3))
    months: dict[str, list[str]] = defaultdict(list)
    for position, (_, row) in enumerate(defects.spoil(_rows(municipality, ordered))):
        # Some come twice, as when an order is confirmed once more.
        months[f"{flat[position][0].issued:%Y-%m}"] += [_line(row)] * (2 if position in again else 1)
    truth.plant(SYSTEM, TABLE, DUPLICATE_ROW, len(again))
    months[min(months)].insert(0, ";".join('=""' if name in WRAPPED else "" for name in HEADINGS))
    for key in ("fakturanr", "linje", "cvr_nr"):
        truth.plant(SYSTEM, TABLE, f"{key}: {MISSING}")
    for month, lines in months.items():
        name = f"Indkoebsdata_{month}"
        text = "".join(f"{line}\r\n" for line in (";".join(HEADINGS), *lines))
        write_zip(folder / OUTBOX / f"{name}.zip", {f"{name}.csv": text.encode("cp1252")})
    kept = [line for position, (_, line) in enumerate(flat) if defects.kept("Linjebeløb", position)]
    truth.table(
        SYSTEM, TABLE, len(flat) + len(again) + 1, staging=len(flat) - len(defects.dropped), files=len(months),
        staging_beloeb=kroner_text(sum(line.oere for line in kept)),
    )  # fmt: skip


HEADINGS = (
    "Fakturanr.", "Linje", "Fakturadato", "Ordrenr.", "Leverandør", "CVR-nr.", "EAN-nr.", "Niveau 1", "Niveau 2", "Niveau 3",
    "Niveau 4", "Varenr.", "Varetekst", "UNSPSC", "UNSPSC-betegnelse", "Antal", "Enhed", "Stykpris", "Linjebeløb",
)  # fmt: skip


def _rows(municipality: Municipality, invoices: list[Invoice]) -> Iterator[tuple[str, dict[str, Any]]]:
    units = {unit.id: unit for unit in municipality.org_units}
    for invoice in invoices:
        # From the municipality down to the unit, at most four of them.
        levels: list[str] = []
        at = units.get(invoice.org_unit)
        while at is not None:
            levels.insert(0, at.name)
            at = units.get(at.parent) if at.parent else None
        for line in invoice.lines:
            values = (
                invoice.number.zfill(8), line.number, f"{invoice.issued:%d-%m-%Y}", invoice.order, invoice.supplier,
                invoice.supplier_cvr, invoice.ean, *(levels + [""] * 4)[:4], line.item_number, line.item, line.unspsc,
                line.unspsc_name, kroner_dk(line.quantity_hundredths), line.unit, kroner_dk(line.price_oere),
                kroner_dk(line.oere),
            )  # fmt: skip
            yield "", dict(zip(HEADINGS, values, strict=True))


def _line(row: Any) -> str:
    return ";".join(f'="{value}"' if name in WRAPPED else str(value) for name, value in row.items())
