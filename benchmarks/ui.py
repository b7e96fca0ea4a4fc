"""How fast the Dagster UI's questions are answered at full size: `python benchmarks/ui.py [SYSTEMS]`.

Serves 200 systems with 1,000 raw tables and 1,000 models (the register and manifest of `definitions.py`) and times GraphQL
questions like those of the pages: the whole asset graph, the catalog, one department's group, an asset with its checks.
Nothing has been materialised. Budget: 1 s each.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from definitions import ROOT, write_register

from ingestion.home import Home
from orchestration.instance import write_settings

BUDGET_SECONDS, ROUNDS = 1.0, 5
SERVED = """
from pathlib import Path
from orchestration.loading import quickly
with quickly():
    from ingestion.home import Home
    from ingestion.register import read_leniently
    from orchestration.build import build_defs
    folder = Path({folder!r})
    register, _ = read_leniently(folder / "systems")
    defs = build_defs(register, home=Home(folder), manifest_path=folder / "manifest.json", schedules=False)
"""
NODE = """id assetKey {path} groupName description kinds isMaterializable isObservable isPartitioned jobNames opNames
  owners {__typename ... on UserAssetOwner {email} ... on TeamAssetOwner {team}}
  tags {key value} hasAssetChecks repository {id name location {id name}}"""
EDGES = "dependencyKeys {path} dependedByKeys {path}"
GRAPH = f"{{assetNodes {{{NODE} {EDGES}}}}}"
CATALOG = f"{{assetsOrError(limit: 1000) {{... on AssetConnection {{nodes {{id key {{path}} definition {{{NODE}}}}}}}}}}}"
GROUP = """query($g: AssetGroupSelector!) {assetNodes(group: $g) {
  id assetKey {path} assetMaterializations(limit: 1) {runId timestamp}
  freshnessInfo {currentMinutesLate} assetChecksOrError {... on AssetChecks {checks {name}}}}}"""
DETAILS = """metadataEntries {label ... on TableSchemaMetadataEntry {schema {columns {name type description}}}}
  assetMaterializations(limit: 100) {runId timestamp metadataEntries {label}}
  assetChecksOrError {... on AssetChecks {checks {name description blocking executionForLatestMaterialization {status}}}}"""
ASSET = f"query($k: AssetKeyInput!) {{assetNodeOrError(assetKey: $k) {{... on AssetNode {{{NODE} {EDGES} {DETAILS}}}}}}}"
COUNT = "{assetNodes {id}}"


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve the definitions of `folder`; yield the address once they are loaded."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    module = folder / "served.py"
    module.write_text(SERVED.format(folder=str(folder)))
    write_settings(Home(folder))  # Dagster's own log opens a file for each check and asset asked about: four times the work.
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "dagster_webserver", "-p", str(port), "-f", str(module), "-d", str(ROOT)]
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url, until = f"http://127.0.0.1:{port}/graphql", time.monotonic() + 300
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > until:
                raise SystemExit("the webserver did not start")
            time.sleep(0.5)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str) -> bool:
    try:
        return bool(ask(url, COUNT)["assetNodes"])
    except OSError:
        return False


def ask(url: str, query: str, **variables: Any) -> Any:
    body = json.dumps({"query": query, "variables": variables}).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": "application/json"}), timeout=120) as answer:
        content = json.load(answer)
    if "errors" in content:
        raise SystemExit(content["errors"][0]["message"])
    return content["data"]


def main() -> None:
    sys.path.insert(0, str(ROOT / "tests" / "unit"))
    from test_definitions import manifest

    from ingestion.register import read_leniently

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_register(folder / "systems", int(sys.argv[1]) if len(sys.argv) > 1 else 200)
        register, _ = read_leniently(folder / "systems")
        (folder / "manifest.json").write_text(json.dumps(manifest(register)))
        system, table, _ = next(register.tables())
        location = {"repositoryName": "__repository__", "repositoryLocationName": "served.py"}
        group = {"groupName": system.department, **location}
        with served(folder) as url:
            print(f"{len(register.systems)} systems, {len(ask(url, COUNT)['assetNodes'])} assets; best and worst of {ROUNDS}")
            questions: list[tuple[str, str, dict[str, Any]]] = [
                ("asset graph", GRAPH, {}),
                ("catalog", CATALOG, {}),
                (f"group {system.department}", GROUP, {"g": group}),
                ("asset and its checks", ASSET, {"k": {"path": ["raw", system.id, table]}}),
            ]
            for title, query, variables in questions:
                times = []
                for _ in range(ROUNDS):
                    began = time.perf_counter()
                    answer = ask(url, query, **variables)
                    times.append(time.perf_counter() - began)
                kept = "kept" if max(times) <= BUDGET_SECONDS else "EXCEEDED" if min(times) > BUDGET_SECONDS else "kept at best"
                print(
                    f"{title:30} {min(times):6.2f} – {max(times):.2f} s  {len(json.dumps(answer)) / 1e6:6.2f} MB  budget {kept}"
                )


if __name__ == "__main__":
    main()
