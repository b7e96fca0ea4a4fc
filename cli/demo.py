"""`faellesdata demo`."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from cli import refresh
from cli.common import FAILED, HomeOption, err, expected, home_at, out

EXAMPLE = (
    "select maaned, personer, brutto, refusion from mart_ydelse_refusion where ydelsesgruppe = 'I alt'"
    " order by maaned desc limit 5"
)


@expected("demo:DemoError")
def demo(
    scale: Annotated[
        float, typer.Option(min=0.005, max=2.0, help="Size: 1 is Odsherred with 33,000 inhabitants and takes some minutes.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(help="The same seed gives the same municipality.")] = 306,
    serve: Annotated[bool, typer.Option("--serve", help="Keep the systems answering afterwards, until Ctrl-C.")] = False,
    home: HomeOption = None,
) -> None:
    """Make a practice municipality, start its systems on this machine, and take it through the whole flow.

    All data are invented. Everything is kept in the home folder: delete it, and the demo is gone.

    Exit codes: 0 all went well; 1 something failed, the rest was done.
    """
    from demo import build
    from demo import serve as serve_systems

    # Not the settings of an earlier demo: its ports may be taken by now.
    at = home_at(home, settings=False)
    with err.status("Making the practice municipality") as status:
        build(at, scale=scale, seed=seed, progress=status.update)
    out.print(f"The practice municipality is in {at.demo}", soft_wrap=True)
    with serve_systems(at) as settings:
        os.environ.update(settings)
        result = refresh.run(at, [], [], full=False)
        refresh.report(result)
        if result.version:
            _where_to_look(at.published / "bi_netvaerk" / "current", "" if home is None else f" --home {home}")
        if serve:
            out.print("The systems go on answering until Ctrl-C; `faellesdata refresh` in another terminal loads them again.")
            try:
                threading.Event().wait()
            except KeyboardInterrupt:
                out.print("Stopped.")
    if not result.ok:
        raise typer.Exit(FAILED)


def _where_to_look(published: Path, home: str) -> None:
    # As it can be typed here: on a fresh machine the command is in .venv only.
    called = Path(sys.argv[0])
    command = str(called.relative_to(Path.cwd())) if called.is_relative_to(Path.cwd()) else called.name
    out.print("\n[bold]Where to look[/bold]")
    out.print(f"  {published}/faellesdata.duckdb  what the BI network reads; Parquet beside it", soft_wrap=True, highlight=False)
    out.print(f"  {command} status{home}      each table: last load, rows, rejects, owner", soft_wrap=True, highlight=False)
    out.print(f"  {command} ui{home}          the graph, its checks and these runs", soft_wrap=True, highlight=False)
    out.print(f'  {command} query{home} "{EXAMPLE}"', soft_wrap=True, highlight=False)
