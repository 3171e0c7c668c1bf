"""Imports, inheritance, defaults, profiles and params: which value a block ends up with, and where it came from."""

from __future__ import annotations

from pathlib import Path

import pytest

from structdsl.compile import compile_unit
from structdsl.diagnostics import render
from structdsl.plan import ReadDataset
from structdsl.resolve import Entry, resolved, section
from structdsl.unit import Unit
from tests.conftest import ROOT

SPECS = [*sorted((ROOT / "specs").rglob("*.adapt")), *sorted((ROOT / "examples").glob("*/*.adapt"))]
PARAMS = {"textbook": {"book": "book"}}

LIBRARY = """language 1
param most: docs = 7 docs
param unused: string
defaults corpus { license = "CC0" }
corpus base { source = files("texts/*.md"), role = domain, limit = param.most, title = "Base", chunk = paragraphs(9) }
corpus other { source = files("other/*.md"), role = domain, keep = sql "n_chars > ${param.most}" }
corpus faulty { role = domain, source = files(3) }
"""

SPEC = """language 1
import "lib/library.adapt" as lib
param most: docs = 5 docs
defaults corpus { limit = 3 docs, keep = sql "n_chars > 1" }
model m { source = scratch(hidden = 64, layers = 2, heads = 4), tokenizer = bpe(vocab = 500, over = [corpus.plain]) }
corpus plain { source = files("plain/*.md"), role = replay }
corpus own { source = files("own/*.md"), role = domain, limit = param.most }
corpus heir extends lib.corpus.base { title = "Heir" }
mixture mix {
  budget  = 1M tokens
  weights = { corpus.plain: 10%, corpus.own: 20%, corpus.heir: 30%, lib.corpus.other: rest }
}
stage learn: cpt { from = model.m, data = mixture.mix }
profile small { set = { param.most: 2 docs, lib.param.most: 1 docs } }
"""


def read(path: Path) -> str:
    if path.as_posix() != "folder/lib/library.adapt":
        raise FileNotFoundError(2, "No such file or directory", str(path))
    return LIBRARY


def compiled(spec: str = SPEC, *, profile: str | None = None, **overrides: str) -> Unit:
    unit, sink = compile_unit(spec, Path("folder/spec.adapt"), overrides, profile=profile, read=read)
    assert not list(sink), render(sink)
    return unit


def entry(unit: Unit, address: str, name: str) -> Entry:
    found = section(unit.blocks[address], unit).entries
    return next(each for each in found if isinstance(each, Entry) and each.name == name)


@pytest.mark.parametrize(
    ("address", "name", "value", "origin"),
    [
        ("corpus.own", "limit", "5 docs", "spec.adapt:7, param.most"),
        ("corpus.heir", "limit", "7 docs", "lib/library.adapt:5, extends corpus.lib_base, param.most"),
        ("corpus.heir", "title", '"Heir"', "spec.adapt:8"),
        ("corpus.heir", "source", 'files("lib/texts/*.md")', "lib/library.adapt:5, extends corpus.lib_base"),
        ("corpus.heir", "keep", 'sql "n_chars > 1"', "spec.adapt:4, defaults corpus"),
        ("corpus.plain", "limit", "3 docs", "spec.adapt:4, defaults corpus"),
        ("corpus.lib_other", "license", '"CC0"', "lib/library.adapt:4, defaults corpus"),
        ("stage.learn", "length", "2Ki tokens", "default"),
    ],
)
def test_where_a_value_comes_from(address: str, name: str, value: str, origin: str) -> None:
    found = entry(compiled(), address, name)
    assert (found.value, found.origin) == (value, origin)


@pytest.mark.parametrize(
    ("name", "found", "sources"),
    [
        ("a/b", "a/b", ("a/b",)),
        ("./texts", "./lib/texts", ("./lib/texts",)),
        ("../texts", "./texts", ("./texts",)),
        ("../../texts", "../texts", ("../texts",)),
        ("/texts", "/texts", ("/texts",)),
        ("~/texts", "~/texts", ("~/texts",)),
        ("file:///my%20texts%5b1]", "file:///my%20texts%5b1]", ("/my texts[[]1]/**",)),
        ("./texts[1]", "./lib/texts[1]", ("./lib/texts[[]1]/**",)),
        ("hf://datasets/a/b", "hf://datasets/a/b", ()),
    ],
)
def test_the_folder_of_a_data_set(name: str, found: str, sources: tuple[str, ...]) -> None:
    spec = 'language 1\nimport "lib/library.adapt" as lib\ncorpus own: derived { over = lib.corpus.set, role = domain,'
    spec += ' select = sql "SELECT doc_id, text FROM ${lib.corpus.set}" }\n'
    library = f'language 1\ncorpus set {{ source = hf_dataset("{name}"), role = domain }}\n'
    unit, _ = compile_unit(spec, Path("folder/spec.adapt"), read=lambda _: library)
    again, _ = compile_unit(resolved(unit), Path("folder/spec.adapt"))
    for each in (unit, again):
        assert each.plan is not None
        read = [(s.operation.id, s.sources) for s in each.plan.steps if isinstance(s.operation, ReadDataset)]
        assert read == [(found, sources)]


@pytest.mark.parametrize(
    ("source", "first"),
    [
        ('files("texts/*.md")', "lib/texts/*.md"),
        ('files("../texts/*.md")', "texts/*.md"),
        ('files("/texts/*.md")', "/texts/*.md"),
        ('files("~/texts/*.md")', "~/texts/*.md"),
        ('files("../~/*.md")', "./~/*.md"),
        ('files("./~/*.md")', "lib/~/*.md"),
        ('files("file:///a%20b/*.md")', "file:///a%20b/*.md"),
        ('table("~ann/lake.db#t#1")', "~ann/lake.db"),
        ('table("b#1/c#2.csv")', "lib/b#1/c#2.csv"),
    ],
)
def test_a_source_of_an_imported_file(source: str, first: str) -> None:
    spec = 'language 1\nimport "lib/library.adapt" as lib\ncorpus own: derived { over = lib.corpus.set, role = domain,'
    spec += ' select = sql "SELECT doc_id, text FROM ${lib.corpus.set}" }\n'
    library = f"language 1\ncorpus set {{ source = {source}, role = domain }}\n"
    unit, _ = compile_unit(spec, Path("folder/spec.adapt"), read=lambda _: library)
    again, _ = compile_unit(resolved(unit), Path("folder/spec.adapt"))
    for each in (unit, again):
        assert each.plan is not None
        assert [step.sources[0] for step in each.plan.steps if step.sources] == [first]


def test_a_base_of_another_file_is_no_part_of_the_spec() -> None:
    assert {"corpus.lib_base", "corpus.lib_faulty"}.isdisjoint(compiled().blocks)


@pytest.mark.parametrize(
    ("profile", "overrides", "limits"),
    [
        (None, {}, ("5 docs", "7 docs")),
        ("small", {}, ("2 docs", "1 docs")),
        ("small", {"most": "9"}, ("9 docs", "1 docs")),
        ("small", {"lib.most": "9 docs"}, ("2 docs", "9 docs")),
    ],
)
def test_precedence_of_params(profile: str | None, overrides: dict[str, str], limits: tuple[str, str]) -> None:
    unit = compiled(profile=profile, **overrides)
    assert (entry(unit, "corpus.own", "limit").value, entry(unit, "corpus.heir", "limit").value) == limits


def test_an_unknown_profile() -> None:
    _, sink = compile_unit(SPEC, Path("folder/spec.adapt"), profile="smal", read=read)
    assert [(d.code, d.helps) for d in sink] == [("E0218", ("did you mean `small`?",))]


def test_a_mistake_in_an_imported_file_is_shown_there() -> None:
    spec = SPEC.replace("lib.corpus.other: rest", "lib.corpus.faulty: rest")
    _, sink = compile_unit(spec, Path("folder/spec.adapt"), read=read)
    assert "--> folder/lib/library.adapt:7:47" in render(sink)


def test_labels_in_two_files_are_drawn_in_both() -> None:
    spec = f"{SPEC}taxonomy t {{ over = [corpus.heir], chunk = paragraphs(max = 8 tokens) }}\n"
    text = render(compile_unit(spec, Path("folder/spec.adapt"), read=read)[1])
    assert " --> folder/spec.adapt:15:44\n" in text
    assert " ::: folder/lib/library.adapt:5:" in text


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_resolved_specs_have_the_same_recipes(path: Path) -> None:
    unit, sink = compile_unit(path.read_text(encoding="utf-8"), path, PARAMS.get(path.stem))
    assert not sink.failed, render(sink)
    again, said = compile_unit(resolved(unit), path)
    assert not said.failed, render(said)
    assert unit.plan is not None
    assert again.plan is not None
    assert {s.address: s.recipe for s in again.plan.steps} == {s.address: s.recipe for s in unit.plan.steps}
    assert [s.operation for s in again.plan.steps] == [s.operation for s in unit.plan.steps]
