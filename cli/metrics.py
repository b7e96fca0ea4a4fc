"""`faellesdata metrics`: the measures the BI network shares."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli.common import HomeOption, JsonOption, expected, home_at, out, print_json, table
from cli.query import Format, show

app = typer.Typer(no_args_is_help=True, help="The measures the BI network shares: what they mean, and what they are.")
Names = Annotated[list[str], typer.Argument(help="Metrics, as `faellesdata metrics list` names them.", metavar="NAME...")]
By = Annotated[list[str], typer.Option(help="Split by: maaned, kvartal, aar, or a dimension of the metric. May be repeated.")]


@app.command("list")
@expected("serving.metrics:MetricError")
def list_(as_json: JsonOption = False, home: HomeOption = None) -> None:
    """List the metrics: name, unit, owner, and what they can be split by.

    Exit codes: 0 listed; 1 nothing has been refreshed.
    """
    from serving.metrics import metrics, semantic_manifest

    known = metrics(semantic_manifest(home_at(home))).values()
    if as_json:
        print_json([vars(metric) for metric in known])
        return
    rows = [(m.name, m.label, m.unit, m.owner, ", ".join((*m.periods, *m.dimensions)), m.description) for m in known]
    out.print(table(None, ["metric", "navn", "enhed", "ejer", "by", "definition"], rows))


@app.command("query")
@expected("serving.metrics:MetricError", "serving.publish:PublicationError", "serving.query:QueryError")
def query(
    names: Names,
    by: By = ["maaned"],  # noqa: B006  (typer takes no other default for a list)
    role: Annotated[str, typer.Option(help="Whose published files to read.")] = "bi_netvaerk",
    format: Annotated[Format, typer.Option(help="How to print the answer.")] = Format.table,
    home: HomeOption = None,
) -> None:
    """Ask the published files for metrics.

    Exit codes: 0 answered; 1 no such metric, it cannot be split so, or nothing is published.
    """
    from serving.metrics import metric_sql, semantic_manifest
    from serving.query import run_query

    found = home_at(home)
    show(*run_query(found, role, metric_sql(semantic_manifest(found), names, by)), format)


@app.command("sql")
@expected("serving.metrics:MetricError")
def sql(names: Names, by: By = ["maaned"], home: HomeOption = None) -> None:  # noqa: B006
    """Print the SQL of metrics, to paste where the published files are read.

    Exit codes: 0 printed; 1 no such metric, or it cannot be split so.
    """
    from serving.metrics import metric_sql, semantic_manifest

    sys.stdout.write(metric_sql(semantic_manifest(home_at(home)), names, by) + "\n")
