# mypy: ignore-errors
"""Job (a) in Daft: rules as expressions over the text with one space between words, then one row a hash of the text.

The process ends without Python's own end, in which Daft crashes now and then, when all is written.
"""

import os
import sys
from functools import reduce
from operator import and_

import daft
from daft import col, lit
from daft.functions import concat

from benchmarks.data.rule import COMMON

corpus, out = sys.argv[1:]
text, plain, words, lines = map(col, ("text", "plain", "words", "lines"))
padded = concat(concat(lit(" "), plain), lit(" "))
letters = plain.length() - words + 1
common = sum(padded.contains(f" {word} ").cast(daft.DataType.uint8()) for word in sorted(COMMON))
rules = (
    words.between(50, 100_000),
    letters.between(3 * words, 10 * words),
    text.count_matches("#") <= 0.1 * words,
    text.count_matches(["...", "…"]) <= 0.1 * words,
    text.regexp_count(r"(?m)^\s*[•-]") <= 0.9 * lines,
    text.regexp_count(r"(?m)(?:\.\.\.|…)\s*$") <= 0.3 * lines,
    plain.regexp_count(r"\p{L}\S*") >= 0.8 * words,
    common >= 2,
)
documents = daft.read_json(f"{corpus}/part-*.jsonl").with_column("plain", text.normalize(white_space=True))
measured = documents.with_columns({"words": plain.count_matches(" ") + 1, "lines": text.count_matches("\n") + 1})
kept = measured.where(reduce(and_, rules)).exclude("plain", "words", "lines")
unique = kept.with_column("digest", text.hash()).distinct("digest").exclude("digest")
unique.write_parquet(f"{out}/kept.parquet")
os._exit(0)
