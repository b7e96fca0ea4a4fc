"""The command line: `faellesdata --help`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli import dbt, demo, doctor, metrics, query, refresh, status, systems, ui, workbooks, worker

HELP = """\
Gather the departments' systems in one warehouse, and publish it to the BI network.

Start with [bold]faellesdata demo[/bold]: it makes a practice municipality on this machine, takes it through the whole flow and
says where to look. Then [bold]faellesdata query[/bold] asks it something, and [bold]faellesdata ui[/bold] shows how it hangs
together.

Each system is one file in ingestion/systems/<department>/; [bold]faellesdata systems[/bold] makes, checks and lists them.
[bold]faellesdata refresh[/bold] loads, builds and publishes; in production the schedule under [bold]faellesdata ui[/bold] does
so every night.

Exit codes: 0 done; 1 something failed, and what could be done was done; 2 wrong use.
"""

app = typer.Typer(
    name="faellesdata",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    # Line breaks within a paragraph would show.
    help="\n\n".join(" ".join(paragraph.split()) for paragraph in HELP.split("\n\n")),
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"faellesdata {version('faellesdata')}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None: ...


app.command("demo")(demo.demo)
app.command("refresh")(refresh.refresh)
app.command("ui")(ui.ui)
app.command("worker")(worker.worker)
app.add_typer(systems.app, name="systems")
app.command("publish")(refresh.publish)
app.command("status")(status.status)
app.command("query")(query.query)
app.command("workbooks")(workbooks.workbooks)
app.add_typer(metrics.app, name="metrics")
app.command("dbt", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(dbt.dbt)
app.command("doctor")(doctor.doctor)

if __name__ == "__main__":
    app()
