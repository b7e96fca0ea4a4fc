{# The authorised chart of accounts: where a line of the ledger or the budget stands in it. #}

{#- The 16 digits: main account, main function, function, dranst, ownership, four of the municipality's own (the cost centre's last),
    grouping, main kind, kind. `place` is the account's row in `xref_konto` on the day. NULL where a part is not known; a line
    without a cost centre has zeros in its place. -#}
{%- macro authorised_account(function, dranst, cost_centre, place) -%}
nullif(
    regexp_extract(
        replace({{ function }}, '.', '') || {{ dranst }} || {{ place }}.ejerforhold
        || right(lpad(coalesce({{ cost_centre }}, ''), 10, '0'), 4)
        || {{ place }}.gruppering || {{ place }}.hovedart || {{ place }}.art,
        '^\d{16}$'
    ),
    ''
)
{%- endmacro -%}

{#- Key of an account of the authorised plan in one year's edition. -#}
{%- macro account_key(year, account) -%}{{ year }} || ':' || {{ account }}{%- endmacro -%}

{#- Key of an accounting period, which is none of the calendar's months when it is 13. -#}
{%- macro period_key(year, period) -%}{{ year }} || '-' || lpad({{ period }}::varchar, 2, '0'){%- endmacro -%}
