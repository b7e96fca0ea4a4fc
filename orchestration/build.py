"""The factory of all definitions: production and tests call the same function, with other arguments."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import dagster as dg

from ingestion.home import Home
from ingestion.register import SYSTEMS, Problem, Register
from ingestion.register.vocabulary import terms
from orchestration.arrivals import arrival_sensors
from orchestration.backfills import backfill_jobs
from orchestration.purge import purge_job, purge_schedule
from orchestration.raw import freshness_checks, load_asset, source_spec
from orchestration.schedules import BUILD, LOAD, PUBLISH, morning_sensor, refresh_schedules, stage_sensor
from orchestration.warehouse import warehouse_assets


def build_defs(
    register: Register,
    *,
    home: Home,
    manifest_path: Path | None,
    systems: Path = SYSTEMS,
    problems: Sequence[Problem] = (),
    loaded: Collection[str] | None = None,
    schedules: bool = True,
) -> dg.Definitions:
    """Return assets, checks, jobs, schedules and the sensor for the systems of `register`.

    `manifest_path` is dbt's manifest, prepared ahead (`orchestration.dbt.prepare_manifest`); without it, no models.
    `systems` is the folder that the register was read from, and `problems` what was wrong there. `loaded` narrows the load job to
    these systems. `schedules=False` leaves out what starts by itself.
    """
    loads = {system_id: load_asset(system, home) for system_id, system in register.systems.items()}
    warehouse, reports = warehouse_assets(register, home, manifest_path, systems, problems)
    freshness = freshness_checks(register, home)
    sources = [source_spec(system) for system in register.systems.values()]
    jobs = _jobs([load for system_id, load in loads.items() if loaded is None or system_id in loaded], [*warehouse, *freshness])
    automatic = schedules and len(jobs) == 3
    return dg.Definitions(
        assets=[*sources, *loads.values(), *warehouse, *reports],
        asset_checks=freshness,
        jobs=[*jobs, *_department_jobs(register, loads), *backfill_jobs(register, home), purge_job(home)],
        schedules=[*refresh_schedules(register, home), purge_schedule()] if automatic else [],
        sensors=[stage_sensor(jobs[1:], home), morning_sensor(register, home), *arrival_sensors(register, home)]
        if automatic
        else [],
        # A step in a process of its own costs 0.75 to 2.6 s; here runs are parallel, steps are not (docs/decisions).
        executor=dg.in_process_executor,
    )


Assets = Sequence[dg.AssetsDefinition]


def _jobs(loads: Assets, warehouse: Assets) -> list[dg.UnresolvedAssetJobDefinition]:
    """Return the stages of a night: a failed step skips what is downstream in its run, so each stage is a run of its own."""
    published = [assets for assets in warehouse if any(key.path[0] == "published" for key in assets.keys)]
    built = [assets for assets in warehouse if assets not in published]
    stages = [
        (LOAD, loads, "Loads the systems. One step per system: one that fails stops no other."),
        (BUILD, built, "Builds vault, platform tables and the warehouse from what is in the raw files."),
        (PUBLISH, published, "Publishes what the roles read."),
    ]
    return [dg.define_asset_job(name, _selection(stage), description=description) for name, stage, description in stages if stage]


def _department_jobs(register: Register, loads: Mapping[str, dg.AssetsDefinition]) -> list[dg.UnresolvedAssetJobDefinition]:
    """Return a job per department that loads its systems, for whoever has mended something and will not wait for the night."""
    jobs = []
    for department in sorted({system.department for system in register.systems.values()}):
        # By their keys, not by the tag that says the same: Dagster would go through every asset and check for each job.
        own = [load for system_id, load in loads.items() if register.systems[system_id].department == department]
        jobs.append(
            dg.define_asset_job(
                f"{department}_load",
                _selection(own),
                description=f"Loads the systems of {terms('departments')[department].title}. Then run {BUILD} and {PUBLISH}.",
                tags={"department": department},
            )
        )
    return jobs


def _selection(assets: Assets) -> dg.AssetSelection:
    """Select assets with the checks of their own ops: dbt's tests of raw tables run with dbt, not with the load."""
    selection: dg.AssetSelection = dg.AssetSelection.assets(*assets).without_checks()
    checks = [key for definition in assets for key in definition.check_keys]
    return selection | dg.AssetSelection.checks(*checks) if checks else selection
