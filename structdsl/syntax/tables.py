"""The parser, made from tables that were written when the package was built.

Building LALR tables from the grammar costs 0.3 s, loading them 0.01 s. A tables file says which grammar and which
Lark it was made from; one that does not fit, or cannot be read, is passed over and the grammar is built instead.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from pathlib import Path

import lark

from structdsl.syntax.builder import Builder
from structdsl.syntax.layout import Layout

TABLES = Path(__file__).with_name("adapt.tables")
STARTS = ["file", "value"]


def grammar_text() -> str:
    """The grammar: beside this module in a wheel, in `grammar/` of a checkout."""
    beside = Path(__file__).with_name("adapt.lark")
    path = beside if beside.exists() else Path(__file__).parents[2] / "grammar" / "adapt.lark"
    return path.read_text(encoding="utf-8")


def build(grammar: str, *, strict: bool = False) -> lark.Lark:
    """The parser from the text of the grammar; `strict` also proves that no two tokens collide."""
    return lark.Lark(
        grammar,
        parser="lalr",
        lexer="contextual",
        postlex=Layout(),
        transformer=Builder(),
        start=STARTS,
        maybe_placeholders=False,
        strict=strict,
    )


def dump(grammar: str) -> bytes:
    """What `hatch_build.py` writes into `adapt.tables`: a line that says what is in it, and the pickled tables."""
    buffer = io.BytesIO()
    build(grammar).save(buffer, exclude_options=["postlex", "transformer"])
    tables = buffer.getvalue()
    return _header(grammar, tables) + tables


def load(tables: bytes, grammar: str) -> lark.Lark | None:
    """The parser from dumped tables, or none where they are damaged or belong to another grammar or Lark."""
    header, newline, payload = tables.partition(b"\n")
    if header + newline != _header(grammar, payload):
        return None
    # the digest in the header was compared: this is what `dump` wrote
    parser: lark.Lark = lark.Lark.__new__(lark.Lark)._load(  # noqa: SLF001 (`Lark.load` takes no transformer)
        pickle.loads(payload),  # noqa: S301 (a file of our own package)
        postlex=Layout(),
        transformer=Builder(),
    )
    return parser


def parser() -> lark.Lark:
    """The parser, from the tables if they fit."""
    grammar = grammar_text()
    tables = TABLES.read_bytes() if TABLES.exists() else b""
    return load(tables, grammar) or build(grammar)


def _header(grammar: str, payload: bytes) -> bytes:
    of_grammar = hashlib.sha256(grammar.encode()).hexdigest()
    return f"adapt {lark.__version__} {of_grammar} {hashlib.sha256(payload).hexdigest()}\n".encode()
