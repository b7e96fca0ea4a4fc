"""`faellesdata doctor`."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, requires, version
from typing import Annotated

import typer
from pydantic import BaseModel
from rich.markup import escape

from cli.common import FAILED, HomeOption, JsonOption, expected, home_at, out, print_json
from ingestion.home import Home
from ingestion.register import Register, System
from ingestion.register.model import EnvRef, FileRef

FREE_GB_WANTED = 5
FILES_BESIDE_SYSTEMS = 256


class Verdict(StrEnum):
    ok = "ok"
    warn = "warn"
    bad = "bad"


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what it is, how it stands, and what to do if it does not stand well."""

    subject: str
    verdict: Verdict
    text: str


@expected()
def doctor(
    connect: Annotated[bool, typer.Option("--connect", help="Also read one row of each system's first table.")] = False,
    home: HomeOption = None,
    json_output: JsonOption = False,
) -> None:
    """Look for what is wrong with this installation, and say how to mend it. Prints no setting's value.

    Exit codes: 0 nothing wrong (there may be warnings); 1 something must be mended.
    """
    from ingestion.register import read_leniently

    at = home_at(home)
    register, problems = read_leniently()
    findings = [
        *versions(),
        *permissions(at),
        *room(at, register),
        *telemetry(at),
        *alerts(),
        *(Finding("register", Verdict.bad, str(problem)) for problem in problems),
        *missing_settings(register),
        *damaged(at, register),
        *(() if problems else left_behind(at, register)),
        *(connections(register) if connect else ()),
    ]
    if json_output:
        print_json([asdict(finding) for finding in findings])
    else:
        marks = {Verdict.ok: "[green]✓[/green]", Verdict.warn: "[yellow]![/yellow]", Verdict.bad: "[red]✗[/red]"}
        for finding in findings:
            out.print(f"{marks[finding.verdict]} {finding.subject}: {escape(finding.text)}", soft_wrap=True, highlight=False)
    if any(finding.verdict is Verdict.bad for finding in findings):
        raise typer.Exit(FAILED)


def versions() -> Iterator[Finding]:
    """Compare what is installed with what pyproject.toml pins."""
    from packaging.requirements import Requirement

    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    supported = (3, 11) <= sys.version_info[:2] < (3, 14)
    yield Finding("python", Verdict.ok if supported else Verdict.bad, f"{python}; 3.11 to 3.13 are supported")
    for line in requires("faellesdata") or []:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            yield Finding(requirement.name, Verdict.bad, f"not installed. Run bootstrap.py, or install {requirement}")
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            text = f"{installed} is installed, {requirement.specifier} is wanted. Run bootstrap.py"
            yield Finding(requirement.name, Verdict.bad, text)
    yield Finding(
        "versions", Verdict.ok, ", ".join(f"{name} {version(name)}" for name in ("duckdb", "dlt", "dbt-core", "dagster"))
    )


def permissions(home: Home) -> Iterator[Finding]:
    """Look whether others on this machine can read what holds CPR numbers or secrets."""
    if not home.path.exists():
        yield Finding("home", Verdict.warn, f"{home.path} is not there yet. `faellesdata demo` or `refresh` makes it")
        return
    if not os.access(home.path, os.W_OK):
        yield Finding("home", Verdict.bad, f"{home.path} cannot be written. Give this user the right, or choose another --home")
    private = [
        home.warehouse,
        home.vault,
        home.vault_key,
        home.pseudonym_key,
        home.connections,
        *sorted(home.raw.glob("*.duckdb")),
    ]
    open_to_others = [path for path in private if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077]
    for path in open_to_others if os.name == "posix" else []:
        yield Finding("permissions", Verdict.bad, f"{path} can be read by others. Run: chmod 600 {path}")
    if not open_to_others:
        yield Finding("permissions", Verdict.ok, "warehouse, vault, raw files and connections.env are for this user alone")


def room(home: Home, register: Register) -> Iterator[Finding]:
    """Look at disk space and at how many files a process may open: dbt opens every raw file at once."""
    existing = next(path for path in (home.path, *home.path.parents) if path.exists())
    free = shutil.disk_usage(existing).free / 1e9
    advice = "" if free >= FREE_GB_WANTED else f". A load copies the system's file: keep {FREE_GB_WANTED} GB free"
    yield Finding("disk", Verdict.warn if advice else Verdict.ok, f"{free:.0f} GB free{advice}")
    if os.name == "posix":
        import resource

        limit, wanted = resource.getrlimit(resource.RLIMIT_NOFILE)[0], len(register.systems) + FILES_BESIDE_SYSTEMS
        enough = limit == resource.RLIM_INFINITY or limit >= wanted
        advice = "" if enough else f"; {wanted} are needed. Raise `ulimit -n` (systemd: LimitNOFILE)"
        yield Finding("files", Verdict.ok if enough else Verdict.bad, f"{limit} may be open at once{advice}")


def telemetry(home: Home) -> Iterator[Finding]:
    """Look whether Dagster's telemetry is off; the commands here switch off dbt's and dlt's themselves."""
    import yaml

    path = home.dagster / "dagster.yaml"
    if not path.exists():
        yield Finding("telemetry", Verdict.ok, "off for dbt and dlt; Dagster's settings are written by the first refresh")
        return
    settings = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    off = settings.get("telemetry", {}).get("enabled") is False
    yield Finding(
        "telemetry",
        Verdict.ok if off else Verdict.bad,
        "off for Dagster, dbt and dlt" if off else f"Dagster's is on. Put `telemetry: {{enabled: false}}` in {path}",
    )


def alerts() -> Iterator[Finding]:
    """Look whether anybody is told when something fails."""
    found = sorted(name for name in os.environ if name.startswith("FAELLESDATA_ALERT_"))
    advice = (
        "nobody is told when a night goes wrong. Set FAELLESDATA_ALERT_MAIL and FAELLESDATA_ALERT_PLATFORM (docs/operations.md)"
    )
    yield Finding("alerts", Verdict.ok if found else Verdict.warn, ", ".join(found) or advice)


def missing_settings(register: Register) -> Iterator[Finding]:
    """Name, per system, the variables and files it refers to that are not there."""
    from ingestion.settings import MissingSetting, resolve

    for system in register.systems.values():
        missing = []
        for reference in references(system.connection):
            try:
                resolve(reference)
            except MissingSetting as error:
                missing.append(str(error))
        for text in missing:
            yield Finding(system.id, Verdict.bad, text)
        if not missing:
            yield Finding(system.id, Verdict.ok, "all its settings are there")


def damaged(home: Home, register: Register) -> Iterator[Finding]:
    """Name the raw files that cannot be read."""
    from ingestion.raw_file import unreadable

    for system_id, reason in unreadable(home, register.systems).items():
        yield Finding(system_id, Verdict.bad, reason)


def left_behind(home: Home, register: Register) -> Iterator[Finding]:
    """Name the raw files and tables of what has left the register, and workbooks of departments that have none: nothing reads or
    mends them, and they may hold personal data.
    """
    from ingestion.platform import SYSTEM_ID
    from ingestion.raw_file import left_tables

    for path in sorted(home.raw.glob("*.duckdb")):
        if path.stem not in register.systems and path.stem != SYSTEM_ID:
            yield Finding(path.stem, Verdict.warn, f"{path}: no system of the register. Delete it if it is retired")
    for system_id, names in left_tables(home, register.systems).items():
        for name in names:
            told = (
                f"{home.raw_file(system_id)} has raw.{name}: no table of the register. Drop it if it is retired or has a new name"
            )
            yield Finding(system_id, Verdict.warn, told)
    departments = {system.department for system in register.systems.values()}
    for path in sorted((home.path / "workbooks").glob("*.xlsx")):
        if path.stem not in departments:
            yield Finding(
                path.stem, Verdict.warn, f"{path}: no department of the register. Delete it if it is called otherwise now"
            )


def references(model: BaseModel) -> Iterator[EnvRef | FileRef]:
    """Yield every reference to an environment variable or a file in `model`, however deep."""
    for value in dict(model).values():
        for item in value.values() if isinstance(value, dict) else [value]:
            if isinstance(item, EnvRef | FileRef):
                yield item
            elif isinstance(item, BaseModel):
                yield from references(item)


def connections(register: Register) -> Iterator[Finding]:
    """Read a row of each system's first table."""
    for system in register.systems.values():
        yield _connection(system)


def _connection(system: System) -> Finding:
    from ingestion.connectors.base import SourceError
    from ingestion.landing import preview

    try:
        preview(system, next(iter(system.tables)), limit=1)
    except SourceError as error:
        return Finding(system.id, Verdict.bad, str(error))
    return Finding(system.id, Verdict.ok, "answers")
