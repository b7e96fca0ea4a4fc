"""What the loading of definitions is spared with hundreds of systems."""

from __future__ import annotations

import gc
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dagster import AssetCheckKey
    from dagster._core.definitions.assets.definition.assets_definition import AssetsDefinition
    from dagster._core.definitions.assets.graph.asset_graph import AssetGraph


@contextmanager
def quickly() -> Iterator[None]:
    """Load definitions without garbage collection, and without what Dagster would find out anew for each input and output.

    What loading makes lives as long as the process: looking through all of it again and again for what could be thrown away took
    a quarter of the time with 200 systems, and it is never looked through afterwards. Of the rest a third went into what the same
    few types are (27,000 times), to which class an output manager belongs (100,000 times), and of which tables dbt tests what it
    does not make: all its tests gone through for each of the 1,000 raw tables it reads.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        with _instead(_asked_once()):
            yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()


_Replacement = tuple[Any, str, Any]


@contextmanager
def _instead(replacements: list[_Replacement]) -> Iterator[None]:
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in replacements]
    for owner, name, value in replacements:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


def _asked_once() -> list[_Replacement]:
    from dagster._core.definitions import input as inputs
    from dagster._core.definitions import output as outputs
    from dagster._core.definitions.assets.definition.assets_definition import AssetsDefinition
    from dagster._core.definitions.assets.job import asset_job
    from dagster._core.definitions.resource_requirement import OutputManagerRequirement
    from dagster._core.storage.io_manager import IOManagerDefinition
    from dagster._core.types.dagster_type import resolve_dagster_type

    known = cache(resolve_dagster_type)

    def resolve(dagster_type: Any) -> Any:
        return known(dagster_type) if isinstance(dagster_type, Hashable) else resolve_dagster_type(dagster_type)

    check_keys: Any = AssetsDefinition.check_keys

    @cache
    def of_others(assets: AssetsDefinition) -> list[AssetCheckKey]:
        made = assets.keys
        return [key for key in check_keys.fget(assets) if key.asset_key not in made]

    build = asset_job.build_node_deps

    def build_node_deps(asset_graph: AssetGraph) -> Any:
        # It asks of what an op reads, which is nothing that it makes, whether the op checks it.
        with _instead([(AssetsDefinition, "check_keys", property(of_others))]):
            return build(asset_graph)

    return [
        (inputs, "resolve_dagster_type", resolve),
        (outputs, "resolve_dagster_type", resolve),
        (OutputManagerRequirement, "expected_type", IOManagerDefinition),
        (asset_job, "build_node_deps", build_node_deps),
    ]
