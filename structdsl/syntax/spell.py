"""Values of the tree as text of the language: what is read from it is the value again.

`structdsl.format` keeps what a person wrote; this spells out what a compiler worked out, for `resolved.adapt`.
"""

from __future__ import annotations

from structdsl.syntax.tree import (
    Argument,
    Binary,
    Call,
    Expression,
    Keyword,
    Mapping,
    Negation,
    Quantity,
    Reference,
    Sequence,
    Sql,
    Text,
)

WIDTH = 100  # of a list, a map or a call on one line
STEP = "  "


def spell(value: Expression, indent: str = "") -> str:
    """The text of a value; `indent` stands before the line that it begins on."""
    match value:
        case Quantity():
            return f"{value.number}{value.suffix}{f' {value.unit}' if value.unit else ''}"
        case Text():
            return quoted(value.value, raw=value.raw)
        case Sql():
            return f"sql {_block(value.text, indent)}"
        case Keyword():
            return value.text
        case Reference():
            return str(value)
        case Call():
            if not value.arguments:
                return f"{value.name.text}()"
            return _bracketed(f"{value.name.text}(", [_argument(a, indent) for a in value.arguments], ")", indent)
        case Sequence():
            return _bracketed("[", [spell(item, indent + STEP) for item in value.items], "]", indent)
        case Mapping():
            pairs = [f"{spell(pair.key)}: {spell(pair.value, indent + STEP)}" for pair in value.pairs]
            return _bracketed("{ ", pairs, " }", indent) if pairs else "{ }"
        case Binary():
            return f"({spell(value.left, indent)} {value.operator} {spell(value.right, indent)})"
        case Negation():
            return f"-{spell(value.operand, indent)}"


def quoted(text: str, *, raw: bool = False) -> str:
    """A string literal with this value."""
    if raw and "\n" not in text:
        if '"' not in text:
            return f'r"{text}"'
        if '"""' not in text and not text.endswith('"'):
            return f'r"""{text}"""'
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{"".join(_escaped(character) for character in escaped)}"'


def _escaped(character: str) -> str:
    return character if character.isprintable() else f"\\u{{{ord(character):x}}}"


def _block(text: Text, indent: str) -> str:
    """SQL of one line in quotes, of several as a block."""
    lines = text.value.split("\n")
    if len(lines) == 1 or '"""' in text.value or any(line.isspace() for line in lines) or "\r" in text.value:
        return quoted(text.value, raw=text.raw)
    margin = indent if all(line.startswith(" ") for line in lines if line) else indent + STEP
    body = "\n".join(margin + line if line else "" for line in lines)
    return f'{"r" if text.raw else ""}"""\n{body}\n{margin}"""'


def _argument(argument: Argument, indent: str) -> str:
    value = spell(argument.value, indent + STEP)
    return f"{argument.name.text} = {value}" if argument.name else value


def _bracketed(opening: str, items: list[str], closing: str, indent: str) -> str:
    line = f"{opening}{', '.join(items)}{closing}"
    if len(indent) + len(line) <= WIDTH and "\n" not in line:
        return line
    comma = "" if opening == "{ " else ","
    body = "".join(f"{indent}{STEP}{item}{comma}\n" for item in items)
    return f"{opening.strip()}\n{body}{indent}{closing.strip()}"
