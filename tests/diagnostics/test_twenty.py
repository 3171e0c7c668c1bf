"""Twenty mistakes in one realistic spec, each on a line of its own: twenty messages, and none that is a consequence.

What a user would read is kept in full in `twenty.txt`; `pytest --update-golden` writes it.
"""

from __future__ import annotations

from pathlib import Path

from structdsl.compile import compile_text
from structdsl.diagnostics import Sink, render

SPEC = Path(__file__).with_name("twenty.adapt")
SHOWN = Path("specs/statutes.adapt")


def compiled() -> Sink:
    return compile_text(SPEC.read_text(encoding="utf-8"), SHOWN)[1]


def test_twenty_mistakes_are_twenty_messages(*, update_golden: bool) -> None:
    golden = SPEC.with_suffix(".txt")
    text = render(compiled(), style="full")
    if update_golden:
        golden.write_text(text, encoding="utf-8", newline="\n")
    assert text == golden.read_text(encoding="utf-8")


def test_each_stands_on_a_line_of_its_own_and_every_family_is_there() -> None:
    found = list(compiled())
    lines = [diagnostic.file.position(diagnostic.labels[0].span.start)[0] for diagnostic in found if diagnostic.file]
    assert len(found) == len(set(lines)) == 20
    assert {diagnostic.code[:3] for diagnostic in found} >= {
        "E01",
        "E02",
        "E03",
        "E04",
        "E05",
        "E06",
        "E07",
        "W04",
    }  # E08 is about runs
