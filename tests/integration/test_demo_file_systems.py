"""The practice systems that deliver files or a database: read by independent clients, and held against the truth."""

from __future__ import annotations

import base64
import csv
import io
import os
import re
import signal
import socket
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import paramiko
import psycopg
import pytest
from openpyxl import load_workbook
from stdnum.dk import cpr as stdnum_cpr

import demo
from demo.certificates import FILES
from demo.municipality import TODAY
from demo.truth import Truth
from ingestion.home import Home

SCALE = 0.02


@dataclass
class Practice:
    home: Home
    truth: Truth
    settings: dict[str, str]

    def table(self, system: str, table: str) -> dict[str, int | str]:
        return self.truth.systems[system][table]

    def planted(self, system: str, table: str) -> dict[str, int]:
        return self.truth.planted.get(system, {}).get(table, {})


@pytest.fixture(scope="module")
def practice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Practice]:
    home = Home(tmp_path_factory.mktemp("practice"))
    demo.build(home, SCALE)
    with demo.serve(home) as settings:
        yield Practice(home, Truth.read(home.demo / "truth.json"), settings)


def real_cpr(number: str) -> bool:
    """Whether an independent judge finds a date in the number, a replacement number's day less 60."""
    digits = number.replace("-", "").zfill(10)
    if not digits.isdigit() or len(digits) != 10:
        return False
    day = int(digits[:2])
    try:
        stdnum_cpr.get_birth_date(f"{day - 60 if day > 60 else day:02d}{digits[2:]}")
    except stdnum_cpr.InvalidComponent:
        return False
    return True


# --- KMD Elev, PostgreSQL ----------------------------------------------------------------------------------------------------


def elev(practice: Practice, password: str = "") -> psycopg.Connection[tuple[object, ...]]:
    url = practice.settings["KMD_ELEV_URL"].replace("+psycopg", "")
    return psycopg.connect(url, password=password or practice.settings["KMD_ELEV_PASSWORD"])


def test_elev_holds_what_the_truth_says(practice: Practice) -> None:
    with elev(practice) as connection:
        for table, name in (("institutioner", "institution"), ("indskrivninger", "indskrivning"), ("fravaer", "fravaer")):
            counted = connection.execute(f"select count(*) from elev.{name}").fetchone()
            assert counted == (practice.table("kmd_elev", table)["rows"],)
        assert connection.execute("select sum(minutter) from elev.fravaer").fetchone() == (
            practice.table("kmd_elev", "fravaer")["minutter"],
        )
        planted = practice.planted("kmd_elev", "fravaer")
        for condition, kind in (
            ("art not in ('S', 'L', 'U')", "art: ukendt værdi"),
            ("cpr_nr is null", "cpr_nr: mangler"),
            ("rettet_tidspunkt is null", "rettet_tidspunkt: vandmærke mangler"),
        ):
            assert connection.execute(f"select count(*) from elev.fravaer where {condition}").fetchone() == (planted[kind],)
        numbers = connection.execute("select cpr_nr from elev.indskrivning").fetchall()
        broken = sum(1 for (number,) in numbers if not real_cpr(str(number)))
        assert broken == practice.planted("kmd_elev", "indskrivninger")["cpr_nr: kan ikke konverteres"]
        padded = connection.execute("select institutionsnr::text || '|' from elev.institution limit 1").fetchone()
        assert padded is not None
        assert re.fullmatch(r"\w{6} *\|", str(padded[0]))


def test_elev_asks_for_the_password_and_lets_nobody_write(practice: Practice) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        elev(practice, password="forkert")
    with elev(practice) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("delete from elev.fravaer")


# --- Ydelsesrefusion, SFTP ---------------------------------------------------------------------------------------------------


def dial(
    practice: Practice, password: str | None = None, pinned: bool = True, system: str = "YDELSESREFUSION"
) -> paramiko.SSHClient:
    settings = practice.settings
    client = paramiko.SSHClient()
    kind, _, value = settings[f"{system}_HOST_KEY"].partition(" ")
    key = paramiko.PKey.from_type_string(kind, base64.b64decode(value.split()[0]))
    name = f"[{settings[f'{system}_HOST']}]:{settings[f'{system}_PORT']}"
    if pinned:
        client.get_host_keys().add(name, kind, key)
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    client.connect(
        settings[f"{system}_HOST"],
        int(settings[f"{system}_PORT"]),
        settings[f"{system}_USERNAME"],
        password or settings[f"{system}_PASSWORD"],
        allow_agent=False,
        look_for_keys=False,
    )
    return client


def test_refund_files_over_sftp(practice: Practice) -> None:
    truth, planted = practice.table("ydelsesrefusion", "beregninger"), practice.planted("ydelsesrefusion", "beregninger")
    with dial(practice) as client, client.open_sftp() as sftp:
        names = sorted(sftp.listdir("udgaaende"))
        contents = [sftp.open(f"udgaaende/{name}").read() for name in names]
    assert len(names) == truth["files"]
    assert all(re.fullmatch(r"yr-ydelsesrefusion-beregning_\d{4}-\d\d-\d\d\.csv", name) for name in names)
    lines: list[list[str]] = []
    for content in contents:
        header, *rest = csv.reader(io.StringIO(content.decode("cp1252")), delimiter=";")
        assert header[3] == "Beløb"
        assert len(header) == 9
        assert b"Bel\xf8b" in content
        assert content.endswith(b"\r\n")
        lines += rest
    assert len(lines) == truth["rows"]
    assert sum(1 for line in lines if len(line) > 9) == planted["afvist: for mange felter"]
    assert sum(1 for line in lines if len(line) < 9) == planted["afvist: for få felter"]
    whole = [line for line in lines if len(line) == 9]
    repeated = sum(times - 1 for times in Counter(map(tuple, whole)).values())
    assert repeated == planted["dubleret række"]
    assert sum(1 for line in whole if not real_cpr(line[0])) == planted["cpr_nummer: kan ikke konverteres"]
    assert any(len(line[0]) == 9 for line in whole), "numbers that lost their leading zero"
    assert sum(1 for line in whole if line[1] == "Fleksbidrag fra staten") == truth["fleksbidrag"]
    assert sum(1 for line in whole if line[2].endswith("W60")) == planted["ydelsesuge: kan ikke konverteres"]
    # Added up once more from what reaches the warehouse.
    sound = {tuple(line) for line in whole if real_cpr(line[0]) and "W60" not in line[2] and line[1] != "Integrationsydelse"}
    assert len(sound) == truth["staging"]
    readable = [Decimal(line[3].replace(".", "").replace(",", ".")) for line in sound if "," in line[3]]
    assert len(sound) - len(readable) == planted["beloeb: kan ikke konverteres"]
    assert str(sum(readable)) == truth["staging_beloeb"]
    assert str(sum(Decimal(line[5].replace(".", "").replace(",", ".")) for line in sound)) == truth["staging_refusion"]


def test_sftp_has_its_own_key_asks_for_the_password_and_is_for_reading(practice: Practice) -> None:
    with pytest.raises(paramiko.AuthenticationException):
        dial(practice, password="forkert")
    with pytest.raises(paramiko.SSHException, match="not found in known_hosts"):
        dial(practice, pinned=False)
    with dial(practice) as client, client.open_sftp() as sftp:
        with pytest.raises(PermissionError):
            sftp.open("udgaaende/ny.csv", "w")
        # There is nothing above the folder that is served, and another system's user has another folder.
        assert "truth.json" not in sftp.listdir("/..")
    with dial(practice, system="TRUELINK") as client, client.open_sftp() as sftp:
        assert sftp.listdir("/") == ["udtraek"]


def test_purchase_lines_in_zip_files_over_sftp(practice: Practice) -> None:
    truth, planted = practice.table("truelink", "indkoebslinjer"), practice.planted("truelink", "indkoebslinjer")
    with dial(practice, system="TRUELINK") as client, client.open_sftp() as sftp:
        names = sorted(sftp.listdir("udtraek"))
        archives = [sftp.open(f"udtraek/{name}").read() for name in names]
    assert len(names) == truth["files"]
    rows: list[dict[str, str]] = []
    for name, content in zip(names, archives, strict=True):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.namelist() == [name.replace(".zip", ".csv")]
            text = archive.read(archive.namelist()[0]).decode("cp1252")
        rows += csv.DictReader(io.StringIO(text), delimiter=";", quoting=csv.QUOTE_NONE)
    assert len(rows) == truth["rows"]
    assert all(re.fullmatch(r'="\d*"', row["Fakturanr."]) for row in rows)
    assert any(row["Fakturanr."].startswith('="0') for row in rows), "zeros that Excel would have eaten"
    filled = [row for row in rows if row["Linje"]]
    assert len(rows) - len(filled) == planted["linje: mangler"] == 1
    again = sum(times - 1 for times in Counter(tuple(row.values()) for row in filled).values())
    assert again == planted["dubleret række"]
    sound = list({tuple(row.values()): row for row in filled if row["CVR-nr."] != '="1234567"'}.values())
    assert len(sound) == truth["staging"]
    danish = [Decimal(row["Linjebeløb"].replace(".", "").replace(",", ".")) for row in sound if row["Linjebeløb"] != "1,234.50"]
    assert str(sum(danish)) == truth["staging_beloeb"]
    assert {"Diesel", "El", "Rugbrød"} <= {row["Varetekst"] for row in sound}


# --- CPR, Specialtilbud, OPUS Løn: files on disk -------------------------------------------------------------------------------


def test_the_cpr_extract(practice: Practice) -> None:
    (path,) = Path(practice.settings["CPR_SF6002_FOLDER"]).iterdir()
    assert re.fullmatch(r"D\d{6}\.L431101", path.name)
    content = path.read_bytes()
    assert content.count(b"\n") == content.count(b"\r\n")
    header, *records, trailer = content.decode("latin-1").splitlines()
    assert header.startswith("0000306")
    assert trailer == f"999{len(records):09d}"
    kinds = Counter(record[:3] for record in records)
    for kind, table in (
        ("001", "personer"),
        ("023", "adresser"),
        ("004", "beskyttelse"),
        ("022", "tidligere_cpr"),
        ("008", "navne"),
        ("014", "boern"),
    ):
        assert kinds.pop(kind) == practice.table("cpr_sf6002", table)["rows"]
    assert not kinds
    planted = practice.planted("cpr_sf6002", "personer")
    persons = [record for record in records if record.startswith("001")]
    numbers = [record[3:13].strip() for record in persons]
    assert sum(1 for number in numbers if number and not real_cpr(number)) == planted["cpr: kan ikke konverteres"]
    assert numbers.count("") == planted["cpr: mangler"]
    assert sum(1 for record in persons if record[39:49].endswith("02-31")) == planted["foed_dt: kan ikke konverteres"]
    assert sum(1 for record in persons if record[23:25] not in ("01", "80", "90")) == planted["status: ukendt værdi"]
    last_day = f"{TODAY:%Y%m%d}"  # the last day on an address counts as lived there
    here = {
        record[3:13]
        for record in records
        if record.startswith("023") and len(record) == 56 and record[14:18] == "0306" and record[44:52] in (" " * 8, last_day)
    }
    assert len(here) == practice.table("cpr_sf6002", "personer")["indbyggere"] == practice.truth.facts["indbyggere"]


def test_the_special_placements_workbook(practice: Practice) -> None:
    (path,) = Path(practice.settings["SPECIALTILBUD_FOLDER"]).iterdir()
    workbook = load_workbook(path, read_only=True)
    assert workbook.sheetnames == ["Vejledning", "Placeringer", "Takster", "Kladde 2022"]
    rows = list(workbook["Placeringer"].iter_rows(values_only=True))
    headings, body = rows[3], rows[4:]
    assert headings[:2] == ("Nr.", "CPR-nummer")
    truth, planted = practice.table("specialtilbud", "placeringer"), practice.planted("specialtilbud", "placeringer")
    assert len(body) == truth["rows"]
    assert sum(1 for row in body if row[0] is None) == planted["nr: mangler"]
    sound = {row for row in body if row[0] is not None and real_cpr(str(row[1]))}
    assert len(sound) == truth["staging"]
    total = sum(Decimal(str(row[7])) for row in sound if not isinstance(row[7], str))
    assert total == Decimal(str(truth["staging_aarlig_takst"]))
    assert sum(1 for row in sound if isinstance(row[8], str)) <= planted["startdato: kan ikke konverteres"]


def test_the_opus_drops(practice: Practice) -> None:
    folder = Path(practice.settings["OPUS_LOEN_FOLDER"])
    drops = sorted(folder.glob("ZLPE*_delta.xml"))
    roots = [ElementTree.parse(path).getroot() for path in drops]
    units = [element for root in roots for element in root.findall("orgUnit")]
    staff = [element for root in roots for element in root.findall("employee")]
    assert len(units) == practice.table("opus_loen", "org_enheder")["rows"]
    assert len({unit.get("id") for unit in units}) == practice.table("opus_loen", "org_enheder")["enheder"]
    truth, planted = practice.table("opus_loen", "ansaettelser"), practice.planted("opus_loen", "ansaettelser")
    assert len(staff) == truth["rows"]
    assert sum(1 for element in staff if element.get("action") == "leave" and len(element) == 0) == truth["fratraedelser"]
    assert sum(1 for element in staff if element.get("id") is None) == planted["id: mangler"]
    numbers = [element.findtext("cpr", "") for element in staff if len(element)]
    assert sum(1 for number in numbers if not real_cpr(number)) == planted["cpr: kan ikke konverteres"]
    assert any(element.find("cpr[@suppId]") is not None for element in staff)
    assert {element.findtext("leaveDate") for element in staff if len(element)} == {"9999-12-31"}
    assert all(element.findtext("numerator", "").endswith(" ") for element in staff if len(element))
    # No file tells of what happened after it, and the keys of versions are unique.
    for path, root in zip(drops, roots, strict=True):
        dropped = date.fromisoformat(f"{path.name[4:8]}-{path.name[8:10]}-{path.name[10:12]}")
        assert all(date.fromisoformat(element.get("lastChanged", "")) <= dropped for element in root)
    versions = [(element.tag, element.get("id"), element.get("lastChanged")) for element in (*units, *staff)]
    assert len(set(versions)) == len(versions)


def test_the_opus_absences(practice: Practice) -> None:
    truth, planted = practice.table("opus_loen", "fravaer"), practice.planted("opus_loen", "fravaer")
    rows = [
        element
        for path in Path(practice.settings["OPUS_LOEN_FOLDER"]).glob("ZLFR*.xml")
        for element in ElementTree.parse(path).getroot()
    ]
    assert len(rows) == truth["rows"]
    by_id = {element.get("id"): element for element in rows}
    assert len(rows) - len(by_id) == planted["dubleret række"]
    hours = Decimal(0)
    for element in by_id.values():
        written = element.findtext("hours", "")
        usable = element.findtext("employeeId") and re.match(r"\d{4}-", element.findtext("fromDate", "")) and "," not in written
        if element.findtext("absenceType") == "syg" and usable:
            hours += Decimal(written.strip())
    assert hours == Decimal(str(truth["staging_sygetimer"]))


# --- Building and serving ------------------------------------------------------------------------------------------------------


def test_every_setting_of_the_register_is_written(practice: Practice) -> None:
    asked = set()
    for path in (Path(demo.__file__).parent.parent / "ingestion" / "systems").glob("*/*.yml"):
        if path.stem in practice.truth.systems:
            asked |= set(re.findall(r"env: (\w+)", path.read_text(encoding="utf-8")))
    written = dict(line.split("=", 1) for line in practice.home.connections.read_text(encoding="utf-8").splitlines())
    assert asked <= set(written)
    assert practice.home.connections.stat().st_mode & 0o777 == 0o600


INSTALLATION = {"sftp_host_key", "ports.json", "postgres_server", "fault.json", *FILES}


def test_built_again_it_is_the_same(practice: Practice, tmp_path: Path) -> None:
    other = Home(tmp_path / "home")
    other.path.mkdir()
    other.connections.write_text("EGEN_INDSTILLING=1\n", encoding="utf-8")
    messages: list[str] = []
    demo.build(other, SCALE, progress=messages.append)
    assert messages[0] == "Inventing the municipality"
    assert len(messages) > 13
    for path in sorted(practice.home.demo.rglob("*")):
        # A workbook carries the time it was saved; keys and ports belong to the installation.
        if path.is_file() and path.suffix != ".xlsx" and path.name not in INSTALLATION:
            assert (other.demo / path.relative_to(practice.home.demo)).read_bytes() == path.read_bytes(), path
    assert "EGEN_INDSTILLING=1" in other.connections.read_text(encoding="utf-8")
    before = (other.demo / "truth.json").stat().st_mtime_ns
    messages.clear()
    demo.build(other, SCALE, progress=messages.append)
    assert not messages
    assert (other.demo / "truth.json").stat().st_mtime_ns == before
    key = (other.demo / "sftp_host_key").read_bytes()
    demo.build(other, SCALE, seed=7)
    assert (other.demo / "truth.json").stat().st_mtime_ns != before
    assert (other.demo / "sftp_host_key").read_bytes() == key


def test_it_is_served_once_at_a_time(practice: Practice) -> None:
    with pytest.raises(demo.DemoError, match="in use"), demo.serve(practice.home):
        pass
    with pytest.raises(demo.DemoError, match="in use"):
        demo.build(practice.home, SCALE, seed=8)


def test_it_says_what_to_do_when_nothing_is_built(home: Home) -> None:
    with pytest.raises(demo.DemoError, match="faellesdata demo"), demo.serve(home):
        pass


def test_ports_stay_and_a_killed_server_leaves_nothing_in_the_way(home: Home) -> None:
    demo.build(home, SCALE)
    script = "import sys, time, demo\nfrom ingestion.home import Home\nfrom pathlib import Path\n"
    script += "with demo.serve(Home(Path(sys.argv[1]))):\n    print('ready', flush=True)\n    time.sleep(60)\n"
    with subprocess.Popen([sys.executable, "-c", script, str(home.path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        left = Path((home.demo / "postgres_server").read_text(encoding="utf-8"))
        server = int((left / "db" / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])
        process.send_signal(signal.SIGKILL)
    os.kill(server, 0)  # PostgreSQL outlives the process that started it
    with (
        demo.serve(home) as settings,
        psycopg.connect(settings["KMD_ELEV_URL"].replace("+psycopg", ""), password=settings["KMD_ELEV_PASSWORD"]) as connection,
    ):
        assert connection.execute("select 1").fetchone() == (1,)
        assert not left.exists()
        first = settings
    with demo.serve(home) as settings:
        assert settings == first
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", int(first["YDELSESREFUSION_PORT"]))) != 0
