"""`faellesdata query`."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer

from cli.common import HomeOption, answer, expected, home_at, out, print_json


class Format(StrEnum):
    table = "table"
    csv = "csv"
    json = "json"


@expected("serving.publish:PublicationError", "serving.query:QueryError")
def query(
    sql: Annotated[str, typer.Argument(help="One SELECT. `show tables` lists what there is.")],
    role: Annotated[str, typer.Option(help="Whose published files to read.")] = "bi_netvaerk",
    format: Annotated[Format, typer.Option(help="How to print the answer. csv has `;` and decimal points.")] = Format.table,
    home: HomeOption = None,
) -> None:
    """Ask the published files of a role, as a BI member would. Nothing can be changed, and no other file read.

    Exit codes: 0 answered; 1 nothing is published, or the SQL is wrong.
    """
    from serving.query import run_query

    columns, rows = run_query(home_at(home), role, sql)
    show(columns, rows, format)


def show(columns: Sequence[str], rows: Sequence[tuple[Any, ...]], format: Format) -> None:
    if format is Format.json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
    elif format is Format.csv:
        writer = csv.writer(sys.stdout, delimiter=";", lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    else:
        out.print(answer(None, columns, rows))
        out.print("1 row" if len(rows) == 1 else f"{len(rows):,} rows", highlight=False)
