"""The jobs, and who does them: specs of few lines for us, a script each for the peers.

A job's corpus is linked into the folder of a run as `corpus`, a model whose tokenizer all use as `model`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from benchmarks.data.rule import SQL

HEAD: Final = 'language 1\n\nmodel base { source = path("model") }\n'
CORPUS: Final = """
corpus web {{
  source = files("corpus/part-*.jsonl")
  role   = {role}
{rules}}}
"""
GOPHER: Final = "  keep   = quality(gopher, words = whitespace)\n"
EXACT: Final = "  dedup  = exact\n"
MINHASH: Final = "  dedup  = minhash(ngram = 5, threshold = 80%)\n"
_WORDS: Final = "list_filter(string_split_regex(text, '[ \\n]+'), lambda word: word <> '')"
SPELT: Final = f'  keep   = sql """\n    {SQL.replace("words", _WORDS)}\n  """\n'
MIXTURE: Final = "\nmixture all { weights = natural, budget = 1 epochs }\n"
STAGE: Final = """
stage learn: cpt {
  from   = model.base
  data   = mixture.all
  length = 2048
  batch  = 2048
}
"""
HEADINGS: Final = """
taxonomy topics {
  over = [corpus.web]
  rule outline: headings { depth = 2 }
}

stage learn: scpt {
  from      = model.base
  data      = mixture.all
  structure = taxonomy.topics
  length    = 2048
  batch     = 2048
}
"""
ROWS: Final = ("stage.learn.pack",)


def spec(rules: str, *, role: str = "replay", rest: str = "") -> str:
    return (HEAD if rest else "language 1\n") + CORPUS.format(role=role, rules=rules) + rest


@dataclass(frozen=True, slots=True)
class Ours:
    """What `structdsl run` is given: a spec, and the steps to `--select` [all].

    The steps of `before` are there when the clock starts; `copied` is a table that is written to a file of its own
    afterwards, before it stops.
    """

    spec: str
    select: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    copied: str = ""


@dataclass(frozen=True, slots=True)
class Theirs:
    """A script of `peers/`, and the environment that it runs in."""

    script: str
    venv: str


@dataclass(frozen=True, slots=True)
class Job:
    """`judge` says what the result is held against: `survivors` of duplicates and rules, `unique` texts, `near`
    duplicates by what was planted; or it is nothing but a `count` of tokens.

    The input is the corpus as JSONL; or a `table`: peers are given it as Parquet, what we read it to is there already,
    and MB are those of its texts.
    """

    title: str
    judge: str
    contenders: dict[str, Ours | Theirs]
    table: bool = False
    memory: int | None = None  # MB that DuckDB may use


JOBS: Final = {
    "a": Job(
        "read, exact duplicates, the rules of Gopher; written (ours: chunks and what was dropped as well)",
        "survivors",
        {
            "structdsl": Ours(spec(GOPHER + EXACT)),
            "structdsl, rules spelt out in SQL": Ours(spec(SPELT + EXACT)),
            "polars": Theirs("a_polars", "polars"),
            "DuckDB": Theirs("a_duckdb", "duckdb"),
            "Daft": Theirs("a_daft", "daft"),
            "HF datasets": Theirs("a_datasets", "datasets"),
            "datatrove": Theirs("a_datatrove", "datatrove"),
            "Spark": Theirs("a_spark", "spark"),
        },
    ),
    "b": Job(
        "near duplicates: shingles of five words, Jaccard similarity from 0.8; ours leaves a view of what stays",
        "near",
        {
            "structdsl": Ours(spec(MINHASH), ("corpus.web.dropped",)),
            "structdsl, what stays copied": Ours(spec(MINHASH), ("corpus.web.dropped",), copied="corpus.web"),
            "structdsl, cut into chunks": Ours(spec(MINHASH)),
            "Daft": Theirs("b_daft", "daft"),
            "NumPy, rensa, DuckDB": Theirs("b_rensa", "rensa"),
            "datatrove": Theirs("b_datatrove", "datatrove"),
        },
    ),
    "c": Job(
        "tokenised and packed into rows of 2,048",
        "count",
        {
            "structdsl": Ours(spec("", rest=MIXTURE + STAGE), ROWS),
            "fastokens": Theirs("c_fastokens", "fastokens"),
            "HF tokenizers": Theirs("c_tokenizers", "tokenizers"),
            "HF datasets": Theirs("c_datasets", "datasets"),
            "datatrove": Theirs("c_datatrove", "datatrove"),
        },
    ),
    "d": Job(
        "the whole plan: near duplicates, rules, headings as a taxonomy, tokens in rows",
        "count",
        {
            "structdsl": Ours(spec(GOPHER + MINHASH, role="domain", rest=MIXTURE + HEADINGS), ROWS),
            "datatrove, sections under their headings": Theirs("d_datatrove_headings", "datatrove"),
            "datatrove, no taxonomy": Theirs("d_datatrove", "datatrove"),
        },
    ),
    "e": Job(
        "exact duplicates of a table that is there, DuckDB under 256 MB; ours leaves a view of what stays",
        "unique",
        {
            "structdsl": Ours(spec(EXACT), ("corpus.web.dropped",), before=("corpus.web.read",)),
            "structdsl, what stays copied": Ours(
                spec(EXACT), ("corpus.web.dropped",), before=("corpus.web.read",), copied="corpus.web"
            ),
            "DuckDB, what stays copied": Theirs("e_duckdb", "duckdb"),
        },
        table=True,
        memory=256,
    ),
}
