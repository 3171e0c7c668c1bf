"""Whatever happens to a spec, `compile` ends, raises nothing, and says only what is true of the file.

Mutants of the specs that ship: tokens and lines cut, doubled, swapped, letters of names exchanged, brackets turned,
bytes thrown in. A mutant is its number, so that a failure can be made again; `MUTANTS=10000` asks for more of them.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from structdsl.compile import compile_text
from structdsl.diagnostics import CODES
from structdsl.diagnostics.render import RENDERERS, render
from tests.conftest import ROOT

MUTANTS = int(os.environ.get("MUTANTS", "500"))
SHARES = 10  # of the mutants, a test each
SLOWEST = 5.0  # seconds a mutant may take; all take a few hundredths
SPECS = sorted([*(ROOT / "specs").rglob("*.adapt"), *(ROOT / "examples").glob("*/*.adapt")])
TOKEN = re.compile(r'\w+|"[^"\n]*"|\s+|.')
BRACKETS = "()[]{}"
RUBBISH = [
    *("\x00", "\ufeff", "é", "日", "\N{NO-BREAK SPACE}"),
    *('"', '"""', "'", "$", "${", "\\", "#", "##", "/*", "\r", "%", ";"),
]

Mutation = Callable[[random.Random, str], str]


def tokens(text: str) -> list[str]:
    return TOKEN.findall(text)


def cut_token(chance: random.Random, text: str) -> str:
    found = tokens(text)
    del found[chance.randrange(len(found))]
    return "".join(found)


def double_token(chance: random.Random, text: str) -> str:
    found = tokens(text)
    at = chance.randrange(len(found))
    return "".join([*found[:at], found[at], *found[at:]])


def swap_tokens(chance: random.Random, text: str) -> str:
    found = tokens(text)
    one, other = chance.randrange(len(found)), chance.randrange(len(found))
    found[one], found[other] = found[other], found[one]
    return "".join(found)


def cut_line(chance: random.Random, text: str) -> str:
    lines = text.split("\n")
    del lines[chance.randrange(len(lines))]
    return "\n".join(lines)


def double_line(chance: random.Random, text: str) -> str:
    lines = text.split("\n")
    at = chance.randrange(len(lines))
    return "\n".join([*lines[:at], lines[at], *lines[at:]])


def swap_lines(chance: random.Random, text: str) -> str:
    lines = text.split("\n")
    one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return "\n".join(lines)


def misspell(chance: random.Random, text: str) -> str:
    name = chance.choice(list(re.finditer(r"[A-Za-z_]{3,}", text)))
    letters = list(name[0])
    at = chance.randrange(len(letters) - 1)
    if chance.random() < 0.5:
        letters[at], letters[at + 1] = letters[at + 1], letters[at]
    else:
        del letters[at]
    return text[: name.start()] + "".join(letters) + text[name.end() :]


def flip_bracket(chance: random.Random, text: str) -> str:
    places = [match.start() for match in re.finditer(r"[()\[\]{}]", text)]
    at = chance.choice(places) if places else 0
    return text[:at] + chance.choice(BRACKETS.replace(text[at], "") + " ") + text[at + 1 :]


def throw_in(chance: random.Random, text: str) -> str:
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice(RUBBISH) + text[at + chance.randrange(2) :]


def end_early(chance: random.Random, text: str) -> str:
    return text[: chance.randrange(len(text))]


MUTATIONS: tuple[Mutation, ...] = (
    cut_token,
    double_token,
    swap_tokens,
    cut_line,
    double_line,
    swap_lines,
    misspell,
    misspell,
    flip_bracket,
    throw_in,
    end_early,
)


def mutant(number: int) -> tuple[Path, str]:
    """One to three mutations of one of the specs, always the same for a number."""
    chance = random.Random(number)
    (path,) = chance.choices(SPECS, weights=[1 / path.stat().st_size for path in SPECS])  # as much time for each
    text = path.read_text(encoding="utf-8")
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        text = chance.choice(MUTATIONS)(chance, text)
        if len(text) < 100:  # too little is left to be damaged
            break
    return path, text


@pytest.mark.parametrize("share", range(SHARES))
def test_mutants(share: int) -> None:
    for number in range(share, MUTANTS, SHARES):
        path, text = mutant(number)
        started = time.perf_counter()
        plan, sink = compile_text(text, path)
        assert time.perf_counter() - started < SLOWEST, number
        found = list(sink)
        assert (plan is None) == sink.failed, number
        for style in RENDERERS:
            assert bool(render(found, style=style)) == bool(found), number
        for diagnostic in found:
            assert diagnostic.code in CODES, number
            for label in diagnostic.labels:
                source = label.source or diagnostic.file
                assert source is not None, number
                assert 0 <= label.span.start <= label.span.end <= len(source.data), (number, diagnostic)
