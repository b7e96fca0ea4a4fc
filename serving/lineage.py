"""Column-level lineage: from every column of the warehouse back to the columns it is made of, and at last to a system's own.

sqlglot parses what dbt compiled and says what each name means; here is only followed what each column is made of. A column is
used for its value, or in a condition (of a `case`, a filter, a window) that decides which value is shown. `*` stands for rows.

Generated staging models are not parsed: their columns are the register's, one from one. The quarantine is an end of its own:
all columns of all systems are in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from ingestion.register.generate import MARK

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.optimizer.scope import Scope

ROWS = "*"
QUARANTINE = "quarantine"
Manifest = Mapping[str, Any]
Node = Mapping[str, Any]


@dataclass(frozen=True, order=True)
class Use:
    """A column that another is made of: the dbt unique id of its relation, its name, and whether its value goes in."""

    relation: str
    column: str
    direct: bool


Content = dict[str, Any]
"""What `lineage` returns: `edges`, `origins` (rows of the table `column_lineage`) and `problems` (by model)."""
Edges = dict[str, dict[str, list[Use]]]
"""By dbt unique id and column: what it is made of; by `ROWS`, whose rows they are. A column of constants has an empty list."""


@dataclass(frozen=True)
class Origin:
    """Where a column of a mart begins. `system_id` is None for seeds, the quarantine and constants."""

    mart: str
    mart_column: str
    kind: str
    system_id: str | None
    table_name: str | None
    source_column: str | None
    direct: bool
    path: tuple[str, ...]


def to_compile(manifest: Manifest) -> list[str]:
    """Return the names of the models whose SQL must be read: all that are not generated from the register."""
    return sorted(node["name"] for node in _relations(manifest) if _is_written(node) and not _is_python(node))


def lineage(manifest: Manifest, compiled: Mapping[str, str]) -> Content:
    """Return the lineage as it is kept in the home.

    `edges` gives, by dbt unique id and column, what the column is made of: `relation` (a dbt unique id), `column` and `direct`.
    """
    problems: dict[str, str] = {}
    edges = column_edges(manifest, compiled, problems)
    return {
        "edges": {
            relation: {column: [asdict(use) for use in uses] for column, uses in columns.items() if column != ROWS}
            for relation, columns in edges.items()
        },
        "origins": [
            {**asdict(origin), "depth": len(origin.path) - 1, "path": " < ".join(origin.path)}
            for origin in origins(manifest, edges)
        ],
        "problems": problems,
    }


def column_edges(manifest: Manifest, compiled: Mapping[str, str], problems: dict[str, str]) -> Edges:
    """Return what each column of each relation is made of.

    Args:
        manifest: dbt's manifest.
        compiled: SQL by the dbt unique id of every model that `to_compile` names.
        problems: takes a line for each model that cannot be read; its columns have no lineage.
    """
    from sqlglot.errors import SqlglotError

    edges: Edges = {}
    columns = {node["unique_id"]: list(node["columns"]) for node in [*_relations(manifest), *manifest["sources"].values()]}
    for unique_id in _in_order(manifest):
        node = manifest["nodes"][unique_id]
        if unique_id in compiled:
            try:
                edges[unique_id] = _parsed(manifest, compiled[unique_id], columns)
            except SqlglotError as error:
                problems[node["name"]] = " ".join(str(error).split())
                continue
            columns[unique_id] = [column for column in edges[unique_id] if column != ROWS]
        elif _is_python(node):
            edges[unique_id] = _declared(node, problems)
        elif _is_written(node):
            problems[node["name"]] = "does not compile"
        elif node["name"].startswith("stg_"):
            edges[unique_id] = dict(_staged(manifest, node))
    return edges


def origins(manifest: Manifest, edges: Edges) -> Iterator[Origin]:
    """Yield where each column of each mart begins: by value rather than by condition where both lead there, the shortest way."""
    for node in sorted(_relations(manifest), key=lambda node: str(node["name"])):
        if node["schema"] == "marts" or node["config"].get("meta", {}).get("audience"):
            for column in edges.get(node["unique_id"], {}):
                if column != ROWS:
                    yield from _origins_of(manifest, edges, node, column)


def _relations(manifest: Manifest) -> list[Node]:
    return [node for node in manifest["nodes"].values() if node["resource_type"] in ("model", "snapshot", "seed")]


def _is_written(node: Node) -> bool:
    return node["resource_type"] != "seed" and MARK not in node["raw_code"][:200]


def _is_python(node: Node) -> bool:
    return node.get("language") == "python"


def _declared(node: Node, problems: dict[str, str]) -> dict[str, list[Use]]:
    """Return what a Python model's columns say they are made of (`meta.made_of`: `relation.column`): there is no SQL to read."""
    parents = {name.rpartition(".")[2]: name for name in node["depends_on"]["nodes"]}
    found: dict[str, list[Use]] = {}
    for name, column in node["columns"].items():
        made_of = [entry.partition(".") for entry in column["config"]["meta"].get("made_of", ())]
        if not made_of or any(relation not in parents for relation, _, _ in made_of):
            problems[node["name"]] = f"{name} does not say in meta.made_of which columns of which parents it is made of"
        found[name] = [Use(parents[relation], source, True) for relation, _, source in made_of if relation in parents]
    return found


def _in_order(manifest: Manifest) -> Iterator[str]:
    """Yield the relations' unique ids, each after those it reads."""
    seen: set[str] = set()

    def visit(unique_id: str) -> Iterator[str]:
        node = manifest["nodes"].get(unique_id)
        if node is None or unique_id in seen:
            return
        seen.add(unique_id)
        for parent in node.get("depends_on", {}).get("nodes", ()):
            yield from visit(parent)
        yield unique_id

    for node in _relations(manifest):
        yield from visit(node["unique_id"])


def _staged(manifest: Manifest, node: Node) -> Iterator[tuple[str, list[Use]]]:
    sources = [name for name in node["depends_on"]["nodes"] if name.startswith("source.") and ".vault." not in name]
    for source in sources:
        by_name = {_source_name(column): name for name, column in manifest["sources"][source]["columns"].items()}
        for column in node["columns"].values():
            yield column["name"], [Use(source, by_name[_source_name(column)], True)]


def _source_name(column: Mapping[str, Any]) -> str:
    return str(column.get("config", {}).get("meta", {}).get("source_name", column["name"]))


def _parsed(manifest: Manifest, sql: str, columns: Mapping[str, list[str]]) -> dict[str, list[Use]]:
    from sqlglot import exp, parse_one
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.optimizer.scope import build_scope

    relations = {
        node["relation_name"].replace('"', "").lower(): node["unique_id"]
        for node in [*_relations(manifest), *manifest["sources"].values()]
        if node["relation_name"]
    }
    parsed = parse_one(sql, dialect="duckdb")
    schema: dict[str, Any] = {}
    for table in parsed.find_all(exp.Table):
        if (unique_id := relations.get(_full_name(table))) and columns[unique_id]:
            within = schema.setdefault(table.catalog, {}).setdefault(table.db, {})
            within[table.name] = dict.fromkeys(columns[unique_id], "varchar")
    tree = qualify(parsed, dialect="duckdb", schema=schema, validate_qualify_columns=False, identify=False)
    scope = build_scope(tree)
    if scope is None:
        return {}
    made_of = _follower(relations)
    # What both gives the value and decides on it counts as value.
    found = {name: made_of(scope, name) for name in (*_query(scope).named_selects, ROWS)}
    return {name: sorted(use for use in uses if use.direct or _as_value(use) not in uses) for name, uses in found.items()}


def _as_value(use: Use) -> Use:
    return Use(use.relation, use.column, True)


def _full_name(table: exp.Table) -> str:
    return f"{table.catalog}.{table.db}.{table.name}".lower()


def _follower(relations: Mapping[str, str]) -> Any:
    """Return the function that follows a column of a query to the relations that it reads; each column is followed once."""
    from sqlglot import exp
    from sqlglot.optimizer.scope import Scope

    @cache
    def made_of(scope: Scope, name: str) -> frozenset[Use]:
        if scope.is_udtf:
            return of_expression(scope, scope.expression)
        if scope.set_operation_scopes:
            return frozenset().union(
                *(made_of(part, there) for part in scope.set_operation_scopes if (there := counterpart(scope, part, name)))
            )
        if name == ROWS:
            return rows_of(scope)
        chosen = [part for part in _query(scope).selects if part.alias_or_name == name]
        return of_expression(scope, chosen[0]) if chosen else frozenset()

    def rows_of(scope: Scope) -> frozenset[Use]:
        """Return whose rows a query's are: those of what stands first; what is joined decides which, but for outer joins."""
        inner = {join.alias_or_name for join in _query(scope).args.get("joins") or () if not join.side}
        named = [(name, source) for name, (_, source) in scope.selected_sources.items()]
        return frozenset().union(
            *(of_source(source, ROWS, True) for _, source in named[:1]),
            *(of_source(source, ROWS, False) for name, source in named[1:] if name in inner),
        )

    def counterpart(union: Scope, part: Scope, name: str) -> str | None:
        """Return what a union's column is called in one of its parts; None where that part (`by name`) does not have it."""
        if name == ROWS:
            return ROWS
        names = _query(part).named_selects
        if union.expression.args.get("by_name"):
            return name if name in names else None
        return str(names[_query(union).named_selects.index(name)])

    def of_expression(scope: Scope, expression: exp.Expr) -> frozenset[Use]:
        found: set[Use] = set()
        for part in expression.walk(prune=lambda inner: isinstance(inner, exp.Query)):
            if isinstance(part, exp.Query):
                for inner in scope.subquery_scopes:
                    if inner.expression is part.unnest():
                        found = found.union(*(made_of(inner, name) for name in part.named_selects))
            elif isinstance(part, exp.RowNumber) or (isinstance(part, exp.Count) and not part.find(exp.Column)):
                found |= made_of(scope, ROWS)
            elif isinstance(part, exp.Column) and (source := _meaning(scope, part.table)) is not None:
                found |= of_source(source, part.name, _gives_value(part, expression))
        return frozenset(found)

    def of_source(source: Scope | exp.Expr, name: str, direct: bool) -> frozenset[Use]:
        if isinstance(source, Scope):
            return frozenset(use if direct else Use(use.relation, use.column, False) for use in made_of(source, name))
        if isinstance(source, exp.Table) and (unique_id := relations.get(_full_name(source))):
            return frozenset({Use(unique_id, name, direct)})
        return frozenset()

    return made_of


def _query(scope: Scope) -> exp.Query:
    return cast("exp.Query", scope.expression)


def _meaning(scope: Scope | None, alias: str) -> Scope | exp.Expr | None:
    """Return what an alias stands for, in the query itself or in those around it."""
    while scope is not None:
        if alias in scope.sources:
            return scope.sources[alias]
        scope = scope.parent
    return None


def _gives_value(column: exp.Expr, within: exp.Expr) -> bool:
    """Whether the column's value goes into the result, rather than deciding which value does."""
    from sqlglot import exp

    part: exp.Expr = column
    while part is not within and part.parent is not None:
        parent = part.parent
        if isinstance(parent, exp.If) and parent.this is part:
            return False
        if isinstance(parent, exp.Case) and parent.this is part:
            return False
        if isinstance(parent, exp.Filter | exp.Window) and parent.this is not part:
            return False
        part = parent
    return True


def _origins_of(manifest: Manifest, edges: Edges, mart: Node, column: str) -> Iterable[Origin]:
    found: dict[tuple[str | None, ...], Origin] = {}
    # By value first, then by condition: the first way to an origin is the one that is told.
    waiting: list[tuple[Use, tuple[str, ...]]] = [(Use(mart["unique_id"], column, True), (f"{mart['name']}.{column}",))]
    seen: set[Use] = set()
    while waiting:
        waiting.sort(key=lambda step: (not step[0].direct, len(step[1])))
        use, path = waiting.pop(0)
        if use in seen or (not use.direct and _as_value(use) in seen):
            continue
        seen.add(use)
        uses = edges.get(use.relation, {}).get(use.column)
        if uses is None and use.column == ROWS and use.relation in edges:
            uses = _rows_of(manifest, use.relation)
        if uses:
            for further in uses:
                step = Use(further.relation, further.column, further.direct and use.direct)
                waiting.append((step, (*path, _named(manifest, further))))
            continue
        origin = _origin(manifest, mart, column, use, path)
        found.setdefault((origin.kind, origin.system_id, origin.table_name, origin.source_column), origin)
    return found.values()


def _rows_of(manifest: Manifest, unique_id: str) -> list[Use]:
    """Return the rows of a relation without SQL to read: those of the first relation it is made from."""
    parents = [name for name in _node(manifest, unique_id)["depends_on"]["nodes"] if ".vault." not in name]
    return [Use(parents[0], ROWS, True)] if parents else []


def _named(manifest: Manifest, use: Use) -> str:
    node = _node(manifest, use.relation)
    if node["resource_type"] != "source":
        return f"{node['name']}.{use.column}"
    return f"{node['source_name']}.{node['name']}.{_source_column(node, use.column)}"


def _source_column(source: Node, column: str) -> str:
    """Return the name the system itself gives the column."""
    return _source_name(source["columns"][column]) if column in source["columns"] else column


def _origin(manifest: Manifest, mart: Node, column: str, use: Use, path: tuple[str, ...]) -> Origin:
    node = _node(manifest, use.relation)
    system_id, source_column = None, use.column
    if node["resource_type"] == "source":
        kind, system_id, source_column = "kilde", node["source_name"], _source_column(node, use.column)
    elif node["resource_type"] == "seed":
        kind = "opslag"
    else:
        kind = "karantæne" if node["name"] == QUARANTINE else "beregnet"
    return Origin(mart["name"], column, kind, system_id, node["name"], source_column, use.direct, path)


def _node(manifest: Manifest, unique_id: str) -> Node:
    node: Node = manifest["nodes"].get(unique_id) or manifest["sources"][unique_id]
    return node
