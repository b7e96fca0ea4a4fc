"""The measures the BI network shares: defined once in dbt, turned into SQL by MetricFlow, asked of what is published.

A metric is a sum over published marts and never over facts, so it can show nothing that a mart hides. Where a mart hides a total,
the sum is of what is shown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from ingestion.home import Home
from ingestion.register.vocabulary import terms

PERIODS = {"maaned": "month", "kvartal": "quarter", "aar": "year"}
"""What a metric may be asked by, in the words of the command: finest first."""
Manifest = Mapping[str, Any]


class MetricError(Exception):
    """No such metric, or it cannot be asked this way; the message says what there is."""


@dataclass(frozen=True)
class Metric:
    """A metric. `dimensions` are what it may be split by besides time; `periods` the periods it exists for."""

    name: str
    label: str
    description: str
    unit: str
    owner: str
    tables: tuple[str, ...]
    periods: tuple[str, ...]
    dimensions: Mapping[str, str]


def semantic_manifest(home: Home) -> Manifest:
    """Return dbt's semantic manifest.

    Raises:
        MetricError: it has not been made.
    """
    if not home.semantic_manifest.exists():
        raise MetricError(f"no metrics in {home.path}. Run `faellesdata refresh` first")
    content: Manifest = json.loads(home.semantic_manifest.read_text(encoding="utf-8"))
    return content


def metrics(manifest: Manifest) -> dict[str, Metric]:
    """Return the metrics by name, sorted by owner and label."""
    by_name = {metric["name"]: metric for metric in manifest["metrics"]}
    departments = terms("departments")
    found = {}
    for name, metric in by_name.items():
        models = list(_models_of(manifest, by_name, name))
        times = [dimension for model in models for dimension in model["dimensions"] if dimension["type"] == "time"]
        finest = max((list(PERIODS.values()).index(time["type_params"]["time_granularity"]) for time in times), default=0)
        filters = json.dumps([by_name[part]["filter"] for part in (name, *_parts(by_name, name))])
        shared = [_dimensions(model, filters) for model in models]
        config = metric.get("config") or {}
        owner = departments.get(config.get("meta", {}).get("ejer", ""))
        found[name] = Metric(
            name=name,
            label=metric["label"] or name,
            description=metric["description"],
            unit=config.get("meta", {}).get("enhed", ""),
            owner=owner.title if owner else "",
            tables=tuple(sorted({model["node_relation"]["alias"] for model in models})),
            periods=tuple(PERIODS)[finest:],
            dimensions={key: value for key, value in shared[0].items() if all(key in other for other in shared)},
        )
    return dict(sorted(found.items(), key=lambda entry: (entry[1].owner, entry[1].label)))


def metric_sql(manifest: Manifest, names: Sequence[str], by: Sequence[str]) -> str:
    """Return SQL on the published tables for the metrics, by periods (`maaned`, `kvartal`, `aar`) and dimensions.

    Raises:
        MetricError: a metric is not known, or cannot be split so.
    """
    known = metrics(manifest)
    for name in names:
        if name not in known:
            raise MetricError(f"no metric '{name}'. There are: {', '.join(known)}")
    columns = {word: _shared_grouping([known[name] for name in names], word) for word in by}
    # MetricFlow's comments tell how it came to the SQL, which no reader of the result asks.
    sql = re.sub(r"^\s*--.*\n", "", _compile(manifest, names, list(columns.values())), flags=re.MULTILINE)
    sql = re.sub(r'"\w+"\."\w+"\."(\w+)"', r"\1", sql)
    chosen = [*(f"{_expression(word, column)} as {word}" for word, column in columns.items()), *names]
    order = f"\norder by {', '.join(columns)}" if columns else ""
    return f"select {', '.join(chosen)}\nfrom (\n{sql}\n){order}"


def catalogue(manifest: Manifest) -> list[dict[str, str]]:
    """Return the metrics as rows of the table `metrics`, each with its SQL by its finest period."""
    return [
        {
            "metric": metric.name,
            "label": metric.label,
            "description": metric.description,
            "unit": metric.unit,
            "owner": metric.owner,
            "tables": ", ".join(metric.tables),
            "periods": ", ".join(metric.periods),
            "dimensions": ", ".join(metric.dimensions),
            "query": metric_sql(manifest, [metric.name], [metric.periods[0]]),
        }
        for metric in metrics(manifest).values()
    ]


def _dimensions(model: Manifest, filters: str) -> dict[str, str]:
    """Return what a semantic model can be split by: not by what the metric's filter holds fast, nor by a condition (`expr`)."""
    columns = [one["name"] for one in model["dimensions"] if one["type"] != "time" and not one.get("expr")]
    names = {name: f"{model['primary_entity']}__{name}" for name in columns}
    return {name: qualified for name, qualified in names.items() if qualified not in filters}


def _parts(by_name: Mapping[str, Any], name: str) -> Iterator[str]:
    for part in by_name[name]["type_params"].get("metrics") or ():
        yield part["name"]
        yield from _parts(by_name, part["name"])


def _models_of(manifest: Manifest, by_name: Mapping[str, Any], name: str) -> Iterator[Manifest]:
    for part in (name, *_parts(by_name, name)):
        measure = by_name[part]["type_params"].get("measure")
        for model in manifest["semantic_models"] if measure else ():
            if any(known["name"] == measure["name"] for known in model["measures"]):
                yield model


def _shared_grouping(asked: Sequence[Metric], word: str) -> str:
    column, *others = dict.fromkeys(_grouping(metric, word) for metric in asked)
    if others:
        names = ", ".join(metric.name for metric in asked)
        raise MetricError(f"{names} cannot be asked by '{word}' together: they are of different tables. Ask for each by itself")
    return column


def _grouping(metric: Metric, word: str) -> str:
    if word in metric.periods:
        return f"metric_time__{PERIODS[word]}"
    if word in metric.dimensions:
        return metric.dimensions[word]
    raise MetricError(f"{metric.name} cannot be asked by '{word}', but by {', '.join((*metric.periods, *metric.dimensions))}")


def _expression(word: str, column: str) -> str:
    return f"cast({column} as date)" if word in PERIODS else column


def _compile(manifest: Manifest, names: Sequence[str], by: list[str]) -> str:
    from metricflow.engine.metricflow_engine import MetricFlowEngine, MetricFlowQueryRequest
    from metricflow.protocols.sql_client import SqlClient, SqlEngine
    from metricflow.sql.render.duckdb_renderer import DuckDbSqlPlanRenderer
    from metricflow_semantics.model.dbt_manifest_parser import parse_manifest_from_dbt_generated_manifest
    from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup

    class Dialect:
        """All that MetricFlow asks of a client when it only writes SQL."""

        sql_engine_type = SqlEngine.DUCKDB
        sql_plan_renderer = DuckDbSqlPlanRenderer()

    lookup = SemanticManifestLookup(parse_manifest_from_dbt_generated_manifest(json.dumps(manifest)))
    request = MetricFlowQueryRequest.create(metric_names=list(names), group_by_names=by)
    return str(MetricFlowEngine(lookup, cast("SqlClient", Dialect())).explain(request).sql_statement.sql)
