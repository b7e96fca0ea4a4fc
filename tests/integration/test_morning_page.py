"""The page of the morning, from a real refresh: what it says, what it never says, and how it looks in a browser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser_support import browser
from municipality_support import Municipality

from ingestion.register import read_register
from orchestration.instance import open_instance
from orchestration.morning import conclude

CPR = "010190-1234"


class Words(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.found.append(data)

    def __str__(self) -> str:
        return " ".join(" ".join(self.found).split())


def page(municipality: Municipality) -> str:
    return municipality.home.morning_page.read_text(encoding="utf-8")


def section(text: str, title: str, end: str) -> str:
    """Return what stands under the heading `title`: its last occurrence, as the tiles come first."""
    return text.rpartition(f"{title} ")[2].partition(end)[0]


def test_a_good_night_says_so_first(municipality: Municipality) -> None:
    municipality.refresh()
    text = str(Words(page(municipality)))
    assert text.startswith("Natten gik godt – Fællesdata")
    assert "Alle 3 tabeller er hentet, som de skal." in text
    assert "Kilderne har de kolonner, registeret nævner" in text
    assert "gik galt" not in text


def test_a_bad_night_says_what_whose_since_when_and_what_to_do(municipality: Municipality) -> None:
    municipality.refresh()
    municipality.deliver("alfa", f"helt;andet\n{CPR};2\n")
    municipality.deliver("beta", "nr;navn;<b>ekstra</b>\n1;en;x\n2;to;y\n")
    macros = municipality.project / "macros"
    macros.mkdir()
    (macros / "schema.sql").write_text(
        "{% macro generate_schema_name(own, node) %}{{ 'quality' if node.name == 'quarantine' else 'main_marts' }}{% endmacro %}"
    )
    (municipality.project / "models" / "quarantine.sql").write_text(
        f"select 'gamma' as system_id, 'ting' as table_name, '{CPR}' as raw_value from range(1234)"
    )
    municipality.refresh()
    html = page(municipality)
    text = str(Words(html))
    assert "Én ting gik galt i nat" in text
    faults = section(text, "Fejl", "Gamle data")
    for said in ("System alfa kunne ikke hentes.", "Hold alfa, alfa@odsherred.example", "Siden", "mart_alfa", "--system alfa"):
        assert said in faults
    assert "mart_beta" not in faults
    assert "fejlede; data fra" in section(text, "Gamle data", "Karantæne")
    held = section(text, "Karantæne", "Ændret i kilderne")
    assert "System gamma ting 1.234 Holdet, hold@odsherred.example" in held
    changed = section(text, "Ændret i kilderne", "Usædvanligt")
    assert "System beta ting Nye kolonner:" in changed
    assert "beta@odsherred.example" in changed
    assert "<b>ekstra" not in html, "what a source writes is escaped"
    assert CPR not in html
    assert CPR.replace("-", "") not in html


def test_it_tells_of_a_table_that_grows_old(municipality: Municipality) -> None:
    municipality.refresh()
    with open_instance(municipality.home) as instance:
        now = datetime.now(UTC) + timedelta(hours=31)
        conclude(municipality.home, read_register(municipality.register), instance, "test", now=now)
        text = str(Words(page(municipality)))
        assert "på vej til at blive for gammel" in text
        assert "Natten gik godt" in text
        conclude(municipality.home, read_register(municipality.register), instance, "test", now=now + timedelta(hours=31))
    text = str(Words(page(municipality)))
    assert "3 ting gik galt i nat" in text
    assert "for gammel; data fra" in text


@pytest.mark.browser
def test_the_page_is_read_in_a_browser_without_a_network(municipality: Municipality, tmp_path: Path) -> None:
    municipality.refresh()
    municipality.deliver("alfa", "helt;andet\n1;2\n")
    municipality.refresh()
    with browser(tmp_path / "profile") as seen:
        seen.open(municipality.home.morning_page.as_uri())
        text = seen.wait("Én ting gik galt i nat", "System alfa kunne ikke hentes.")
        assert "over 26 timer gammel" not in text
        seen.screenshot(tmp_path / "page.png")
        assert (tmp_path / "page.png").stat().st_size > 10_000
        assert seen.run("performance.getEntriesByType('resource').length") == 0, "nothing is fetched"
        old = municipality.home.morning_page.read_text(encoding="utf-8")
        at = datetime.now(UTC) - timedelta(hours=27)
        before, _, after = old.partition('data-at="')
        (tmp_path / "old.html").write_text(f'{before}data-at="{at.isoformat()}"{after.partition(chr(34))[2]}', encoding="utf-8")
        seen.open((tmp_path / "old.html").as_uri())
        seen.wait("over 26 timer gammel")
