"""dbt resources as Dagster assets: keys by layer, groups and owners from the dbt project."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from ingestion.register.vocabulary import terms
from orchestration.checks import described, severity, signed
from orchestration.dagster_dbt_alone import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtProject
from orchestration.keys import VAULT, raw_table
from serving.publish import blocks

Manifest = Mapping[str, Any]
Props = Mapping[str, Any]
DEFAULT_GROUP = "cross_department"


def read_manifest(path: Path) -> dict[str, Any]:
    """Return the manifest that `orchestration.dbt.prepare_manifest` left."""
    manifest: dict[str, Any] = json.loads(path.read_bytes())
    return manifest


def audience(props: Props) -> Sequence[str]:
    """Return the roles a model is published to."""
    roles: Sequence[str] = (props.get("config", {}).get("meta") or props.get("meta") or {}).get("audience", [])
    return roles


class Translator(DagsterDbtTranslator):
    """Sources get the keys of the raw tables, models `[layer, name]`, seeds `["seeds", name]`."""

    def __init__(self) -> None:
        super().__init__(
            DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True, enable_source_metadata=False),
        )

    def get_asset_key(self, dbt_resource_props: Props) -> dg.AssetKey:
        name: str = dbt_resource_props["name"]
        kind: str = dbt_resource_props["resource_type"]
        if kind == "source":
            source: str = dbt_resource_props["source_name"]
            return VAULT[name] if source == "vault" else raw_table(source, name)
        return dg.AssetKey([layer(dbt_resource_props), name])

    def get_asset_spec(self, manifest: Manifest, unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        if not unique_id.startswith("source."):
            return super().get_asset_spec(manifest, unique_id, project)
        # A raw table has its spec from the register (`orchestration.raw`): of this one only the key and the owners are read.
        props = manifest["sources"][unique_id]
        return dg.AssetSpec(self.get_asset_key(props), owners=self.get_owners(props))

    def get_group_name(self, dbt_resource_props: Props) -> str:
        group = dbt_resource_props.get("group") or dbt_resource_props.get("config", {}).get("group")
        if group:
            return str(group)
        return next((part for part in dbt_resource_props["fqn"] if part in terms("departments")), DEFAULT_GROUP)

    def get_asset_check_spec(
        self, asset_spec: dg.AssetSpec, manifest: Manifest, unique_id: str, project: DbtProject | None
    ) -> dg.AssetCheckSpec | None:
        if unique_id.startswith("unit_test."):
            # It looks at logic, not at data, and is not run at night: in the UI it would stand there for ever without a result.
            return None
        spec = super().get_asset_check_spec(asset_spec, manifest, unique_id, project)
        if spec is None:
            return None
        test = manifest["nodes"][unique_id]
        # dbt's severity blocks nothing here: it would fail the step for one department's bad value. What is to, says so.
        owner, level = ", ".join(asset_spec.owners), severity(test)
        return spec._replace(
            blocking=blocks(test, manifest["nodes"]),
            description=signed(described(test), owner, level),
            metadata={**spec.metadata, "severity": level, "owner": owner},
        )

    def get_description(self, dbt_resource_props: Props) -> str:
        # The default appends the model's SQL, which the graph shows a click away and which multiplies what is loaded.
        return str(dbt_resource_props.get("description") or f"{dbt_resource_props['resource_type']} {dbt_resource_props['name']}")

    def get_tags(self, dbt_resource_props: Props) -> Mapping[str, str]:
        return {**super().get_tags(dbt_resource_props), "layer": layer(dbt_resource_props)}

    def get_metadata(self, dbt_resource_props: Props) -> Mapping[str, Any]:
        roles = audience(dbt_resource_props)
        return {
            **super().get_metadata(dbt_resource_props),
            **({"audience": ", ".join(roles)} if roles else {}),
        }


def layer(props: Props) -> str:
    """Return the first folder below `models/` (or `seeds`, `snapshots`)."""
    kind: str = props["resource_type"]
    return str(props["fqn"][1]) if kind == "model" else f"{kind}s"
