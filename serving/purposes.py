"""Purpose limitation: a mart may draw on personal data only for what the systems it comes from may be used for.

Decided by lineage, in dbt's manifest: from a mart upwards to the staging models, which carry their system's purposes. A table of
which no column is personal (class P0 throughout) may serve any purpose: the rule protects persons.

Nor is anybody shown by an omission: what is published and draws on personal data hides small cells, says that it tells nothing of
persons, or is for a role of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ingestion.register.vocabulary import terms
from serving.disclosure import TEST, questions

Manifest = Mapping[str, Any]
Node = Mapping[str, Any]
NOT_PERSONAL, ORDINARY, CONFIDENTIAL = "P0", "P1", "P2"
FLOOR = 3
"""Of how many persons a cell may be shown at the least, whatever a mart declares."""
EVERYBODY = "bi_netvaerk"
"""The role whose files every night makes, for the whole BI network."""


def misused(manifest: Manifest) -> list[str]:
    """Return a line for each mart and system whose purposes do not meet: which, why, by which models, and what to do.

    Marts are the models of the schema `marts` and every other model that is published to a role. A purpose that the vocabulary
    marks `always` (governance of the data themselves) is open to every mart.
    """
    always = {code for code, term in terms("purposes").items() if term.extra.get("always")}
    lines = []
    for node in manifest["nodes"].values():
        meta = _meta(node)
        if node["resource_type"] != "model" or not (node["schema"] == "marts" or meta.get("audience")):
            continue
        declared = set(meta.get("purpose", ()))
        if not declared:
            lines.append(f"{node['name']} has no purpose. Declare one of {', '.join(terms('purposes'))} in its meta")
        for system, (allowed, owner, path) in sorted(_systems(manifest, node).items()):
            refused = sorted(declared - allowed - always)
            if refused:
                lines.append(
                    f"{node['name']} is for {', '.join(refused)}, but {system} may be used for {', '.join(sorted(allowed))} only."
                    f" It comes by {' < '.join(path)}. Leave it out, or let {owner}, who own {system}, decide on the purpose in"
                    " the register"
                )
    return sorted(lines)


def unprotected(manifest: Manifest) -> list[str]:
    """Return a line for each published model that could show persons by an omission: which, and what to declare."""
    asked, classes = questions(manifest), ", ".join(terms("classifications"))
    lines = []
    for unique_id, node in manifest["nodes"].items():
        meta = _meta(node)
        if node["resource_type"] != "model" or not meta.get("audience"):
            continue
        name, declared, systems = node["name"], meta.get("classification"), _systems(manifest, node)
        if declared not in terms("classifications"):
            lines.append(f"{name} is published and has no classification. Declare one of {classes} in its meta")
        elif declared >= CONFIDENTIAL and EVERYBODY in meta["audience"]:
            lines.append(f"{name} has rows about persons ({declared}) and is for {EVERYBODY}. Give it to a role of its own")
        elif declared == ORDINARY and systems and not ("suppression" in meta and unique_id in asked):
            lines.append(
                f"{name} draws on personal data of {', '.join(sorted(systems))} and hides no small cells. Declare `suppression`"
                f" in its meta and the test `{TEST}`; or class {NOT_PERSONAL}, if nothing in it rests on persons"
            )
        threshold = min(meta.get("suppression", {}).get("threshold", FLOOR), asked.get(unique_id, {}).get("threshold", FLOOR))
        if threshold < FLOOR:
            lines.append(f"{name} shows what rests on {threshold} persons. Declare a threshold of {FLOOR} at the least")
    return sorted(lines)


def _systems(manifest: Manifest, node: Node) -> dict[str, tuple[set[str], str, list[str]]]:
    """Return, by system whose personal data `node` draws on: its purposes, its owner, and one way it comes."""
    found: dict[str, tuple[set[str], str, list[str]]] = {}
    for ancestor, path in _ancestry(manifest, node):
        meta = _meta(ancestor)
        system = meta.get("system")
        if system and system not in found and _personal(ancestor):
            owner = meta.get("owner", {}).get("team", "its owners")
            found[system] = (set(meta.get("purpose", ())), owner, path)
    return found


def _ancestry(manifest: Manifest, node: Node) -> Iterator[tuple[Node, list[str]]]:
    """Yield the nearest ancestors that belong to a system, each once, with the names of the models on the way to it."""
    seen: set[str] = set()
    waiting: list[tuple[str, list[str]]] = [(parent, []) for parent in node["depends_on"]["nodes"]]
    while waiting:
        name, path = waiting.pop(0)
        if name in seen:
            continue
        seen.add(name)
        parent = manifest["nodes"].get(name) or manifest["sources"].get(name)
        if parent is None:
            continue
        here = [*path, parent["name"]]
        # What stands below a system's own staging is that system's; a source read past staging counts like it.
        if _meta(parent).get("system") and (parent["resource_type"] == "source" or parent["schema"] == "staging"):
            yield parent, here
        else:
            waiting += [(grandparent, here) for grandparent in parent.get("depends_on", {}).get("nodes", ())]


def _personal(node: Node) -> bool:
    return any(_meta(column).get("pii", NOT_PERSONAL) != NOT_PERSONAL for column in node["columns"].values())


def _meta(node: Node) -> Mapping[str, Any]:
    meta: Mapping[str, Any] = node.get("config", {}).get("meta") or node.get("meta") or {}
    return meta
