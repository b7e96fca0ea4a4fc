"""The practice systems that let go of files: landed over their own protocols, and read by somebody else's reader too."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import duckdb
import pytest
from openpyxl import load_workbook

import demo
from demo.municipality import TODAY, build_municipality
from demo.settings import FOLDERS, SFTP_ACCOUNTS
from demo.truth import Truth
from ingestion.home import Home
from ingestion.landing import SystemLoad, land_system
from ingestion.register import read_register

DELIVERED = (*FOLDERS, *SFTP_ACCOUNTS, "datafordeler", "dagi")


class Practice:
    """The municipality being served, and what has been landed of it."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.truth = Truth.read(home.demo / "truth.json")
        self._loads: dict[str, SystemLoad] = {}

    def landed(self, system_id: str) -> SystemLoad:
        if system_id not in self._loads:
            self._loads[system_id] = land_system(read_register().systems[system_id], self.home)
        return self._loads[system_id]

    def raw(self, system_id: str, sql: str) -> list[tuple[Any, ...]]:
        self.landed(system_id)
        with duckdb.connect(str(self.home.raw_file(system_id)), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def told(self, system_id: str, table: str) -> dict[str, int | str]:
        return self.truth.systems[system_id][table]


@pytest.fixture(scope="module")
def practice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Practice]:
    home = Home(tmp_path_factory.mktemp("practice"))
    demo.build(home, 0.01)
    before = dict(os.environ)
    with demo.serve(home):
        home.load_settings()
        yield Practice(home)
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.parametrize("system_id", DELIVERED)
def test_every_row_lands_and_every_column_is_known(practice: Practice, system_id: str) -> None:
    load = practice.landed(system_id)
    assert set(load.tables) == set(practice.truth.systems[system_id])
    for table, found in load.tables.items():
        assert found.status == "loaded", found.message
        assert found.table_rows + found.rejects == practice.told(system_id, table)["rows"], table
        assert (found.new_columns, found.missing_columns) == ([], []), table


def test_nothing_new_is_nothing_loaded(practice: Practice) -> None:
    practice.landed("datafordeler")
    again = land_system(read_register().systems["datafordeler"], practice.home)
    assert {load.status for load in again.tables.values()} == {"unchanged"}


# --- Datafordeler ------------------------------------------------------------------------------------------------------------


def download(register: str, entity: str) -> bytes:
    query = f"Register={register}&LatestTotalForEntity={entity}&apiKey={os.environ['DATAFORDELER_API_KEY']}"
    with urllib.request.urlopen(f"{os.environ['DATAFORDELER_URL']}?{query}") as answer:
        archive = zipfile.ZipFile(io.BytesIO(answer.read()))
    return archive.read(archive.namelist()[0])


def test_downloads_ask_for_the_key(practice: Practice) -> None:
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{os.environ['DATAFORDELER_URL']}?Register=DAR&LatestTotalForEntity=Adresse&apiKey=forkert")


def test_bbr_and_the_cadastre_are_json_lines(practice: Practice) -> None:
    buildings = [json.loads(line) for line in download("BBR", "Bygning").splitlines()]
    told = practice.told("datafordeler", "bygninger")
    assert len(buildings) == told["rows"]
    valid = [row for row in buildings if row["registreringTil"] is None]
    assert len(valid) == told["bygninger"] < len(buildings), "an extension gives a building two registrations"
    assert told["sommerhuse"] > len(valid) // 3
    assert {row["kommunekode"] for row in buildings} == {"0306"}
    parcels = {row["id_lokalId"] for row in map(json.loads, download("MAT", "Jordstykke").splitlines())}
    assert {row["jordstykke"] for row in buildings} <= parcels


def test_dar_is_csv_from_1753_with_braces(practice: Practice) -> None:
    houses = list(csv.DictReader(io.StringIO(download("DAR", "Husnummer").decode())))
    assert (
        sum(row["virkningFra"].startswith("1753-01-01") for row in houses)
        == practice.told("datafordeler", "husnumre")["fra_1753"]
    )
    addresses = list(csv.DictReader(io.StringIO(download("DAR", "Adresse").decode())))
    known = {f"{{{row['id_lokalId']}}}" for row in houses}
    lost = [row for row in addresses if row["husnummer"] not in known and len(row["husnummer"]) == 38]
    assert len(lost) == practice.told("datafordeler", "adresser")["uden_husnummer"] == 1


def test_ois_is_latin_1_with_danish_element_names(practice: Practice) -> None:
    content = download("OIS", "Enhed")
    assert "<forretningshændelse>".encode("latin-1") in content
    units = ElementTree.fromstring(content).findall("{*}Enhed")
    assert len(units) == practice.told("datafordeler", "enheder")["rows"]
    nowhere = sum(unit.findtext("{*}adresse") == "{00000000-0000-0000-0000-000000000000}" for unit in units)
    assert nowhere == practice.told("datafordeler", "enheder")["uden_adresse"]
    ((landed,),) = practice.raw("datafordeler", "select count(*) from raw.enheder where registreringsaktoer = 'BBR'")
    assert landed == len(units)


# --- National sources --------------------------------------------------------------------------------------------------------


def files(system_id: str, pattern: str) -> list[Path]:
    return sorted(Path(os.environ[f"{system_id.upper()}_FOLDER"]).glob(pattern))


def test_kle_has_editions_and_a_retired_subject(practice: Practice) -> None:
    editions = files("kle", "*.xml")
    assert all(path.read_bytes().startswith(b"\xef\xbb\xbf") for path in editions)
    older, newer = (ElementTree.fromstring(path.read_bytes().removeprefix(b"\xef\xbb\xbf")) for path in editions)
    subjects = [{subject.findtext("EmneNr") for subject in root.iter("Emne")} for root in (older, newer)]
    assert sum(map(len, subjects)) == practice.told("kle", "emner")["rows"]
    assert subjects[1] - subjects[0] >= {"28.06.02"}, "a new subject"
    assert [root.findtext(".//UdgaaetDato") for root in (older, newer)] == [None, "2026-09-30"]
    # The parents' numbers stand on each row, though the parser forgets what it has been through.
    ((rows, without),) = practice.raw(
        "kle",
        "select count(*), count(*) filter (gruppe_nr is null or emne_nr[1:5] <> gruppe_nr or udgave is null) from raw.emner",
    )
    assert (rows, without) == (practice.told("kle", "emner")["rows"], 1), "the one spoilt number differs from its group"


def test_the_chart_of_accounts_has_a_title_above_and_an_edition_a_year(practice: Practice) -> None:
    editions = files("kontoplan", "Kontoplan_*.csv")
    assert len(editions) == practice.told("kontoplan", "funktioner")["udgaver"]
    codes = []
    for path in editions:
        title, *rest = path.read_text(encoding="utf-8-sig").splitlines()
        assert title == f"Autoriseret kontoplan for kommuner {path.stem[-4:]}"
        codes.append({row["Funktion"] for row in csv.DictReader(rest, delimiter=";")})
    assert codes[0] ^ codes[-1] == {"4.62.88", "6.45.56"}
    years = practice.raw("kontoplan", "select regnskabsaar, count(*) from raw.funktioner group by 1 order by 1")
    assert [year for year, _ in years] == ["2023", "2024", "2025", "2026"]


def test_statbank_agrees_with_the_population(practice: Practice) -> None:
    told = practice.told("dst", "folk1a")
    (latest,) = practice.raw("dst", "select sum(try_cast(indhold as int)) from raw.folk1a where tid = '2026K4'")
    lines = files("dst", "FOLK1A.csv")[0].read_text(encoding="utf-8-sig").splitlines()
    assert sum(line.endswith(";..") for line in lines) == practice.truth.planted["dst"]["folk1a"]["indhold: kan ikke konverteres"]
    assert latest == (told["seneste_kvartal"],)
    cube = json.loads(files("dst", "*.json")[0].read_text(encoding="utf-8"))["dataset"]
    first = practice.raw("dst", "select sum(value::int), min(omraade_label) from raw.fremskrivning where tid = '2026'")
    assert first == [(sum(cube["value"][:: cube["dimension"]["size"][-1]]), "Odsherred")]
    assert first[0][0] == practice.truth.facts["indbyggere"]


def test_dagi_is_geojson_of_all_municipalities(practice: Practice) -> None:
    query = f"Register=DAGI&LatestTotalForEntity=Kommuneinddeling&apiKey={os.environ['DAGI_API_KEY']}"
    with urllib.request.urlopen(f"{os.environ['DAGI_URL']}?{query}") as answer:
        archive = zipfile.ZipFile(io.BytesIO(answer.read()))
    features = json.loads(archive.read(archive.namelist()[0]))["features"]
    assert len(features) == practice.told("dagi", "kommuner")["rows"] == 98
    assert all(len(feature["properties"]["kommunekode"]) == 4 for feature in features)
    ((own,),) = practice.raw("dagi", "select geometry from raw.kommuner where kommunekode = '0306'")
    assert json.loads(own)["type"] == "Polygon"
    assert json.loads(own)["coordinates"] == next(
        feature["geometry"]["coordinates"] for feature in features if feature["properties"]["kommunekode"] == "0306"
    )


# --- OIOUBL and KMD Insight ----------------------------------------------------------------------------------------------------

CBC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2}"
CAC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2}"
INVOICE = "{urn:oasis:names:specification:ubl:schema:xsd:Invoice-2}Invoice"


def test_invoices_are_ubl_singly_and_in_batches(practice: Practice) -> None:
    roots = [ElementTree.parse(path).getroot() for path in files("oioubl", "Faktura_*.xml")]
    assert {root.tag for root in roots} == {INVOICE, "Samling"}
    invoices = [invoice for root in roots for invoice in root.iter(INVOICE)]
    assert len(invoices) == practice.told("oioubl", "fakturaer")["rows"]
    assert sum(invoice.find(f"{CAC}OrderReference") is None for invoice in invoices) in range(1, len(invoices))
    lines = [line for invoice in invoices for line in invoice.iter(f"{CAC}InvoiceLine")]
    assert len(lines) == practice.told("oioubl", "fakturalinjer")["rows"]
    amounts = sum(Decimal(line.findtext(f"{CBC}LineExtensionAmount", "")) for line in lines)
    # The lines hold their invoice's number and the supplier's, which stand above them.
    summed = "sum(line_extension_amount::decimal(18, 2)), count(fakturanummer), count(cvr_nummer)"
    landed = practice.raw("oioubl", f"select {summed} from raw.fakturalinjer")
    assert landed == [(amounts, len(lines), len(lines))]


def test_an_invoice_is_in_the_ledger(practice: Practice) -> None:
    """What was invoiced in the year is what was posted, less the credit notes."""
    told = {name: Decimal(str(practice.told("oioubl", name)["staging_beloeb"])) for name in ("fakturalinjer", "kreditnotaer")}
    municipality = build_municipality(306, 0.01)
    posted = sum(invoice.oere for invoice in municipality.invoices if invoice.issued.year == TODAY.year)
    assert told["fakturalinjer"] - told["kreditnotaer"] == Decimal(posted) / 100


def test_meta_names_the_general_columns_of_data(practice: Practice) -> None:
    meta, data = files("kmd_insight", "Meta_*.csv"), files("kmd_insight", "Data_*.csv")
    assert len(meta) == len(data) == practice.told("kmd_insight", "henvisninger")["filer"]
    general, named = (line.split(";") for line in meta[0].read_text(encoding="utf-8-sig").splitlines())
    assert (len(general), sum(map(bool, named))) == (53, 8)
    assert data[0].read_bytes().startswith(b"\xef\xbb\xbf")
    (first, *_) = csv.DictReader(io.StringIO(data[0].read_text(encoding="utf-8-sig")), delimiter=";")
    received = date(1899, 12, 30) + timedelta(days=int(first[general[named.index("Modtaget")]]))
    assert received.year == int(data[0].stem[-4:])
    landed = practice.raw("kmd_insight", "select column_name from (describe raw.henvisninger)")
    assert not [name for (name,) in landed if name.startswith(("tekst", "numerisk", "dato"))]


# --- Budgettildeling ---------------------------------------------------------------------------------------------------------


def test_the_budget_workbook_has_merged_headings_and_a_hidden_sheet(practice: Practice) -> None:
    (path,) = files("budgettildeling", "*.xlsx")
    workbook = load_workbook(path)
    assert [sheet.title for sheet in workbook if sheet.sheet_state == "hidden"] == ["2027"]
    sheets = [sheet for sheet in workbook if sheet.title in ("2024", "2025", "2026")]
    assert all("D3:G3" in {str(cells) for cells in sheet.merged_cells.ranges} for sheet in sheets)
    body = [row for sheet in sheets for row in sheet.iter_rows(min_row=5, values_only=True)]
    assert len(body) == practice.told("budgettildeling", "visiterede_timer")["rows"]
    kept = [row for row in body if row[0] is not None]
    assert all(isinstance(row[1], (int, float)) and re.fullmatch(r"01-\d\d-20\d\d", str(row[0])) for row in kept)
    hours = sum(Decimal(str(row[3]).replace(".", "").replace(",", ".")) for row in kept)
    assert str(hours) == practice.told("budgettildeling", "visiterede_timer")["staging_timer_83"]
    landed = practice.raw(
        "budgettildeling", "select count(visiterede_timer_138), min(omkostningssted), max(maaned) from raw.visiterede_timer"
    )
    assert landed == [(len(kept), str(int(min(row[1] for row in kept))), "01-12-2025")], "a number without .0, none of 2027"
