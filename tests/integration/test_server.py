"""The definitions of a running platform follow the register: what is new is loaded the next night, what is gone stops nobody."""

from __future__ import annotations

import tempfile
from pathlib import Path

import dagster as dg
import pytest

from ingestion.home import Home
from orchestration import server
from orchestration.instance import open_instance
from orchestration.schedules import LOAD
from orchestration.server import Changes

GRAPH = "import dagster as dg\n\n{name} = dg.Definitions()\n"


def test_files_have_changed_when_they_lie_still(tmp_path: Path) -> None:
    (tmp_path / "alfa.yml").write_text("1")
    changes = Changes([tmp_path])

    def looks() -> list[bool]:
        return [changes.lie_still() for _ in range(2)]

    assert looks() == [False, False]
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "made_by_dbt").touch()
    assert looks() == [False, False]
    (tmp_path / "beta.yml").write_text("1")
    assert looks() == [False, True]
    changes.are_read()
    assert looks() == [False, False]
    (tmp_path / "alfa.yml").unlink()
    assert looks() == [False, True]


def test_a_file_that_goes_while_it_is_looked_at_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = Changes([tmp_path])
    with monkeypatch.context() as patched:
        patched.setattr(server, "inputs_in", lambda folder: [folder / "alfa.yml"])
        assert not changes.lie_still()
    (tmp_path / "beta.yml").write_text("1")
    assert [changes.lie_still(), changes.lie_still()] == [False, True]


def test_the_code_server_is_found_at_the_same_place_after_a_restart(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or no tick of a schedule from before is listed; but not in a folder that somebody else can reach into."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with open_instance(home) as instance:
        with server._folder(instance, 3000) as first:
            (first / "code").touch()
        with server._folder(instance, 3000) as again, server._folder(instance, 3001) as readers:
            assert again == first
            assert readers != first
            assert list(again.iterdir()) == []
        first.mkdir()
        first.chmod(0o777)
        with server._folder(instance, 3000) as other:
            assert other != first


def test_a_changed_register_is_read_again_between_two_nights(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FAELLESDATA_HOME", "DAGSTER_HOME"):
        monkeypatch.setenv(name, "")
    register = tmp_path / "register"
    register.mkdir()
    graph = register / "graph.py"
    graph.write_text(GRAPH.format(name="before"))
    monkeypatch.setattr(server, "ROOT", register)
    monkeypatch.setattr(server, "MODULE", "graph")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).resolve().parents[2]))
    told: list[str] = []
    with open_instance(home) as instance:
        code, workspace = server._code_server(tmp_path)
        changes = Changes([register])

        def read_again() -> list[str]:
            changes.lie_still()
            server._read_again(instance, changes, workspace, told.append)
            return [told.pop()] if told else []

        try:
            code.start()
            server._await(code, lambda: server._answers(workspace), "the code server")
            graph.write_text(GRAPH.format(name="after"))
            night = instance.add_run(dg.DagsterRun(job_name=LOAD, status=dg.DagsterRunStatus.STARTED))
            assert read_again() == [], "the runs of a night are made of what was read when it began"
            instance.report_run_failed(night)
            assert read_again() == ["The register or the dbt project has changed; it has been read again."]
            assert read_again() == []
            assert '"attribute": "after"' in str(server._client(workspace).list_repositories())
        finally:
            code.stop()
