"""What a build has to make: what has news upstream, what the calendar makes new, what was changed, and what failed.

Every node of dbt (seed, model, snapshot, test) has a version: a digest of its code and of the versions of all it reads. The
warehouse holds the version with which each was last made (`main.build_state`); what would come out with the same version is left
as it is. A source's version is the load that last changed it, so nothing else has to be kept in step, and after a kill the next
build makes whatever was under way, since it was marked before it was begun.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ingestion.danish_time import DENMARK
from ingestion.home import Home

if TYPE_CHECKING:
    import duckdb

    from ingestion.vault import Seen

Node = Mapping[str, Any]
Reason = Literal["asked for", "new", "changed", "not finished", "news", "new day"]
MADE = ("seed", "model", "snapshot")
DATE = re.compile(r"\b(current_date|today\()", re.IGNORECASE)
TIME = re.compile(r"\b(current_timestamp|localtimestamp|now\(|get_current_time|current_localtime)", re.IGNORECASE)
FROM_RAW_ALONE = ("staging", "quality")
"""Schemas of which nothing is lost that is not in the raw files too."""
VAULT = "vault"
"""Under this name the state keeps which vault the warehouse was made with."""
_ALL = re.compile(r"\bgraph\.nodes\b")
_STATE = {
    "unique_id": "varchar primary key",
    "version": "varchar not null",
    "code": "varchar not null",
    "moment": "varchar not null",
    "status": "varchar not null",
    "built_at": "timestamp not null",
    "persons": "varchar default ''",
    "content": "varchar default ''",
}
_LATER = ("persons", "content")
"""Columns that homes of earlier versions do not have."""


@dataclass(frozen=True)
class Made:
    """How a node was last made.

    `status` is 'ok', 'failed', 'early' where its persons were not all in the vault yet, or 'begun' where it never came to an end.
    """

    version: str
    code: str
    moment: str
    """The date or the time of which its SQL made use; empty where it asks for neither."""
    status: str
    persons: str = ""
    """What changes when a CPR number in it becomes another person's."""
    content: str = ""
    """Of what asks for the date, a digest of the rows that came of it: on most days they are the same as yesterday's."""

    @property
    def read_as(self) -> str:
        """The version as its readers see it. It is another while the node is not finished: they are made again once it is."""
        return self.content or (self.version if self.status == "ok" else f"{self.version} {self.status}")


@dataclass(frozen=True)
class Step:
    """A node to make, why, and as what it will be noted."""

    unique_id: str
    name: str
    reason: Reason
    made: Made
    mend: bool = False
    """Whether the table stays, and takes in the rows that came and gives up those that went."""


@dataclass
class Facts:
    """What a plan follows from, beside the project."""

    sources: Mapping[str, str] = field(default_factory=dict)
    """A version for each source."""
    persons: Mapping[str, str] = field(default_factory=dict)
    """By source with CPR numbers, what changes when one of them becomes another person's."""
    early: Collection[str] = ()
    """Sources with CPR numbers that were loaded after the vault looked."""
    state: Mapping[str, Made] = field(default_factory=dict)
    relations: Collection[tuple[str, str]] = ()
    """Schema and name of the tables and views that are in the warehouse."""
    today: str = ""
    now: str = ""
    vault: Made | None = None
    """What is to be noted of the vault, under `VAULT`."""


class Project:
    """dbt's manifest, as far as a plan needs it. `root` is the project's folder."""

    def __init__(self, manifest: Mapping[str, Any], root: Path) -> None:
        self._nodes: Mapping[str, Node] = manifest["nodes"]
        self._sources: Mapping[str, Any] = manifest["sources"]
        self._macros: Mapping[str, Any] = manifest["macros"]
        self._name: str = manifest["metadata"]["project_name"]
        self._dbt: str = manifest["metadata"]["dbt_version"]
        self._root = root
        self._texts: dict[str, str] = {}

    def plan(
        self,
        facts: Facts,
        kinds: Collection[str],
        *,
        only: Collection[str] | None = None,
        without: Collection[str] = (),
        full: bool = False,
    ) -> list[Step]:
        """Return what to make of these resource types: of all, or of the nodes named in `only`; never those named in `without`.

        What is asked for by name is made whether it has news or not, and so is everything if `full`.
        """
        versions: dict[str, str] = {}
        steps = []
        for unique_id in self.order:
            node, before = self._nodes[unique_id], facts.state.get(unique_id)
            # What is not made now is read as it was made last.
            versions[unique_id] = before.read_as if before else ""
            if node["resource_type"] not in kinds or node["name"] in without or (only is not None and node["name"] not in only):
                continue
            made = self._made(node, facts, versions)
            if before and node["resource_type"] != "test" and (node["schema"], node["alias"]) not in facts.relations:
                before = None
            reason: Reason | None = "asked for" if full or only is not None else self._reason(node, made, before, facts, versions)
            if reason:
                # A node that is new for the date alone is made first (see `build`). Here it is taken to come out as it was.
                if reason != "new day":
                    versions[unique_id] = made.read_as
                steps.append(Step(unique_id, node["name"], reason, made, not full and _can_be_mended(node, made, before)))
        return steps

    def noted(self, steps: Iterable[Step], facts: Facts, contents: Mapping[str, str]) -> dict[str, Made]:
        """Return as what these nodes are noted when they have been made; `contents` are those that are known by now."""
        versions = {unique_id: made.read_as for unique_id, made in facts.state.items()}
        noted = {}
        for step in steps:
            made = self._made(self._nodes[step.unique_id], facts, versions)
            noted[step.unique_id] = replace(made, content=contents.get(step.unique_id, ""))
            versions[step.unique_id] = noted[step.unique_id].read_as
        return noted

    def readers(self, system_ids: Collection[str]) -> list[str]:
        """Return the names of what reads these systems' raw files, tests too."""
        sources = {key for key, source in self._sources.items() if source["source_name"] in system_ids}
        return [node["name"] for node in self._nodes.values() if not sources.isdisjoint(_parents(node))]

    def left_behind(self, relations: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        """Return which of these follow from raw files alone and are made by nobody any more: their system or table is gone."""
        made = {(node["schema"], node["alias"]) for node in self._nodes.values() if node["resource_type"] in MADE}
        return sorted(one for one in relations if one[0] in FROM_RAW_ALONE and one not in made)

    def looks_within(self, unique_id: str, made: Collection[str]) -> bool:
        """Return whether all models that the test reads were made. A test of every model looks at these too: it counts as one."""
        node = self._nodes[unique_id]
        return self._reads_all(node) or all(name in made for name in _parents(node) if name in self._nodes)

    def unchanged(self, steps: Iterable[Step], *, without: Collection[str]) -> list[str]:
        """Return what is neither to be made nor held back."""
        made = {step.unique_id for step in steps}
        nodes = ((unique_id, self._nodes[unique_id]) for unique_id in self.order if unique_id not in made)
        return [unique_id for unique_id, node in nodes if node["resource_type"] in MADE and node["name"] not in without]

    @cached_property
    def order(self) -> list[str]:
        """All nodes that are made or run, parents first."""
        from graphlib import TopologicalSorter

        nodes = {
            unique_id: node
            for unique_id, node in self._nodes.items()
            if node["resource_type"] in (*MADE, "test") and node["config"].get("materialized") != "ephemeral"
        }
        parents = {unique_id: [name for name in self._parents(node) if name in nodes] for unique_id, node in nodes.items()}
        return list(TopologicalSorter(parents).static_order())

    @cached_property
    def code(self) -> Mapping[str, str]:
        """By node, a digest of everything that is written down about how it is made."""
        return {unique_id: self._code(self._nodes[unique_id]) for unique_id in self.order}

    def _made(self, node: Node, facts: Facts, versions: Mapping[str, str]) -> Made:
        code, moment = self.code[node["unique_id"]], self._moment(node, facts)
        status = "early" if any(name in facts.early for name in _parents(node)) else "ok"
        return Made(
            _digest(code, moment, *self._read(node, facts, versions)), code, moment, status, self._persons(_parents(node), facts)
        )

    def _reason(self, node: Node, made: Made, before: Made | None, facts: Facts, versions: Mapping[str, str]) -> Reason | None:
        if before is None:
            return "new"
        if before.code != made.code:
            return "changed"
        if before.status != "ok":
            return "not finished"
        if before.version == made.version:
            return None
        same_but_for_the_date = _digest(made.code, before.moment, *self._read(node, facts, versions)) == before.version
        return "new day" if same_but_for_the_date else "news"

    def _read(self, node: Node, facts: Facts, versions: Mapping[str, str]) -> list[str]:
        """Return the versions of all that the node reads."""
        parents = sorted(self._parents(node))
        return [versions[name] if name in versions else self._source(name, parents, facts) for name in parents]

    def _parents(self, node: Node) -> list[str]:
        """Return what the node reads. dbt knows nothing of what a test finds for itself, by asking which models there are."""
        if not self._reads_all(node):
            return _parents(node)
        return [*_parents(node), *(name for name, other in self._nodes.items() if other["resource_type"] in MADE)]

    def _reads_all(self, node: Node) -> bool:
        return node["resource_type"] == "test" and any(
            _ALL.search(self._text(name)) for name in node["depends_on"].get("macros", [])
        )

    def _source(self, name: str, parents: Sequence[str], facts: Facts) -> str:
        of_the_vault = name in self._sources and self._sources[name]["source_name"] == "vault"
        # A table sees of the vault who its own numbers are: new persons elsewhere are no news here.
        return (self._persons(parents, facts) if of_the_vault else "") or facts.sources.get(name, "")

    def _persons(self, parents: Sequence[str], facts: Facts) -> str:
        seen = [facts.persons[name] for name in sorted(parents) if name in facts.persons]
        return _digest(*seen) if seen else ""

    def _moment(self, node: Node, facts: Facts) -> str:
        """Return the date or the time, where the node's SQL asks for it, itself or by a macro of ours."""
        asked = self.asks_for[node["unique_id"]]
        return facts.now if asked is TIME else facts.today if asked is DATE else ""

    @cached_property
    def asks_for(self) -> dict[str, re.Pattern[str] | None]:
        """By node, whether its SQL asks for the time or the date, itself or by a macro of ours."""
        found: dict[str, re.Pattern[str] | None] = {}
        for unique_id in self.order:
            node = self._nodes[unique_id]
            texts = [node["raw_code"], *(self._text(name) for name in node["depends_on"].get("macros", []))]
            found[unique_id] = next((asked for asked in (TIME, DATE) if any(map(asked.search, texts))), None)
        return found

    def _code(self, node: Node) -> str:
        parts = [
            self._dbt,
            # dbt keeps a path in place of a large seed's checksum.
            _file(self._root / node["original_file_path"]) if node["resource_type"] == "seed" else node["raw_code"],
            json.dumps({name: value for name, value in node["config"].items() if name != "meta"}, sort_keys=True, default=str),
            json.dumps({name: column.get("data_type") for name, column in node["columns"].items()}),
            json.dumps(node.get("test_metadata"), sort_keys=True, default=str),
            *(str(self._sources[name]["relation_name"]) for name in _parents(node) if name in self._sources),
            *(self._text(name) for name in sorted(node["depends_on"].get("macros", []))),
        ]
        if node["resource_type"] != "test":
            parts += [self._text(name) for name in sorted(self._macros) if ".materialization_" in name]
        return _digest(*parts)

    def _text(self, name: str) -> str:
        """Return what a macro of ours says, with all of ours that it calls. Those of dbt change with its version."""
        if name not in self._texts:
            reached: set[str] = set()
            pending = [name]
            while pending:
                macro = pending.pop()
                if macro not in reached and macro in self._macros:
                    reached.add(macro)
                    pending += self._macros[macro]["depends_on"]["macros"]
            ours = (self._macros[macro] for macro in sorted(reached))
            self._texts[name] = "\n".join(macro["macro_sql"] for macro in ours if macro["package_name"] == self._name)
        return self._texts[name]


def _can_be_mended(node: Node, made: Made, before: Made | None) -> bool:
    """Return whether the rows that stayed are what they would be made now: nothing has changed but which rows there are.

    Only of staging can that be said, since each of its rows comes of one row of raw: its SQL asks for them by `rows_of`.
    """
    return (
        before is not None
        and before.status == "ok"
        and (before.code, before.moment, before.persons) == (made.code, made.moment, made.persons)
        and any(name.endswith(".rows_of") for name in node["depends_on"].get("macros", []))
    )


def summary(steps: Iterable[Step], unchanged: int) -> str:
    """Say how many are to be made, and why."""
    reasons = Counter(step.reason for step in steps)
    why = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
    return f"{sum(reasons.values())} have to be made{f' ({why})' if why else ''}; {unchanged} have no news"


def read_facts(manifest: Mapping[str, Any], home: Home) -> Facts:
    """Return what a plan follows from, as it is now."""
    from ingestion.vault import seen

    vault = seen(home)
    state = read_state(home)
    era = _era(vault.looks, state.get(VAULT))
    versions, persons, early = _read_sources(manifest, home, vault, era.code)
    with _open(home) as connection:
        relations = set(connection.execute("select table_schema, table_name from information_schema.tables").fetchall())
        row = connection.execute("select current_date::varchar, now()::varchar").fetchone()
    today, now = row or ("", "")
    return Facts(versions, persons, early, state, relations, today, now, era)


def _era(looks: Sequence[str], before: Made | None) -> Made:
    """Return what is to be noted of the vault: as version its newest look, as code a name that stays while it is the same.

    It is the same while the look that was noted is among its looks. Otherwise it is another vault, or was put back from a copy.
    """
    look = looks[-1] if looks else ""
    era = before.code if before and before.version in (*looks, look) else look
    return Made(version=look, code=era, moment="", status="ok")


def read_state(home: Home) -> dict[str, Made]:
    """Return how each node was last made."""
    with _open(home) as connection:
        rows = connection.execute(
            "select unique_id, version, code, moment, status, persons, content from main.build_state"
        ).fetchall()
    return {unique_id: Made(*made) for unique_id, *made in rows}


def made_with_a_vault(home: Home) -> bool:
    """Return whether the warehouse, if there is one, holds persons by the ids of a vault."""
    noted = read_state(home).get(VAULT) if home.warehouse.exists() else None
    return noted is not None and noted.version != ""


def drop_left_behind(home: Home, project: Project) -> None:
    """Drop the tables of staging and quarantine that nobody makes any more: no row of a system that is gone stays there."""
    with _open(home) as connection:
        listed = connection.execute("select table_schema, table_name, table_type from information_schema.tables")
        kinds = {(schema, name): "view" if kind == "VIEW" else "table" for schema, name, kind in listed.fetchall()}
        for schema, name in project.left_behind(kinds):
            connection.execute(f'drop {kinds[schema, name]} "{schema}"."{name}"')


def read_contents(home: Home, nodes: Iterable[Any]) -> dict[str, str]:
    """Return a digest of the rows of each of these of dbt's nodes, by its unique id."""
    with _open(home) as connection:
        return {node.unique_id: _digest_of(connection, f'"{node.schema}"."{node.alias}"') for node in nodes}


def write_state(home: Home, made: Mapping[str, Made]) -> None:
    """Note how these nodes were made, all of them or none."""
    if not made:
        return
    now = datetime.now(UTC).replace(tzinfo=None)
    rows = [
        (unique_id, one.version, one.code, one.moment, one.status, now, one.persons, one.content)
        for unique_id, one in made.items()
    ]
    with _open(home) as connection:
        # One statement: row by row, 650 nodes take a second.
        columns = ", ".join(f"unnest(?) as {name}" for name in _STATE)
        connection.execute(
            f"insert or replace into main.build_state by name select {columns}",
            [list(column) for column in zip(*rows, strict=True)],
        )


def _read_sources(
    manifest: Mapping[str, Any], home: Home, vault: Seen, era: str
) -> tuple[dict[str, str], dict[str, str], set[str]]:
    """Return a version for each source; of those with CPR numbers who they are, and which the vault has not seen whole."""
    import duckdb

    from ingestion.platform import SYSTEM_ID
    from ingestion.raw_file import newest_changes, read_logs

    versions: dict[str, str] = {}
    persons: dict[str, str] = {}
    early: set[str] = set()
    systems = {source["source_name"] for source in manifest["sources"].values()} - {"vault", SYSTEM_ID}
    changes = {system: newest_changes(log) for system, log in read_logs(home, systems).items()}
    of_the_platform = {key: source for key, source in manifest["sources"].items() if source["source_name"] == SYSTEM_ID}
    if of_the_platform:
        with duckdb.connect(str(home.raw_file(SYSTEM_ID)), read_only=True) as connection:
            for unique_id, source in of_the_platform.items():
                versions[unique_id] = _digest_of(connection, f'{source["schema"]}."{source["name"]}"')
    for unique_id, source in manifest["sources"].items():
        system, table = source["source_name"], source["name"]
        if system == "vault":
            versions[unique_id] = vault.everyone
        elif system != SYSTEM_ID:
            versions[unique_id] = changes[system].get(table, "")
            if (system, table) in vault.up_to:
                persons[unique_id] = era + vault.moved[system, table]
                if vault.up_to[system, table] != versions[unique_id]:
                    early.add(unique_id)
    return versions, persons, early


def _digest_of(connection: duckdb.DuckDBPyConnection, table: str) -> str:
    """Return a digest of a small table's rows, in whatever order."""
    return str(connection.execute(f"select count(*), sum(md5_number_lower(one::varchar)) from {table} as one").fetchone())


def _open(home: Home) -> duckdb.DuckDBPyConnection:
    import duckdb

    connection = duckdb.connect(str(home.warehouse))
    connection.execute(f"set TimeZone = '{DENMARK.key}'")  # As dbt has it.
    columns = ", ".join(f"{name} {kind}" for name, kind in _STATE.items())
    connection.execute(f"create table if not exists main.build_state ({columns})")
    for name in _LATER:
        connection.execute(f"alter table main.build_state add column if not exists {name} {_STATE[name]}")
    return connection


def _parents(node: Node) -> list[str]:
    parents: list[str] = node["depends_on"].get("nodes", [])
    return parents


def _file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
