"""Which access addresses in DAR a typed address may be, and how likely (splink, Fellegi-Sunter).

The weights are declared, not trained: the same addresses give the same answer every night, and each can be argued about. Of what
is the same address, `m` is the share that looks so; `by_chance` is how many addresses of the whole register look so by chance.
The thresholds are the project's variable `kobling`.
"""

import duckdb
import splink.comparison_level_library as cll
from splink import DuckDBAPI, Linker, SettingsCreator, block_on
from splink.comparison_library import CustomComparison

SAME_NUMBER = "husnr_l = husnr_r"
TYPOS = "damerau_levenshtein(vejnavn_l, vejnavn_r)"
LEVELS = (
    ("vej og nummer ens", f"vejnavn_l = vejnavn_r and {SAME_NUMBER}", 0.80, 0.05),
    ("en fejl i vejen", f"{TYPOS} = 1 and {SAME_NUMBER}", 0.12, 0.05),
    ("to fejl i vejen", f"{TYPOS} = 2 and {SAME_NUMBER}", 0.04, 0.15),
    ("andet bogstav ved nummeret", "vejnavn_l = vejnavn_r and regexp_extract(husnr_l, '\\d+') = regexp_extract(husnr_r, '\\d+')", 0.03, 0.8),
)


def model(dbt, session):
    dbt.config(materialized="table")
    tekster = dbt.ref("int_adresse__tekster").select("tekst as noegle, vejnavn, husnr, postnr")
    register = dbt.ref("int_adresse__register").select("husnummer_id as noegle, vejnavn, husnr, postnr")
    size = max(register.count("*").fetchone()[0], 2)  # one alone would be certain whatever is typed
    levels = [
        cll.CustomLevel(condition, label).configure(m_probability=m, u_probability=min(by_chance / size, 0.5))
        for label, condition, m, by_chance in LEVELS
    ]
    missing = cll.CustomLevel("vejnavn_l is null or husnr_l is null", "mangler").configure(is_null_level=True)
    otherwise = cll.ElseLevel().configure(m_probability=0.01, u_probability=0.9)
    postcode = [
        cll.NullLevel("postnr"),
        cll.ExactMatchLevel("postnr").configure(m_probability=0.95, u_probability=0.12),
        cll.ElseLevel().configure(m_probability=0.05, u_probability=0.88),
    ]
    settings = SettingsCreator(
        link_type="link_only",
        unique_id_column_name="noegle",
        probability_two_random_records_match=1 / size,
        comparisons=[
            CustomComparison(output_column_name="adgang", comparison_levels=[missing, *levels, otherwise]),
            CustomComparison(output_column_name="postnr", comparison_levels=postcode),
        ],
        blocking_rules_to_generate_predictions=[block_on("husnr"), block_on("vejnavn")],
        retain_matching_columns=False,
    )
    # In memory, in a connection of its own: splink's tables do not come into the warehouse.
    with duckdb.connect(":memory:") as connection:
        splink = DuckDBAPI(connection)
        inputs = [splink.register(tekster.to_arrow_table()), splink.register(register.to_arrow_table())]
        found = Linker(inputs, settings, log_level=None).inference.predict(threshold_match_probability=0.01).as_duckdbpyrelation()
        pairs = found.select("noegle_l as tekst, noegle_r as husnummer_id, match_probability as sandsynlighed").to_arrow_table()
    return pairs
