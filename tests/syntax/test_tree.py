"""Text and the tree that it means. Trees are written short: `shape` drops the spans."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from structdsl.diagnostics import Diagnostic, Sink
from structdsl.syntax import parse_value
from structdsl.syntax.source import Source
from structdsl.syntax.tree import (
    Argument,
    Attribute,
    Binary,
    Block,
    Call,
    Decorator,
    Expression,
    File,
    Keyword,
    Mapping,
    Name,
    Negation,
    Pair,
    Quantity,
    Reference,
    Sequence,
    Span,
    Sql,
    Text,
)

Read = Callable[[str], tuple[File, list[Diagnostic]]]


def shape(node: Expression | Argument | Pair) -> str:  # noqa: C901 (one case a node)
    """An expression as one line that shows its structure."""
    match node:
        case Quantity():
            return f"{node.number}{node.suffix and '·' + node.suffix}{node.unit and ' ' + node.unit}"
        case Text():
            return ("r" if node.raw else "") + repr(node.value)
        case Sql():
            return f"sql {shape(node.text)}"
        case Keyword():
            return f"<{node.text}>"
        case Reference():
            return str(node)
        case Call():
            return f"{node.name.text}({', '.join(map(shape, node.arguments))})"
        case Argument():
            return (f"{node.name.text} = " if node.name else "") + shape(node.value)
        case Sequence():
            return f"[{', '.join(map(shape, node.items))}]"
        case Pair():
            return f"{shape(node.key)}: {shape(node.value)}"
        case Mapping():
            return f"{{{', '.join(map(shape, node.pairs))}}}"
        case Binary():
            return f"({shape(node.left)} {node.operator} {shape(node.right)})"
        case Negation():
            return f"-{shape(node.operand)}"


def outline(item: Attribute | Block, *, depth: int = 0) -> str:
    """A block as indented lines."""
    pad = "  " * depth
    marks = "".join(f"@{decorator.name.text}({len(decorator.arguments)}) " for decorator in item.decorators)
    if isinstance(item, Attribute):
        return f"{pad}{marks}{item.name.text} = {shape(item.value)}"
    parts = [item.kind.text, item.name and item.name.text, item.variant and f":{item.variant.text}"]
    head = " ".join([part for part in parts if part] + ([f"< {item.base}"] if item.base else []))
    return "\n".join([pad + marks + head, *(outline(child, depth=depth + 1) for child in item.body)])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("300M tokens", "300·M tokens"),
        ("4Ki tokens", "4·Ki tokens"),
        ("20_000", "20000"),
        ("55%", "55·%"),
        ("2e-5", "2e-5"),
        ("1.5h", "1.5·h"),
        ("500MB", "500·MB"),
        ("80GiB", "80·GiB"),
        ("5 bytes", "5 bytes"),
        ("30min", "30·min"),
        ("1000 steps", "1000 steps"),
        ('"a\\n\\"b\\u{e9}\\\\"', "'a\\n\"bé\\\\'"),
        ('"${param.x}/*.md"', "'${param.x}/*.md'"),
        (r'r"\d+ ?(mg|mL)"', r"r'\\d+ ?(mg|mL)'"),
        ("sql \"lang = 'en'\"", "sql \"lang = 'en'\""),
        ("true", "<true>"),
        ("rest", "<rest>"),
        ("restful", "restful"),
        ("corpus.rest", "corpus.rest"),
        ("sql.corpus.x", "sql.corpus.x"),
        ("none.x", "none.x"),
        ("clinical.corpus.pubmed", "clinical.corpus.pubmed"),
        ("exact", "exact"),
        ("exact()", "exact()"),
        ("ngrams(13, against = [corpus.exams],)", "ngrams(13, against = [corpus.exams])"),
        ("f(rest = 1, sql = 2, true = 3, as = 4, param = 5)", "f(rest = 1, sql = 2, true = 3, as = 4, param = 5)"),
        ("f(rest, none, true)", "f(<rest>, <none>, <true>)"),
        ("[]", "[]"),
        ("[\n  a,\n\n  b,  # why\n]", "[a, b]"),
        ("{}", "{}"),
        ("{ 1: 70%, 2: rest }", "{1: 70·%, 2: <rest>}"),
        (
            '{ "key": 1, rest: 2, sql: 3, language: 4, a.b.rest: 5, }',
            "{'key': 1, rest: 2, sql: 3, language: 4, a.b.rest: 5}",
        ),
        ("{\n  a: 1\n  b: 2,\n\n  # c\n  d: [{ x: 1 }]\n}", "{a: 1, b: 2, d: [{x: 1}]}"),
        ("1 + 2 * 3 - 4", "((1 + (2 * 3)) - 4)"),
        ("(1 + 2) * -3", "((1 + 2) * -3)"),
        ("1 +\n  2", "(1 + 2)"),
        ("(1\n  + 2)", "(1 + 2)"),
        ("cosine(warmup = 3%, floor = 10%)", "cosine(warmup = 3·%, floor = 10·%)"),
    ],
)
def test_values(text: str, expected: str) -> None:
    sink = Sink()
    value = parse_value(Source(Path("-p x"), text), sink)
    assert not list(sink)
    assert value is not None
    assert shape(value) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("corpus a { }", "corpus a"),
        ("project { seed = 1 }", "project\n  seed = 1"),
        ("stage a: sft extends x.stage.b { }", "stage a :sft < x.stage.b"),
        ("m extends b { }", "m < b"),
        ("a b { c = 1, d { e = 2 }, f = 3, }", "a b\n  c = 1\n  d\n    e = 2\n  f = 3"),
        ("a b {\n\tc = 1\n\n\t# why\n\td = 2 # so\n}", "a b\n  c = 1\n  d = 2"),
        (
            "a b { language = 1, sql = 2, rest = 3, import = 4, as = 5, extends = 6, param = 7 }",
            "a b\n  language = 1\n  sql = 2\n  rest = 3\n  import = 4\n  as = 5\n  extends = 6\n  param = 7",
        ),
        ("language rest: none { }", "language rest :none"),
        ('taxonomy sql { rule sql: sql { sql = sql "x" } }', "taxonomy sql\n  rule sql :sql\n    sql = sql 'x'"),
        (
            '@allow(W0501, reason = "r")\n@a\n\na b { @c d = 1\n @e()\n f = 2 }',
            "@allow(2) @a(0) a b\n  @c(0) d = 1\n  @e(0) f = 2",
        ),
        ("a b {\n  x =\n    1\n}", "a b\n  x = 1"),
        ("a b { x = f(1,\n 2) }", "a b\n  x = f(1, 2)"),
    ],
)
def test_blocks(read: Read, text: str, expected: str) -> None:
    file, found = read(f"language 1\n{text}\n")
    assert not found
    assert outline(file.blocks[0]) == expected


def test_file(read: Read) -> None:
    file, found = read(
        'language 1\nimport "./x.adapt" as as\n## Budget\n@a param b: tokens = 5M tokens\nparam c: ratio'
    )
    assert not found
    assert file.edition == Quantity("1", "", "", Span(9, 10))
    assert [(item.path.value, item.alias.text) for item in file.imports] == [("./x.adapt", "as")]
    first, second = file.parameters
    assert (first.name.text, first.type.text, first.doc) == ("b", "tokens", "Budget")
    assert first.default is not None
    assert shape(first.default) == "5·M tokens"
    assert [type(decorator) for decorator in first.decorators] == [Decorator]
    assert second.default is None


@pytest.mark.parametrize(
    ("lines", "doc"),
    [
        (["## One.", "## Two."], "One.\nTwo."),
        (["##   indented", "##"], "  indented\n"),
        (["## far away", ""], "far away"),
        (["## not this", "", "## this"], "this"),
        (["## around", "# a comment", "## it"], "around\nit"),
        (["# only a comment"], ""),
        (["###########", "### banner", "###########"], ""),
        (["## grüße 日本"], "grüße 日本"),
        (["## above", "@allow(W1)"], "above"),
        (["@allow(W1)", "## below"], "below"),
    ],
)
def test_docs(read: Read, lines: list[str], doc: str) -> None:
    file, found = read("\n".join(["language 1", *lines, "corpus a {", *lines, "x = 1", "}"]))
    assert not found
    block = file.blocks[0]
    assert block.doc == doc
    attribute = block.body[0]
    assert isinstance(attribute, Attribute)
    assert attribute.doc == doc


@pytest.mark.parametrize(
    "text",
    [
        "## about the file\nlanguage 1\ncorpus a { }",
        "language 1\ncorpus a { x = 1 ## a remark\n y = 2 }",
        "language 1\ncorpus a { x = {\n ## of no use\n a: 1 } }",
        "language 1\ncorpus a { }\n## the end",
        "language 1\ncorpus a { x = 1\n## the end\n}",
    ],
)
def test_docs_that_document_nothing(read: Read, text: str) -> None:
    file, found = read(text)
    assert not found
    assert [item.doc for block in file.blocks for item in (block, *block.body)] == [""] * (1 + len(file.blocks[0].body))


def test_spans(read: Read) -> None:
    text = 'language 1\n## é\n@allow(W1)\ncorpus ab: c extends d.e { x = f("é", y = [1]), z = -2M docs + 3 }'
    file, found = read(text)
    assert not found
    data = text.encode()

    def at(span: Span) -> str:
        return data[span.start : span.end].decode()

    block = file.blocks[0]
    assert at(block.span) == text[text.index("@allow") :]
    assert at(block.head) == "corpus ab: c extends d.e"
    assert [at(part.span) for part in (block.kind, block.name, block.variant, block.base) if part] == [
        "corpus",
        "ab",
        "c",
        "d.e",
    ]
    x, z = block.body
    assert at(x.span) == 'x = f("é", y = [1])'
    assert isinstance(x, Attribute)
    assert isinstance(x.value, Call)
    assert [at(argument.span) for argument in x.value.arguments] == ['"é"', "y = [1]"]
    assert at(z.span) == "z = -2M docs + 3"
    assert isinstance(z, Attribute)
    assert at(z.value.span) == "-2M docs + 3"
    assert isinstance(z.name, Name)
