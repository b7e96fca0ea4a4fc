"""dbt's manifest, prepared once for all homes of a test run that have the same project."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from unittest import mock

from ingestion.home import Home
from ingestion.register import Register
from orchestration.dbt import _fingerprint, _stamp, prepare_manifest
from orchestration.locks import exclusive


def lend_manifest(register: Register, home: Home, shared: Path) -> None:
    """Give `home` the manifest of the project as it is now; whoever comes first prepares it, in a home of its own in `shared`.

    Of the practice project that takes half a minute of a processor. The manifest follows from the project: where its systems
    answer and which limits they have, in which registers differ, says nothing in it. A project that is changed afterwards is
    parsed again like any other. Seeds are read from where the first project stood.
    """
    lender = Home(shared / "manifests" / _fingerprint(Register(systems={})))
    with exclusive(lender, "lend"):
        if not _stamp(lender).exists():
            with mock.patch.dict(os.environ):  # dbt is given the key of the lender's vault there
                prepare_manifest(register, lender)
    home.dbt.mkdir(parents=True, exist_ok=True)
    for path in lender.dbt.iterdir():
        if path.is_file() and path.name != "profiles.yml":
            shutil.copyfile(path, home.dbt / path.name)
    _stamp(home).write_text(_fingerprint(register))
