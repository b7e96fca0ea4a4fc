"""The vault: one person id per person, whatever becomes of the number, and readable by its owner only."""

from __future__ import annotations

import hmac
import resource
import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from connectors_support import column
from landing_support import fetch, put, system_of, table

from ingestion.connectors.duck import load_extension, opened
from ingestion.dbt_profile import write_profile
from ingestion.home import Home
from ingestion.landing import hide_persons_files, land_system
from ingestion.platform import build_platform
from ingestion.raw_file import read_logs
from ingestion.register import Register, System
from ingestion.vault import (
    KEY_FILE_VARIABLE,
    KEY_VARIABLE,
    PSEUDONYM_KEY_VARIABLE,
    VaultKeyError,
    attach_vault,
    build_vault,
    seen,
    vault_key,
)
from orchestration.plan import VAULT, Made, read_facts, write_state
from orchestration.runs import failure_reason
from orchestration.warehouse import vault_asset

CPR = {"pii": "P2", "key_domain": "citizen"}


@pytest.fixture
def drop(tmp_path: Path) -> Path:
    (tmp_path / "drop").mkdir()
    return tmp_path / "drop"


@pytest.fixture
def register(tmp_path: Path, drop: Path) -> Register:
    people = table({"format": "csv", "glob": "personer.csv"}, {}, "replace", ["cpr"])
    people["columns"] = {"cpr": {**column("cpr"), **CPR}}
    earlier = table({"format": "csv", "glob": "skift.csv", "encoding": "cp1252"}, {}, "replace", ["cpr"])
    earlier["columns"] = {"cpr": {**column("cpr"), **CPR}, "før": {**column("cpr"), **CPR, "earlier_cpr_of": "cpr"}}
    connection = {"protocol": "files", "transport": {"type": "local", "folder": str(drop)}}
    system: System = system_of(tmp_path / "register", "borger", connection, {"personer": people, "skift": earlier})
    return Register(systems={"borger": system})


def ids(home: Home) -> dict[str, str]:
    with duckdb.connect() as vault:
        attach_vault(vault, home)
        return {cpr: str(person) for cpr, person in vault.execute("select cpr, person_id from vault.person_keys").fetchall()}


def refresh(register: Register, home: Home) -> int:
    assert land_system(register.systems["borger"], home).failed == []
    return build_vault(register, home)


def test_every_way_of_writing_a_number_is_one_person(register: Register, drop: Path, home: Home) -> None:
    put(drop, "personer.csv", "cpr", "0101901234", "010190-1234", "101901234", " 010190 1234", "xxxxxx-xxxx", "")
    put(drop, "skift.csv", "cpr;før")
    assert refresh(register, home) == 1
    assert list(ids(home)) == ["0101901234"]
    assert home.vault.stat().st_mode & 0o077 == 0


def test_a_file_that_is_named_by_somebodys_number_goes_by_another_name(drop: Path, home: Home, tmp_path: Path) -> None:
    """Two such files stay two; by its own name a file that comes again is known, and replaces its rows alone."""
    of = table({"format": "csv", "glob": "*.csv"}, {"nr": "text"}, "append", ["nr"])
    of["columns"]["cpr"] = {**column("cpr"), **CPR}
    connection = {"protocol": "files", "transport": {"type": "local", "folder": str(drop)}, "quiet_seconds": 0}
    system = system_of(tmp_path / "register", "borger", connection, {"breve": of})
    register = Register(systems={"borger": system})

    def rows() -> list[tuple[str, str]]:
        return [(nr, ref) for nr, ref in fetch(home, "select nr, _source_ref from raw.breve order by nr", "borger")]

    put(drop, "brev_010190-1234_a.csv", "nr;cpr", "1;0101901234", "2;0101901234", "3;0101901234;x")
    put(drop, "brev_0202904321_a.csv", "nr;cpr", "4;0101901234")
    put(drop, "export_271126_0830.csv", "nr;cpr", "5;0303905555")
    refresh(register, home)
    before = read_logs(home, ["borger"])["borger"][-1]
    assert hide_persons_files(register.systems, home) == ["borger"]
    hidden = "brev_xxxxxx-xxxx_a.csv (fil 1)"
    plain = [("4", "brev_0202904321_a.csv"), ("5", "export_271126_0830.csv")]
    assert rows() == [("1", hidden), ("2", hidden), *plain]
    assert fetch(home, "select source_ref, source_row from raw.load_rejects", "borger") == [(hidden, 4)]
    noted = read_logs(home, ["borger"])["borger"][-1]
    assert noted == {**before, **{name: noted[name] for name in ("load_id", "started_at", "seconds", "changed_rows", "message")}}
    assert (noted["load_id"] > before["load_id"], noted["changed_rows"]) == (True, 2)
    assert (noted["started_at"] - before["started_at"]).total_seconds() < 0.001, "nothing is fresher for it"
    assert noted["message"].startswith(
        "borger.breve: 2 rows are from files that are named by a CPR number, and shown as from 'brev_xx"
    )
    assert hide_persons_files(register.systems, home) == []
    # It comes again, and another number turns out to be somebody's.
    put(drop, "brev_010190-1234_a.csv", "nr;cpr", "1;0202904321")
    refresh(register, home)
    assert rows() == [("1", hidden), *plain]
    assert dg.materialize([vault_asset(register, home)]).success
    assert seen(home).up_to["borger", "breve"] == read_logs(home, ["borger"])["borger"][-1]["load_id"]
    assert rows() == [("1", hidden), ("4", "brev_xxxxxx-xxxx_a.csv (fil 2)"), plain[1]]
    assert land_system(system, home).tables["breve"].status == "unchanged"
    assert rows() == [("1", hidden), ("4", "brev_xxxxxx-xxxx_a.csv (fil 2)"), plain[1]]


@pytest.mark.parametrize(
    ("make", "made"),
    [(build_vault, lambda home: home.vault), (write_profile, lambda home: home.warehouse)],
    ids=["vault", "warehouse"],
)
def test_what_is_not_made_whole_is_not_there(
    register: Register, home: Home, make: Callable[[Register, Home], object], made: Callable[[Home], Path]
) -> None:
    """Killed in the middle, or with a full disk, DuckDB leaves an empty file, which it never opens again."""
    home.path.mkdir(parents=True, exist_ok=True)
    build_platform(register, home)
    vault_key(home)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises((VaultKeyError, duckdb.IOException)):
            make(register, home)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not made(home).exists()
    make(register, home)
    assert made(home).stat().st_mode & 0o077 == 0
    assert [path.name for path in home.path.iterdir() if path.name.startswith(f".{made(home).name}")] == []


def test_ids_stay_from_night_to_night(register: Register, drop: Path, home: Home) -> None:
    put(drop, "personer.csv", "cpr", "0101901234")
    put(drop, "skift.csv", "cpr;før")
    refresh(register, home)
    before = ids(home)
    put(drop, "personer.csv", "cpr", "0101901234", "0202904321")
    assert refresh(register, home) == 1
    assert ids(home)["0101901234"] == before["0101901234"]
    assert len(set(ids(home).values())) == 2


def test_a_changed_number_stays_one_person_also_in_chains_and_when_told_late(register: Register, drop: Path, home: Home) -> None:
    put(drop, "personer.csv", "cpr", "0101901111")
    put(drop, "skift.csv", "cpr;før")
    refresh(register, home)
    first = ids(home)["0101901111"]
    put(drop, "personer.csv", "cpr", "0101901111", "0101903333", "0505905555")
    put(drop, "skift.csv", "cpr;før", "0101903333;0101902222")
    refresh(register, home)
    assert set(seen(home).moved.values()) == {""}, "0101903333 has had no other id before"
    put(drop, "skift.csv", "cpr;før", "0101902222;0101901111", "0101903333;0101902222")
    refresh(register, home)
    moved = seen(home).moved
    assert all(moved[name] for name in (("borger", "personer"), ("borger", "skift"))), "0101903333 is another person now"
    refresh(register, home)
    assert seen(home).moved == moved
    found = ids(home)
    assert {found["0101901111"], found["0101902222"], found["0101903333"]} == {first}
    assert found["0505905555"] != first


def test_a_vault_that_is_lost_is_not_made_anew_in_silence(home: Home) -> None:
    """Everybody would be somebody else, in what has been published too."""
    home.path.mkdir()
    vault = vault_asset(Register(systems={}), home)
    assert dg.materialize([vault]).success
    write_state(home, {VAULT: Made("look", "look", "", "ok")})
    copy = home.vault.rename(home.path / "copy")
    lost = dg.materialize([vault], raise_on_error=False)
    (failure,) = (failure_reason(event) for event in lost.all_events if event.is_step_failure)
    assert "Put it back from the back-up" in failure
    assert not home.vault.exists()
    copy.rename(home.vault)
    assert dg.materialize([vault]).success


@pytest.mark.parametrize("ahead", ["0 hours", "1 year"])
def test_a_vault_that_was_put_back_is_noticed(register: Register, drop: Path, home: Home, tmp_path: Path, ahead: str) -> None:
    """Whom it met since the copy gets another id: what the warehouse holds of them is of no use. Also where the clock was `ahead`
    one night.
    """
    put(drop, "personer.csv", "cpr", "0101901111")
    put(drop, "skift.csv", "cpr;før")
    refresh(register, home)
    with duckdb.connect() as vault:
        load_extension(vault, "httpfs")
        vault.execute(f"attach '{home.vault}' as vault (encryption_key '{vault_key(home)}')")
        vault.execute(f"update vault.looks set looked_at = looked_at + interval '{ahead}'")
    home.warehouse.parent.mkdir(parents=True, exist_ok=True)
    manifest = {"sources": {"personer": {"source_name": "borger", "name": "personer", "schema": "raw"}}}

    def persons() -> str:
        """Read who the table's persons are, as a build does, which notes the vault it was made with."""
        facts = read_facts(manifest, home)
        assert facts.vault
        write_state(home, {VAULT: facts.vault})
        return facts.persons["personer"]

    first = persons()
    copy = shutil.copyfile(home.vault, tmp_path / "copy")
    put(drop, "personer.csv", "cpr", "0101901111", "0202904321")
    refresh(register, home)
    met = ids(home)["0202904321"]
    assert persons() == first, "a newcomer stands in new rows alone"
    shutil.copyfile(copy, home.vault)
    refresh(register, home)
    assert ids(home)["0202904321"] != met
    again = persons()
    assert again != first
    refresh(register, home)
    assert persons() == again


def test_the_platform_file_tells_of_systems_that_never_loaded(register: Register, drop: Path, home: Home) -> None:
    drop.rmdir()
    land_system(register.systems["borger"], home)
    counts = build_platform(register, home)
    assert counts == {
        "systems": 1,
        "system_tables": 2,
        "system_columns": 3,
        "loads": 2,
        "rejects": 0,
        "column_lineage": 0,
        "metrics": 0,
    }
    log = read_logs(home, register.systems)["borger"]
    assert [entry["status"] for entry in log] == ["failed", "failed"]
    assert all("borger." in entry["message"] for entry in log)


def test_the_vault_is_encrypted_and_its_key_stands_in_no_other_file(register: Register, drop: Path, home: Home) -> None:
    put(drop, "personer.csv", "cpr", "0101901234")
    put(drop, "skift.csv", "cpr;før")
    refresh(register, home)
    assert b"0101901234" not in home.vault.read_bytes()
    with pytest.raises(duckdb.Error):
        duckdb.connect(str(home.vault), read_only=True)
    assert home.vault_key.stat().st_mode & 0o077 == 0
    build_platform(register, home)
    profile = write_profile(register, home).read_text()
    assert home.warehouse.stat().st_mode & 0o077 == 0
    key = home.vault_key.read_text()
    assert key not in profile
    assert not any(
        key.encode() in path.read_bytes() for path in home.path.rglob("*") if path.is_file() and path != home.vault_key
    )


def test_a_service_user_without_a_home_folder_needs_none(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As under `ProtectSystem=strict` and in the image. DuckDB installs extensions into `~/.duckdb`: nothing may be installed."""
    monkeypatch.setenv("HOME", "/dev/null/none")
    build_vault(Register(systems={}), home)
    assert home.vault.exists()
    with opened(tmp_path) as connection:
        load_extension(connection, "postgres_scanner")
        loaded = connection.execute("select loaded from duckdb_extensions() where extension_name = 'postgres_scanner'").fetchall()
    assert loaded == [(True,)]


def test_another_key_is_refused_in_words(register: Register, drop: Path, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    put(drop, "personer.csv", "cpr", "0101901234")
    put(drop, "skift.csv", "cpr;før")
    monkeypatch.setenv(KEY_VARIABLE, "a" * 32)
    refresh(register, home)
    assert not home.vault_key.exists()
    monkeypatch.setenv(KEY_VARIABLE, "b" * 32)
    with pytest.raises(VaultKeyError, match=KEY_VARIABLE) as caught:
        build_vault(register, home)
    assert "b" * 32 not in str(caught.value)
    with duckdb.connect() as connection, pytest.raises(VaultKeyError):
        attach_vault(connection, home)
    monkeypatch.delenv(KEY_VARIABLE)
    with pytest.raises(VaultKeyError, match="not its key"):
        vault_key(home)


def test_a_vault_that_cannot_be_read_is_no_wrong_key(home: Home) -> None:
    home.path.mkdir()
    home.vault.write_bytes(b"x" * 20_000)
    home.vault_key.write_text("a" * 32)
    failed = dg.materialize([vault_asset(Register(systems={}), home)], raise_on_error=False)
    (failure,) = (failure_reason(event) for event in failed.all_events if event.is_step_failure)
    assert failure.startswith(f"VaultKeyError: {home.vault} cannot be opened (IO Error: ")
    assert "put it back from the back-up" in failure
    assert "a" * 32 not in failure


def test_a_key_file_is_read_and_a_weak_key_refused(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_FILE_VARIABLE, str(tmp_path / "key"))
    with pytest.raises(VaultKeyError, match="no file"):
        vault_key(home)
    (tmp_path / "key").write_text("c" * 40 + "\n")
    assert vault_key(home) == "c" * 40
    monkeypatch.setenv(KEY_VARIABLE, "kort")
    with pytest.raises(VaultKeyError, match="32 or more"):
        vault_key(home)


def pseudonyms(home: Home) -> dict[tuple[str, str], str]:
    """By CPR number and purpose."""
    with duckdb.connect() as vault:
        attach_vault(vault, home)
        rows = vault.execute("select cpr, purpose, pseudonym from vault.person_keys join vault.pseudonyms using (person_id)")
        return {(cpr, purpose): name for cpr, purpose, name in rows.fetchall()}


def test_two_purposes_share_no_name_and_a_changed_number_keeps_its_name(register: Register, drop: Path, home: Home) -> None:
    put(drop, "personer.csv", "cpr", "0101901111", "6502801111")  # the second is a replacement number: a person like others
    put(drop, "skift.csv", "cpr;før")
    refresh(register, home)
    before = pseudonyms(home)
    purposes = {purpose for _, purpose in before}
    assert purposes == {"ydelsesadministration", "personaleadministration"}
    assert len(before) == len(set(before.values())) == 4
    put(drop, "personer.csv", "cpr", "0101902222", "6502801111")
    put(drop, "skift.csv", "cpr;før", "0101902222;0101901111")
    refresh(register, home)
    after = pseudonyms(home)
    assert all(after["0101902222", purpose] == before["0101901111", purpose] for purpose in purposes)
    assert len(set(after.values())) == 4


def test_a_name_is_the_standard_hmac_of_its_purposes_own_key(
    register: Register, drop: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Worked out by hand, from the secret and the vault alone; another secret gives everybody another name."""
    monkeypatch.setenv(PSEUDONYM_KEY_VARIABLE, "d" * 40)
    put(drop, "personer.csv", "cpr", "0101901111")
    put(drop, "skift.csv", "cpr;før")
    refresh(register, home)
    before = pseudonyms(home)
    person = ids(home)["0101901111"].encode()
    for (_, purpose), name in before.items():
        key = hmac.new(b"d" * 40, f"faellesdata pseudonym {purpose}".encode(), "sha256").digest()
        assert hmac.new(key, person, "sha256").hexdigest() == name
    monkeypatch.setenv(PSEUDONYM_KEY_VARIABLE, "e" * 40)
    refresh(register, home)
    assert not set(before.values()) & set(pseudonyms(home).values())


def test_names_without_their_key_are_not_made_anew_by_accident(register: Register, drop: Path, home: Home) -> None:
    put(drop, "personer.csv", "cpr", "0101901111")
    put(drop, "skift.csv", "cpr;før")
    refresh(register, home)
    assert home.pseudonym_key.stat().st_mode & 0o077 == 0
    home.pseudonym_key.unlink()
    with pytest.raises(VaultKeyError, match=PSEUDONYM_KEY_VARIABLE):
        build_vault(register, home)
