"""A delivery starts a load once it is whole, once; a server that hangs keeps no other folder from being looked into."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from municipality_support import Municipality

from ingestion.register import read_register
from ingestion.register.model import FilesSystem
from orchestration.arrivals import Looks, arrival_sensors
from orchestration.build import build_defs
from orchestration.instance import open_instance
from orchestration.schedules import LOAD, NIGHT_TAG


def watch(municipality: Municipality, system_id: str, **connection: object) -> None:
    path = next(municipality.register.rglob(f"{system_id}.yml"))
    content = yaml.safe_load(path.read_text())
    content["connection"] |= {"load_on_arrival": True, **connection}
    path.write_text(yaml.safe_dump(content, allow_unicode=True))


@pytest.fixture
def hanging() -> Iterator[dict[str, object]]:
    """A server that takes the connection and never says a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = str(server.getsockname()[1])
        key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHUwXvpwMTpzQb7bZRp3EM0RIbZt4BgRYhwWkl0k4VyN"
        yield {"type": "sftp", "host": "127.0.0.1", "port": port, "username": "u", "password": {"env": "SFTP_P"}, "host_key": key}


def ticked(municipality: Municipality, instance: dg.DagsterInstance, cursor: str | None) -> dg.SensorResult:
    [sensor] = arrival_sensors(read_register(municipality.register), municipality.home)
    with dg.build_sensor_context(instance, cursor=cursor) as context:
        result = sensor(context)
    assert isinstance(result, dg.SensorResult)
    return result


def test_a_delivery_starts_its_system_once(municipality: Municipality, monkeypatch: pytest.MonkeyPatch) -> None:
    watch(municipality, "beta", quiet_seconds=3600)
    watch(municipality, "gamma")
    with open_instance(municipality.home) as instance:
        first = ticked(municipality, instance, None)
        [request] = first.run_requests or []
        assert request.asset_selection == [dg.AssetKey(["raw", "gamma", "ting"])], "beta's file may be half-written"
        again = ticked(municipality, instance, first.cursor)
        assert not again.run_requests
        assert again.skip_reason
        repeated = ticked(municipality, instance, None)
        assert [request.run_key for request in repeated.run_requests or []] == [request.run_key], (
            "a lost cursor starts nothing twice"
        )

        municipality.deliver("gamma", "nr;navn\n1;en\n2;to\n3;tre\n")
        [changed] = ticked(municipality, instance, first.cursor).run_requests or []
        assert changed.run_key != request.run_key
        assert changed.tags[NIGHT_TAG] == changed.run_key, "building and publishing follow as after a night"
        definitions = build_defs(read_register(municipality.register), home=municipality.home, manifest_path=None)
        job = definitions.resolve_job_def(LOAD)
        job = job.get_subset(
            asset_selection=set(changed.asset_selection or []), asset_check_selection=set(changed.asset_check_keys or [])
        )
        assert [node.name for node in job.nodes] == ["load_gamma"], "no check of another stage comes along"
        result = job.execute_in_process(instance=instance)
        assert result.asset_materializations_for_node("load_gamma")[0].metadata["dagster/row_count"].value == 3

        (municipality.sources / "gamma" / "ting.csv").unlink()
        assert not ticked(municipality, instance, first.cursor).run_requests, "what goes is no delivery"


def test_a_server_that_hangs_stops_no_other(
    municipality: Municipality, hanging: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SFTP_P", "x")
    for system_id, more in (("alfa", {"transport": hanging}), ("beta", {})):
        watch(municipality, system_id, **more)
    register = read_register(municipality.register)
    watched = [system for system in register.systems.values() if isinstance(system, FilesSystem)]
    looks, started = Looks(answer_seconds=1), time.monotonic()
    found, faults = looks.at(watched)
    assert time.monotonic() - started < 4
    assert set(found) == {"beta", "gamma"}
    [fault] = faults
    assert fault.startswith("alfa: ")


def test_a_fault_keeps_what_was_seen(municipality: Municipality, tmp_path: Path) -> None:
    watch(municipality, "gamma")
    with open_instance(municipality.home) as instance:
        first = ticked(municipality, instance, None)
        folder = municipality.sources / "gamma"
        folder.rename(tmp_path / "away")
        gone = ticked(municipality, instance, first.cursor)
        assert json.loads(gone.cursor or "") == json.loads(first.cursor or "")
        (tmp_path / "away").rename(folder)
        assert not ticked(municipality, instance, gone.cursor).run_requests


def test_nobody_asked_for_it(municipality: Municipality) -> None:
    assert arrival_sensors(read_register(municipality.register), municipality.home) == []
