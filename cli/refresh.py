"""`faellesdata refresh` and `faellesdata publish`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from cli.common import FAILED, USAGE, HomeOption, JsonOption, err, expected, fail, home_at, out, print_json
from ingestion.home import Home

if TYPE_CHECKING:
    from orchestration.refresh import Progress, Refresh, Stage


@expected("orchestration.instance:WrongSetting")
def refresh(
    department: Annotated[list[str] | None, typer.Option(help="Load only this department's systems. May be repeated.")] = None,
    system: Annotated[list[str] | None, typer.Option(help="Load only this system. May be repeated.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Read everything from the beginning, and build all of it.")] = False,
    home: HomeOption = None,
    json_output: JsonOption = False,
) -> None:
    """Load the systems, build the warehouse and publish: what the nightly schedule does.

    A system that cannot be loaded keeps the data it had, and stops nobody. The runs show in `faellesdata ui`.

    Exit codes: 0 all systems loaded, warehouse built, published; 1 something failed, the rest was done; 2 no such department
    or system.
    """
    result = run(home_at(home), department or [], system or [], full)
    if json_output:
        print_json(as_json(result))
    else:
        report(result)
    if not result.ok:
        raise typer.Exit(FAILED)


@expected("serving.publish:PublicationError")
def publish(
    role: Annotated[str, typer.Option(help="Whose files to make.")] = "bi_netvaerk",
    home: HomeOption = None,
) -> None:
    """Publish the warehouse as it stands: a fresh DuckDB file and Parquet files for a role.

    `refresh` does this at its end. Exit codes: 0 published; 1 not, and the version before stays current, or a table was refused:
    its readers have it as before.
    """
    from orchestration.keys import WAREHOUSE_POOL
    from orchestration.locks import exclusive
    from serving.publish import publish as publish_role

    at = home_at(home)
    with exclusive(at, WAREHOUSE_POOL):
        publication = publish_role(at, role)
    rows = sum(publication.tables.values())
    out.print(f"Published version {publication.version}: {len(publication.tables)} tables, {rows:,} rows")
    out.print(f"{publication.path}", soft_wrap=True)
    for note in publication.notes():
        err.print(f"[{'red' if note in publication.refused.values() else 'yellow'}]{escape(note)}", soft_wrap=True)
    if publication.refused:
        raise typer.Exit(FAILED)


def run(home: Home, departments: list[str], systems: list[str], full: bool) -> Refresh:
    """Run the refresh with a progress bar per stage."""
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    with err.status("Reading the register and preparing dbt"):
        from orchestration.refresh import UnknownSelectionError
        from orchestration.refresh import refresh as run_refresh

    columns = (SpinnerColumn(), TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, TextColumn("{task.fields[text]}"), console=err) as bars:
        tasks: dict[str, TaskID] = {}
        preparing = bars.add_task("Prepare", total=1, text="register, dbt manifest")

        def show(progress: Progress) -> None:
            bars.update(preparing, completed=1, text="")
            if progress.stage not in tasks:
                tasks[progress.stage] = bars.add_task(progress.stage, text="")
            bars.update(tasks[progress.stage], completed=progress.done, total=progress.total, text=escape(progress.text))

        try:
            result = run_refresh(home, departments=departments, systems=systems, full=full, progress=show)
        except UnknownSelectionError as error:
            bars.stop()
            fail(str(error), USAGE)
        for stage in result.stages:
            if stage.name in tasks:
                bars.update(tasks[stage.name], text="[green]done" if stage.ok else "[red]with failures")
    return result


def report(result: Refresh) -> None:
    """Print what became of a refresh: what is wrong first by stage, then what stands."""
    for problem in result.problems:
        out.print(f"[red]register[/red] {escape(str(problem))}", soft_wrap=True)
    for stage in result.stages:
        _report_stage(stage)
    if result.version:
        out.print(f"Published version {result.version}")
    failed = [stage.name for stage in result.stages if not stage.ok]
    if failed or result.problems:
        out.print("[yellow]Something failed; everything else was done. `faellesdata status` shows each table.[/yellow]")


def _report_stage(stage: Stage) -> None:
    mark = "[green]✓[/green]" if stage.ok else "[red]✗[/red]"
    facts = [f"{stage.materialised} assets in {stage.seconds:.1f} s"]
    facts += [f"{stage.unchanged} without news"] if stage.unchanged else []
    facts += [f"{len(stage.failed_checks)} checks failed"] if stage.failed_checks else []
    facts += [f"{len(stage.warned_checks)} checks warned"] if stage.warned_checks else []
    out.print(f"{mark} {stage.name}: {', '.join(facts)}")
    for step, reason in stage.failures.items():
        out.print(f"  [red]{escape(step)}[/red] {escape(reason)}", soft_wrap=True)
    for step in stage.skipped:
        out.print(f"  [yellow]{escape(step)}[/yellow] was left out, because of what failed before it")
    for check in stage.failed_checks:
        out.print(f"  [yellow]check[/yellow] {escape(check)}", soft_wrap=True)


def as_json(result: Refresh) -> dict[str, object]:
    return {
        "ok": result.ok,
        "version": result.version,
        "problems": [str(problem) for problem in result.problems],
        "stages": [
            {
                "name": stage.name,
                "ok": stage.ok,
                "run_id": stage.run_id,
                "seconds": round(stage.seconds, 3),
                "assets": stage.materialised,
                "failures": stage.failures,
                "skipped": stage.skipped,
                "failed_checks": stage.failed_checks,
                "warned_checks": stage.warned_checks,
            }
            for stage in result.stages
        ],
    }
