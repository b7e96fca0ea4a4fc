"""`faellesdata workbooks`."""

from __future__ import annotations

from cli.common import HomeOption, expected, fail, home_at, out, table


@expected("duckdb:Error")
def workbooks(home: HomeOption = None) -> None:
    """Write a workbook for each department: the rows that could not be read, for whoever corrects them in the source system.

    Every night ends with it; this is for whoever will not wait. Exit codes: 0 written; 1 not: nothing is built yet, or the
    warehouse cannot be read.
    """
    import duckdb

    from ingestion.register import read_leniently
    from orchestration.keys import WAREHOUSE_POOL
    from orchestration.locks import exclusive
    from serving.workbooks import write_workbooks

    where = home_at(home)
    register, problems = read_leniently()
    for problem in problems:
        out.print(f"[red]register[/red] {problem}", soft_wrap=True)
    if not where.warehouse.exists():
        fail(f"nothing is built in {where.path} yet. Run `faellesdata refresh` first")
    try:
        with exclusive(where, WAREHOUSE_POOL):
            written = write_workbooks(register, where)
    except duckdb.CatalogException:
        fail("there is no quarantine yet. Run `faellesdata refresh` first")
    if not written:
        out.print("Nothing to correct: the quarantine is empty")
    else:
        out.print(table(None, ("department", "workbook"), [(department, path) for department, path in written.items()]))
