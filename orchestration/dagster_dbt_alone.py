"""dagster_dbt, imported as on a machine without dbt-core.

It works there too: assets and checks come from the manifest alone, and dbt itself is run by `orchestration.dbt`. With dbt-core
in sight it imports a second's worth of dbt wherever definitions load, and selects "everything" by dbt's own engine.
"""

from __future__ import annotations

import sys

_HIDDEN = "dbt.version"
_hide = _HIDDEN not in sys.modules
if _hide:
    sys.modules[_HIDDEN] = None  # type: ignore[assignment]  # Python's own way to say: not to be found
try:
    from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtProject, dbt_assets
    from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage
finally:
    if _hide:
        del sys.modules[_HIDDEN]

__all__ = ["DagsterDbtTranslator", "DagsterDbtTranslatorSettings", "DbtCoreCliEventMessage", "DbtProject", "dbt_assets"]
