"""Affald ScanXNET: the weighbridge of the recycling station, tables as in its SQL Server, here in PostgreSQL."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from demo.administration import Address
from demo.database import Database
from demo.defects import CANNOT_CONVERT, MISSING, UNKNOWN_VALUE, Defects
from demo.municipality import Municipality
from demo.truth import Truth
from demo.values import kroner_text

SYSTEM = "scanxnet"
POST_BOX = "Postboks"
DATABASE = Database(
    SYSTEM,
    "dbo",
    """
create table "Kunde" (
    "KundeNr" integer primary key, "Navn" varchar(80), "KundeType" char(1), "CVR" varchar(10), "PNr" varchar(12),
    "Adresse" varchar(120));
create table "Vare" ("VareNr" integer primary key, "Varenavn" varchar(40), "Fraktion" varchar(10));
create table "Vejning" (
    "VejeseddelNr" bigint primary key, "Tidspunkt" timestamp, "KundeNr" integer, "VareNr" integer, "TransportoerNr" integer,
    "BruttoKg" integer, "TaraKg" integer, "NettoKg" integer, "PrisKr" numeric(12, 2));
""",
    ("Kunde", "Vare", "Vejning"),
    'create index on "Vejning" ("Tidspunkt")',
)


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write customers, articles and weighings, and their truth."""
    customers, articles, weighings = municipality.waste_customers, municipality.waste_articles, municipality.weighings
    defects = Defects(truth, SYSTEM, "kunder", len(customers))
    defects.put("CVR", CANNOT_CONVERT, 1, "29188450")
    defects.put("KundeType", UNKNOWN_VALUE, 1, "P")
    rows: list[dict[str, Any]] = [
        {
            "KundeNr": c.number, "Navn": c.name, "KundeType": c.kind, "CVR": c.cvr, "PNr": c.p_number or None,
            "Adresse": typed_address(c.address, c.number),
        }
        for c in customers
    ]  # fmt: skip
    defects.copy(folder, "Kunde", rows)
    defects = Defects(truth, SYSTEM, "varer", len(articles))
    defects.copy(folder, "Vare", [{"VareNr": a.number, "Varenavn": a.name, "Fraktion": a.fraction} for a in articles])
    defects = Defects(truth, SYSTEM, "vejninger", len(weighings))
    defects.put("KundeNr", MISSING, 2, None, drops_row=True)
    kept = [weighing for position, weighing in enumerate(weighings) if position not in defects.dropped]
    rows = [
        {
            "VejeseddelNr": w.number, "Tidspunkt": w.moment.isoformat(" "), "KundeNr": w.customer, "VareNr": w.article,
            "TransportoerNr": w.carrier, "BruttoKg": w.tare_kg + w.net_kg, "TaraKg": w.tare_kg, "NettoKg": w.net_kg,
            "PrisKr": kroner_text(w.oere),
        }
        for w in weighings
    ]  # fmt: skip
    defects.copy(
        folder, "Vejning", rows, netto_kg=sum(w.net_kg for w in weighings), staging_netto_kg=sum(w.net_kg for w in kept),
        staging_pris=kroner_text(sum(w.oere for w in kept)), uden_transportoer=sum(w.carrier is None for w in weighings),
    )  # fmt: skip


def typed_address(address: Address, number: int) -> str:
    """Return the address as it was typed for customer `number`: in nine ways, some of them mistaken, one of no use."""
    road, house = address.road_name, address.house_number
    town = f"{address.postcode} {address.town}"
    middle = len(road) // 2
    return (
        f"{road} {house}, {town}",
        f"{road.upper()} {house} {town.upper()}",
        f"{road}  nr. {house}, {town}",
        f"{road} {house}",
        f"{road.replace('å', 'aa').replace('Å', 'Aa')} {house}, {town}",
        # A letter is left out; two are; the postcode is another's.
        f"{road[:middle]}{road[middle + 1 :]} {house}, {town}",
        f"{road[: middle - 1]}{road[middle + 1 :]} {house}, {address.postcode}",
        f"{road} {house}, 2650 Hvidovre",
        f"{POST_BOX} {number}, {town}",
    )[number % 9]
