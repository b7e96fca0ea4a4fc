"""A small municipality for tests: three systems of local files, and a dbt project of a model for each."""

from __future__ import annotations

from pathlib import Path

import duckdb
import yaml

from ingestion.home import Home
from orchestration.refresh import Refresh, refresh

SYSTEM = """\
id: {id}
title: System {id}
description: Et system til prøve.
department: {department}
product: Prøve
vendor: Ingen
owner: {{team: Hold {id}, email: {id}@odsherred.example}}
data_steward: {{team: Holdet, email: hold@odsherred.example}}
cadence: daily
freshness: {{warn_after_hours: 30, error_after_hours: 60}}
classification: P0
legal_basis: [none]
purpose: [statistik]
retention: {{period: P1Y, after: Året er gået}}
connection:
  protocol: files
  transport: {{type: local, folder: {folder}}}
tables:
  ting:
    title: Ting
    description: En ting pr. række.
    key: [nr]
    write: append
    expected_rows: {{min: 2, max: 100}}
    source: {{format: csv, glob: "ting*.csv"}}
    columns:
      nr: {{type: integer, label: Nummer, description: Tingens nummer}}
      navn: {{type: text, label: Navn, description: Tingens navn}}
"""
MODEL = 'select nr, navn from {{{{ source("{id}", "ting") }}}}'
DEPARTMENTS = {"alfa": "oekonomi_indkoeb", "beta": "boern_familie", "gamma": "boern_familie"}


class Municipality:
    """Three systems of local files, and a dbt project of a model for each."""

    def __init__(self, root: Path) -> None:
        self.home, self.register, self.project = Home(root / "home"), root / "systems", root / "dbt_project"
        self.sources = root / "sources"
        for system_id, department in DEPARTMENTS.items():
            self.deliver(system_id, "nr;navn\n1;en\n2;to\n")
            path = self.register / department / f"{system_id}.yml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(SYSTEM.format(id=system_id, department=department, folder=self.sources / system_id), encoding="utf-8")
        self._dbt()

    def deliver(self, system_id: str, text: str | bytes) -> None:
        folder = self.sources / system_id
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "ting.csv").write_bytes(text.encode() if isinstance(text, str) else text)

    def refresh(self, **arguments: object) -> Refresh:
        return refresh(self.home, folder=self.register, **arguments)  # type: ignore[arg-type]

    def rows(self, model: str) -> int:
        with duckdb.connect(str(self.home.warehouse), read_only=True) as connection:
            row = connection.execute(f'select count(*) from main_marts."{model}"').fetchone()
        assert row is not None
        return int(row[0])

    def model(self, system_id: str, sql: str) -> None:
        (self.project / "models" / "marts" / f"mart_{system_id}.sql").write_text(sql)

    def _dbt(self) -> None:
        marts = self.project / "models" / "marts"
        marts.mkdir(parents=True)
        project = {
            "name": "faellesdata",
            "profile": "faellesdata",
            "models": {"faellesdata": {"+materialized": "table", "marts": {"+schema": "marts"}}},
        }
        (self.project / "dbt_project.yml").write_text(yaml.safe_dump(project))
        for system_id in DEPARTMENTS:
            self.model(system_id, MODEL.format(id=system_id))
        sources: list[dict[str, object]] = [
            {
                "name": system_id,
                "database": f"raw_{system_id}",
                "schema": "raw",
                "tables": [{"name": "ting", "columns": [{"name": "navn", "data_tests": ["not_null"]}]}],
            }
            for system_id in DEPARTMENTS
        ]
        # As in the real project, something reads the platform's tables and the vault, so dbt comes after both.
        sources.append({"name": "platform", "database": "raw_platform", "schema": "raw", "tables": [{"name": "loads"}]})
        sources.append({"name": "vault", "database": "vault", "schema": "main", "tables": [{"name": "person_keys"}]})
        self.model("nights", 'select * from {{ source("platform", "loads") }}, {{ source("vault", "person_keys") }}')
        models: list[dict[str, object]] = [
            {
                "name": f"mart_{system_id}",
                "config": {"meta": {"audience": ["bi_netvaerk"], "purpose": ["statistik"], "classification": "P0"}},
                "columns": [{"name": "nr", "data_tests": ["unique"]}],
            }
            for system_id in DEPARTMENTS
        ]
        (marts / "schema.yml").write_text(yaml.safe_dump({"version": 2, "sources": sources, "models": models}))
