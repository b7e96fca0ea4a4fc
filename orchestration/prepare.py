"""Prepare the dbt manifest of the home in `FAELLESDATA_HOME`: `python -m orchestration.prepare`."""

from __future__ import annotations

import sys

from ingestion.home import Home
from ingestion.register import read_leniently
from orchestration.dbt import DbtError, prepare_manifest


def main() -> int:
    register, _ = read_leniently()
    try:
        prepare_manifest(register, Home.find())
    except DbtError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
