"""The dbt profile of an installation: which files dbt reads and where it may write. Nothing else knows how raw is attached."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

from ingestion.danish_time import DENMARK
from ingestion.home import Home, write_whole
from ingestion.raw_file import unreadable
from ingestion.register import Register
from ingestion.vault import vault_key

KEY_VARIABLE = "DBT_ENV_SECRET_FAELLESDATA_VAULT_KEY"
MEMORY_VARIABLE = "FAELLESDATA_MEMORY_LIMIT"
"""Where other work shares the machine: how much memory a build may take, as DuckDB writes it (`8GB`)."""
PROJECT = Path(__file__).resolve().parent.parent / "dbt_project"
PROFILE = "faellesdata"
TARGET = "embedded"


def write_profile(register: Register, home: Home) -> Path:
    """Write `profiles.yml` into the home's dbt folder and return its path.

    The warehouse is the database that dbt writes. Raw files, the platform's own and the vault are attached read-only; all must be
    there when dbt starts (`build_platform` completes the raw files, `build_vault` makes the vault): a missing one stops dbt at
    connect. So would one that cannot be read, which is left out: nothing is made of it then.
    """
    _keep_to_ourselves(home)
    readable = register.without(unreadable(home, register.systems)).systems
    read_only = [(f"raw_{system_id}", home.raw_file(system_id)) for system_id in (*readable, "platform")]
    output: dict[str, Any] = {
        "type": "duckdb",
        "path": str(home.warehouse),
        "schema": "main",
        "threads": 2,
        "attach": [
            *({"path": str(path), "alias": alias, "read_only": True} for alias, path in read_only),
            {
                "path": str(home.vault),
                "alias": "vault",
                "read_only": True,
                "options": {"encryption_key": f"{{{{ env_var('{KEY_VARIABLE}') }}}}"},
            },
        ],
        # A reader of the warehouse (a publish that is just ending) holds it for a moment; dbt's default is to try once.
        "retries": {"connect_attempts": 5, "retryable_exceptions": ["IOException"]},
        "settings": {
            # Without a limit of our own DuckDB takes up to 80 % of what the machine or container has; beyond that it spills here.
            **({"memory_limit": os.environ[MEMORY_VARIABLE]} if os.environ.get(MEMORY_VARIABLE) else {}),
            "temp_directory": str(home.work / "spill"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            # By which `current_date` is today.
            "TimeZone": DENMARK.key,
            # Rows need not come out in the order they stand in: keeping it costs memory, and models sort where it matters.
            "preserve_insertion_order": False,
        },
    }
    # By reference, so that the file holds no key; dbt strikes values of variables with this prefix out of its logs.
    os.environ[KEY_VARIABLE] = vault_key(home)
    text = yaml.safe_dump({PROFILE: {"target": TARGET, "outputs": {TARGET: output}}}, sort_keys=False, allow_unicode=True)
    home.dbt.mkdir(parents=True, exist_ok=True)
    for quoted in ("target", "by_hand", "logs"):  # What dbt writes there of a model that failed has the value in it.
        (home.dbt / quoted).mkdir(exist_ok=True)
        (home.dbt / quoted).chmod(0o700)
    (home.make_work() / "spill").mkdir(exist_ok=True)
    path = home.dbt / "profiles.yml"
    # dbt parses everything again when the profile has changed, and a run may be reading it: write only what is new, and whole.
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_whole(path, text)
    return path


def _keep_to_ourselves(home: Home) -> None:
    """Make the warehouse, which holds persons by their ids, readable by its owner only, from the moment it is there."""
    import duckdb

    if not home.warehouse.exists():
        # The newest storage packs text in two thirds of the time. What is published is for older readers too.
        with home.draft_of(home.warehouse) as draft:
            duckdb.connect(str(draft), config={"storage_compatibility_version": "latest"}).close()
    home.warehouse.chmod(0o600)


def dbt_environment(home: Home) -> dict[str, str]:
    """Return the environment in which dbt, by hand, finds the project and the home, and sends nothing out.

    It writes nothing into the repository, and what a refresh has parsed is not disturbed.
    """
    return {
        "DBT_PROJECT_DIR": str(PROJECT),
        "DBT_PROFILES_DIR": str(home.dbt),
        "DBT_TARGET_PATH": str(home.dbt / "by_hand"),
        "DBT_LOG_PATH": str(home.dbt / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_VERSION_CHECK": "false",
        KEY_VARIABLE: vault_key(home),
    }
