"""The pages of this folder are the language reference and its tests: prose, a spec, and what the compiler says to it.

A case is a fenced `adapt` block, with a fenced `says` block after it where the compiler has something to say: one
`CODE line:column message` a diagnostic, in the order of the text. A page may open with an `adapt prelude` block: it is
added after every case of the page, so that a case is only what it is about. `language 1` goes without saying.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from structdsl.compile import compile_text

FENCE = re.compile(r"^```(?P<kind>adapt prelude|adapt|says)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Case:
    page: str
    line: int
    spec: str
    expected: list[str]


def cases(page: Path) -> list[Case]:
    text = page.read_text(encoding="utf-8")
    prelude, found = "", list[Case]()
    for fence in FENCE.finditer(text):
        match fence["kind"]:
            case "adapt prelude":
                prelude = fence["text"]
            case "adapt":
                line = text.count("\n", 0, fence.start()) + 1
                found.append(Case(page.stem, line, f"language 1\n{fence['text']}\n{prelude}", []))
            case "says":
                found[-1].expected.extend(fence["text"].splitlines())
    return found


ALL = [case for page in sorted(Path(__file__).parent.glob("*.md")) for case in cases(page)]


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.page}:{case.line}")
def test_compiler_says_what_the_page_says(case: Case) -> None:
    plan, sink = compile_text(case.spec, Path("spec.adapt"))
    said = []
    for diagnostic in sink:
        place = ""
        if diagnostic.labels and diagnostic.source is not None:
            line, column = diagnostic.source.position(diagnostic.labels[0].span.start)
            place = f"{line - 1}:{column} "
        said.append(f"{diagnostic.code} {place}{diagnostic.message}")
    assert said == case.expected
    assert (plan is None) == any(line.startswith("E") for line in said)


def test_there_are_pages() -> None:
    assert len(ALL) > 30
