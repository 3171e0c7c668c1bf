"""Specs of any size: as many blocks as asked for, in groups of ten that hang together as those of a real spec do."""

from __future__ import annotations

HEAD = """language 1

model base {
  source    = scratch(hidden = 64, layers = 2, heads = 4)
  tokenizer = bpe(vocab = 4096, over = [corpus.web0])
}
"""

GROUP = """
## Documents of subject {n}.
corpus notes{n} {{ source = files("notes{n}/*.md"), role = domain, keep = sql "n_chars BETWEEN 40 AND 90000" }}
corpus books{n} {{ source = files("books{n}/*.md"), role = domain, limit = 5k docs }}
corpus web{n}   {{ source = files("web{n}/*.jsonl"), role = replay, keep = sql "title IS NOT NULL AND n_chars > {n}" }}
corpus asked{n} {{ source = files("asked{n}/*.jsonl"), role = instruction }}
corpus exam{n}  {{ source = files("exam{n}/*.jsonl"), role = exam }}
taxonomy topics{n} {{
  over   = [corpus.notes{n}, corpus.books{n}]
  levels = [chapter, section]
  rule outline: headings {{ depth = 2 }}
}}
mixture mix{n} {{
  budget  = 5M tokens
  weights = {{ corpus.notes{n}: 40%, corpus.books{n}: 30%, corpus.web{n}: 20%, corpus.asked{n}: rest }}
}}
stage learn{n}:  scpt {{ from = model.base, data = mixture.mix{n}, structure = taxonomy.topics{n} }}
stage answer{n}: ssft {{ from = stage.learn{n}, data = corpus.asked{n}, structure = taxonomy.topics{n} }}
evaluation board{n} {{ models = [stage.learn{n}, stage.answer{n}], tasks = {{ asked: closed_book(corpus.exam{n}) }} }}
"""


def spec(blocks: int) -> str:
    """A spec of about this many blocks."""
    return HEAD + "".join(GROUP.format(n=n) for n in range(max(1, blocks // 10)))
