"""Evaluations: tasks that their corpora and models can be asked, requirements on what is measured."""

from __future__ import annotations

from collections.abc import Iterator

from structdsl.diagnostics import did_you_mean, nearest, respelling_inside
from structdsl.lineage import TEXT_ROLES, asked_only, root_model
from structdsl.passes.check_models import same_tokenizer
from structdsl.passes.finding import Finding
from structdsl.passes.places import call_span, item_span, key_span, task_span
from structdsl.promised import maker_of
from structdsl.retention import all_tasks, unasked_tasks
from structdsl.schema.evaluation import (
    AtLeast,
    ClosedBook,
    Divergence,
    Drop,
    Gain,
    LmEval,
    MultipleChoice,
    Perplexity,
    Points,
    Recall,
    Requirement,
)
from structdsl.schema.quantities import plain
from structdsl.syntax.tree import Span
from structdsl.unit import Declaration, Unit


def tasks_fit_their_corpora(unit: Unit) -> Iterator[Finding]:
    for evaluation in unit.of_kind("evaluation"):
        for name, task in evaluation.values.tasks.items():
            span = task_span(evaluation, name)
            match task:
                case ClosedBook(corpus=corpus) | MultipleChoice(corpus=corpus) | Recall(over=corpus):
                    yield from _exam(task, unit.blocks[corpus], span, unit)
                case Perplexity(corpus=table) | Divergence(corpus=table):
                    yield from _text(task, table, span, unit)


def unasked_tasks_have_their_names(unit: Unit) -> Iterator[Finding]:
    for evaluation in unit.of_kind("evaluation"):
        for name, task in unasked_tasks(evaluation, unit):
            if name in evaluation.values.tasks:
                message = (
                    f"`{name}` is the name of a task that every evaluation does, `{_word(task)}` of `{task.corpus}`"
                )
                span = key_span(evaluation, "tasks", name)
                yield Finding("E0207", message, span, "taken", helps=("choose another name for the task",))


def _word(task: object) -> str:
    """The name that the language has for a task: `MultipleChoice` is `multiple_choice`."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in type(task).__name__).removeprefix("_")


def _exam(task: object, corpus: Declaration, span: Span, unit: Unit) -> Iterator[Finding]:
    if corpus.kind != "corpus" or corpus.values is None:
        return
    role = corpus.values.role
    if role != "exam":
        message = f"`{_word(task)}` asks an exam, and `{corpus.address}` has role {role}"
        yield Finding("E0403", message, span, f"role {role}")
        return
    query = unit.queries.get(f"{corpus.address}.select")
    written = {column.name.lower() for column in query.columns} if query is not None else None
    if isinstance(task, MultipleChoice) and written is not None and not written & {"options"}:
        message = f"questions of `{corpus.address}` have no options to choose from"
        helps = ("select a column `options`, or ask with `closed_book(…)`",)
        yield Finding("E0704", message, span, "its query has no column `options`", helps=helps)


def _text(task: object, table: str, span: Span, unit: Unit) -> Iterator[Finding]:
    corpus = maker_of(table, unit)
    if corpus is None or corpus.values is None:
        return
    role = corpus.values.role
    if role not in TEXT_ROLES:
        message = f"`{_word(task)}` reads text, and `{corpus.address}` has role {role}"
        yield Finding("E0403", message, span, f"role {role}")


def tasks_fit_their_models(unit: Unit) -> Iterator[Finding]:
    for evaluation in unit.of_kind("evaluation"):
        for name, task in evaluation.values.tasks.items():
            if isinstance(task, ClosedBook | Recall):
                continue
            for address in evaluation.values.models:
                model, span = unit.blocks[address], item_span(evaluation, "models", address)
                if asked_only(model):
                    message = f"`{address}` is a server, and `{_word(task)}` needs the probabilities of a model"
                    yield Finding("E0718", message, span, f"cannot do `{name}`")
                elif isinstance(task, Divergence):
                    yield from _diverging(task, model, task_span(evaluation, name), unit)


def _diverging(task: Divergence, model: Declaration, span: Span, unit: Unit) -> Iterator[Finding]:
    reference = unit.blocks[task.from_]
    if asked_only(reference):
        yield Finding("E0718", f"`{task.from_}` is a server, and shows no probabilities", span, "measured from it")
    elif same_tokenizer(root_model(model, unit), root_model(reference, unit), unit) is False:
        message = f"predictions of `{model.address}` and `{task.from_}` are over different tokens"
        yield Finding("E0708", message, span, f"another tokenizer than that of `{model.address}`")


def requirements_are_measured(unit: Unit) -> Iterator[Finding]:
    for evaluation in unit.of_kind("evaluation"):
        for index, gate in enumerate(evaluation.values.require):
            span = call_span(evaluation, "require", index)
            yield from _required(gate, evaluation, span, unit)


def harness_tasks_have_one_metric(unit: Unit) -> Iterator[Finding]:
    for evaluation in unit.of_kind("evaluation"):
        asked: dict[str, str] = {}
        for index, gate in enumerate(evaluation.values.require):
            task = evaluation.values.tasks.get(gate.task)
            if not isinstance(task, LmEval) or gate.metric is None:
                continue
            first = asked.setdefault(gate.task, gate.metric)
            if gate.metric != first:
                message = f"`{gate.task}` is measured by one metric, `{first}` or `{gate.metric}`"
                helps = (f'give the other a task of its own: `{gate.task}_2: lm_eval("{task.name}")`',)
                span = call_span(evaluation, "require", index)
                yield Finding("E0702", message, span, "asks for another", helps=helps)


def _required(gate: Requirement, evaluation: Declaration, span: Span, unit: Unit) -> Iterator[Finding]:
    tasks, models = all_tasks(evaluation, unit), evaluation.values.models
    task = tasks.get(gate.task)
    if task is None:
        near = nearest(gate.task, list(tasks))
        helps, fixes = did_you_mean(near), respelling_inside(unit.source, span, gate.task, near)
        notes = (f"tasks: {', '.join(tasks)}",)
        message = f"`{evaluation.address}` has no task `{gate.task}`"
        yield Finding("E0702", message, span, "asks for what is not measured", notes=notes, helps=helps, fixes=fixes)
        return
    if gate.metric is not None and not isinstance(task, LmEval) and gate.metric not in task.METRICS:
        notes = (f"metrics of it: {', '.join(task.METRICS)}",)
        near = nearest(gate.metric, task.METRICS)
        helps, fixes = did_you_mean(near), respelling_inside(unit.source, span, gate.metric, near)
        message = f"`{_word(task)}` has no metric `{gate.metric}`"
        yield Finding("E0702", message, span, "asks for what is not measured", notes=notes, helps=helps, fixes=fixes)
    named = [gate.of or models[-1]]
    if not isinstance(gate, AtLeast):
        named.append(gate.over or models[0])
    for name in dict.fromkeys(named):
        if name not in models:
            message = f"`{name}` is not among the models of `{evaluation.address}`"
            helps = ("add it to `models`",)
            yield Finding("E0702", message, span, "asks for what is not measured", helps=helps)
    if len(named) > 1 and named[0] == named[1]:
        message = f"`{named[0]}` would be compared with itself"
        helps = ("say which two: `of = stage.…, over = model.…`",)
        yield Finding("E0702", message, span, "always 0", helps=helps)
    yield from _counted(gate, task.SHARE, _word(task), span)


def _counted(gate: Requirement, share: bool, word: str, span: Span) -> Iterator[Finding]:  # noqa: FBT001 - of the task
    amount = gate.at_least if isinstance(gate, Gain) else gate.at_most if isinstance(gate, Drop) else gate.value
    if share and not isinstance(amount, Points):
        message = f"scores of `{word}` are shares, counted in points"
        points = amount * 100 if abs(amount) < 1 else amount
        yield Finding("E0302", message, span, "no points", helps=(f"write `{plain(points)} points`",))
    elif not share and isinstance(amount, Points):
        message = f"scores of `{word}` are no shares, and have no points"
        helps = ("write a number in the unit of the metric, such as `0.05`",)
        yield Finding("E0302", message, span, "in points", helps=helps)
    elif not share and isinstance(gate, AtLeast):
        message = f"less is better in `{word}`: `at_least` would ask for a bad score"
        helps = (f"bound how far it moves: `drop({gate.task}, at_most = …)`",)
        yield Finding("E0702", message, span, "less is better here", helps=helps)
