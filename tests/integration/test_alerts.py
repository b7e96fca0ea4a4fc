"""The owners are told by mail, from a real refresh, through a real SMTP server: once, in Danish, and when it is mended."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from municipality_support import DEPARTMENTS, Municipality
from postbox_support import Postbox

from ingestion.danish_time import DENMARK
from ingestion.home import Home
from ingestion.landing import land_system
from ingestion.register import read_register
from orchestration import alerts
from orchestration.alerts import Told, tell
from orchestration.instance import open_instance
from orchestration.morning import conclude
from orchestration.troubles import Owner, Trouble, late_deliveries


def test_a_failed_system_is_told_once_to_its_owner_and_so_is_its_recovery(municipality: Municipality, postbox: Postbox) -> None:
    municipality.refresh()
    assert postbox.take() == [], "a good night is silent"
    municipality.deliver("beta", "helt;andet\n1;2\n")
    municipality.refresh()
    ((to, subject, text),) = postbox.take()
    assert to == "beta@odsherred.example"
    assert subject == "Fællesdata: System beta kunne ikke hentes"
    assert "beta.ting" in text, "what"
    assert f"Siden: {datetime.now(DENMARK):%d-%m-%Y}" in text
    assert "Data er fra:" in text
    assert "mart_beta" in text, "what it means"
    assert "mart_alfa" not in text
    assert "faellesdata refresh --system beta" in text, "what to do"
    assert "https://data.odsherred.example/assets/raw/beta" in text
    municipality.refresh()
    assert postbox.take() == [], "the same fault is not told twice"
    municipality.deliver("beta", "nr;navn\n1;en\n2;to\n")
    municipality.refresh()
    ((to, subject, text),) = postbox.take()
    assert (to, subject) == ("beta@odsherred.example", "Fællesdata: 1 rettet")
    assert "System beta kunne ikke hentes" in text
    municipality.refresh()
    assert postbox.take() == []


def test_each_owner_gets_one_message_with_all_that_is_theirs(
    municipality: Municipality, postbox: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = os.environ["FAELLESDATA_ALERT_MAIL"].replace("{owner}", "kanal@odsherred.example")
    monkeypatch.setenv(f"FAELLESDATA_ALERT_{DEPARTMENTS['gamma'].upper()}", channel)
    municipality.refresh()
    municipality.deliver("alfa", "helt;andet\n1;2\n")
    municipality.deliver("beta", "nr;navn;ny\n1;en;x\n2;to;x\n")  # a new column
    municipality.deliver("gamma", "nr;navn\n1;en\n1;\n")  # two failed checks of raw and mart
    municipality.refresh()
    mails = postbox.take()
    gamma = "Fællesdata: En kontrol af ting er ikke bestået: source_not_null_gamma_ting_navn"
    assert sorted((to, subject) for to, subject, _ in mails) == [
        ("alfa@odsherred.example", "Fællesdata: System alfa kunne ikke hentes"),
        ("beta@odsherred.example", "Fællesdata: System beta har fået eller mistet kolonner"),
        ("gamma@odsherred.example", gamma),
        ("kanal@odsherred.example", gamma),
        ("kanal@odsherred.example", "Fællesdata: System beta har fået eller mistet kolonner"),
    ], "to the owner, and to the channel of the owner's department"
    column = next(text for to, _, text in mails if to.startswith("beta"))
    assert "- ting: Nye kolonner: ny. Skriv dem ind i registeret" in column
    assert "mart_beta" in column
    assert "skriv dem ind i registeret; ellers spørg leverandøren" in column
    assert "https://data.odsherred.example/assets/raw/beta" in column
    # Whose file cannot be read is neither told again nor told to be mended; a delivery without the column is no news.
    path = municipality.register / DEPARTMENTS["alfa"] / "alfa.yml"
    sound = path.read_text(encoding="utf-8")
    path.write_text(sound.replace("cadence: daily", "cadence: somtider"), encoding="utf-8")
    municipality.deliver("beta", "nr;navn\n1;en\n2;to\n3;tre\n")
    municipality.refresh()
    assert postbox.take() == []
    path.write_text(sound, encoding="utf-8")
    municipality.deliver("alfa", "nr;navn\n1;en\n2;to\n")
    beta = municipality.register / DEPARTMENTS["beta"] / "beta.yml"
    beta.write_text(beta.read_text(encoding="utf-8").replace("cadence: daily", "cadence: daily\nalert_from: error"))
    municipality.deliver("beta", "nr;navn;ny\n1;en;x\n2;to;x\n")
    municipality.refresh()
    assert [(to, subject) for to, subject, _ in postbox.take()] == [("alfa@odsherred.example", "Fællesdata: 1 rettet")]


def test_an_unusual_number_of_rows_is_told_once_as_a_warning(municipality: Municipality, postbox: Postbox) -> None:
    system = read_register(municipality.register).systems["beta"]

    def deliver(rows: int) -> None:
        municipality.deliver("beta", "nr;navn\n" + "".join(f"{number};navn {number} af {rows}\n" for number in range(rows)))

    for rows in (20, 21, 19, 20, 22):
        deliver(rows)
        assert not land_system(system, municipality.home).failed
    deliver(60)
    assert municipality.refresh(systems=["beta"]).ok, "the data are taken all the same"
    ((to, subject, text),) = postbox.take()
    assert (to, subject) == ("beta@odsherred.example", "Fællesdata: System beta kom med et usædvanligt antal rækker")
    assert "ting: 60" in text
    assert "mart_beta" in text
    assert "Er tallet rigtigt, er der intet at gøre; ellers spørg leverandøren." in text
    municipality.refresh(systems=["beta"])
    deliver(21)
    municipality.refresh(systems=["beta"])
    assert postbox.take() == [], "neither told again, nor that it has passed"


def test_a_failed_model_is_the_platforms_when_it_has_no_group(
    municipality: Municipality, postbox: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = os.environ["FAELLESDATA_ALERT_MAIL"].replace("{owner}", "platform@odsherred.example")
    monkeypatch.setenv("FAELLESDATA_ALERT_PLATFORM", mail)
    municipality.refresh()
    municipality.model("gamma", "select no_such_column from (select 1 as nr)")
    municipality.refresh()
    ((to, subject, text),) = postbox.take()
    assert to == "platform@odsherred.example"
    assert subject == "Fællesdata: Tabellen mart_gamma kunne ikke bygges. Den og det, der bygger på den, er som før"
    assert "no_such_column" in text
    assert "https://data.odsherred.example/runs/" in text


def test_a_mail_server_that_is_down_fails_no_night_and_the_message_comes_later(
    municipality: Municipality, postbox: Postbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    working = os.environ["FAELLESDATA_ALERT_MAIL"]
    municipality.refresh()
    municipality.deliver("beta", "helt;andet\n1;2\n")
    monkeypatch.setenv("FAELLESDATA_ALERT_MAIL", "mailto://127.0.0.1:1?from=a@odsherred.example&to={owner}")
    municipality.refresh()
    heartbeat = json.loads((municipality.home.path / "heartbeat.json").read_text())
    assert heartbeat["ok"] is False
    assert heartbeat["not_told"] == ["Hold beta"]
    monkeypatch.setenv("FAELLESDATA_ALERT_MAIL", working)
    municipality.refresh()
    assert [to for to, _, _ in postbox.take()] == ["beta@odsherred.example"]


def test_a_record_of_what_was_told_that_is_cut_short_tells_once_more(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAELLESDATA_ALERT_MAIL", "mailto://127.0.0.1?to={owner}")
    home.path.mkdir()
    trouble, now = (
        Trouble("k", Owner("Hold", "hold@odsherred.example"), "Noget.", "Gør noget."),
        datetime(2026, 11, 26, tzinfo=UTC),
    )

    def sent() -> list[str]:
        return tell(home, [trouble], now, lambda *_: True, systems=()).sent

    assert [sent(), sent()] == [["Hold"], []]
    (home.path / "alerts.json").write_text('{"k": {"wh', encoding="utf-8")
    assert [sent(), sent()] == [["Hold"], []]


def told_with(home: Home, took: Callable[[str], bool]) -> Told:
    """Return what became of a message to two addresses, each of which takes it or not."""
    home.path.mkdir(exist_ok=True)
    trouble = Trouble("k", Owner("Hold", "hold@odsherred.example", "boern_familie"), "Noget.", "Gør noget.")
    now = datetime(2026, 11, 26, tzinfo=UTC)
    return tell(home, [trouble], now, lambda address, *_: took(address), systems=())


def test_who_was_told_is_not_told_again_because_another_address_is_dead(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAELLESDATA_ALERT_MAIL", "mailto://127.0.0.1?to={owner}")
    monkeypatch.setenv("FAELLESDATA_ALERT_BOERN_FAMILIE", "json://127.0.0.1")
    told = [told_with(home, took) for took in (lambda _: False, lambda address: address.startswith("mail"), lambda _: True)]
    assert told == [Told(failed=["Hold"]), Told(sent=["Hold"], partly=["Hold (1 af 2 adresser)"]), Told()]


def test_a_server_that_keeps_one_waiting_is_not_asked_for_each_owner(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAELLESDATA_ALERT_MAIL", "mailto://smtp.odsherred.example:25?to={owner}")
    monkeypatch.setenv("FAELLESDATA_ALERT_C", "json://kanal.odsherred.example")
    home.path.mkdir()
    troubles = [Trouble(key, Owner(key, f"{key}@odsherred.example", key), "Noget.", "Gør noget.") for key in "abc"]
    clock, asked = [0], list[str]()
    monkeypatch.setattr(alerts, "monotonic", lambda: clock[0])

    def told(seconds: int) -> tuple[list[str], list[str]]:
        asked.clear()

        def send(address: str, *_: object) -> bool:
            asked.append(address.partition(":")[0])
            clock[0] += seconds
            return not address.startswith("mailto")

        return tell(home, troubles, datetime(2026, 11, 26, tzinfo=UTC), send, systems=()).sent, asked

    assert told(seconds=15) == (["c"], ["mailto", "json"])
    assert told(seconds=0) == ([], ["mailto", "mailto"]), "what refuses at once is asked for the next owner too"


def test_what_cannot_be_noted_is_not_told_before_it_can(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the disk full, the sensor tries each minute: a message a minute, in the middle of the night."""
    monkeypatch.setenv("FAELLESDATA_ALERT_MAIL", "mailto://127.0.0.1?to={owner}")
    sent: list[str] = []

    def took(address: str) -> bool:
        sent.append(address)
        return True

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        for _ in range(2):
            with pytest.raises(OSError, match="No space"):
                told_with(home, took)
    assert sent == []
    assert [told_with(home, took).sent, told_with(home, took).sent] == [["Hold"], []]
    assert sent == ["mailto://127.0.0.1?to=hold%40odsherred.example"]


def test_tables_of_one_delivery_wait_for_it_together() -> None:
    """OPUS Løn's file of the day may change employees and no unit: it came all the same."""
    system, now = read_register().systems["opus_loen"], datetime(2026, 11, 26, 4, tzinfo=UTC)

    def loads(**brought: tuple[int, int]) -> dict[str, list[dict[str, object]]]:
        return {
            name: [{"started_at": datetime(2026, 11, day, 3), "rows": rows} for day, rows in zip((25, 26), counts, strict=True)]
            for name, counts in brought.items()
        }

    assert late_deliveries(system, loads(org_enheder=(3, 0), ansaettelser=(9, 2), fravaer=(5, 5)), now) == {}
    yesterday = datetime(2026, 11, 25, 3, tzinfo=UTC)
    late = late_deliveries(system, loads(org_enheder=(0, 0), ansaettelser=(9, 0), fravaer=(5, 5)), now)
    assert late == {"org_enheder": yesterday, "ansaettelser": yesterday}
    assert late_deliveries(system, loads(org_enheder=(0, 0), ansaettelser=(0, 0)), now) == {}, (
        "of what never came nothing is known"
    )


def test_what_did_not_come_and_what_was_never_tried_is_told(municipality: Municipality, postbox: Postbox) -> None:
    path = municipality.register / DEPARTMENTS["beta"] / "beta.yml"
    path.write_text(path.read_text().replace("error_after_hours: 60", "error_after_hours: 60, delivery_after_hours: 20"))
    municipality.refresh()
    heartbeat = json.loads((municipality.home.path / "heartbeat.json").read_text())
    assert (heartbeat["ok"], heartbeat["troubles"]) == (True, [])

    def after(hours: int) -> list[str]:
        later = datetime.now(UTC) + timedelta(hours=hours)
        with open_instance(municipality.home) as instance:
            return conclude(municipality.home, read_register(municipality.register), instance, "test", now=later).sent

    assert (after(19), after(21), after(22)) == ([], ["Hold beta"], []), "a delivery that is late is told, once, to its owner"
    ((to, subject, text),) = postbox.take()
    assert (to, subject) == ("beta@odsherred.example", "Fællesdata: En leverance til System beta mangler")
    assert "mart_beta" in text
    assert "Spørg den, der leverer" in text
    assert after(0) == ["Hold beta"]
    assert [subject for _, subject, _ in postbox.take()] == ["Fællesdata: 1 rettet"]
    assert sorted(after(61)) == ["Hold alfa", "Hold beta", "Hold gamma"]
    assert all("er ikke hentet, som den skulle" in subject for _, subject, _ in postbox.take())
