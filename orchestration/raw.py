"""What the register says of a system, as Dagster assets: the source system, its landed tables and their checks."""

# No `from __future__ import annotations` here: Dagster reads the annotations of ops, and wants the classes, not their names.

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import dagster as dg

from ingestion.checks import number
from ingestion.home import Home
from ingestion.register import Register, System, Table
from ingestion.register.model import Freshness
from orchestration.checks import signed
from orchestration.freshness import last_loads
from orchestration.keys import FRESHNESS, raw_table, source_system, system_pool
from orchestration.locks import exclusive

if TYPE_CHECKING:
    from ingestion.checks import Check
    from ingestion.landing import SystemLoad, TableLoad

_RETRIES = dg.RetryPolicy(delay=5, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
CHECKS = {
    "row_range": "Tabellen har så mange rækker, som registeret venter. Færre er en fejl, flere en advarsel.",
    "usual_rows": "Der kom omtrent så mange rækker, som der plejer på den ugedag. Lært af de sidste otte uger; en advarsel.",
    "reconciliation": "Læste rækker og frasorterede rækker er tilsammen, hvad kilden selv tæller, hvor den oplyser et antal.",
    "control_totals": "Summen af de læste rækker er den, som kilden selv oplyser (forespørgsel, slutpost, kontrolfil).",
    "contract": "Kilden har de kolonner, registeret nævner, og ingen andre. Nye eller manglende kolonner er en advarsel.",
    "rejects": "Alle rækker fra kilden kunne læses. Frasorterede rækker er en advarsel.",
}


def checks_of(table: Table) -> dict[str, str]:
    """Return what a load of the table is checked for, by name, with its description."""
    return {name: said for name, said in CHECKS.items() if name != "control_totals" or table.summed()}


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
            for check, description in checks_of(table).items()
        ],
        can_subset=True,
        config_schema=_CONFIG,
        pool=system_pool(system.id),
        # No retry policy: by it, Dagster begins a load anew that somebody terminates.
    )
    def load(context: dg.AssetExecutionContext) -> Iterator[Event]:
        from ingestion.landing import land_system
        from ingestion.work_file import RawFileError

        selected = [name for name in system.tables if raw_table(system.id, name) in context.selected_asset_keys]
        checks = context.selected_asset_check_keys
        home.load_settings()
        with exclusive(home, system_pool(system.id)):
            try:
                outcome = land_system(system, home, tables=selected, full=context.op_execution_context.op_config["full"])
            except RawFileError as error:
                raise dg.Failure(str(error), allow_retries=False) from error
            except Exception as error:
                # The connector repeats what a source fails at, per request; this is for what it cannot see, such as a full disk.
                wait = _RETRIES.calculate_delay(context.op_execution_context.retry_number + 1)
                raise dg.RetryRequested(system.limits.retries, wait) from error
        for name, loaded in outcome.tables.items():
            if loaded.status != "failed":
                yield table_loaded(system, name, loaded)
            results = [check_result(system.id, name, check) for check in loaded.checks]
            yield from (result for result in results if _key_of(result) in checks)
        if outcome.failed:
            raise dg.Failure(
                fault(system, outcome),
                metadata={name: outcome.tables[name].message for name in outcome.failed},
                # The source has had its retries; another round would hold up the night without a new fact.
                allow_retries=False,
            )

    return load


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
        description=f"Sidst hentet for {number(int(hours))} timer siden; se hvorfor i systemets kørsler" if late else None,
        metadata={"age_hours": round(hours, 2)},
    )


def _check_spec(system: System, name: str, table: Table, check: str, description: str) -> dg.AssetCheckSpec:
    blocking, owner = check in table.blocking, system.owner.email
    level = "error" if blocking or check in ("row_range", "reconciliation", "control_totals") else "warn"
    said = f"{description} Her spærrer den: tabellen bliver, som den var." if blocking else description
    return dg.AssetCheckSpec(
        check,
        asset=raw_table(system.id, name),
        description=signed(said, owner, level),
        blocking=blocking,
        metadata={"owner": owner, "severity": level},
    )


def check_result(system_id: str, table_name: str, check: "Check") -> dg.AssetCheckResult:
    """Return what the load found as Dagster has it."""
    return dg.AssetCheckResult(
        passed=check.passed,
        check_name=check.name,
        asset_key=raw_table(system_id, table_name),
        severity=dg.AssetCheckSeverity.ERROR if check.severe else dg.AssetCheckSeverity.WARN,
        description=check.said or None,
        metadata=dict(check.measures),
    )


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


def table_loaded(system: System, name: str, loaded: "TableLoad") -> dg.MaterializeResult[None]:
    metadata: dict[str, dg.RawMetadataValue] = {
        "dagster/row_count": loaded.table_rows,
        "status": loaded.status,
        "rows": loaded.rows,
        "rejects": loaded.rejects,
        "deleted_rows": loaded.deleted_rows,
        "seconds": round(loaded.seconds, 3),
        "bytes": loaded.bytes,
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
