"""Who reads the warehouse: dbt's exposures as assets at the end of the graph, which Dagster shows but never makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from orchestration.keys import published, report
from orchestration.translator import Translator, audience

Manifest = Mapping[str, Any]
Exposure = Mapping[str, Any]


def report_specs(manifest: Manifest, role: str) -> list[dg.AssetSpec]:
    """Return an asset for each exposure, below the models it reads and, where they are published to `role`, below that."""
    return [_spec(exposure, manifest, role) for exposure in manifest.get("exposures", {}).values()]


def _spec(exposure: Exposure, manifest: Manifest, role: str) -> dg.AssetSpec:
    translator = Translator()
    models = [manifest["nodes"][name] for name in exposure["depends_on"]["nodes"] if name in manifest["nodes"]]
    deps = [translator.get_asset_key(model) for model in models]
    if any(role in audience(model) for model in models):
        deps.append(published(role))
    title, owner = exposure.get("label") or exposure["name"], exposure["owner"]
    # The mart comes first in a report's list; whose it is, the report is too.
    tags = {"department": translator.get_group_name(models[0])} if models else {}
    return dg.AssetSpec(
        report(exposure["name"]),
        deps=deps,
        description=f"{title}. {exposure['description']}",
        # A group of their own: in the departments' they would draw what is published into the middle of the folded graph.
        group_name="reports",
        owners=[owner["email"]] if owner.get("email") else [],
        kinds={exposure["type"]},
        tags={"layer": "report", **tags},
        metadata=dict(_metadata(exposure, title, owner)),
    )


def _metadata(exposure: Exposure, title: str, owner: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "title", title
    yield "owner", f"{owner.get('name') or ''} <{owner.get('email') or ''}>".strip()
    if exposure.get("maturity"):
        yield "maturity", exposure["maturity"]
    if exposure.get("url"):
        yield "link", dg.MetadataValue.url(exposure["url"])
