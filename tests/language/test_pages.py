"""The pages of this folder are the language reference and its tests: prose, a spec, and what the compiler says to it.

A case is a fenced `adapt` block, with a fenced `says` block after it where the compiler has something to say: one
`CODE line:column message` a diagnostic, in the order of the text. A page may open with an `adapt prelude` block: it is
added after every case of the page, so that a case is only what it is about. An `adapt lib/clinical.adapt` block is a
file that the cases after it can import; what is said of it has its path in front. `language 1` goes without saying.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from structdsl.compile import compile_text

FENCE = re.compile(
    r"^```(?P<kind>adapt prelude|adapt|says)(?P<file>[ ][\w/]+\.adapt)?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Case:
    page: str
    line: int
    spec: str
    expected: list[str]
    files: dict[str, str]

    def read(self, path: Path) -> str:
        if path.as_posix() not in self.files:
            raise FileNotFoundError(2, "No such file or directory")
        return self.files[path.as_posix()]


def cases(page: Path) -> list[Case]:
    text = page.read_text(encoding="utf-8")
    prelude, found, files = "", list[Case](), dict[str, str]()
    for fence in FENCE.finditer(text):
        match fence["kind"]:
            case "adapt prelude":
                prelude = fence["text"]
            case "adapt" if fence["file"]:
                files[fence["file"].strip()] = f"language 1\n{fence['text']}"
            case "adapt":
                line = text.count("\n", 0, fence.start()) + 1
                found.append(Case(page.stem, line, f"language 1\n{fence['text']}\n{prelude}", [], dict(files)))
            case "says":
                found[-1].expected.extend(fence["text"].splitlines())
    return found


ALL = [case for page in sorted(Path(__file__).parent.glob("*.md")) for case in cases(page)]


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.page}:{case.line}")
def test_compiler_says_what_the_page_says(case: Case) -> None:
    plan, sink = compile_text(case.spec, Path("spec.adapt"), read=case.read, environment={"BUDGET": "3M tokens"})
    said = []
    for diagnostic in sink:
        place = ""
        if diagnostic.labels and diagnostic.source is not None:
            line, column = diagnostic.source.position(diagnostic.labels[0].span.start)
            file = "" if diagnostic.source.path == Path("spec.adapt") else f"{diagnostic.source.path.as_posix()}:"
            place = f"{file}{line - 1}:{column} "
        said.append(f"{diagnostic.code} {place}{diagnostic.message}")
    assert said == case.expected
    assert (plan is None) == any(line.startswith("E") for line in said)


@pytest.mark.parametrize("case", ALL, ids=lambda case: f"{case.page}:{case.line}")
def test_one_place_is_one_message(case: Case) -> None:
    """A second message about the same place is a consequence; only what is missing has no place of its own."""
    _, sink = compile_text(case.spec, Path("spec.adapt"), read=case.read, environment={"BUDGET": "3M tokens"})
    places = [
        (diagnostic.file.path if diagnostic.file else None, label.span)
        for diagnostic in sink
        if diagnostic.code != "E0401"
        for label in diagnostic.labels
        if label.primary
    ]
    assert len(places) == len(set(places))


def test_there_are_pages() -> None:
    assert len(ALL) > 30
