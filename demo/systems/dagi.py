"""DAGI: the country's municipalities as GeoJSON, our postcodes and parishes as CSV. The polygons are boxes of no real place."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from starlette.routing import BaseRoute

from demo.defects import CANNOT_CONVERT
from demo.files import write_zip
from demo.municipality import Municipality
from demo.population.common import PARISHES, SEED_FILE, TOWNS
from demo.population.places import parish_uuid
from demo.systems.datafordeler import PATH, downloads
from demo.truth import Truth
from demo.web import practice_secret

SYSTEM = "dagi"
FILES = {
    "kommuner": "DAGI_Kommuneinddeling", "postnumre": "DAGI_Postnummerinddeling", "sogne": "DAGI_Sogneinddeling",
}  # fmt: skip
"""Table → register and entity, as one asks for them."""
MERGED, MERGED_ON = ("7409", "Egebjerg"), "2024-12-31"
"""A parish that has gone into another."""


def build(municipality: Municipality, folder: Path, truth: Truth) -> None:
    """Write an archive for each table to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with SEED_FILE.with_name("kommuner.csv").open(encoding="utf-8", newline="") as file:
        features = [_feature(row, place) for place, row in enumerate(csv.DictReader(file))]
    features[-1]["properties"]["virkningFra"] = "2007-00-00"
    truth.plant(SYSTEM, "kommuner", f"virkning_fra: {CANNOT_CONVERT}")
    collection = {"type": "FeatureCollection", "crs": {"properties": {"name": "EPSG:25832"}}, "features": features}
    _zip(folder, "kommuner", "geojson", json.dumps(collection, ensure_ascii=False))
    truth.table(SYSTEM, "kommuner", len(features), staging=len(features))
    lines = [f'"{uuid5(NAMESPACE_DNS, f"{code}.dagi.invalid")}","{code}","{town}","0306"\n' for code, town in TOWNS.items()]
    _zip(folder, "postnumre", "csv", "".join(('"id_lokalId","postnummer","navn","kommunekode"\n', *lines)))
    truth.table(SYSTEM, "postnumre", len(lines), staging=len(lines))
    parishes = [(code, TOWNS[postcode], "2007-01-01", "") for postcode, code in PARISHES.items()]
    parishes.append((*MERGED, "2007-01-01", MERGED_ON))
    lines = [f'"{parish_uuid(code)}","{code}","{name}","0306","{start}","{end}"\n' for code, name, start, end in parishes]
    header = '"id_lokalId","sognekode","navn","kommunekode","virkningFra","virkningTil"\n'
    _zip(folder, "sogne", "csv", "".join((header, *lines)))
    truth.table(SYSTEM, "sogne", len(lines), staging=len(lines), nedlagte=1)


def _zip(folder: Path, table: str, kind: str, text: str) -> None:
    write_zip(folder / f"{FILES[table]}.zip", {f"{FILES[table]}.{kind}": text.encode()})


def _feature(row: dict[str, str], place: int) -> dict[str, Any]:
    """Return a municipality as a box of 20 × 20 km in a grid of ten columns."""
    west, south = 450_000 + 20_000 * (place % 10), 6_050_000 + 20_000 * (place // 10)
    ring = [[west, south], [west + 20_000, south], [west + 20_000, south + 20_000], [west, south + 20_000], [west, south]]
    return {
        "type": "Feature",
        "properties": {
            "id_lokalId": str(uuid5(NAMESPACE_DNS, f"{row['kommunekode']}.dagi.invalid")), "kommunekode": row["kommunekode"],
            "navn": row["kommune"], "regionskode": row["regionskode"], "virkningFra": "2007-01-01T00:00:00.000000+01:00",
        },
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }  # fmt: skip


def routes(folder: Path) -> list[BaseRoute]:
    """Return the download's route, below the system's own path."""
    return downloads(folder, SYSTEM, FILES)


def settings(url: str) -> dict[str, str]:
    """Return the environment variables by which the register reaches this system, served at `url`."""
    return {"DAGI_URL": f"{url}{PATH}", "DAGI_API_KEY": practice_secret(SYSTEM, "api_key")}
