"""`faellesdata systems`: the register."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from cli.common import FAILED, USAGE, HomeOption, JsonOption, answer, expected, fail, home_at, out, print_json, table

if TYPE_CHECKING:
    from ingestion.register import Problem, System

app = typer.Typer(no_args_is_help=True, help="The register: one file per system, in ingestion/systems/<department>/.")
ROOT = Path(__file__).resolve().parent.parent


class Protocol(StrEnum):
    sql = "sql"
    odata = "odata"
    rest = "rest"
    graphql = "graphql"
    soap = "soap"
    files = "files"
    python = "python"


@app.command("list")
@expected()
def list_systems(json_output: JsonOption = False) -> None:
    """List the systems: department, protocol, tables, cadence, classification, owner.

    Exit codes: 0 listed; 1 a register file cannot be read (the others are listed).
    """
    from ingestion.register import read_leniently

    register, problems = read_leniently()
    if json_output:
        print_json([_summary(system) for system in register.systems.values()])
    else:
        columns = ["system", "title", "department", "protocol", "tables", "cadence", "class", "owner"]
        rows = [list(_summary(system).values()) for system in register.systems.values()]
        out.print(table(None, columns, rows, right=["tables"]))
    _print_problems(problems)


@app.command()
@expected()
def validate() -> None:
    """Check every register file and look-up and print all errors at once, as file:line:column: what is wrong. What to do.

    Exit codes: 0 all sound; 1 there are errors.
    """
    from ingestion.register import RegisterError, read_leniently
    from ingestion.seeds import read_mendings

    register, problems = read_leniently()
    try:
        read_mendings(ROOT / "seeds", register)
    except RegisterError as error:
        problems += error.problems
    _print_problems(problems)
    out.print(f"{len(register.systems)} systems, {sum(1 for _ in register.tables())} tables: all sound", highlight=False)


@app.command()
@expected()
def new(
    system_id: Annotated[str, typer.Option("--id", prompt="Id (lower case, a-z, 0-9, _)", help="Cannot change later.")],
    title: Annotated[str, typer.Option(prompt="Danish title", help="The name staff know it by.")],
    department: Annotated[str, typer.Option(prompt="Department", help="A code of ingestion/vocabulary/departments.yml.")],
    protocol: Annotated[Protocol, typer.Option(prompt="How it is read", help="The way its data come out.")],
) -> None:
    """Write a commented skeleton of a system's file, to be filled in. Asks for what is not given.

    Exit codes: 0 written; 1 there is such a file already; 2 no such department, or not a good id.
    """
    import re

    from cli.skeleton import skeleton
    from ingestion.register import SYSTEMS
    from ingestion.register.vocabulary import terms

    if not re.fullmatch(r"[a-z][a-z0-9_]{1,47}", system_id):
        fail(f"'{system_id}' is not a good id. Use 2 to 48 of a-z, 0-9 and _, a letter first", USAGE)
    if department not in terms("departments"):
        fail(f"no department '{department}'. Use one of: {', '.join(terms('departments'))}", USAGE)
    path = SYSTEMS / department / f"{system_id}.yml"
    if (taken := next(SYSTEMS.glob(f"*/{system_id}.yml"), None)) is not None:
        fail(f"there is a system '{system_id}' already, in {taken}. Choose another id")
    path.parent.mkdir(exist_ok=True)
    path.write_text(skeleton(system_id, title, department, protocol.value), encoding="utf-8")
    out.print(f"Wrote {path}", soft_wrap=True, highlight=False)
    out.print(
        "Fill it in, then: systems validate, systems preview, systems generate, refresh --system", system_id, highlight=False
    )


@app.command()
@expected()
def generate(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; fail if something would change.")] = False,
) -> None:
    """Bring what follows from the register up to date: JSON Schema, dbt sources, staging models, quarantine.

    Exit codes: 0 up to date; 1 the register has errors, or (with --check) generated files differ from it.
    """
    from ingestion.register import read_register
    from ingestion.register.generate import generate as generate_files

    changed = generate_files(read_register(), ROOT, check=check)
    for path in changed:
        out.print(f"{'differs' if check else 'wrote'}  {path.relative_to(ROOT)}", soft_wrap=True, highlight=False)
    if check and changed:
        fail(f"{len(changed)} generated files differ from the register. Run `faellesdata systems generate` and commit them")
    if not changed:
        out.print("Everything is up to date.")


@app.command()
@expected("ingestion.connectors.base:SourceError", "ingestion.settings:MissingSetting")
def preview(
    system_id: Annotated[str, typer.Argument(metavar="SYSTEM", help="The system's id.")],
    table_name: Annotated[str | None, typer.Argument(metavar="[TABLE]", help="One table; all of them by default.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Rows to read.")] = 10,
    home: HomeOption = None,
) -> None:
    """Read a few rows of a system as it is now, landing nothing. They are shown as they come, personal data included.

    Exit codes: 0 shown; 1 a table could not be read; 2 no such system or table.
    """
    from ingestion.connectors.base import SourceError
    from ingestion.landing import preview as read_preview

    home_at(home)
    system = _known(system_id, table_name)
    failed = []
    for name in [table_name] if table_name else system.tables:
        try:
            rows = read_preview(system, name, limit)
        except SourceError as error:
            failed.append(str(error))
            continue
        records = [[record[column] for column in rows.column_names] for record in rows.to_pylist()]
        out.print(answer(f"{system_id}.{name}", rows.column_names, records))
    if failed:
        fail("\n".join(failed))


@app.command()
@expected("duckdb:Error")
def rejects(
    system_id: Annotated[str, typer.Argument(metavar="SYSTEM", help="The system's id.")],
    table_name: Annotated[str | None, typer.Argument(metavar="[TABLE]", help="One table; all of them by default.")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Show the text itself, personal data included, and not its shape.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Rejects to show, the newest first.")] = 100,
    home: HomeOption = None,
    json_output: JsonOption = False,
) -> None:
    """List what could not be read as rows of a system: file or address, line or record number, reason, and the text's shape.

    Exit codes: 0 listed (also when there are none); 2 no such system or table.
    """
    from ingestion.raw_file import read_rejects

    at = home_at(home)
    _known(system_id, table_name)
    found, total = read_rejects(at.raw_file(system_id), table_name, raw, limit)
    if json_output:
        print_json(found)
        return
    columns = ["table", "where", "row", "column", "reason", "text"]
    rows = [[r["table_name"], r["source_ref"], r["source_row"], r["column_name"], r["reason"], r["raw_text"]] for r in found]
    if rows:
        out.print(table(None, columns, rows))
    out.print(f"{total} rejects" + (f", the newest {len(rows)} shown" if total > len(rows) else ""), highlight=False)


def _known(system_id: str, table_name: str | None) -> System:
    """Return the system, or end with exit code 2 if there is none of that id, or no such table in it."""
    from ingestion.register import read_leniently

    system = read_leniently()[0].systems.get(system_id)
    if system is None:
        fail(f"no system '{system_id}' in the register. `faellesdata systems list` shows what there is", USAGE)
    if table_name is not None and table_name not in system.tables:
        fail(f"{system_id} has no table '{table_name}'. It has: {', '.join(system.tables)}", USAGE)
    return system


def _summary(system: System) -> Mapping[str, object]:
    return {
        "id": system.id,
        "title": system.title,
        "department": system.department,
        "protocol": system.connection.protocol,
        "tables": len(system.tables),
        "cadence": system.cadence,
        "classification": system.classification,
        "owner": system.owner.email,
    }


def _print_problems(problems: list[Problem]) -> None:
    for problem in problems:
        out.print(escape(str(problem)), soft_wrap=True, highlight=False)
    if problems:
        raise typer.Exit(FAILED)
