"""What a predicate may call: functions whose value depends on their arguments alone.

DuckDB's catalogue decides (`duckdb_functions()`: scalar and `CONSISTENT`, or a macro made of such); `PURE` repeats it
for the functions of everyday use, because reading the catalogue takes longer than all other work on a predicate, and
`IMPURE` corrects it where it calls constant what differs between two machines or two runs.
"""

from __future__ import annotations

import enum


class Refusal(enum.Enum):
    """Why a function may not stand in a predicate."""

    AGGREGATE = "it looks at many rows"
    ROWS = "it makes several rows of one"
    UNKNOWN = "DuckDB does not know it"
    WORLD = "chance, clock, session and files differ between two runs over the same documents"


ALIASES = {
    alias: name
    for name, aliases in {
        "->>": "json_extract_string",
        "@": "abs",
        "%": "mod",
        "**": "^ pow power",
        "^@": "starts_with",
        "ceil": "ceiling",
        "instr": "strpos position",
        "length": "len char_length character_length",
        "levenshtein": "editdist3",
        "list_aggregate": "list_aggr array_aggr array_aggregate",
        "list_concat": "list_cat array_cat array_concat",
        "list_contains": "list_has array_contains array_has",
        "list_distinct": "array_distinct",
        "list_extract": "list_element",
        "list_filter": "array_filter filter",
        "list_has_all": "array_has_all",
        "list_has_any": "array_has_any",
        "list_position": "list_indexof array_indexof array_position",
        "list_sort": "array_sort",
        "list_transform": "list_apply array_apply array_transform apply",
        "list_unique": "array_unique",
        "list_value": "list_pack",
        "lower": "lcase",
        "string_split": "split str_split string_to_array",
        "string_split_regex": "str_split_regex regexp_split_to_array",
        "substring": "substr",
        "suffix": "ends_with",
        "unicode": "ord",
        "upper": "ucase",
    }.items()
    for alias in aliases.split()
}
"""Second names of functions, by which sqlglot calls them at times."""

PURE = frozenset(
    """
    + - * / // || & | << >> && ~ ~~ !~~ ~~* !~~* ~~~ like_escape not_like_escape ilike_escape not_ilike_escape
    greatest least round floor trunc sign sqrt exp ln log log2 log10 isnan isinf isfinite xor if nullif
    strlen trim ltrim rtrim left right replace reverse repeat lpad rpad concat concat_ws prefix chr ascii
    split_part translate regexp_matches regexp_full_match regexp_extract regexp_extract_all regexp_replace
    contains @> <@ strip_accents nfc_normalize md5 sha256 hash jaccard jaro_similarity jaro_winkler_similarity hamming
    array_length array_extract array_slice list_slice struct_pack struct_extract row map map_extract cardinality
    json_extract json_type json_valid json_array_length json_keys json_contains json_exists json_structure json_value
    json to_json date_part datepart date_diff datediff date_trunc datetrunc year month day strftime strptime
    try_strptime make_date make_timestamp to_days to_months to_years to_hours to_minutes to_seconds
    """.split()  # noqa: SIM905 - a table of names
) | {*ALIASES, *ALIASES.values()}

IMPURE = frozenset(
    {
        "current_localtime",
        "current_localtimestamp",
        "current_role",
        "current_user",
        "getenv",
        "session_user",
        "user",
        "version",
    }
)
