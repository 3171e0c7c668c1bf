"""No code without a page, no page without its parts, and every snippet is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from structdsl.cli.main import COMMANDS
from structdsl.compile import compile_text
from structdsl.diagnostics import CODES, Severity, Sink, page
from structdsl.diagnostics.codes import PAGES
from structdsl.syntax import parse
from structdsl.syntax.source import Source

PACKAGES = [Path(__file__).parents[2] / "structdsl", Path(__file__).parents[2] / "runtime" / "structdsl_runtime"]
SECTIONS = ["What happened", "Why it matters", "Example", "Instead"]


def test_every_code_has_a_page_and_every_page_a_use() -> None:
    used = {
        code
        for package in PACKAGES
        for path in package.rglob("*.py")
        for code in re.findall(r'"([EW]\d{4})"', path.read_text(encoding="utf-8"))
    }
    assert used == set(CODES)


def test_unknown_codes() -> None:
    with pytest.raises(KeyError):
        page("E9999")


def test_pages_name_commands_that_there_are() -> None:
    named = {word for code in CODES for word in re.findall(r"(?:`|^\$ )structdsl ([a-z]+)", page(code), re.MULTILINE)}
    assert {"run", "query"} <= named <= set(COMMANDS)


@pytest.mark.parametrize("code", CODES)
def test_page(code: str) -> None:
    text = page(code)
    assert text.startswith(f"# {code}: {CODES[code]}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    assert CODES[code][0].islower() or CODES[code].startswith(("SQL", "`"))
    assert not CODES[code].endswith(".")
    assert 15 <= len(text.splitlines()) <= 60
    assert not re.search(r"\b(I|we|our|please|sorry)\b", re.sub(r"```.*?```", "", text, flags=re.DOTALL)), (
        "an impersonal voice"
    )
    assert max(map(len, text.splitlines())) <= 120
    assert (PAGES / f"{code}.md").exists()


@pytest.mark.parametrize("code", CODES)
def test_snippets_parse(code: str) -> None:
    """The example of a syntax page makes that mistake and no other; every other snippet can be read."""
    example, instead = (re.findall(r"```adapt\n(.*?)```", part, re.DOTALL) for part in page(code).split("## Instead"))
    for snippets, codes in ((example, {code} if code.startswith("E01") else set()), (instead, set())):
        for snippet in snippets:
            sink = Sink()
            parse(Source(Path("page.adapt"), snippet), sink)
            assert {fault.code for fault in sink} == codes


RUNNING = r"E0218|E05(05|1[3-6]|2[0-2])|E07(1[1-6]|22|31|4[0-5])|E08(0[1-79]|1[0-4]|2[0-2]|3[0-5]|4[0-2])"
FOUND_BY_RUNNING = {code for code in CODES if re.match(RUNNING, code)}


@pytest.mark.parametrize("code", [code for code in CODES if code not in FOUND_BY_RUNNING])
def test_snippets_compile(code: str) -> None:
    """The example makes that mistake and no other; what to write instead is at most not built yet."""
    example, instead = (re.findall(r"```adapt\n(.*?)```", part, re.DOTALL) for part in page(code).split("## Instead"))
    assert example
    for snippet in example:
        _, sink = compile_text(snippet, Path("page.adapt"))
        assert {fault.code for fault in sink} == {code}
    for snippet in instead:
        _, sink = compile_text(snippet, Path("page.adapt"))
        assert {fault.code for fault in sink if fault.severity is Severity.ERROR} <= {"E0801"}
