"""Line breaks and doc comments: what the parser gets to see of them.

The language ends an item at a line break, and yet a list may span lines. Rather than threading line breaks
through every rule of the grammar, this stands between lexer and parser and drops each one that cannot end an item.
"""

from __future__ import annotations

from collections.abc import Iterator

from lark import Token
from lark.lark import PostLex

ENDS_ITEM = frozenset(
    {
        *("NAME", "NUMBER", "STRING", "RAW", "BLOCK_STRING"),
        *("RPAR", "RSQB", "RBRACE", "TRUE", "FALSE", "NONE", "REST"),
    }
)
STARTS_ITEM = frozenset({"NAME", "AT", "PARAM"})
BRACKETS = frozenset({"LPAR", "LSQB", "LBRACE"})
BEFORE_ITEM = frozenset({"", "_NL", "LBRACE", "COMMA"})
CLOSERS = frozenset({"RPAR", "RSQB", "RBRACE"})


class Layout(PostLex):
    """The post-lexer; it keeps nothing from one file to the next."""

    # The contextual lexer looks only for what the parser accepts right now; these are read in every state.
    always_accept = ("_NL", "RBRACE", "DOC")

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        """The tokens, with line breaks and doc comments only where the grammar has a place for them."""
        inside = ["body"]  # the open brackets: "body", "map" or "list"; the top level counts as a body
        last: Token | None = None  # the last token that was yielded
        kind = ""  # its type
        for token in _documented(stream):
            if not _has_place(token.type, kind, inside[-1]):
                continue
            before, kind = kind, token.type
            if kind in BRACKETS:
                inside.append("list" if kind != "LBRACE" else "body" if before == "NAME" else "map")
            elif kind in CLOSERS:
                if kind == "RBRACE" and before not in BEFORE_ITEM:
                    yield Token.new_borrow_pos("_NL", "", token)
                if len(inside) > 1:
                    inside.pop()
            yield token
            last = token
        if last is not None and kind != "_NL":
            yield Token.new_borrow_pos("_NL", "", last)


def _has_place(kind: str, before: str, inside: str) -> bool:
    """Whether the parser wants to see a token of this type behind one of type `before`."""
    if kind == "_NL":
        return before in ENDS_ITEM and inside != "list"
    return kind != "DOC" or (before in BEFORE_ITEM and inside == "body")


def _documented(stream: Iterator[Token]) -> Iterator[Token]:
    """The tokens with the `##` lines above an item joined into one DOC, and without all others."""
    line: int | None = None  # where the last token before the comments ends
    doc: list[Token] = []
    apart = False  # an empty line came after the last `##` line
    for token in stream:
        if token.type == "_NL":
            apart = apart or token.count("\n") > 1
            yield token
        elif token.type == "DOC":
            if token.line != line:  # else it stands behind something, as a remark
                doc = [token] if apart else [*doc, token]
            apart = False
        else:
            if doc and token.type in STARTS_ITEM:
                text = "\n".join(comment[2:].removeprefix(" ").rstrip() for comment in doc)
                yield Token.new_borrow_pos("DOC", text, doc[0])
            doc = []
            line = token.end_line
            yield token
