"""Which companies a supplier without a CVR number may be, and how likely. Weights are declared as in `int_adresse__kandidater`."""

import duckdb
import splink.comparison_level_library as cll
from splink import DuckDBAPI, Linker, SettingsCreator
from splink.comparison_library import CustomComparison

FIRST_WORD = "split_part(navn_l, ' ', 1) = split_part(navn_r, ' ', 1) and length(split_part(navn_l, ' ', 1)) >= 3"
LEVELS = (
    ("navn ens", "navn_l = navn_r", 0.80, 0.02),
    ("en fejl i et langt navn", "length(navn_l) >= 6 and damerau_levenshtein(navn_l, navn_r) = 1", 0.10, 0.02),
    ("første ord ens", FIRST_WORD, 0.06, 0.15),
)


def model(dbt, session):
    dbt.config(materialized="table")
    tekster = dbt.ref("int_leverandoer__tekster").select("tekst as noegle, navn")
    register = dbt.ref("int_leverandoer__register").select("cvr_nummer as noegle, navn")
    size = max(register.count("*").fetchone()[0], 2)  # one alone would be certain whatever is typed
    levels = [
        cll.CustomLevel(condition, label).configure(m_probability=m, u_probability=min(by_chance / size, 0.5))
        for label, condition, m, by_chance in LEVELS
    ]
    otherwise = cll.ElseLevel().configure(m_probability=0.04, u_probability=0.9)
    settings = SettingsCreator(
        link_type="link_only",
        unique_id_column_name="noegle",
        probability_two_random_records_match=1 / size,
        comparisons=[CustomComparison(output_column_name="navn", comparison_levels=[cll.NullLevel("navn"), *levels, otherwise])],
        # All with all: some hundred names on either side.
        blocking_rules_to_generate_predictions=["1 = 1"],
        retain_matching_columns=False,
    )
    with duckdb.connect(":memory:") as connection:
        splink = DuckDBAPI(connection)
        inputs = [splink.register(tekster.to_arrow_table()), splink.register(register.to_arrow_table())]
        found = Linker(inputs, settings, log_level=None).inference.predict(threshold_match_probability=0.01).as_duckdbpyrelation()
        pairs = found.select("noegle_l as tekst, noegle_r as cvr_nummer, match_probability as sandsynlighed").to_arrow_table()
    return pairs
