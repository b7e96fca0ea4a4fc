"""The parts of dagster_dbt that definitions need, imported as on a machine without dbt-core, and without what is not needed.

Assets and checks come from the manifest alone, and dbt itself is run by `orchestration.dbt`. With dbt-core in sight dagster_dbt
imports a second's worth of dbt wherever definitions load, and selects "everything" by dbt's own engine; its `__init__` imports
dbt Cloud, components and sqlglot, half a second in each process, for one hundredth that is used.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dagster_dbt.core.dbt_cli_event import DbtCliEventMessage


@contextmanager
def _alone() -> Iterator[None]:
    """Hide dbt, and let the package stand for nothing but the folder of its modules; both are as before afterwards."""
    instead: dict[str, Any] = {}
    if "dbt.version" not in sys.modules:
        instead["dbt.version"] = None  # Python's own way to say: not to be found
    if "dagster_dbt" not in sys.modules and (found := find_spec("dagster_dbt")):
        package = ModuleType("dagster_dbt")
        package.__spec__, package.__path__ = found, list(found.submodule_search_locations or ())
        instead["dagster_dbt"] = package
    sys.modules.update(instead)
    try:
        yield
    finally:
        for name in instead:
            del sys.modules[name]


with _alone():
    from dagster_dbt.asset_decorator import dbt_assets
    from dagster_dbt.dagster_dbt_translator import DagsterDbtTranslator, DagsterDbtTranslatorSettings
    from dagster_dbt.dbt_project import DbtProject


@cache
def _message_class() -> type[DbtCliEventMessage]:
    # Only a build needs it, and sqlglot comes with it.
    with _alone():
        from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage
    return DbtCoreCliEventMessage


def event_message(event: dict[str, Any]) -> DbtCliEventMessage:
    """Return what dagster_dbt makes of one of dbt's events, with no history of others."""
    return _message_class()(raw_event=event, event_history_metadata={})


__all__ = ["DagsterDbtTranslator", "DagsterDbtTranslatorSettings", "DbtProject", "dbt_assets", "event_message"]
