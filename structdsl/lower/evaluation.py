"""An evaluation: each model does each task; the items are kept, the scores and what is required are queries over them.

What is required is a table of its own, so that it is there to be looked at when the gate behind it has closed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import sqlglot
from sqlglot import exp

from structdsl import sql
from structdsl.lineage import asked_in, root_model
from structdsl.lower.inputs import model_reference, template_of
from structdsl.lower.model import seed_of, tokenizer_of
from structdsl.lower.planner import Planner
from structdsl.lower.settings import cluster_of, launcher
from structdsl.passes.places import task_span
from structdsl.plan import ClosedBook, Divergence, LmEval, MultipleChoice, Operation, Output, Perplexity, Recall
from structdsl.plan.operations import Template
from structdsl.promised import ITEMS, SCORES, columns
from structdsl.retention import all_tasks, models_of
from structdsl.schema import evaluation as schema
from structdsl.schema.quantities import plain
from structdsl.unit import Declaration

GATES = columns(
    "gate VARCHAR, task VARCHAR, metric VARCHAR, model VARCHAR, reference VARCHAR, value DOUBLE,"
    "reference_value DOUBLE, found DOUBLE, least DOUBLE, unit VARCHAR, passed BOOLEAN"
)
MET = columns("met BIGINT")

Tasks = Mapping[str, schema.AnyTask]  # what an evaluation writes, and what it does unasked


def lower_evaluation(evaluation: Declaration, planner: Planner) -> None:
    name, values = evaluation.address, evaluation.values
    tables: dict[str, list[str]] = {}
    tasks = all_tasks(evaluation, planner.unit)
    for task in sorted(tasks):
        for model in models_of(tasks[task], evaluation, planner.unit):
            short = model.replace(".", "_")
            table = f"{name}_{task}_{short}"
            tables.setdefault(task, []).append(table)
            operation, inputs, sources = _asked(evaluation, task, tasks[task], model, planner)
            operation = operation.model_copy(update=_nodes(evaluation, planner))
            planner.add(
                f"{name}.{task}.{short}",
                operation,
                at=task_span(evaluation, task),
                inputs=inputs,
                sources=sources,
                outputs={"items": Output(table=table, columns=ITEMS, doc=f"What {model} did in {task}, item by item.")},
                places={key: evaluation.span_of(key) for key in ("shots", "cluster") if evaluation.attribute(key)},
            )
    every = [table for made in tables.values() for table in made]
    planner.select(
        name,
        sql.text(sql.all_rows(every)),
        name,
        ITEMS,
        at=evaluation.block.head,
        reads=tuple(every),
        view=True,
        purpose="Every item of every task, by model.",
        doc=evaluation.block.doc,
    )
    _scores(evaluation, tasks, tables, planner)
    if values.require:
        _require(evaluation, tasks, planner)


def _asked(
    evaluation: Declaration, task: str, settings: schema.AnyTask, model: str, planner: Planner
) -> tuple[Operation, dict[str, str], tuple[str, ...]]:
    """The operation that one model does one task by, what it reads, and the files on disk that decide it."""
    values = evaluation.values
    seed, processes = seed_of(planner), cluster_of(evaluation, planner).world
    inputs = {"model": model_reference(model, planner)}
    sources: tuple[str, ...] = ()
    operation: Operation
    match settings:
        case schema.ClosedBook(corpus=corpus, max=most):
            template, more, sources = _chat(model, planner)
            operation = ClosedBook(
                model=model,
                task=task,
                shots=values.shots,
                max_tokens=most,
                seed=seed,
                template=template,
                processes=processes,
            )
            inputs |= {"exam": planner.owners[corpus], **more}
        case schema.MultipleChoice(corpus=corpus):
            operation = MultipleChoice(model=model, task=task, shots=values.shots, seed=seed, processes=processes)
            inputs["exam"] = planner.owners[corpus]
        case schema.Perplexity(corpus=corpus):
            operation = Perplexity(model=model, task=task, processes=processes)
            inputs["documents"] = planner.owners[corpus]
        case schema.Divergence(corpus=corpus, from_=reference):
            operation = Divergence(model=model, task=task, processes=processes)
            inputs |= {"documents": planner.owners[corpus], "reference": model_reference(reference, planner)}
        case schema.Recall(over=over, max=most):
            nodes = over.startswith("taxonomy.")
            operation = Recall(
                model=model,
                task=task,
                of="nodes" if nodes else "answers",
                shots=values.shots,
                max_tokens=most,
                seed=seed,
                processes=processes,
            )
            inputs["nodes" if nodes else "exam"] = planner.owners[over]
        case schema.LmEval(name=name):
            operation = LmEval(
                model=model,
                task=task,
                name=name,
                metric=_harness_metric(evaluation, task),
                shots=values.shots,
                seed=seed,
                processes=processes,
            )
        case _:
            raise AssertionError(settings)
    return operation, inputs, sources


def _chat(model: str, planner: Planner) -> tuple[Template | None, dict[str, str], tuple[str, ...]]:
    """The chat template that a model was trained to answer in, what it is read from, and the files that decide it."""
    block = planner.unit.blocks[model]
    written, root = asked_in(block, planner.unit), root_model(block, planner.unit)
    if written is None or root is None:
        return None, {}, ()
    template, inputs, sources = template_of(written, root, planner)
    return template, {"tokenizer": tokenizer_of(root, planner), **inputs}, sources


def _nodes(evaluation: Declaration, planner: Planner) -> dict[str, Any]:
    """The machines that the processes of a task are spread over."""
    cluster = cluster_of(evaluation, planner)
    return {"nodes": cluster.nodes, "launcher": launcher(cluster)}


def _harness_metric(evaluation: Declaration, task: str) -> str:
    """The metric of a task of the harness: the one that is required, else the usual one."""
    asked = [gate.metric for gate in evaluation.values.require if gate.task == task and gate.metric is not None]
    return asked[0] if asked else schema.LmEval.METRICS[0]


def _scores(evaluation: Declaration, tasks: Tasks, tables: dict[str, list[str]], planner: Planner) -> None:
    """Each task by the statistics of its kind."""
    name = evaluation.address
    plainly = [task for task in tables if isinstance(tasks[task], schema.ClosedBook | schema.Perplexity)]
    if len(plainly) == len(tables):
        planner.query(
            f"{name}.scores", "scores", f"{name}_scores", SCORES, at=evaluation.block.head, tables={"items": name}
        )
        return
    queries = []
    if plainly:
        queries.append(sql.tree("scores", {"items": sql.rows_of([t for task in plainly for t in tables[task]])}))
    diverging = [table for task in tables if isinstance(tasks[task], schema.Divergence) for table in tables[task]]
    if diverging:
        queries.append(sql.tree("scores_divergence", {"items": sql.rows_of(diverging)}))
    for task, made in tables.items():
        if isinstance(tasks[task], schema.ClosedBook | schema.Perplexity | schema.Divergence):
            continue
        template = "scores_shares" if isinstance(tasks[task], schema.MultipleChoice) else "scores_means"
        metric = tasks[task].METRICS[0]
        if isinstance(tasks[task], schema.LmEval):
            metric = _harness_metric(evaluation, task)
        queries.append(sql.tree(template, {"items": sql.rows_of(made)}, metric=metric))
    planner.select(
        f"{name}.scores",
        sql.text(_together(queries)),
        f"{name}_scores",
        SCORES,
        at=evaluation.block.head,
        reads=tuple(table for made in tables.values() for table in made),
        purpose="One row a model, task and metric, with an interval at 95%.",
    )


def _together(queries: list[exp.Query]) -> sql.Part:
    """All rows of queries that have tables and an order of their own."""
    return sql.union([exp.select("*").from_(query.subquery("part")) for query in queries])


def _require(evaluation: Declaration, tasks: Tasks, planner: Planner) -> None:
    """A row for each requirement in `_gates`, and a gate that opens where all of them are met."""
    name, table = evaluation.address, f"{evaluation.address}_gates"
    planner.select(
        f"{name}.gates",
        sql.text(_together(list(_gates(evaluation, tasks)))),
        table,
        GATES,
        at=evaluation.span_of("require"),
        reads=(f"{name}_scores",),
        purpose=sql.purpose("gates"),
    )
    guard = planner.guard(
        "E0722",
        "gates_failed",
        at=evaluation.span_of("require"),
        tables={"gates": table},
        holes={},
        helps=(f"look at them: SELECT * FROM {table}",),  # noqa: S608 - for people
    )
    planner.query(
        f"{name}.gate",
        "gates_passed",
        f"{name}_gate",
        MET,
        at=evaluation.span_of("require"),
        tables={"gates": table},
        guards=(guard,),
    )


def _gates(evaluation: Declaration, tasks: Tasks) -> Iterator[exp.Query]:
    models = evaluation.values.models
    for gate in evaluation.values.require:
        task = tasks[gate.task]
        metric = _harness_metric(evaluation, gate.task) if isinstance(task, schema.LmEval) else task.METRICS[0]
        metric = gate.metric or metric
        model, reference = gate.of or models[-1], None
        if isinstance(gate, schema.AtLeast):
            found, least = "100 * value", _bound(gate.value)
        else:
            reference = gate.over or models[0]
            found = "100 * (value - reference_value)" if task.SHARE else "reference_value - value"
            least = _bound(gate.at_least) if isinstance(gate, schema.Gain) else -_bound(gate.at_most)
        yield sql.tree(
            "gates",
            {"scores": f"{evaluation.address}_scores"},
            gate=spelled(gate),
            task=gate.task,
            metric=metric,
            model=model,
            reference=reference if reference is not None else exp.cast(exp.null(), "VARCHAR"),
            found=sqlglot.parse_one(found, dialect=sql.DIALECT),
            least=exp.cast(exp.Literal.number(plain(least)), "DOUBLE"),
            unit="points" if task.SHARE else metric,
        )


def _bound(amount: schema.Points | Decimal) -> Decimal:
    return Decimal(amount.count) if isinstance(amount, schema.Points) else amount


def spelled(gate: schema.Requirement) -> str:
    """A requirement as the spec writes it: `gain(exam, at_least = 5 points)`."""
    words = [gate.task]
    match gate:
        case schema.Gain(at_least=amount):
            name = "gain"
            words.append(f"at_least = {_amount(amount)}")
        case schema.Drop(at_most=amount):
            name = "drop"
            words.append(f"at_most = {_amount(amount)}")
        case schema.AtLeast(value=amount):
            name = "at_least"
            words.append(_amount(amount))
    words += [f"{key} = {value}" for key in ("of", "over", "metric") if (value := getattr(gate, key, None)) is not None]
    return f"{name}({', '.join(words)})"


def _amount(amount: schema.Points | Decimal) -> str:
    return f"{amount.count} points" if isinstance(amount, schema.Points) else plain(amount)
