"""Publish what a role may see: a fresh DuckDB file and a Parquet folder per version, switched in one step.

A role's file is built from nothing, never copied and thinned out: rows deleted from a DuckDB file stay readable in its bytes.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestion.connectors.duck import literal
from ingestion.cpr import found_in
from ingestion.danish_time import written
from ingestion.home import Home
from ingestion.messages import one_line
from ingestion.vault import attach_vault
from serving.disclosure import TEST, Question, questions, recoverable, shown_small, told_by_two
from serving.purposes import CONFIDENTIAL

if TYPE_CHECKING:
    import duckdb

Nodes = Mapping[str, Mapping[str, Any]]
"""The nodes of dbt's manifest, by unique id."""
DATABASE = "faellesdata.duckdb"
MANIFEST = "manifest.json"
EXAMPLES = "eksempler"
VERSION = "%Y%m%dT%H%M%S.%fZ"
"""How a version is named: by its time, in UTC."""
_REF = re.compile(r"{{ ref\('(\w+)'\) }}")
"""From this class on a mart has rows about persons."""


class PublicationError(Exception):
    """A version may not or cannot be published; the one before stays current."""


@dataclass(frozen=True)
class Column:
    name: str
    description: str


@dataclass(frozen=True)
class PublishedTable:
    """A model of the warehouse that a role may see."""

    name: str
    schema: str
    description: str
    columns: tuple[Column, ...]
    hides: bool = False
    """Whether the model says that it hides small cells."""
    question: Question | None = None
    """What must not be recoverable from it."""
    grain: tuple[str, ...] = ()
    """The columns that tell its rows apart."""
    personal: bool = False
    """Whether it has rows about persons."""
    contract: bool = False
    """Whether dbt sees to it that it has these columns and no others."""
    database: str = "warehouse"
    """Where it is read from: the warehouse, or the version `before` of what a blocking test holds back."""

    @property
    def relation(self) -> str:
        return f'{self.database}."{self.schema}"."{self.name}"'


@dataclass
class Publication:
    """A published version. `tables` gives rows by table."""

    role: str
    version: str
    path: Path
    tables: dict[str, int] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    """Tables that were never built, or held without a version to show: they come when that is mended."""
    held: dict[str, str] = field(default_factory=dict)
    """Tables that are as in an earlier version, and in which: a blocking test failed, or they are refused or outdated."""
    outdated: list[str] = field(default_factory=list)
    """Tables that were not built since the project changed their columns."""
    refused: dict[str, str] = field(default_factory=dict)
    """Why the guard refused a table as it is now, and what its readers have instead."""
    unchanged_sets: dict[str, int] = field(default_factory=dict)
    """How many sets of a table are as in the version before, because the two together would tell what each hides."""

    def notes(self) -> list[str]:
        """Return what its readers do not have as it stands in the warehouse, and why: a line for each reason."""
        groups = (
            ("Not built since their columns changed: run `faellesdata refresh`", self.outdated),
            ("As in an earlier version", self.held),
            ("Not there, having never been built or let through", self.missing),
        )
        return [*self.refused.values(), *(f"{said}: {', '.join(names)}" for said, names in groups if names)]


def tables_for(role: str, manifest: Mapping[str, Any]) -> list[PublishedTable]:
    """Return the models whose dbt `meta.audience` names `role`, by name.

    Raises:
        PublicationError: no model is meant for the role.
    """
    asked = questions(manifest)
    found = [
        PublishedTable(
            node["alias"],
            node["schema"],
            node["description"],
            tuple(Column(column["name"], column["description"]) for column in node["columns"].values()),
            "suppression" in node["config"].get("meta", {}),
            asked.get(unique_id),
            tuple(node["config"].get("meta", {}).get("grain", ())),
            node["config"].get("meta", {}).get("classification", "") >= CONFIDENTIAL,
            bool(node["config"].get("contract", {}).get("enforced")),
        )
        for unique_id, node in manifest["nodes"].items()
        if node["resource_type"] in ("model", "seed") and role in node["config"].get("meta", {}).get("audience", [])
    ]
    if not found:
        raise PublicationError(f"no model names '{role}' in its `meta.audience`. Check the role's spelling")
    return sorted(found, key=lambda table: table.name)


def publish(home: Home, role: str, *, keep: int = 3) -> Publication:
    """Build and switch to a new version of what `role` may see, and remove all but the `keep` newest versions.

    Raises:
        PublicationError: no dbt manifest or warehouse, nothing to publish, or nothing that the guard lets through; the version
            before stays current.
    """
    from filelock import FileLock

    if not home.manifest.exists():
        raise PublicationError(f"no dbt manifest at {home.manifest}. Run `faellesdata refresh` first")
    manifest = json.loads(home.manifest.read_bytes())
    tables = tables_for(role, manifest)
    folder = home.published / role
    home.published.mkdir(parents=True, exist_ok=True)
    personal = any(table.personal for table in tables)
    folder.mkdir(mode=0o700 if personal else 0o777, exist_ok=True)
    if personal:
        # Rows about persons are for their role: for a group, once somebody has said for which, and never for all on the machine.
        folder.chmod(folder.stat().st_mode & 0o770)
    with FileLock(home.work / f"publish-{role}.lock"):
        _sweep(folder)
        now = datetime.now(UTC)
        version = now.strftime(VERSION)
        building = folder / f".building-{version}"
        (building / "parquet").mkdir(parents=True)
        publication = Publication(role, version, folder / version)
        try:
            built = _build(home, tables, building, publication, manifest["nodes"])
            _write_examples(building, manifest["nodes"].values(), publication)
            _write_manifest(building, publication, now, built)
            building.rename(publication.path)
        finally:
            _sweep(folder)
        _switch(folder, version)
        _prune(folder, version, keep)
    return publication


def _sweep(folder: Path) -> None:
    """Remove what was not finished: nobody reads it, and a disk that it filled stays full for the next night's loads."""
    for leftover in folder.glob(".building-*"):
        shutil.rmtree(leftover)


def _built(
    connection: duckdb.DuckDBPyConnection, tables: list[PublishedTable], nodes: Nodes, publication: Publication, *, vault: bool
) -> list[PublishedTable]:
    """Return the tables that can be published, each from where it is to be read, and note why another cannot.

    A new one whose first build failed keeps no other from its readers; one that a blocking test found wanting, or that the guard
    refuses, stays as it was, with all that is built from it; so does one that another version of the project made, since it may
    hold what was meant for others. What readers have already is held against today's vault and rules too.
    """
    known = _known(connection)
    there = [table for table in tables if ("warehouse", table.schema, table.name) in known]
    made = [table for table in there if _is_as_declared(connection, table)]
    if not made:
        raise PublicationError(
            "nothing of what is to be published has been built since its columns changed, if ever. Run `faellesdata refresh`"
        )
    publication.outdated = [table.name for table in there if table not in made]
    refused = {table.name: why for table in made if (why := _refusal(connection, table, vault=vault))}
    held = _held(nodes, _wanting(connection, nodes) | {key for key, node in nodes.items() if node.get("alias") in refused})
    if refused and held.issuperset(table.name for table in made):
        raise PublicationError(f"{'; '.join(refused.values())}. Nothing was published")
    publication.refused = {name: f"{why}. Its readers have none" for name, why in refused.items()}
    built = [table for table in made if table.name not in held]
    for table in tables:
        before = replace(table, database="before", schema="main")
        if table.name not in held.union(publication.outdated) or ("before", "main", table.name) not in known:
            continue
        if why := _refusal(connection, before, vault=vault):
            publication.refused[table.name] = f"{why}. What its readers had is refused too, and stands in the versions before"
        elif _is_as_declared(connection, before):
            built.append(before)
            publication.held[table.name] = _as_of(publication.path.parent / "current", table.name)
            if table.name in refused:
                publication.refused[table.name] = f"{refused[table.name]}. Its readers have it as before"
    publication.missing = sorted({table.name for table in tables} - {table.name for table in built})
    return sorted(built, key=lambda table: table.name)


def _known(connection: duckdb.DuckDBPyConnection) -> set[tuple[str, str, str]]:
    return set(connection.execute("select table_catalog, table_schema, table_name from information_schema.tables").fetchall())


def _wanting(connection: duckdb.DuckDBPyConnection, nodes: Nodes) -> set[str]:
    """Return what a failed test that blocks looks at."""
    if ("warehouse", "main", "build_state") not in _known(connection):
        return set()
    rows = connection.execute("select unique_id from warehouse.main.build_state where status = 'failed'").fetchall()
    failed = [nodes[test] for (test,) in rows if test in nodes and blocks(nodes[test], nodes)]
    return {parent for test in failed for parent in test["depends_on"]["nodes"]}


def _is_as_declared(connection: duckdb.DuckDBPyConnection, table: PublishedTable) -> bool:
    """Return whether a table has the columns of its contract, where it has one; what readers have may lack some, but no more."""
    names = {name for name, *_ in connection.execute(f"describe {table.relation}").fetchall()}
    declared = {column.name for column in table.columns}
    return not table.contract or names == declared or (table.database == "before" and names < declared)


def _as_of(before: Path, name: str) -> str:
    """Return the version in which a table of the version `before` was made."""
    told = json.loads((before / MANIFEST).read_text(encoding="utf-8"))
    return str(told["tables"][name].get("as_of", told["version"]))


def _held(nodes: Nodes, held: set[str]) -> set[str]:
    """Return the names of these nodes, and of all that is built from them."""
    while more := {key for key, node in nodes.items() if not held.isdisjoint(node.get("depends_on", {}).get("nodes", []))} - held:
        held |= more
    return {nodes[key]["alias"] for key in held if key in nodes}


def blocks(test: Mapping[str, Any], nodes: Nodes) -> bool:
    """Return whether the failure of this dbt test fails the build's run and keeps what it looks at from readers.

    It says so itself (`meta: {blocking: true}`), or the model does that it is declared under, for all of its tests.
    """
    declaring = (test, nodes.get(test.get("attached_node") or "", {}))
    return any((node.get("config", {}).get("meta") or {}).get("blocking") for node in declaring)


def _build(
    home: Home, tables: list[PublishedTable], building: Path, publication: Publication, nodes: Nodes
) -> list[PublishedTable]:
    import duckdb

    current, versions = building.parent / "current", []
    with duckdb.connect(config={"temp_directory": str(home.make_work() / "spill")}) as connection:
        try:
            connection.execute(f"attach '{home.warehouse}' as warehouse (read_only)")
        except duckdb.IOException as error:
            raise PublicationError(
                f"{home.warehouse} cannot be opened ({one_line(error)}). Close it where it is open in another program, or "
                "make it with `faellesdata refresh`"
            ) from None
        for position, path in enumerate(reversed(_versions(building.parent))):
            if (path / DATABASE).exists():
                versions.append("before" if path.name == current.resolve().name else f"kept_{position}")
                connection.execute(f"attach '{path / DATABASE}' as {versions[-1]} (read_only)")
        # v1.0.0 opens in every DuckDB from 1.0 on: BI tools bring their own, often older one.
        connection.execute(f"attach '{building / DATABASE}' as published (storage_version 'v1.0.0')")
        if home.vault.exists():
            attach_vault(connection, home)
        built = _built(connection, tables, nodes, publication, vault=home.vault.exists())
        for table in built:
            target = f'published.main."{table.name}"'
            unchanged = _unchanged_sets(connection, table, versions) if table.database != "before" else ""
            # A mart's windows leave the smallest hidden cell of a set first: the order is by what is shown.
            rows = f"select {_readable(connection, table)} from (from {table.relation} as one {unchanged})"
            connection.execute(f"create table {target} as {rows} order by all")
            if unchanged:
                ((publication.unchanged_sets[table.name],),) = connection.execute("select count(*) from told_by_two").fetchall()
            then = publication.held.get(table.name)
            description = f"Som i udgaven fra {_moment(then)}, ikke nattens. {table.description}" if then else table.description
            connection.execute(f"comment on table {target} is {literal(description)}")
            names = {name for name, *_ in connection.execute(f"describe {target}").fetchall()}
            for column in table.columns:
                if column.description and column.name in names:
                    connection.execute(f'comment on column {target}."{column.name}" is {literal(column.description)}')
            parquet = building / "parquet" / f"{table.name}.parquet"
            connection.execute(f"copy {target} to '{parquet}' (format parquet, compression zstd)")
            ((publication.tables[table.name],),) = connection.execute(f"select count(*) from {target}").fetchall()
        connection.execute("checkpoint published")
    return built


def _moment(version: str) -> str:
    return written(datetime.strptime(version, VERSION).replace(tzinfo=UTC))


def _readable(connection: duckdb.DuckDBPyConnection, table: PublishedTable) -> str:
    """Return what is selected of a table: UUIDs as text, since Power BI shows none of a type that it takes for binary."""
    described = connection.execute(f"describe {table.relation}").fetchall()
    uuids = ", ".join(f'"{name}"::varchar as "{name}"' for name, kind, *_ in described if kind == "UUID")
    return f"* replace ({uuids})" if uuids else "*"


def _unchanged_sets(connection: duckdb.DuckDBPyConnection, table: PublishedTable, versions: Sequence[str]) -> str:
    """Return the clauses by which sets that would be told by two versions are taken from the one before; "" where there is none.

    `versions` are those that readers have, newest first; `told_by_two` holds the sets afterwards. A table with other columns than
    before is a new one, as is one whose cells cannot be told apart: nothing is compared. Nor is a version that gives away what
    today's rule hides kept to: it would be shown for good.
    """
    if table.question is None or not table.grain:
        return ""
    same_set = " and ".join(f"one.{column} is not distinct from told.{column}" for column in table.question["within"])
    columns, kept, told = _columns(connection, table.relation), "", "false"
    for version in versions:
        before = f'{version}.main."{table.name}"'
        if _columns(connection, before) != columns or any(recoverable(connection, before, table.question)):
            continue
        if told_by_two(connection, before, table.relation, table.grain, table.question, f"told_{version}"):
            here = f"exists (select 1 from told_{version} as told where {same_set})"
            kept += f" union all by name from {before} as one where {here} and not ({told})"
            sets = f"from told_{version}" if told == "false" else f"from told_by_two union from told_{version}"
            connection.execute(f"create or replace temp table told_by_two as {sets}")
            told += f" or {here}"
    return f"where not ({told}){kept}" if kept else ""


def _columns(connection: duckdb.DuckDBPyConnection, relation: str) -> set[tuple[str, str]]:
    """Return names and types as they are published; none where there is no such table."""
    import duckdb

    try:
        return {
            (name, kind.replace("UUID", "VARCHAR")) for name, kind, *_ in connection.execute(f"describe {relation}").fetchall()
        }
    except duckdb.CatalogException:
        return set()


def _refusal(connection: duckdb.DuckDBPyConnection, table: PublishedTable, *, vault: bool) -> str:
    """Return why a table may not be published; "" where it may."""
    import duckdb

    try:
        _refuse_cpr(connection, table, vault=vault)
        _refuse_recoverable(connection, table)
    except PublicationError as error:
        return str(error)
    except duckdb.BinderException as error:
        return f"{table.name} has not what its test {TEST} asks about: {one_line(str(error).split(chr(10))[0])}"
    return ""


def _refuse_cpr(connection: duckdb.DuckDBPyConnection, table: PublishedTable, *, vault: bool) -> None:
    """Stop if a text holds a CPR number that the vault knows, or a column is a person id: no rule upstream is trusted alone."""
    source = table.relation
    for name, kind, *_ in connection.execute(f"describe {source}").fetchall():
        if name == "person_id" or name.endswith("_person_id"):
            raise PublicationError(
                f"{table.name}.{name} is a person id. Publish aggregates, or a pseudonym of the role's own purpose"
            )
        if not vault:
            continue
        if leak := _cpr_numbers(connection, source, name, kind):
            raise PublicationError(f"{table.name}.{name} holds {leak} CPR numbers: find the model that lets them through")


def _refuse_recoverable(connection: duckdb.DuckDBPyConnection, table: PublishedTable) -> None:
    """Stop if the model shows a small cell, or hides one that can be worked out from its totals."""
    if table.question is None:
        if table.hides:
            raise PublicationError(
                f"{table.name} hides small cells, and no test {TEST} says how its totals are kept from telling"
            )
        return
    if small := list(shown_small(connection, table.relation, table.question)):
        raise PublicationError(f"{table.name} shows counts of few persons: {', '.join(small)}: hide them (`hidden_cell`)")
    found = list(recoverable(connection, table.relation, table.question))
    if found:
        raise PublicationError(f"{table.name} gives hidden cells away: {', '.join(found)}: hide a second cell beside each")


def _cpr_numbers(connection: duckdb.DuckDBPyConnection, source: str, name: str, kind: str) -> int:
    """Return how many CPR numbers that the vault knows are in a column, however they are written."""
    text, where = f'cast("{name}" as varchar)', ""
    if kind.endswith(("INT", "INTEGER", "DOUBLE", "FLOAT")) or (kind.startswith("DECIMAL") and not kind.endswith("[]")):
        # One amount in many may look like somebody's number: it is when the column is of numbers as long.
        low, high = 10**8, 10**10 - 1
        long = f'("{name}" = trunc("{name}") and ("{name}" between {low} and {high} or "{name}" between {-high} and {-low}))'
        text = f'cast(try_cast("{name}" as bigint) as varchar)'
        where = f"where {long} and (select avg({long}::integer) >= 0.5 from {source})"
    elif not (kind == "JSON" or kind.startswith(("VARCHAR", "STRUCT", "MAP")) or kind.endswith("[]")):
        return 0
    if name == "p_nummer":
        # As the macro `like_p_nummer` has it: in a city some P-numbers are somebody's CPR number too.
        text = f"regexp_replace({text}, '^10[0-9]{{8}}$', '')"
    numbers = found_in(text, f"{source} {where}")
    found = connection.execute(f"select count(*) from ({numbers}) join vault.person_keys using (cpr)").fetchone()
    return int(found[0]) if found else 0


def _write_manifest(building: Path, publication: Publication, now: datetime, tables: list[PublishedTable]) -> None:
    def checksum(path: Path) -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    manifest: dict[str, Any] = {
        "role": publication.role,
        "version": publication.version,
        "published_at": now.isoformat(),
        "database": {"file": DATABASE, "sha256": checksum(building / DATABASE)},
        "tables": {
            table.name: {
                "rows": publication.tables[table.name],
                "file": f"parquet/{table.name}.parquet",
                "sha256": checksum(building / "parquet" / f"{table.name}.parquet"),
                "description": table.description,
                **({"as_of": publication.held[table.name]} if table.name in publication.held else {}),
                **({"unchanged_sets": unchanged} if (unchanged := publication.unchanged_sets.get(table.name)) else {}),
            }
            for table in tables
        },
    }
    (building / MANIFEST).write_text(json.dumps(manifest, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _write_examples(building: Path, nodes: Iterable[Mapping[str, Any]], publication: Publication) -> None:
    """Write dbt's analyses that ask these tables alone, as SQL that runs on the file beside them."""
    (building / EXAMPLES).mkdir()
    for node in nodes:
        if node["resource_type"] == "analysis" and publication.tables.keys() >= set(_REF.findall(node["raw_code"])):
            sql = _REF.sub(r"\1", node["raw_code"])
            (building / EXAMPLES / f"{node['name']}.sql").write_text(f"{sql}\n", encoding="utf-8")


def _switch(folder: Path, version: str) -> None:
    link = folder / ".current-new"
    link.unlink(missing_ok=True)
    link.symlink_to(version, target_is_directory=True)
    link.replace(folder / "current")


def _prune(folder: Path, version: str, keep: int) -> None:
    for old in _versions(folder)[: -max(keep, 1)]:
        if old.name != version:
            shutil.rmtree(old)


def _versions(folder: Path) -> list[Path]:
    """Return the versions that readers have, oldest first."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink() and not path.name.startswith("."))


def current(home: Home, role: str) -> Path:
    """Return the folder of the role's current version.

    Raises:
        PublicationError: nothing has been published for the role.
    """
    link = home.published / role / "current"
    if not link.exists():
        known = sorted(path.name for path in home.published.iterdir()) if home.published.exists() else []
        raise PublicationError(
            f"nothing is published for '{role}' in {home.path}."
            + (f" There is: {', '.join(known)}" if known else " Run `faellesdata demo` or `faellesdata refresh` first")
        )
    # The real folder, not the link: an open connection must stay on one version while the link moves on.
    return link.resolve()
