"""From raw to published, as Dagster assets: the vault, the platform's own tables, everything dbt builds, the role files."""

# No `from __future__ import annotations` here: Dagster reads the annotations of ops, and wants the classes, not their names.

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from ingestion.home import Home, for_us_alone
from ingestion.register import Problem, Register, read_leniently
from orchestration.dagster_dbt_alone import dbt_assets, event_message
from orchestration.dbt import DbtError, DbtOutcome, build
from orchestration.freshness import held_back, last_loads, stale_tables
from orchestration.keys import PLATFORM, PLATFORM_TABLES, REGISTER, VAULT, WAREHOUSE_POOL, published, raw_table, source_system
from orchestration.locks import exclusive
from orchestration.measures import Measures, quality_scores
from orchestration.plan import made_with_a_vault, summary
from orchestration.reports import report_specs
from orchestration.translator import Translator, audience, read_manifest
from serving.purposes import EVERYBODY

Event = dg.MaterializeResult[None] | dg.AssetCheckResult
GROUP = "platform"
UNCHANGED = "unchanged"
"""Metadata of the observation that a build leaves of what it did not have to make."""
OWNER = f"team:{PLATFORM}"


class BuildConfig(dg.Config):
    """`full` builds everything, whether it has news or not."""

    full: bool = False


def register_asset(systems: Path, problems: Sequence[Problem] = ()) -> dg.AssetsDefinition:
    """Return the register itself: its check fails, with file and line, when a system's file cannot be read."""

    @dg.asset(
        key=REGISTER,
        group_name=GROUP,
        kinds={"yaml"},
        tags={"layer": "platform"},
        owners=[OWNER],
        description="Registeret: en fil for hvert system. En fil med fejl er ude, til den er rettet; resten går videre.",
        # What was wrong when the definitions were loaded: it is seen before anything has been run.
        metadata={"problems": problem_text(problems)},
        check_specs=[
            dg.AssetCheckSpec(
                "valid",
                asset=REGISTER,
                description="Alle filer i registeret kan læses.",
                metadata={"owner": OWNER, "severity": "error"},
            )
        ],
    )
    def register_() -> Iterator[Event]:
        register, problems = read_leniently(systems)
        yield dg.MaterializeResult(metadata={"systems": len(register.systems), "problems": problem_text(problems)})
        yield dg.AssetCheckResult(passed=not problems, check_name="valid", description=problem_text(problems))

    return register_


def problem_text(problems: Sequence[Problem]) -> str:
    return "\n".join(str(problem) for problem in problems) or "none"


def vault_asset(register: Register, home: Home) -> dg.AssetsDefinition:
    sources = [
        raw_table(system.id, name)
        for system, name, table in register.tables()
        if any(column.type == "cpr" for column in table.columns.values())
    ]
    described = {
        "person_keys": "CPR-nummer → tilfældigt person-id. Bliver i boksen: intet længere fremme rummer et CPR-nummer.",
        "pseudonyms": "Person-id → det navn, personen går under til ét formål. Nøglerne til navnene kommer aldrig ud af boksen.",
    }

    @dg.multi_asset(
        name="vault",
        specs=[
            dg.AssetSpec(
                key,
                deps=sources,
                group_name=GROUP,
                kinds={"duckdb"},
                tags={"layer": "vault"},
                owners=[OWNER],
                description=described[name],
            )
            for name, key in VAULT.items()
        ],
        pool=WAREHOUSE_POOL,
    )
    def vault() -> Iterator[Event]:
        from ingestion.landing import hide_persons_files
        from ingestion.platform import build_platform
        from ingestion.vault import build_vault

        with exclusive(home, WAREHOUSE_POOL):
            if not home.vault.exists() and made_with_a_vault(home):
                raise dg.Failure(
                    f"{home.vault}, with which the warehouse was made, is not there. Put it back from the back-up. Without it "
                    f"everybody gets another id, and another name in marts: if that is meant, move {home.warehouse} away too",
                    allow_retries=False,
                )
            new_persons = build_vault(register, home)
            if hide_persons_files(register.systems, home):
                # The vault is to have seen these changes as well, and the platform's tables may show what was there before.
                build_vault(register, home)
                build_platform(register, home)
        for key in VAULT.values():
            yield dg.MaterializeResult(asset_key=key, metadata={"new_persons": new_persons})

    return vault


def platform_asset(register: Register, home: Home) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name="platform_tables",
        specs=[
            dg.AssetSpec(
                raw_table(PLATFORM, name),
                deps=[REGISTER],
                group_name=GROUP,
                kinds={"duckdb"},
                tags={"layer": "platform"},
                owners=[OWNER],
                description=f"{title}. Platformens egen tabel, fra registeret og alle råfilers indlæsningslog.",
            )
            for name, title in PLATFORM_TABLES.items()
        ],
        pool=WAREHOUSE_POOL,
    )
    def platform_tables() -> Iterator[Event]:
        from ingestion.platform import build_platform

        with exclusive(home, WAREHOUSE_POOL):
            rows = build_platform(register, home)
        for name in PLATFORM_TABLES:
            yield dg.MaterializeResult(asset_key=raw_table(PLATFORM, name), metadata={"dagster/row_count": rows[name]})

    return platform_tables


def dbt_asset(register: Register, home: Home, manifest: Mapping[str, Any]) -> dg.AssetsDefinition:
    """Return all dbt models and seeds as one op, its tests as checks.

    dbt attaches the platform's file and the vault whatever it builds; it runs after both because `dim_system` and the staging of
    CPR numbers read them.
    """
    translator = Translator()

    @dbt_assets(manifest=dict(manifest), dagster_dbt_translator=translator, name="dbt_build", pool=WAREHOUSE_POOL)
    def dbt_build(context: dg.AssetExecutionContext, config: BuildConfig) -> Iterator[Any]:
        # dbt names are unique over models and seeds, and the key ends in the name.
        selection = sorted(key.path[-1] for key in context.selected_asset_keys) if context.is_subset else []
        outcome = DbtOutcome()
        now, loads = datetime.now(UTC), last_loads(register.systems, home)
        stale = held_back(manifest, stale_tables(register, loads, now))
        without = {manifest["nodes"][unique_id]["name"]: systems for unique_id, systems in stale.items()}
        for name, systems in without.items():
            context.log.warning(
                f"{name} is not built: it requires fresh data, and {', '.join(systems)} is stale. It stays as it was"
            )
        measures = Measures(manifest, home, loads, now)
        with exclusive(home, WAREHOUSE_POOL), for_us_alone():
            try:
                for event in build(register, home, selection, outcome, without=sorted(without), full=config.full):
                    if event["data"]["node_info"]["unique_id"] not in manifest["nodes"]:
                        # Somebody changed the project since these definitions were loaded. It is built; the graph has it later.
                        continue
                    message = event_message(event)
                    for told in message.to_default_asset_events(manifest, translator, context):
                        yield _measured(told, measures.of(event["data"]["node_info"]["unique_id"], event.get("rows")))
            except DbtError as error:
                raise dg.Failure(str(error), allow_retries=False) from error
            for system_id, scores in quality_scores(home).items():
                if system_id in register.systems:
                    yield dg.AssetObservation(
                        source_system(system_id), description="Datakvalitet, 0 til 100", metadata=dict(scores)
                    )
        context.log.info(summary(outcome.planned, len(outcome.unchanged)))
        yield from _unchanged(context, outcome, manifest, translator, measures)
        if outcome.failed_tests:
            context.log.warning(_listing(f"{len(outcome.failed_tests)} tests failed", outcome.failed_tests))
        if outcome.failed_models:
            title = f"{len(outcome.failed_models)} models failed, {len(outcome.skipped_models)} that need them are as they were"
            raise dg.Failure(
                _listing(title, outcome.failed_models), metadata={"failed_models": outcome.failed_models}, allow_retries=False
            )

    return dbt_build


def _measured(told: Any, measures: Mapping[str, dg.MetadataValue]) -> Any:
    """Return what dagster_dbt tells of a built table with what was measured of it, and of a test, without dbt's own numbering.

    Of some 700 nodes a night each number is kept three times, and stands above what somebody looks for.
    """
    if not isinstance(told, (dg.Output, dg.AssetCheckResult)):
        return told
    metadata = {name: value for name, value in told.metadata.items() if name not in ("invocation_id", "unique_id")}
    if isinstance(told, dg.AssetCheckResult):
        return told._replace(metadata=metadata)
    return dg.Output(None, output_name=told.output_name, metadata={**metadata, **measures})


def _unchanged(
    context: dg.AssetExecutionContext,
    outcome: DbtOutcome,
    manifest: Mapping[str, Any],
    translator: Translator,
    measures: Measures,
) -> Iterator[dg.AssetObservation]:
    """Tell of the selected assets that were left as they are because nothing they rest on has news, and how old that is."""
    for unique_id in outcome.unchanged:
        if unique_id not in manifest["nodes"]:
            continue
        key = translator.get_asset_key(manifest["nodes"][unique_id])
        if key in context.selected_asset_keys:
            yield dg.AssetObservation(
                key,
                description="As new: nothing it rests on has changed",
                metadata={UNCHANGED: True, **measures.age(unique_id)},
            )


def published_asset(home: Home, manifest: Mapping[str, Any], role: str) -> dg.AssetsDefinition:
    """Return the role's published version. Its own job: what a failed model left as it was is published with the rest."""
    translator = Translator()
    models = [node for node in manifest.get("nodes", {}).values() if role in audience(node)]

    @dg.asset(
        key=published(role),
        deps=[translator.get_asset_key(node) for node in models],
        group_name="published",
        kinds={"duckdb", "parquet"},
        tags={"layer": "published"},
        pool=WAREHOUSE_POOL,
        owners=[OWNER],
        description=f"Det, som rollen {role} læser: DuckDB og Parquet, en udgave for hver udgivelse.",
    )
    def published_(context: dg.AssetExecutionContext) -> Iterator[Event]:
        from serving.publish import publish

        with exclusive(home, WAREHOUSE_POOL):
            publication = publish(home, role)
        for note in publication.notes():
            context.log.warning(note)
        yield dg.MaterializeResult(
            metadata={
                "version": publication.version,
                "path": dg.MetadataValue.path(publication.path),
                "dagster/row_count": sum(publication.tables.values()),
                "tables": publication.tables,
                "held": publication.held,
                "unchanged_sets": publication.unchanged_sets,
            }
        )
        if publication.refused:
            title = "All else is published; refused were:"
            told = "\n- ".join([title, *publication.refused.values()])
            raise dg.Failure(told, metadata={"refused": publication.refused}, allow_retries=False)

    return published_


def warehouse_assets(
    register: Register, home: Home, manifest_path: Path | None, systems: Path, problems: Sequence[Problem] = ()
) -> tuple[list[dg.AssetsDefinition], list[dg.AssetSpec]]:
    """Return everything after raw, and who reads it. Without a prepared manifest there is no dbt, and nothing to publish."""
    assets = [register_asset(systems, problems), vault_asset(register, home), platform_asset(register, home)]
    reports: list[dg.AssetSpec] = []
    if manifest_path is not None and manifest_path.exists():
        manifest = read_manifest(manifest_path)
        assets += [dbt_asset(register, home, manifest), published_asset(home, manifest, EVERYBODY)]
        reports = report_specs(manifest, EVERYBODY)
    return assets, reports


def _listing(title: str, messages: Mapping[str, str]) -> str:
    return "\n".join([f"{title}:", *(f"- {unique_id.split('.', 2)[-1]}: {message}" for unique_id, message in messages.items())])
