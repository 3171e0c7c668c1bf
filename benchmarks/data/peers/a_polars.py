# mypy: ignore-errors
"""Job (a) in polars: a lazy scan, expressions and a sink, in its streaming engine."""

import sys

import polars as pl

from benchmarks.data.rule import COMMON

corpus, out = sys.argv[1:]
text = pl.col("text")
words = text.str.count_matches(r"\S+")
letters = text.str.len_chars() - text.str.count_matches(r"\s")
lines = 1 + text.str.count_matches("\n", literal=True)
padded = pl.concat_str(pl.lit(" "), text.str.replace_all("\n", " ", literal=True), pl.lit(" "))
common = pl.sum_horizontal(padded.str.contains(f" {word} ", literal=True).cast(pl.UInt8) for word in sorted(COMMON))
rules = (
    words.is_between(50, 100_000),
    letters.is_between(3 * words, 10 * words),
    text.str.count_matches("#", literal=True) <= 0.1 * words,
    text.str.count_matches(r"\.\.\.|…") <= 0.1 * words,
    text.str.count_matches(r"(?m)^\s*[•-]") <= 0.9 * lines,
    text.str.count_matches(r"(?m)(?:\.\.\.|…)\s*$") <= 0.3 * lines,
    text.str.count_matches(r"\S*\p{L}\S*") >= 0.8 * words,
    common >= 2,
)
documents = pl.scan_ndjson(f"{corpus}/part-*.jsonl")
unique = documents.with_columns(digest=text.hash()).unique("digest", keep="any").drop("digest")
unique.filter(*rules).sink_parquet(f"{out}/kept.parquet")
