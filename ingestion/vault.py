"""The vault: the one place outside the raw zone that knows which CPR number is which person.

It gives every CPR number a random person id, the same for a person's earlier numbers. The id says nothing of the number: an
unkeyed hash would, since all 365 million possible numbers can be tried in minutes. The warehouse holds person ids only.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import uuid
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion.cpr import normalised_cpr
from ingestion.home import Home, for_us_alone, replaced
from ingestion.messages import one_line
from ingestion.raw_file import newest_changes, read_logs, unreadable
from ingestion.register import Register, System, Table
from ingestion.register.vocabulary import terms

if TYPE_CHECKING:
    import duckdb

PERSON_KEYS = (
    "create table if not exists person_keys (cpr varchar primary key, person_id uuid not null, first_seen timestamp not null)"
)
PSEUDONYMS = (
    "create table if not exists pseudonyms"
    " (purpose varchar not null, person_id uuid not null, pseudonym varchar not null, primary key (purpose, person_id))"
)
NUMBERS_SEEN = """
create table if not exists numbers_seen (
    system_id varchar, table_name varchar, column_name varchar, up_to varchar not null, moved varchar not null,
    primary key (system_id, table_name, column_name)
)
"""
LOOKS = "create table if not exists looks (look varchar primary key, looked_at timestamp not null)"
KEY_VARIABLE = "FAELLESDATA_VAULT_KEY"
KEY_FILE_VARIABLE = "FAELLESDATA_VAULT_KEY_FILE"
PSEUDONYM_KEY_VARIABLE = "FAELLESDATA_PSEUDONYM_KEY"
PSEUDONYM_KEY_FILE_VARIABLE = "FAELLESDATA_PSEUDONYM_KEY_FILE"


class VaultKeyError(Exception):
    """The vault's key is missing or cannot be used. One line, with what to do."""


def vault_key(home: Home) -> str:
    """Return the key that the vault is encrypted with.

    It comes from the environment (`FAELLESDATA_VAULT_KEY`, or the file that `FAELLESDATA_VAULT_KEY_FILE` names, as systemd and
    containers hand out secrets). Without either it is made once and kept in the home, readable by its owner only: good for a
    practice home, but a copy of the whole disk then holds lock and key.

    Raises:
        VaultKeyError: the file is not there, or the key is not of 32 or more letters and digits.
    """
    return _secret("vault's key", KEY_VARIABLE, KEY_FILE_VARIABLE, home.vault_key, replaceable=not home.vault.exists())


def _secret(name: str, variable: str, file_variable: str, kept: Path, *, replaceable: bool) -> str:
    """Return a secret from the environment or a file; where nobody gave one it is made, unless what it made is there already."""
    if os.environ.get(variable):
        key = os.environ[variable]
    else:
        path = Path(os.environ.get(file_variable) or kept)
        if not path.exists():
            if path != kept:
                raise VaultKeyError(f"there is no file {path}, which {file_variable} names. Put the {name} there")
            if not replaceable:
                raise VaultKeyError(f"the vault is there, but not its key: the {name}. Put it in {path}, or set {variable}")
            _make_key(path)
        key = path.read_text(encoding="ascii").strip()
    # DuckDB derives the cipher's key from this text, so its length is its strength; it goes into SQL, so no quotes.
    if not re.fullmatch(r"[A-Za-z0-9]{32,}", key):
        raise VaultKeyError(f"the {name} must be 32 or more letters and digits. `openssl rand -hex 32` makes one")
    return key


def _make_key(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        replaced(path) as draft,
        os.fdopen(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w", encoding="ascii") as file,
    ):
        file.write(secrets.token_hex(32))


def _not_opened(home: Home, error: duckdb.Error) -> VaultKeyError:
    """Return what to say of it, and to do about it: the statement that failed holds the key, and is never quoted."""
    import duckdb

    if isinstance(error, duckdb.IOException):
        return VaultKeyError(
            f"{home.vault} cannot be opened ({one_line(str(error).splitlines()[0])}). Close it where it is open in another "
            "program, give this user the right to write it; where it is damaged, put it back from the back-up"
        )
    return VaultKeyError(f"{home.vault} cannot be opened with the key given ({type(error).__name__}). Check {KEY_VARIABLE}")


def attach_vault(connection: duckdb.DuckDBPyConnection, home: Home) -> None:
    """Attach the vault, for reading, as `vault`.

    Raises:
        VaultKeyError: the key is missing, or is not the one the vault was made with; or the file cannot be opened.
    """
    import duckdb

    try:
        connection.execute(f"attach '{home.vault}' as vault (read_only, encryption_key '{vault_key(home)}')")
    except duckdb.Error as error:
        raise _not_opened(home, error) from None


def cpr_columns(register: Register) -> Iterator[tuple[System, str, Table, str]]:
    """Yield system, table name, table and source column name of every column that holds CPR numbers."""
    for system, name, table in register.tables():
        for column_name, column in table.columns.items():
            if column.type == "cpr":
                yield system, name, table, column_name


@for_us_alone()
def build_vault(register: Register, home: Home) -> int:
    """Give every CPR number in the raw files a person id in the encrypted vault; return how many numbers were new.

    A number that the CPR register names as somebody's earlier one shares that person's id. If both had ids of their own before
    the change was known, the one seen first is kept for both.
    """
    import duckdb
    from filelock import FileLock

    from ingestion.connectors.duck import load_extension

    home.make_work()
    register = register.without(unreadable(home, register.systems))
    with FileLock(home.work / "vault.lock"):
        key = vault_key(home)
        # What does not fit into memory fails: DuckDB would spill it, unencrypted, into the folder that we happen to stand in.
        with duckdb.connect(config={"autoinstall_known_extensions": False, "temp_directory": ""}) as connection:
            # DuckDB reads an encrypted file by itself, but writes one only with OpenSSL, which this extension brings.
            load_extension(connection, "httpfs")
            if not home.vault.exists():
                with home.draft_of(home.vault) as draft:
                    _open(connection, draft, key)
                    connection.execute("checkpoint vault; use memory; detach vault")
            try:
                _open(connection, home.vault, key)
            except duckdb.Error as error:
                raise _not_opened(home, error) from None
            # One transaction: a vault killed half-way must not have given one person two ids.
            connection.execute("begin")
            new = _add_numbers(connection, register, home)
            _join_earlier_numbers(connection, register, home)
            _note_moved(connection, register, home)
            _pseudonymise(connection, home)
            connection.execute("insert into looks values (?, now() at time zone 'UTC')", [str(uuid.uuid4())])
            connection.execute("commit")
            connection.execute("checkpoint vault")
            connection.execute("use memory")
        home.vault.chmod(0o600)
    return new


def _open(connection: duckdb.DuckDBPyConnection, file: Path, key: str) -> None:
    """Attach the file as `vault`, for writing, with all its tables."""
    connection.execute(f"attach '{file}' as vault (encryption_key '{key}')")
    connection.execute("use vault")
    for table in (PERSON_KEYS, PSEUDONYMS, NUMBERS_SEEN, LOOKS):
        connection.execute(table)


def _attached(connection: duckdb.DuckDBPyConnection, system: System, home: Home) -> str:
    alias = f"raw_{system.id}"
    connection.execute(f"attach if not exists '{home.raw_file(system.id)}' as {alias} (read_only)")
    return alias


def _add_numbers(connection: duckdb.DuckDBPyConnection, register: Register, home: Home) -> int:
    """Give the numbers of rows that came since the last look an id; return how many were new.

    A row's load is written in it, so what was looked through once is not read again.
    """
    # In memory: it never touches the disk unencrypted.
    connection.execute("create temporary table seen (cpr varchar)")
    known = {
        (system, table, column): up_to
        for system, table, column, up_to in connection.execute(
            "select system_id, table_name, column_name, up_to from numbers_seen"
        ).fetchall()
    }
    # Before the rows are read: what is loaded in between is not said to have been seen.
    logs = read_logs(home, {system.id for system, *_ in cpr_columns(register)})
    changes = {system_id: newest_changes(log) for system_id, log in logs.items()}
    for system, name, table, column in cpr_columns(register):
        if not home.raw_file(system.id).exists():
            continue
        newest, up_to = changes[system.id].get(name, ""), known.get((system.id, name, column))
        if newest == up_to:
            continue
        # A clock that was set back gives loads that sort before what was seen.
        since = up_to if up_to and up_to < newest else ""
        number = normalised_cpr("written")
        connection.execute(
            f"insert into seen select {number} from"
            f' (select distinct "{table.raw_names()[column]}" as written from {_attached(connection, system, home)}.raw."{name}"'
            f" where _dlt_load_id > ?) where {number} is not null",
            [since],
        )
        connection.execute(
            "insert into numbers_seen values (?, ?, ?, ?, '') on conflict do update set up_to = excluded.up_to",
            [system.id, name, column, newest],
        )
    numbers = [
        row[0]
        for row in connection.execute(
            "select distinct cpr from seen where cpr not in (select cpr from person_keys) order by cpr"
        ).fetchall()
    ]
    # Ids come from the operating system's generator: DuckDB's own uuid() can be predicted from earlier ones.
    import pyarrow as pa

    added = pa.table(
        {"cpr": pa.array(numbers, pa.string()), "person_id": pa.array([str(uuid.uuid4()) for _ in numbers], pa.string())}
    )
    connection.register("added", added)
    connection.execute("create temporary table newcomers as select cpr from added")
    connection.execute("insert into person_keys select cpr, cast(person_id as uuid), now() at time zone 'UTC' from added")
    connection.unregister("added")
    return len(numbers)


def _note_moved(connection: duckdb.DuckDBPyConnection, register: Register, home: Home) -> None:
    """Note which tables hold a number that was one person's before this look and is another's now."""
    if not connection.execute("select 1 from moved limit 1").fetchone():
        return
    for system, name, table, column in cpr_columns(register):
        if home.raw_file(system.id).exists():
            number = normalised_cpr(f'"{table.raw_names()[column]}"')
            among = f'select 1 from {_attached(connection, system, home)}.raw."{name}" where {number} in (select cpr from moved)'
            connection.execute(
                "update numbers_seen set moved = now()::varchar"
                f" where (system_id, table_name, column_name) = (?, ?, ?) and exists ({among})",
                [system.id, name, column],
            )


def known_numbers(home: Home, numbers: Collection[str]) -> set[str]:
    """Return those of the numbers that are somebody's.

    Raises:
        VaultKeyError: the vault cannot be opened.
    """
    import duckdb

    if not numbers:
        return set()
    with duckdb.connect() as connection:
        attach_vault(connection, home)
        asked = "select cpr from vault.person_keys where cpr in (select unnest(?))"
        return {number for (number,) in connection.execute(asked, [sorted(numbers)]).fetchall()}


@dataclass(frozen=True)
class Seen:
    """What the vault has seen, for who wants to know what is news to him."""

    up_to: dict[tuple[str, str], str] = field(default_factory=dict)
    """By system and table with CPR numbers, the load up to which they are known."""
    moved: dict[tuple[str, str], str] = field(default_factory=dict)
    """By system and table, when one of its numbers last became another person's: until then, its rows are who they were."""
    everyone: str = ""
    """A digest of all persons and their pseudonyms."""
    looks: Sequence[str] = ()
    """A name for each time it was built, the newest last. A vault without one of them is another, or was put back from a copy."""


def seen(home: Home) -> Seen:
    """Return what the vault has seen; nothing where there is none yet.

    Raises:
        VaultKeyError: the vault cannot be opened.
    """
    import duckdb

    if not home.vault.exists():
        return Seen()
    with duckdb.connect() as connection:
        attach_vault(connection, home)
        rows = connection.execute(
            "select system_id, table_name, min(up_to), max(moved) from vault.numbers_seen group by all"
        ).fetchall()
        everyone = [
            connection.execute(f"select sum(md5_number_lower({digested})) from vault.{table} as one").fetchone()
            for table, digested in (("person_keys", "cpr || person_id"), ("pseudonyms", "one::varchar"))
        ]
        # As they came: by its time, one by a clock that was ahead would be the newest for good.
        looks = [look for (look,) in connection.execute("select look from vault.looks order by rowid").fetchall()]
    return Seen(
        {(system, table): up_to for system, table, up_to, _ in rows},
        {(system, table): moved for system, table, _, moved in rows},
        str(everyone),
        looks,
    )


def _join_earlier_numbers(connection: duckdb.DuckDBPyConnection, register: Register, home: Home) -> None:
    pairs: list[tuple[str, str]] = []
    for system, name, table, column in cpr_columns(register):
        current = table.columns[column].earlier_cpr_of
        if current is None or not home.raw_file(system.id).exists():
            continue
        names = table.raw_names()
        earlier_sql, current_sql = normalised_cpr(f'"{names[column]}"'), normalised_cpr(f'"{names[current]}"')
        pairs += connection.execute(
            f'select distinct {earlier_sql}, {current_sql} from {_attached(connection, system, home)}.raw."{name}" '
            f"where {earlier_sql} is not null and {current_sql} is not null"
        ).fetchall()
    groups = _groups(pairs)
    import pyarrow as pa

    persons = pa.table({"cpr": pa.array(groups, pa.string()), "person": pa.array(map(min, groups.values()), pa.string())})
    connection.register("persons", persons)
    connection.execute(
        """
        create temporary table joined as
        select cpr, first_value(person_id) over (partition by person order by first_seen, cpr) as kept
        from persons inner join person_keys using (cpr)
        qualify kept <> person_id
        """
    )
    connection.unregister("persons")
    connection.execute("update person_keys set person_id = joined.kept from joined where person_keys.cpr = joined.cpr")
    # A number that is new itself stands in new rows alone.
    connection.execute("create temporary table moved as from joined anti join newcomers using (cpr)")


def _groups(pairs: list[tuple[str, str]]) -> dict[str, set[str]]:
    """Return for each number all numbers of the same person: changes may come in chains, and in any order."""
    groups: dict[str, set[str]] = {}
    for one, other in pairs:
        joined = groups.get(one, {one}) | groups.get(other, {other})
        for member in joined:
            groups[member] = joined
    return groups


def pseudonym(key: bytes, person_id: str) -> str:
    """Return the name that a person goes by under a purpose's key: HMAC-SHA256, in hexadecimal."""
    return hmac.digest(key, person_id.encode("ascii"), hashlib.sha256).hex()


def purpose_key(master: str, purpose: str) -> bytes:
    """Return the purpose's own key: who holds one purpose's key learns nothing of another's, or of the secret they come from."""
    return hmac.digest(master.encode("ascii"), f"faellesdata pseudonym {purpose}".encode("ascii"), hashlib.sha256)


def _pseudonymise(connection: duckdb.DuckDBPyConnection, home: Home) -> None:
    """Give each person a pseudonym for each purpose that the vocabulary marks `pseudonyms`.

    Here, in Python and once a person, and not in a model: SQL that is compiled and logged would hold the key.
    """
    connection.execute("delete from pseudonyms where person_id not in (select person_id from person_keys)")
    purposes = sorted(code for code, term in terms("purposes").items() if term.extra.get("pseudonyms"))
    known = connection.execute("select count(*) from pseudonyms").fetchone()
    master = _secret(
        "pseudonyms' key",
        PSEUDONYM_KEY_VARIABLE,
        PSEUDONYM_KEY_FILE_VARIABLE,
        home.pseudonym_key,
        replaceable=not known or known[0] == 0,
    )
    for purpose in purposes:
        key = purpose_key(master, purpose)
        sample = connection.execute(
            "select cast(person_id as varchar), pseudonym from pseudonyms where purpose = ? limit 1", [purpose]
        ).fetchone()
        if sample and pseudonym(key, sample[0]) != sample[1]:
            # The key was changed: all get new names, none keeps an old one beside them.
            connection.execute("delete from pseudonyms where purpose = ?", [purpose])
        persons = [
            row[0]
            for row in connection.execute(
                "select distinct cast(person_id as varchar) from person_keys"
                " where person_id not in (select person_id from pseudonyms where purpose = ?)",
                [purpose],
            ).fetchall()
        ]
        _store_pseudonyms(connection, purpose, key, persons)


def _store_pseudonyms(connection: duckdb.DuckDBPyConnection, purpose: str, key: bytes, persons: Sequence[str]) -> None:
    import pyarrow as pa

    named = pa.table(
        {
            "person_id": pa.array(persons, pa.string()),
            "pseudonym": pa.array([pseudonym(key, person) for person in persons], pa.string()),
        }
    )
    connection.register("named", named)
    connection.execute("insert into pseudonyms select ?, cast(person_id as uuid), pseudonym from named", [purpose])
    connection.unregister("named")
