"""`structdsl diff` in a repository: revisions, files that come and go, mistakes in one of two."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from structdsl.cli.main import cli
from structdsl.cli.outline import between

LIBRARY = 'language 1\ncorpus web { source = files("web/*.md"), role = replay, keep = sql "n_chars > 10" }\n'
SPEC = """\
language 1
import "../lib/library.adapt" as lib
project tiny { seed = 1 }
param budget: tokens = 1M tokens
model base { source = scratch(hidden = 64, layers = 2, heads = 4), tokenizer = bpe(vocab = 500, over = [corpus.notes]) }
corpus notes { source = files("notes/*.md"), role = domain }
mixture knowledge { budget = param.budget, weights = { corpus.notes: 80%, lib.corpus.web: rest } }
stage learn: cpt { from = model.base, data = mixture.knowledge }
"""


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), "-c", "user.name=n", "-c", "user.email=e", *arguments], check=True)


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec of two commits: in the second its library keeps less."""
    for name, text in (("specs/tiny.adapt", SPEC), ("lib/library.adapt", LIBRARY)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text, encoding="utf-8")
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    edit(tmp_path / "lib" / "library.adapt", "n_chars > 10", "n_chars > 20")
    git(tmp_path, "commit", "-q", "-a", "-m", "two")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "specs" / "tiny.adapt"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def diff(*arguments: str, code: int = 0) -> Result:
    done = CliRunner().invoke(cli, ["diff", *arguments])
    assert done.exit_code == code, done.output
    return done


def test_an_imported_file_of_two_revisions(spec: Path) -> None:
    lines = diff("HEAD~1..HEAD", "specs/tiny.adapt").stdout.splitlines()
    assert lines[0] == "specs/tiny.adapt: HEAD~1 → HEAD"
    assert '    keep: sql "n_chars > 10" → sql "n_chars > 20"' in lines
    (stage,) = [line for line in lines if line.startswith("~ stage.learn ")]
    assert stage.split("  ")[-1] == "← mixture.knowledge ← corpus.lib_web.keep: its SQL changed"
    assert max(map(len, lines)) <= 100
    assert diff("HEAD..HEAD~1", str(spec)).stdout.count("~ ") == diff("HEAD~1", str(spec)).stdout.count("~ ")


def test_the_working_tree(spec: Path) -> None:
    assert "\n0" not in diff("--exit-code", str(spec)).stdout
    edit(spec, "seed = 1 }", 'seed = 1, owner = "me" }')
    shown = diff("--exit-code", str(spec)).stdout
    assert "= project" in shown
    assert 'owner: none → "me"' in shown
    edit(spec, "1M tokens", "2M tokens")
    shown = diff("--exit-code", str(spec), code=3).stdout
    assert "  param.budget\n    value: 1000000 tokens → 2000000 tokens\n" in shown
    assert diff("-p", "budget=1M", "--exit-code", str(spec)).stdout.count("~") == 0
    spec.unlink()
    assert diff("HEAD", str(spec), "--exit-code").stdout.count("retired") > 1


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("{\n  a: 1%\n  b: {\n    c: 2\n    d: 3\n  }\n}", "x: none → { a: 1%, b: { c: 2, d: 3 } }"),
        ("[\n  a,\n  b\n]", "x: none → [ a, b ]"),
        ('sql """\n  SELECT  1\n  FROM t\n"""', 'x: none → sql """ SELECT 1 FROM t """'),
        (
            '{\n  a: sql """\n    x\n\n    y, {\n  """\n\n  b: r"""\n"\n"""\n}',
            'x: none → { a: sql """ x y, { """, b: r""" " """ }',
        ),
        ('[\n  "a  b {", r"\\",\n\n  "\\"["\n  for\n]', 'x: none → [ "a  b {", r"\\", "\\"[", for ]'),
        (
            "[\n  f(\n    a,\n    b = {\n      c: 1\n      d: 2\n    }\n  )\n  g(1)\n]",
            "x: none → [ f(a, b = { c: 1, d: 2 }), g(1) ]",
        ),
        ("files(\n  [\n    1\n    2\n  ]\n  or 3\n)\n+ 4", "x: none → files([ 1, 2 ] or 3) + 4"),
    ],
)
def test_a_value_of_several_lines(value: str, line: str) -> None:
    assert between("x", None, value) == line


def test_a_spec_that_came_with_a_revision(spec: Path) -> None:
    new = spec.with_name("new.adapt")
    new.write_text(SPEC, encoding="utf-8")
    shown = diff("HEAD", str(new)).stdout
    assert "+ stage.learn" in shown
    assert "~" not in shown
    assert "E0822" in diff("HEAD~1..HEAD", "specs/new.adapt", code=1).stderr
    assert (
        "`specs/new.adapt` is neither in `HEAD~1` nor in `HEAD`" in diff("HEAD~1..", "specs/new.adapt", code=1).stderr
    )


def test_as_json(spec: Path) -> None:
    found = json.loads(diff("HEAD~1..HEAD", str(spec), "--format", "json").stdout)
    assert found["before"]["revision"] == "HEAD~1"
    assert len(found["after"]["commit"]) == 40
    steps = {step["address"]: step for step in found["steps"]}
    assert steps["stage.learn.train"]["sign"] == "~"
    assert steps["stage.learn.train"]["chain"][-1] == "corpus.lib_web.keep"
    assert found["blocks"] == [
        {
            "address": "corpus.lib_web",
            "change": "changed",
            "values": [{"name": "keep", "before": 'sql "n_chars > 10"', "after": 'sql "n_chars > 20"'}],
        }
    ]
    assert found["summary"]["recomputed"] == len(steps)


def test_where_two_branches_parted(spec: Path) -> None:
    folder = spec.parent.parent
    git(folder, "checkout", "-q", "-b", "side", "HEAD~1")
    edit(spec, "80%", "70%")
    git(folder, "commit", "-q", "-a", "-m", "side")
    assert "corpus.lib_web.keep" in diff("main..side", str(spec)).stdout
    assert "corpus.lib_web.keep" not in diff("main...side", str(spec)).stdout


def test_mistakes_of_one_revision_are_shown_there(spec: Path) -> None:
    edit(spec.parents[1] / "lib" / "library.adapt", "role = replay", "role = repley")
    git(spec.parent, "commit", "-q", "-a", "-m", "typo")
    told = diff("HEAD~1..HEAD", str(spec), "--diagnostics", "concise", code=1).stderr
    assert told.startswith("HEAD:lib/library.adapt:2:49: error[E0206]")


def test_what_git_does_not_know(spec: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    told = diff("mian", str(spec), code=1).stderr
    assert "error[E0821]: unknown revision `mian`" in told
    assert "`main`" in told
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "tiny.adapt"
    elsewhere.write_text("language 1\n", encoding="utf-8")
    assert "is in no git repository" in diff(str(elsewhere), code=1).stderr
    git(elsewhere.parent, "init", "-q")
    assert "has no commit yet" in diff(str(elsewhere), code=1).stderr


def test_each_side_has_its_lock(spec: Path) -> None:
    spec.with_name("tiny.adapt.lock").write_text("<<<<<<< HEAD\n", encoding="utf-8")
    assert "recomputed" in diff("HEAD~1..HEAD", str(spec)).stdout
    assert "E0810" in diff("HEAD", str(spec), code=1).stderr
