"""What the shipped specs compile to, kept beside this test: a change of any plan shows as a change of a file.

A golden folder holds a line a step, the training graph with its DeepSpeed files, and a few of the queries in full:
enough to see what a change did, little enough to be read. `pytest --update-golden` writes them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from structdsl.cli.main import cli
from structdsl.compile import compile_text
from structdsl.emit.build import artefacts
from structdsl.plan import Plan
from tests.conftest import ROOT

HERE = Path(__file__).parent
SPECS = sorted([*(ROOT / "specs").rglob("*.adapt"), *(ROOT / "examples").glob("*/*.adapt")])
PARAMS = {"textbook": {"book": "book"}}
QUERIES = {
    "quickstart": (
        "corpus.general.keep",
        "taxonomy.guide.links",
        "mixture.knowledge.summary",
        "evaluation.board.scores",
    ),
    "medical": ("corpus.pubmed.keep", "taxonomy.medicine.dosing.find", "check.thin_specialties", "mixture.knowledge"),
    "structtuning_mmedbench": ("corpus.asked.select", "corpus.lessons.select"),
}
"""Steps whose SQL is kept in full, by spec: one of each kind that a reader would want to see."""


def steps(plan: Plan) -> str:
    """A line a step: its recipe, its operation, its address."""
    ops = [str(step.operation.op) for step in plan.steps]
    width = max(map(len, ops), default=0)
    return "".join(
        f"{step.recipe[:12]}  {op:<{width}}  {step.address}\n" for step, op in zip(plan.steps, ops, strict=True)
    )


def golden(plan: Plan, stem: str) -> dict[str, str]:
    """Every file of a golden folder by its name."""
    built = artefacts(plan)
    training = {name: json.loads(text) for name, text in built.items() if re.fullmatch(r"training/.*\.json", name)}
    files = {"steps.txt": steps(plan)}
    if plan.training.nodes:
        files["training.json"] = json.dumps(training, indent=1, ensure_ascii=False) + "\n"
    for address in QUERIES.get(stem, ()):
        (text,) = (text for name, text in built.items() if name.endswith(f"_{address}.sql"))
        files[f"{address}.sql"] = text
    return files


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_golden(path: Path, *, update_golden: bool) -> None:
    relative = path.relative_to(ROOT)
    plan, sink = compile_text(path.read_text(encoding="utf-8"), relative, PARAMS.get(path.stem))
    assert plan is not None, [diagnostic.message for diagnostic in sink]
    files = golden(plan, path.stem)
    folder = HERE / path.stem
    if update_golden:
        folder.mkdir(exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
    assert {name: (folder / name).read_text(encoding="utf-8") for name in files} == files
    assert {file.name for file in folder.iterdir()} == set(files)


def test_no_folder_is_left_over() -> None:
    assert {folder.name for folder in HERE.iterdir() if folder.is_dir()} - {"__pycache__"} == {p.stem for p in SPECS}


def test_what_the_readme_of_std_says_to_write_compiles() -> None:
    text = (ROOT / "specs" / "std" / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```adapt\n(.*?)```", text, re.DOTALL)
    plan, sink = compile_text(example, Path("mine.adapt"))
    assert [diagnostic.message for diagnostic in sink] == []
    assert plan is not None


@pytest.mark.parametrize(
    "spec", [path for path in SPECS if "\ntest " in path.read_text(encoding="utf-8")], ids=lambda path: path.stem
)
def test_the_tests_of_a_shipped_spec_pass(spec: Path) -> None:
    result = CliRunner().invoke(cli, ["test", str(spec)])
    assert result.exit_code == 0, result.output
    assert " passed" in result.output
