"""What the register says of a system, as Dagster assets: the source system, its landed tables and their checks."""

# No `from __future__ import annotations` here: Dagster reads the annotations of ops, and wants the classes, not their names.

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from ingestion.home import Home
from ingestion.register import Register, System, Table
from ingestion.register.model import Freshness
from orchestration.anomalies import UsualRows, history, usual_rows
from orchestration.checks import signed
from orchestration.freshness import last_loads
from orchestration.keys import FRESHNESS, raw_table, source_system, system_pool
from orchestration.locks import exclusive

if TYPE_CHECKING:
    from ingestion.landing import SystemLoad, TableLoad

RETRY_DELAY_SECONDS = 5
CHECKS = {
    "row_range": "Tabellen har så mange rækker, som registeret venter. Færre er en fejl, flere en advarsel.",
    "usual_rows": "Der kom omtrent så mange rækker, som der plejer på den ugedag. Lært af de sidste otte uger; en advarsel.",
    "reconciliation": "Læste rækker og frasorterede rækker er tilsammen, hvad kilden selv tæller, hvor den oplyser et antal.",
    "contract": "Kilden har de kolonner, registeret nævner, og ingen andre. Nye eller manglende kolonner er en advarsel.",
    "rejects": "Alle rækker fra kilden kunne læses. Frasorterede rækker er en advarsel.",
}

_KITOS = "https://kitos.dk/ui/it-systems/it-system-usages"

Event = dg.MaterializeResult[None] | dg.AssetCheckResult
_CONFIG = {"full": dg.Field(bool, default_value=False, description="Read incremental tables and files from the beginning.")}


def source_spec(system: System) -> dg.AssetSpec:
    """Return the department's system itself, as an asset that Dagster shows but never makes."""
    return dg.AssetSpec(
        source_system(system.id),
        description=f"{system.title}. {system.description}",
        group_name=system.department,
        owners=[system.owner.email],
        kinds={system.connection.protocol},
        tags={**_tags(system), "layer": "source"},
        metadata={
            "title": system.title,
            "product": system.product,
            "vendor": system.vendor,
            "owner": f"{system.owner.team} <{system.owner.email}>",
            "data_steward": f"{system.data_steward.team} <{system.data_steward.email}>",
            "protocol": system.connection.protocol,
            **({"link": dg.MetadataValue.url(system.link)} if system.link else {}),
            **({"kitos": dg.MetadataValue.url(f"{_KITOS}/{system.kitos_uuid}")} if system.kitos_uuid else {}),
        },
    )


def load_asset(system: System, home: Home) -> dg.AssetsDefinition:
    """Return one op that loads the tables of `system`, all or some of them.

    Nothing depends on another system's op: whatever happens to this one, the others are loaded.
    """

    @dg.multi_asset(
        name=f"load_{system.id}",
        description=f"Loads {system.title} into raw/{system.id}.duckdb.",
        specs=[_table_spec(system, name, table) for name, table in system.tables.items()],
        check_specs=[
            _check_spec(system, name, table, check, description)
            for name, table in system.tables.items()
            for check, description in CHECKS.items()
        ],
        can_subset=True,
        config_schema=_CONFIG,
        pool=system_pool(system.id),
        # The connector repeats what a source fails at, per request; this is for what it cannot see, such as a full disk.
        retry_policy=dg.RetryPolicy(
            max_retries=system.limits.retries,
            delay=RETRY_DELAY_SECONDS,
            backoff=dg.Backoff.EXPONENTIAL,
            jitter=dg.Jitter.PLUS_MINUS,
        ),
    )
    def load(context: dg.AssetExecutionContext) -> Iterator[Event]:
        from ingestion.landing import land_system

        selected = [name for name in system.tables if raw_table(system.id, name) in context.selected_asset_keys]
        checks = context.selected_asset_check_keys
        home.load_settings()
        with exclusive(home, system_pool(system.id)):
            outcome = land_system(system, home, tables=selected, full=context.op_execution_context.op_config["full"])
        usual = _usual(system, home)
        for name, loaded in outcome.tables.items():
            if loaded.status != "failed":
                yield table_loaded(system, name, loaded, home.raw_file(system.id).stat().st_size)
                yield from (
                    check
                    for check in check_results(system.id, name, system.tables[name], loaded, usual.get(name))
                    if _key_of(check) in checks
                )
            else:
                yield from (check for check in blocked_results(system, name, loaded) if _key_of(check) in checks)
        if outcome.failed:
            raise dg.Failure(
                fault(system, outcome),
                metadata={name: outcome.tables[name].message for name in outcome.failed},
                # The source has had its retries; another round would hold up the night without a new fact.
                allow_retries=False,
            )

    return load


def blocked_results(system: System, name: str, loaded: "TableLoad") -> Iterator[dg.AssetCheckResult]:
    """Say which check kept the table as it was, if it was one that the register lets block."""
    if loaded.blocked_by:
        yield dg.AssetCheckResult(
            passed=False,
            check_name=loaded.blocked_by,
            asset_key=raw_table(system.id, name),
            severity=dg.AssetCheckSeverity.ERROR,
            description=f"Tabellen blev ikke hentet, og er som før: {loaded.message}",
        )


def _key_of(check: dg.AssetCheckResult) -> dg.AssetCheckKey:
    if check.asset_key is None or check.check_name is None:
        raise ValueError("a check of ours always names its table and itself")
    return dg.AssetCheckKey(check.asset_key, check.check_name)


def freshness_checks(register: Register, home: Home) -> list[dg.AssetChecksDefinition]:
    """Return an op per department that says of each of its tables whether it is as new as the register wants it.

    They belong to the build, not to the load: what was never loaded, or whose load failed, is what they are there to see.
    One op for all would cost Dagster time with the square of the tables, in each job that has it.
    """
    by_department: dict[str, list[System]] = defaultdict(list)
    for system in register.systems.values():
        by_department[system.department].append(system)
    return [_freshness_check(department, systems, home) for department, systems in by_department.items()]


def _freshness_check(department: str, systems: Sequence[System], home: Home) -> dg.AssetChecksDefinition:
    wanted = {raw_table(system.id, name): system for system in systems for name in system.tables}

    @dg.multi_asset_check(
        name=f"freshness_{department}",
        specs=[
            dg.AssetCheckSpec(
                FRESHNESS,
                asset=key,
                description=signed(
                    f"Hentet inden for {system.freshness.error_after_hours} timer; efter "
                    f"{system.freshness.warn_after_hours} timer en advarsel.",
                    system.owner.email,
                    "error",
                ),
                metadata={"owner": system.owner.email, "severity": "error"},
            )
            for key, system in wanted.items()
        ],
        can_subset=True,
    )
    def freshness(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        now, loads = datetime.now(UTC), last_loads((system.id for system in systems), home)
        for key in sorted(check.asset_key for check in context.selected_asset_check_keys):
            system = wanted[key]
            # Of what was never loaded there is nothing to judge: it shows as a check without a result.
            if loaded := loads[system.id].get(key.path[-1]):
                yield freshness_result(key, system.freshness, (now - loaded).total_seconds() / 3600)

    return freshness


def freshness_result(key: dg.AssetKey, freshness: Freshness, hours: float) -> dg.AssetCheckResult:
    """Judge the age of a table, in hours."""
    stale = hours > freshness.error_after_hours
    late = stale or hours > freshness.warn_after_hours
    return dg.AssetCheckResult(
        passed=not late,
        check_name=FRESHNESS,
        asset_key=key,
        severity=dg.AssetCheckSeverity.ERROR if stale else dg.AssetCheckSeverity.WARN,
        description=f"Sidst hentet for {_number(int(hours))} timer siden; se hvorfor i systemets kørsler" if late else None,
        metadata={"age_hours": round(hours, 2)},
    )


def _check_spec(system: System, name: str, table: Table, check: str, description: str) -> dg.AssetCheckSpec:
    blocking, owner = check in table.blocking, system.owner.email
    level = "error" if blocking or check in ("row_range", "reconciliation") else "warn"
    said = f"{description} Her spærrer den: tabellen bliver, som den var." if blocking else description
    return dg.AssetCheckSpec(
        check,
        asset=raw_table(system.id, name),
        description=signed(said, owner, level),
        blocking=blocking,
        metadata={"owner": owner, "severity": level},
    )


def check_results(
    system_id: str, table_name: str, table: Table, loaded: "TableLoad", usual: UsualRows | None = None
) -> Iterator[dg.AssetCheckResult]:
    """Judge what was loaded against the register, the source's own count, and what is `usual`, where that is known."""
    key, expected = raw_table(system_id, table_name), table.expected_rows
    too_few = loaded.table_rows < expected.min
    too_many = expected.max is not None and loaded.table_rows > expected.max
    yield dg.AssetCheckResult(
        passed=not (too_few or too_many),
        check_name="row_range",
        asset_key=key,
        severity=dg.AssetCheckSeverity.ERROR if too_few else dg.AssetCheckSeverity.WARN,
        description=(
            f"{_number(loaded.table_rows)} rækker; der ventes {_number(expected.min)} til "
            f"{_number(expected.max) if expected.max is not None else 'et hvilket som helst antal'}. "
            "Ret kilden, eller flyt grænsen i registeret"
            if too_few or too_many
            else None
        ),
        metadata={"rows": loaded.table_rows},
    )
    if usual is not None:
        rows = loaded.table_rows if table.write == "replace" else loaded.rows
        days = "på denne ugedag" if usual.weekday else "ved en hentning"
        yield dg.AssetCheckResult(
            passed=rows in usual,
            check_name="usual_rows",
            asset_key=key,
            severity=dg.AssetCheckSeverity.WARN,
            description=None
            if rows in usual
            else f"{_number(rows)} rækker; {days} plejer det at være {_number(usual.low)} til {_number(usual.high)} "
            f"(de seneste {usual.loads} hentninger). Spørg systemets ejer, om det er rigtigt",
            metadata={"rows": rows, "usual_low": usual.low, "usual_high": usual.high},
        )
    if loaded.source_rows is not None:
        accounted = loaded.rows <= loaded.source_rows <= loaded.rows + loaded.rejects
        yield dg.AssetCheckResult(
            passed=accounted,
            check_name="reconciliation",
            asset_key=key,
            description=None
            if accounted
            else f"Kilden tæller {_number(loaded.source_rows)} rækker; {_number(loaded.rows)} blev læst og "
            f"{_number(loaded.rejects)} frasorteret",
            metadata={"source_rows": loaded.source_rows, "rows": loaded.rows, "rejects": loaded.rejects},
        )
    drift = _listing("nye kolonner", loaded.new_columns) + _listing("manglende kolonner", loaded.missing_columns)
    drift += _listing("kolonner af en anden type", loaded.retyped_columns)
    yield dg.AssetCheckResult(
        passed=not drift,
        check_name="contract",
        asset_key=key,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{_sentence('; '.join(drift))}. Skriv dem ind i registeret, eller tag dem ud" if drift else None,
    )
    yield dg.AssetCheckResult(
        passed=loaded.rejects == 0,
        check_name="rejects",
        asset_key=key,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{_number(loaded.rejects)} rækker kunne ikke læses. De står i karantænen med fil og linje"
        if loaded.rejects
        else None,
        metadata={"rejects": loaded.rejects},
    )


def _usual(system: System, home: Home) -> dict[str, UsualRows | None]:
    """Return what is usual for each table at its newest load, from the loads before it."""
    from ingestion.raw_file import read_log

    path = home.raw_file(system.id)
    log = read_log(path) if path.exists() else []
    newest = {entry["table_name"]: entry["started_at"] for entry in log}
    return {
        name: usual_rows(history(log, name, system.tables[name].write == "replace"), at)
        for name, at in newest.items()
        if name in system.tables
    }


def _sentence(text: str) -> str:
    # `capitalize` would make the column names small.
    return text[:1].upper() + text[1:]


def _number(count: int) -> str:
    """Return `count` as it is written in Danish."""
    return f"{count:,}".replace(",", ".")


def _listing(title: str, names: Sequence[str]) -> list[str]:
    return [f"{title}: {', '.join(names)}"] if names else []


def _table_spec(system: System, name: str, table: Table) -> dg.AssetSpec:
    return dg.AssetSpec(
        raw_table(system.id, name),
        deps=[source_system(system.id)],
        description=f"{table.title}. {table.description}",
        group_name=system.department,
        owners=[system.owner.email],
        kinds={"dlt", "duckdb", system.connection.protocol},
        tags={**_tags(system), "layer": "raw"},
        freshness_policy=_freshness_policy(system.freshness),
        metadata={
            "title": table.title,
            "system": system.title,
            "data_steward": f"{system.data_steward.team} <{system.data_steward.email}>",
            "write": table.write,
            "key": ", ".join(table.key),
            "dagster/table_name": f"raw_{system.id}.raw.{name}",
            "dagster/column_schema": _column_schema(table),
        },
    )


def _tags(system: System) -> dict[str, str]:
    return {
        "system": system.id,
        "department": system.department,
        "cadence": system.cadence,
        "classification": system.classification,
    }


def _freshness_policy(freshness: Freshness) -> dg.FreshnessPolicy:
    warn, fail = timedelta(hours=freshness.warn_after_hours), timedelta(hours=freshness.error_after_hours)
    # Dagster refuses a warning that comes no earlier than the failure; the register allows it (no warning wanted).
    return dg.FreshnessPolicy.time_window(fail_window=fail, warn_window=warn if warn < fail else None)


def _column_schema(table: Table) -> dg.TableSchema:
    raw_names = table.raw_names()
    return dg.TableSchema(
        columns=[
            dg.TableColumn(raw_names[source], column.type, f"{column.label}: {column.description}")
            for source, column in table.columns.items()
        ]
    )


def table_loaded(system: System, name: str, loaded: "TableLoad", file_bytes: int) -> dg.MaterializeResult[None]:
    metadata: dict[str, dg.RawMetadataValue] = {
        "dagster/row_count": loaded.table_rows,
        "status": loaded.status,
        "rows": loaded.rows,
        "rejects": loaded.rejects,
        "deleted_rows": loaded.deleted_rows,
        "seconds": round(loaded.seconds, 3),
        "system_file_bytes": file_bytes,
        "load_id": loaded.load_id or "",
        "new_columns": ", ".join(loaded.new_columns),
    }
    if loaded.source_rows is not None:
        metadata["source_rows"] = loaded.source_rows
    return dg.MaterializeResult(asset_key=raw_table(system.id, name), metadata=metadata)


def fault(system: System, outcome: "SystemLoad") -> str:
    faults = _lines(_named(f"{system.id}.{name}", outcome.tables[name].message) for name in outcome.failed)
    return (
        f"{system.title} ({system.id}): {len(outcome.failed)} of {len(outcome.tables)} tables failed and are as before.\n"
        f"{faults}\nOwner: {system.owner.team}, {system.owner.email}"
    )


def _named(table: str, message: str) -> str:
    return message if message.startswith(table) else f"{table}: {message}"


def _lines(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)
