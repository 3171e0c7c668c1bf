"""A page of HTML as Markdown: its headings, paragraphs, lists and code; no menus, no markup.

resiliparse parses the page and lays its text out; headings stay headings, so that a page has a structure like any
other document. Its own heuristics of main content are not used, for they take lists of an article for menus.
"""

from __future__ import annotations

import html
import re
from typing import Final

_APART: Final = "nav, footer, aside, form, [role=navigation], [role=banner], [role=contentinfo], [aria-hidden=true]"
"""Elements that are about the site and not of the page."""

_HEADING: Final = re.compile(r"<h([1-6])>(.*?)</h\1>", re.DOTALL)
_ITEM: Final = re.compile(r"^( *)<li>", re.MULTILINE)
_LIST: Final = re.compile(r"^ *</?(?:ul|ol)>(?:</li>)? *\n?", re.MULTILINE)  # a line of its own
_TAG: Final = re.compile(r"</?(?:h[1-6]|p|br|ul|ol|li)>")
_BLANK: Final = re.compile(r"\n[ \t]*\n\s*\n")
_CODE: Final = re.compile(r"<pre>(.*?)</pre>", re.DOTALL)


def page(markup: str) -> tuple[str, str | None]:
    """The text of a page, and its title where it says one."""
    from resiliparse.extract.html2text import extract_plain_text  # noqa: PLC0415 - only where there is HTML
    from resiliparse.parse.html import HTMLTree  # noqa: PLC0415

    tree = HTMLTree.parse(markup)
    title = " ".join((tree.title or "").split()) or None
    if tree.body is None:
        return "", title
    for element in tree.body.query_selector_all(_APART):
        element.decompose()
    laid_out = extract_plain_text(tree, preserve_formatting="minimal_html", alt_texts=False)
    return _markdown(laid_out), title


def _markdown(laid_out: str) -> str:
    """Headings, items and code as Markdown has them; every second part is code, whose lines stay as they are."""
    parts = _CODE.split(laid_out)
    blocks = [f"```\n{html.unescape(part)}\n```" if at % 2 else _prose(part) for at, part in enumerate(parts)]
    return "\n\n".join(block for block in blocks if block)


def _prose(part: str) -> str:
    part = _LIST.sub("", part)
    part = _HEADING.sub(lambda found: f"\n\n{'#' * int(found[1])} {' '.join(found[2].split())}\n\n", part)
    part = _ITEM.sub(lambda found: f"{found[1][2:]}- ", part)
    part = html.unescape(_TAG.sub("", part))
    return _BLANK.sub("\n\n", part).strip("\n")
