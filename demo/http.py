"""The HTTP systems of the practice municipality, in one application with one path per system."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from demo.systems import (
    aula,
    dagi,
    datafordeler,
    dubu,
    esdh,
    geoenviron,
    jobindsats,
    marius_pedersen,
    momentum,
    nexus,
    opus_oekonomi,
    os2kitos,
    os2mo,
    stil_ws17,
    vagtplan,
)

if TYPE_CHECKING:
    from starlette.applications import Starlette

_FIRST = (aula, dagi, datafordeler, dubu, esdh, geoenviron, jobindsats, marius_pedersen)
_MODULES = (*_FIRST, momentum, nexus, opus_oekonomi, os2kitos, os2mo, vagtplan)
SYSTEMS = {module.SYSTEM: module for module in _MODULES}


def secure_app_for(folder: Path) -> Starlette:
    """Return the application of the systems that want a client certificate."""
    from starlette.applications import Starlette
    from starlette.routing import Mount

    return Starlette(routes=[Mount(f"/{stil_ws17.SYSTEM}", routes=stil_ws17.routes(folder / stil_ws17.SYSTEM))])


def app_for(folder: Path) -> Starlette:
    """Return the application that serves `<folder>/<system>` under `/<system>`, for every system that speaks plain HTTP."""
    from starlette.applications import Starlette
    from starlette.routing import Mount

    return Starlette(routes=[Mount(f"/{name}", routes=module.routes(folder / name)) for name, module in SYSTEMS.items()])


def http_settings(url: str) -> dict[str, str]:
    """Return the environment variables by which the register reaches the systems of the application at `url`."""
    found: dict[str, str] = {}
    for name, module in SYSTEMS.items():
        found |= module.settings(f"{url.rstrip('/')}/{name}")
    return found
