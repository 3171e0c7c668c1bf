"""The page behind every code: what happened, why it matters, an example and what to write instead.

`pages/E0301.md` begins with `# E0301: title`; a code without a page does not exist.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

PAGES = Path(__file__).with_name("pages")


@cache
def _titles() -> dict[str, str]:
    titles: dict[str, str] = {}
    for path in sorted(PAGES.glob("*.md")):
        with path.open(encoding="utf-8") as file:
            titles[path.stem] = file.readline().strip().partition(": ")[2]
    return titles


def page(code: str) -> str:
    """The Markdown page of a code; raises KeyError where there is no such code."""
    if code not in _titles():
        raise KeyError(code)
    return (PAGES / f"{code}.md").read_text(encoding="utf-8")


def __getattr__(name: str) -> dict[str, str]:
    """`CODES`: from code to title, read when first asked for."""
    if name != "CODES":
        raise AttributeError(name)
    return _titles()
