"""Lists and ranges of params: which runs they ask for, what those share, and how they are told apart."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from structdsl.cli.common import Place as Spec
from structdsl.cli.common import Request
from structdsl.cli.run import _print_scores
from structdsl.cli.sweep import Combination, Finished, combinations, compare, compile_all, single
from structdsl.plan import Graph, Output, Perplexity, Place, Plan, Query, Step
from structdsl_runtime.executor import run
from tests.end_to_end.folder import Folder

SPEC = """\
language 1
param deep: integer = 2
param short: integer = 12
corpus book    { source = files("data/book/*.md"), role = domain }
corpus general { source = files("data/general.jsonl"), role = replay, keep = sql "n_chars > ${param.short}" }
taxonomy guide { over = [corpus.book], root = corpus, rule outline: headings { depth = param.deep } }
"""


@pytest.mark.parametrize(
    ("params", "asked"),
    [
        ([], [()]),
        (["a=1"], [("a=1",)]),
        (["a=20%, 50%"], [("a=20%",), ("a=50%",)]),
        (["seed=1..3"], [("seed=1",), ("seed=2",), ("seed=3",)]),
        (["seed=-1..0,7"], [("seed=-1",), ("seed=0",), ("seed=7",)]),
        (["a=1,1"], [("a=1",)]),
        (["a=1,2", "b=x,y"], [("a=1", "b=x"), ("a=1", "b=y"), ("a=2", "b=x"), ("a=2", "b=y")]),
        (["a=1,2", "a=3"], [("a=3",)]),
        (['t="a, b","c"'], [('t="a, b"',), ('t="c"',)]),
        (['t=r"\\d{1,3}"'], [('t=r"\\d{1,3}"',)]),
        (["w=[1, 2],f(3, 4)"], [("w=[1, 2]",), ("w=f(3, 4)",)]),
        (['t="say \\"1,2\\""'], [('t="say \\"1,2\\""',)]),
        (["path=../data,1...2"], [("path=../data",), ("path=1...2",)]),
        (["odd"], [("odd",)]),
    ],
)
def test_combinations(params: list[str], asked: list[tuple[str, ...]]) -> None:
    assert [combination.assignments for combination in combinations(params)] == asked


def test_what_varies() -> None:
    first, second = combinations(["a=1", "b=x,y"])
    assert (first.varied, str(second)) == ({"b": "x"}, "b = y")


@pytest.mark.parametrize(
    ("param", "says"),
    [
        ("seed=3..1", "write the smaller number first, as in 1..3"),
        ("seed=1,,2", "an empty value"),
        ("seed=1..2000", "more than 1000 values"),
    ],
)
def test_usage(param: str, says: str) -> None:
    with pytest.raises(click.UsageError, match=says):
        combinations([param])


def test_too_many() -> None:
    with pytest.raises(click.UsageError, match="more than 1000 combinations"):
        combinations(["a=1..100", "b=1..100"])
    with pytest.raises(click.UsageError, match="has several values"):
        single(Request(spec=None, params=("a=1,2",)), "compile")


def test_all_are_compiled_before_the_first_is_run(capsys: pytest.CaptureFixture[str]) -> None:
    def compile_one(assignments: tuple[str, ...]) -> int:
        if assignments == ("a=2",):
            raise click.exceptions.Exit(1)
        return 0

    with pytest.raises(click.exceptions.Exit):
        compile_all(combinations(["a=1..3"]), compile_one)
    assert capsys.readouterr().err == "these are the errors with a = 2; no combination was begun\n"


@pytest.fixture
def data(fresh: Folder) -> Folder:
    fresh.spec.write_text(SPEC, encoding="utf-8")
    return fresh


def test_a_run_for_each_with_shared_steps_once(data: Folder) -> None:
    plan = data.shell("plan", "-p", "deep=1,2").stdout.splitlines()
    assert [line.partition(":")[0] for line in plan] == ["deep = 1", "deep = 2"]
    done = data.shell("run", "-p", "deep=1,2", "-p", "short=20")
    assert "── deep = 1 (1 of 2)" in done.stderr
    assert done.stderr.count("corpus.book.read") == 1
    assert done.stderr.count("warning[W0506]") == 1  # said of both, printed once
    runs = data.rows("SELECT run_id, status, parameters FROM meta.runs ORDER BY run_id")
    assert [run["parameters"] for run in runs] == [{"deep": "1", "short": "20"}, {"deep": "2", "short": "20"}]
    for run_, deepest in zip(runs, (1, 2), strict=True):
        answer = data.shell(
            "query", "--run", run_["run_id"], "--format", "csv", "SELECT max(depth) FROM taxonomy.guide"
        )
        assert answer.stdout.split()[-1] == str(deepest)
        assert run_["run_id"] in done.stdout
    assert data.shell("run", "-p", "deep=1,2", "-p", "short=20").stderr.count("nothing to do") == 2


def test_a_failure_stops_at_its_combination_and_keeps_the_others(data: Folder) -> None:
    data.edit('n_chars > ${param.short}"', 'CAST(left(title, ${param.short}) AS INTEGER) > 0"')
    data.edit("role = replay", 'role = replay, columns = { title: "text" }')
    failed = data.shell("run", "-p", "short=0,1", "-p", "deep=1..2", "--diagnostics", "concise", code=4).stderr
    assert "── short = 0, deep = 1 (1 of 4)" in failed
    assert "(2 of 4)" not in failed
    assert "E0603" in failed
    assert data.rows("FROM corpus.book")


def test_compile_takes_one_value(data: Folder) -> None:
    assert "`run` and `plan` take lists" in data.shell("compile", "-p", "deep=1..2", code=2).stderr
    assert (
        "these are the errors with deep = 7%; no combination was begun"
        in data.shell("run", "-p", "deep=1,7%", code=1).stderr
    )


def test_scores_of_all_combinations_in_one_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finished = []
    for seed in (1, 2):
        result = run(scored(seed), root=tmp_path, store=tmp_path / "store")
        combination = Combination(assignments=(f"seed={seed}",), varied={"seed": str(seed)})
        finished.append(Finished(combination=combination, run_id=result.run_id, reports=("evaluation.board_scores",)))
    compare(tmp_path / "store", finished)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "evaluation.board_scores"
    assert [line.split() for line in (lines[2], *lines[4:8])] == [
        ["task", "metric", "model", "seed", "value", "95%", "interval", "n"],
        ["exam", "accuracy", "stage.s", "1", "0.1", "–", "10"],
        ["exam", "accuracy", "stage.s", "2", "0.2", "–", "10"],
        ["exam", "accuracy", "stage.t", "1", "1.0", "–", "10"],
        ["exam", "accuracy", "stage.t", "2", "1.0", "–", "10"],
    ]


@pytest.mark.parametrize("task", ["retention_prose", None])
def test_scores_say_where_retention_was_not_measured(
    task: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place, plan = Spec(spec=tmp_path / "s.adapt"), scored(1)
    run(plan, root=tmp_path, store=place.store)
    if task is not None:
        asked = plan.steps[0].model_copy(
            update={
                "address": f"evaluation.board.{task}.stage_s",
                "operation": Perplexity(model="stage.s", task=task),
                "outputs": {},
            }
        )
        plan = plan.model_copy(update={"steps": (asked, *plan.steps)})
    _print_scores(plan, place, ["evaluation.board_scores"])
    assert ("retention not measured" in capsys.readouterr().out) == (task is None)


def scored(seed: int) -> Plan:
    """A plan whose only step is a table of scores."""
    scores = (
        f"SELECT '{model}' AS model, 'exam' AS task, 'accuracy' AS metric,"
        f" {value} AS value, NULL::DOUBLE AS low, NULL::DOUBLE AS high, 10 AS n"
        for model, value in (("stage.s", seed / 10), ("stage.t", 1))
    )
    step = Step(
        address="evaluation.board.scores",
        operation=Query(sql=" UNION ALL ".join(scores)),
        outputs={"rows": Output(table="evaluation.board_scores")},
        recipe="r",
        place=Place(file="s.adapt", line=1, column=1, start=0, end=1),
    )
    return Plan(
        edition=1,
        compiler="0",
        name="s",
        spec="s.adapt",
        parameters={"seed": str(seed)},
        steps=(step,),
        training=Graph(nodes=(), edges=()),
        reports=("evaluation.board_scores",),
    )
