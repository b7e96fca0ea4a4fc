"""What is wrong this morning: from the load logs, from the newest build and publication, and which marts it reaches."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import dagster as dg
from dagster import DagsterRun, DagsterRunStatus, RunsFilter

from ingestion.checks import WARNED
from ingestion.home import Home
from ingestion.register import Register, System
from orchestration.dbt import manifest_is_current
from orchestration.freshness import Lineage, held_back, last_loads, stale_tables
from orchestration.runs import INTERRUPTED, dbt_ended, ended, failed_checks, failures, is_cut_short, listed_failures, systems_of
from orchestration.schedules import BUILD, PUBLISH
from orchestration.states import PUBLICATION, REFUSED, failing_since, last_good

Severity = Literal["error", "warn"]
PLATFORM = "platform"
"""Whose it is when no department's data are to blame."""
MODEL = "model:"
"""How the key of a table begins that could not be built."""


@dataclass(frozen=True)
class Owner:
    """Who is told: a department's people by mail address, or the platform's own (no address). One address is one owner."""

    team: str = field(compare=False)
    email: str = ""
    department: str = PLATFORM


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong, in Danish, for its owner. `key` stays the same for as long as it lasts."""

    key: str
    owner: Owner
    what: str
    todo: str
    details: tuple[str, ...] = ()
    since: datetime | None = None
    """When it began (UTC); None where only the one who keeps count of mornings knows."""
    data_from: datetime | None = None
    """How old the data are that stand in for it (UTC)."""
    marts: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    """The tables it is about: one more of them is news."""
    page: str = ""
    """Where the UI shows it."""
    system: str = ""
    severity: Severity = "error"
    """What warns is told once; that it has passed is no news."""

    @property
    def platform(self) -> bool:
        """Whether the night itself was not as it should be, whosever the table is; data that fail a test are none of that."""
        return self.severity == "error" and (self.owner.department == PLATFORM or self.key.startswith((MODEL, REFUSED)))


PLATFORM_OWNER = Owner("Fællesdata")
SEEN_BACK = timedelta(days=35)
"""How far back runs are looked through: what is loaded monthly has been tried again by then."""


def find_troubles(
    register: Register, home: Home, manifest: Mapping[str, Any], instance: dg.DagsterInstance, now: datetime
) -> list[Trouble]:
    """Return everything that is wrong, newest state only: what has been mended is not in the list."""
    from ingestion.raw_file import unreadable

    lineage, lost = Lineage(manifest), unreadable(home, register.systems)
    troubles = [*_load_troubles(register, home, lineage, now, lost)]
    troubles += _held_back(manifest, stale_tables(register, last_loads(register.systems, home), now), lineage)
    build, publication = next(ended(instance, BUILD), None), next(ended(instance, PUBLISH), None)
    if not manifest_is_current(register, home):
        troubles.append(
            Trouble(
                "manifest",
                PLATFORM_OWNER,
                "dbt-projektet er ændret og kan ikke læses. Der bygges efter det forrige, hvis det findes.",
                "Kør `faellesdata refresh`: det første trin siger, hvad der er galt. Ret det, og kør igen.",
            )
        )
    troubles += _apart(register, manifest, lineage)
    troubles += _faults_of_the_platform(instance, register, home, lineage, now, lost)
    if build:
        troubles += _unfinished_build(instance, build)
    if tested := next((run for run in ended(instance, BUILD) if dbt_ended(instance, run)), None):
        troubles += _build_troubles(instance, tested, register, manifest, lineage)
    if publication and not publication.is_success:
        troubles += _publication_troubles(instance, publication, manifest, lineage)
    return troubles


def _faults_of_the_platform(
    instance: dg.DagsterInstance, register: Register, home: Home, lineage: Lineage, now: datetime, lost: Mapping[str, str]
) -> Iterable[Trouble]:
    """Tell of loads that ended in a fault of ours (a full disk, a run that was killed): not even their log is published."""
    from ingestion.raw_file import read_logs

    told = set(lost)
    failed = RunsFilter(statuses=[DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED], created_after=now - SEEN_BACK)
    for record in instance.get_run_records(failed):  # The newest first.
        run = record.dagster_run
        began = datetime.fromtimestamp(record.start_time, UTC) if record.start_time else record.create_timestamp
        if began > now:
            continue  # Of a clock that has been set back since.
        systems = set() if run.job_name in (BUILD, PUBLISH) else systems_of(instance, run) & register.systems.keys() - told
        if not systems:
            continue
        told |= systems
        faults = dict.fromkeys(systems, INTERRUPTED) if is_cut_short(run) else {}
        faults |= {step.removeprefix("load_"): message for step, message in failures(instance, run).items()}
        for system_id, log in read_logs(home, sorted(faults.keys() & systems)).items():
            if any(entry["started_at"].replace(tzinfo=UTC) >= began for entry in log):
                continue
            system, cut = register.systems[system_id], faults[system_id] == INTERRUPTED
            said = faults.get(run.job_name) if cut else faults[system_id]
            yield Trouble(
                f"fault:{system_id}",
                PLATFORM_OWNER,
                f"{system.title} blev ikke hentet: kørslen blev afbrudt, før den var færdig."
                if cut
                else f"{system.title} kunne ikke hentes. Fejlen er på platformen, ikke i kilden.",
                (
                    "Der hentes igen i nat; før det med: "
                    if cut
                    else "Se fejlen i kørslen (fuld disk, en rettighed, der mangler), ret den, og kør: "
                )
                + f"faellesdata refresh --system {system_id}",
                (said,) if said else (),
                marts=lineage.marts_of_tables(system_id, system.tables),
                page=f"runs/{run.run_id}",
                system=system_id,
            )


def _apart(register: Register, manifest: Mapping[str, Any], lineage: Lineage) -> Iterable[Trouble]:
    """Tell of the tables that only one of register and dbt project knows: they would be old for ever, or never be used."""
    built = {(source["source_name"], source["name"]) for source in manifest.get("sources", {}).values()}
    built = {(system_id, name) for system_id, name in built if system_id not in (PLATFORM, "vault")}
    loaded = {(system.id, name) for system, name, _ in register.tables()}
    left, new = (sorted(".".join(key) for key in keys) for keys in (built - loaded, loaded - built))
    said = [f"{', '.join(left)} hentes ikke mere, og det, der bygger på det, er, som det var"] if left else []
    said += [f"{', '.join(new)} hentes, men bruges ikke"] if new else []
    if built and said:
        yield Trouble(
            "register",
            PLATFORM_OWNER,
            f"Registeret og dbt-projektet kender ikke de samme tabeller: {'; '.join(said)}.",
            "Er en fil i registeret rettet, omdøbt eller slettet, så kør: faellesdata systems generate. "
            "Har den en fejl, siger faellesdata systems validate hvilken.",
            marts=lineage.marts_of([key for system_id, name in built - loaded for key in lineage.sources(system_id, [name])]),
            parts=(*left, *new),
        )


def system_owner(system: System) -> Owner:
    return Owner(system.owner.team, system.owner.email, system.department)


def _load_troubles(register: Register, home: Home, lineage: Lineage, now: datetime, lost: Mapping[str, str]) -> Iterable[Trouble]:
    from ingestion.raw_file import read_logs

    for system_id, reason in lost.items():
        system = register.systems[system_id]
        yield Trouble(
            f"raw:{system_id}",
            PLATFORM_OWNER,
            f"Råfilen for {system.title} kan ikke læses. Det, der bygger på den, er som før.",
            "Er den åben i et andet program, så luk den dér. Er den beskadiget, så læg den tilbage fra sikkerhedskopien. "
            f"Hent derefter: faellesdata refresh --system {system_id}",
            (reason,),
            marts=lineage.marts_of_tables(system_id, system.tables),
            page=f"assets/raw/{system_id}",
            system=system_id,
        )
    for system_id, log in read_logs(home, register.systems).items():
        system = register.systems[system_id]
        histories = {name: [entry for entry in log if entry["table_name"] == name] for name in system.tables}
        failed = {name: entries for name, entries in histories.items() if entries and entries[-1]["status"] == "failed"}
        if failed:
            yield _failed_loads(system, failed, lineage)
        # What failed has been said; what is old without having failed was never tried.
        old = {name: good for name, entries in histories.items() if name not in failed and (good := last_good(entries))}
        limit = now - timedelta(hours=system.freshness.error_after_hours)
        stale = {name: good for name, good in old.items() if good < limit}
        if stale:
            yield Trouble(
                f"stale:{system.id}",
                system_owner(system),
                f"{system.title} er ikke hentet, som den skulle.",
                f"Kører tidsplanen? Se `faellesdata status`. Hent nu: faellesdata refresh --system {system.id}",
                since=min(stale.values()) + timedelta(hours=system.freshness.error_after_hours),
                data_from=min(stale.values()),
                marts=lineage.marts_of_tables(system.id, stale),
                parts=tuple(stale),
                page=f"assets/raw/{system.id}",
                system=system.id,
            )
        waited = {name: entries for name, entries in histories.items() if name not in failed and name not in stale}
        if late := late_deliveries(system, waited, now):
            yield Trouble(
                f"late:{system.id}",
                system_owner(system),
                f"En leverance til {system.title} mangler.",
                "Spørg den, der leverer. Når filen ligger der, hentes den i nat; "
                f"før det med: faellesdata refresh --system {system.id}",
                since=min(late.values()) + timedelta(hours=system.freshness.delivery_after_hours or 0),
                data_from=min(late.values()),
                marts=lineage.marts_of_tables(system.id, late),
                parts=tuple(late),
                page=f"assets/raw/{system.id}",
                system=system.id,
            )


def late_deliveries(system: System, histories: Mapping[str, Sequence[Mapping[str, Any]]], now: datetime) -> dict[str, datetime]:
    """Return the tables that wait for a delivery, and when the last one came that brought anything.

    What comes by one file (of changes, say) is delivered with it, though none of its rows be the table's.
    """
    hours = system.freshness.delivery_after_hours
    if hours is None:
        return {}
    came: dict[str, datetime] = {}
    for name, entries in histories.items():
        times = [entry["started_at"].replace(tzinfo=UTC) for entry in entries if entry["rows"]]
        came[_delivery(system, name)] = max([*times, came.get(_delivery(system, name), _NEVER)])
    last = {name: came[_delivery(system, name)] for name in histories}
    return {name: time for name, time in last.items() if _NEVER < time < now - timedelta(hours=hours)}


_NEVER = datetime.min.replace(tzinfo=UTC)


def _delivery(system: System, table_name: str) -> str:
    return str(getattr(system.tables[table_name].source, "glob", table_name))


_WARNINGS = {
    "contract": ("har fået eller mistet kolonner", "Er det meningen, så skriv dem ind i registeret; ellers spørg leverandøren."),
    "usual_rows": ("kom med et usædvanligt antal rækker", "Er tallet rigtigt, er der intet at gøre; ellers spørg leverandøren."),
    "row_range": ("har flere rækker, end registeret venter", "Er tallet rigtigt, så flyt grænsen i registeret."),
    "control_totals": ("har andre summer, end kilden selv oplyser", "Bed om en ny leverance, eller spørg leverandøren."),
}
"""Checks whose warnings are told, by name → what happened, what to do. Rejected rows stand in the department's workbook."""


def find_warnings(register: Register, home: Home, manifest: Mapping[str, Any]) -> list[Trouble]:
    """Return what the newest good load of each table warns of, by system and check, where the register wants it told."""
    from ingestion.raw_file import read_logs

    lineage, found = Lineage(manifest), []
    wanted = [system.id for system in register.systems.values() if system.alert_from == "warn"]
    for system_id, entries in read_logs(home, wanted).items():
        system = register.systems[system_id]
        log = [entry for entry in entries if entry["table_name"] in system.tables]
        for check, (happened, todo) in _WARNINGS.items():
            # A load that brought nothing has seen no columns.
            seen = {"loaded"} if check == "contract" else {"loaded", "unchanged"}
            newest = {entry["table_name"]: entry for entry in log if entry["status"] in seen}
            results = {name: str(json.loads(entry["checks"] or "{}").get(check, "")) for name, entry in newest.items()}
            # A wrong sum is an error, and its rows are in all the same; other errors are told of the load or the build.
            told = (WARNED, "failed") if check == "control_totals" else (WARNED,)
            said = {name: result for name, result in results.items() if result.startswith(told)}
            if said:
                found.append(
                    Trouble(
                        f"warn:{system.id}:{check}",
                        system_owner(system),
                        f"{system.title} {happened}.",
                        todo,
                        tuple(f"{name}: {text.partition(': ')[2]}" for name, text in said.items()),
                        since=min(newest[name]["started_at"] for name in said).replace(tzinfo=UTC),
                        marts=lineage.marts_of_tables(system.id, said),
                        parts=tuple(f"{name}: {newest[name]['new_columns']}" for name in said),
                        page=f"assets/raw/{system.id}",
                        system=system.id,
                        severity="warn",
                    )
                )
    return found


def _held_back(manifest: Mapping[str, Any], stale: Mapping[str, Sequence[str]], lineage: Lineage) -> Iterable[Trouble]:
    for unique_id, systems in held_back(manifest, stale).items():
        node = manifest["nodes"][unique_id]
        yield Trouble(
            f"held:{node['name']}",
            _node_owner(node, manifest),
            f"Tabellen {node['name']} bygges ikke: den kræver friske data, og {', '.join(systems)} er for gammel.",
            "Når systemet er hentet igen, bygges tabellen af sig selv. Må den bygges på gamle data, så fjern require_fresh i "
            "dens dbt-fil.",
            marts=lineage.marts_of([unique_id]),
        )


def _publication_troubles(
    instance: dg.DagsterInstance, publication: DagsterRun, manifest: Mapping[str, Any], lineage: Lineage
) -> Iterable[Trouble]:
    """Tell of the tables that the guard refused, each to its owner; where that is not it, nothing was published."""
    page, refused = f"runs/{publication.run_id}", listed_failures(instance, publication, "refused")
    for node in manifest.get("nodes", {}).values():
        if node["name"] in refused:
            yield Trouble(
                f"{REFUSED}{node['name']}",
                _node_owner(node, manifest),
                f"Tabellen {node['name']} måtte ikke udgives: den ville vise, hvad der skal være skjult. Resten er udgivet.",
                "Det er en fejl i modellen: sig det til dem, der passer Fællesdata, og til BI-netværket, som har tabellen, "
                "som den var før, eller slet ikke. Er den rettet, udgives den i nat; før det med: faellesdata refresh",
                (refused[node["name"]],),
                marts=lineage.marts_of([node["unique_id"]]),
                page=page,
            )
    if not refused:
        yield Trouble(
            PUBLICATION,
            PLATFORM_OWNER,
            "BI-netværkets data blev ikke udgivet. Det læser den forrige udgave.",
            "Se fejlen i kørslen, ret den, og kør: faellesdata publish",
            tuple(failures(instance, publication).values()),
            page=page,
        )


def _failed_loads(system: System, failed: Mapping[str, Sequence[Mapping[str, Any]]], lineage: Lineage) -> Trouble:
    goods = [good for entries in failed.values() if (good := last_good(entries))]
    whole = len(failed) == len(system.tables)
    return Trouble(
        f"load:{system.id}",
        system_owner(system),
        f"{system.title} kunne ikke hentes."
        if whole
        else f"{system.title}: {len(failed)} af {len(system.tables)} tabeller kunne ikke hentes.",
        "Er fejlen der også i morgen, så spørg leverandøren eller den, der passer systemet. Der hentes igen i nat; "
        f"før det med: faellesdata refresh --system {system.id}",
        tuple(entries[-1]["message"] for entries in failed.values()),
        since=min(began for entries in failed.values() if (began := failing_since(entries))),
        data_from=min(goods) if goods else None,
        marts=lineage.marts_of_tables(system.id, failed),
        parts=tuple(failed),
        page=f"assets/raw/{system.id}",
        system=system.id,
    )


def _unfinished_build(instance: dg.DagsterInstance, build: DagsterRun) -> Iterable[Trouble]:
    """Tell of the newest build where it did not come to its end, whatever was wrong before it."""
    if is_cut_short(build):
        yield Trouble(
            "build:cut",
            PLATFORM_OWNER,
            "Opbygningen af warehouset blev afbrudt. Det, der ikke nåede at blive bygget, er som før.",
            "Der bygges igen i nat; før det med: faellesdata refresh",
            tuple(message for message in failures(instance, build).values() if message != INTERRUPTED),
            page=f"runs/{build.run_id}",
        )
        return
    for step, message in {} if dbt_ended(instance, build) else failures(instance, build).items():
        yield Trouble(
            f"build:{step}",
            PLATFORM_OWNER,
            f"Opbygningen af warehouset fejlede i {step}. Alt er som før.",
            "Se fejlen i kørslen, ret den, og kør: faellesdata refresh",
            (message,),
            page=f"runs/{build.run_id}",
        )


def _build_troubles(
    instance: dg.DagsterInstance, build: DagsterRun, register: Register, manifest: Mapping[str, Any], lineage: Lineage
) -> Iterable[Trouble]:
    nodes = {node["name"]: node for node in manifest.get("nodes", {}).values() if node["resource_type"] != "test"}
    for unique_id, message in listed_failures(instance, build, "failed_models").items():
        name = unique_id.split(".")[-1]
        yield Trouble(
            f"{MODEL}{name}",
            _node_owner(nodes.get(name), manifest),
            f"Tabellen {name} kunne ikke bygges. Den og det, der bygger på den, er som før.",
            "Det er en fejl i en model eller i data, den ikke var forberedt på. Se kørslen, og sig det til BI-netværket.",
            (message,),
            marts=lineage.marts_of([unique_id]),
            page=f"runs/{build.run_id}",
        )
    for path, check, description, blocking in failed_checks(instance, build):
        system = register.systems.get(path[1]) if path[0] == "raw" else None
        node = nodes.get(path[-1])
        yield Trouble(
            f"check:{'/'.join(path)}:{check}",
            system_owner(system) if system else _node_owner(node, manifest),
            f"En kontrol af {path[-1]} er ikke bestået: {check}.",
            f"{'BI-netværket læser den som før' if blocking else 'Data er udgivet alligevel'}. "
            "Find rækkerne i karantænen eller i tabellen, og ret dem i kildesystemet.",
            (description,) if description else (),
            marts=lineage.marts_of([node["unique_id"]]) if node else (),
            system=system.id if system else "",
            page=f"runs/{build.run_id}",
        )


def _node_owner(node: Mapping[str, Any] | None, manifest: Mapping[str, Any]) -> Owner:
    """Return the owner of the node's dbt group; the platform where there is none."""
    department = (node.get("config", {}).get("group") or node.get("group")) if node else None
    group = next((group for group in manifest.get("groups", {}).values() if group["name"] == department), None)
    if department is None or group is None:
        return PLATFORM_OWNER
    owner = group.get("owner", {})
    return Owner(owner.get("name") or department, owner.get("email") or "", department)
