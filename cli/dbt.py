"""`faellesdata dbt`."""

from __future__ import annotations

import typer

from cli.common import HomeOption, expected, fail, home_at


@expected("orchestration.dbt:DbtError")
def dbt(context: typer.Context, home: HomeOption = None) -> None:
    """Run dbt by hand on this home, for whoever works on the models: `faellesdata dbt build --select mart_flytning`.

    All of dbt's commands and options. It runs while no refresh does, and whatever it makes the next refresh makes again. Work on
    a practice municipality (`faellesdata demo`), where nobody's data are.

    Exit codes are dbt's: 0 all well; 1 a model or a test failed; 2 wrong use.
    """
    from ingestion.register import read_leniently
    from orchestration.dbt import by_hand

    where = home_at(home)
    if not where.warehouse.exists():
        fail(f"nothing is built in {where.path} yet. Run `faellesdata refresh` first, or `faellesdata demo`")
    raise typer.Exit(by_hand(read_leniently()[0], where, context.args))
