"""Record linkage against the generator's truth: who typed what, and what it was."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

from ingestion.home import Home

KINDS = {
    "adresser": (
        "select kundenummer::varchar, adresse from staging.stg_scanxnet__kunder where adresse not like 'Postboks%'",
        "select kildenoegle, husnummer_id from conformed.xref_adresse",
        "adresse",
    ),
    "leverandoerer": (
        (
            "select it_system_uuid::varchar, leverandoer_navn from staging.stg_os2kitos__it_systemer"
            " where leverandoer_cvr is null and leverandoer_navn not like 'Konsulent%'"
        ),
        "select kildenoegle, cvr_nummer from conformed.xref_leverandoer",
        "leverandoer",
    ),
}


@pytest.mark.parametrize(("kind", "least", "least_with_review"), [("adresser", 0.65, 0.9), ("leverandoerer", 0.4, 0.7)])
def test_links_are_right_and_most_are_found(
    ask: Any, truth: dict[str, Any], kind: str, least: float, least_with_review: float
) -> None:
    """At the declared thresholds. Nothing is linked wrongly; of what can be linked so much is, and so much more is asked."""
    typed, linked, review = KINDS[kind]
    right = truth["facts"]["koblinger"][kind]
    texts, links = dict(ask(typed)), dict(ask(linked))
    assert len(texts) > 20
    assert {key: target for key, target in links.items() if right[key] != target} == {}
    asked = set(ask(f"select tekst, maal from marts.mart_koblinger_til_gennemsyn where slags = '{review}'"))
    with_review = links.keys() | {key for key, text in texts.items() if (text, right[key]) in asked}
    assert len(links) / len(texts) >= least
    assert len(with_review) / len(texts) >= least_with_review


def test_what_is_unsure_is_asked_once_and_is_not_linked(ask: Any) -> None:
    pairs = ask("select slags, tekst, maal, tillid from marts.mart_koblinger_til_gennemsyn")
    assert len({pair[:3] for pair in pairs}) == len(pairs) > 5
    assert all(0.2 <= likelihood < 0.9 or len([1 for other in pairs if other[1] == text]) > 1 for _, text, _, likelihood in pairs)
    linked = set(ask("select tekst from conformed.xref_adresse union select tekst from conformed.xref_leverandoer"))
    assert {(text,) for _, text, _, _ in pairs} & linked == set()
    assert ask(
        "select count(*) from marts.mart_koblinger_til_gennemsyn where tekst like 'Postboks%' or tekst like 'Konsulent%'"
    ) == [(0,)]


def test_a_persons_decision_wins(home: Home) -> None:
    with duckdb.connect(str(home.warehouse)) as warehouse:
        unsure = warehouse.execute(
            "select tekst, maal from marts.mart_koblinger_til_gennemsyn where slags = 'adresse' order by all limit 2"
        ).fetchall()
        ((sure, target),) = warehouse.execute(
            "select tekst, husnummer_id from conformed.xref_adresse order by all limit 1"
        ).fetchall()
        decided = [(*unsure[0], "ja"), (*unsure[1], "nej"), (sure, target, "nej")]
        warehouse.execute("begin")
        for text, key, answer in decided:
            warehouse.execute(
                "insert into seeds.koblinger values ('adresse', ?, ?, ?, 'Natur og Miljø', current_date, 'set på kort')",
                [text, key, answer],
            )
        found = {
            (text, key): (float(likelihood), outcome)
            for text, key, likelihood, outcome in warehouse.execute(
                "select tekst, husnummer_id, tillid, udfald from intermediate.int_adresse__afgjort"
            ).fetchall()
        }
        warehouse.execute("rollback")
    assert found[unsure[0]] == (1.0, "koblet")
    assert unsure[1] not in found
    assert (sure, target) not in found
