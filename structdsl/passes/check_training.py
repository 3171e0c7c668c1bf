"""What types cannot say about training and evaluation: chains of stages, batches, lengths, tokenizers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from structdsl.diagnostics import Label, Sink
from structdsl.lineage import (
    MEASURED_ROLES,
    TEXT_ROLES,
    chunking,
    has_tokenizer,
    root_model,
    tokenizer_owner,
    used_models,
)
from structdsl.passes.finding import Finding
from structdsl.passes.places import task_span
from structdsl.schema.evaluation import ClosedBook
from structdsl.schema.model import Bpe, Path, Scratch
from structdsl.unit import Declaration, Unit


def check_training(unit: Unit, sink: Sink) -> Unit:
    for check in CHECKS:
        for finding in check(unit):
            finding.into(sink, unit.source)
    return unit


def stages_start_somewhere(unit: Unit) -> Iterator[Finding]:
    reported: set[str] = set()
    for stage in unit.of_kind("stage"):
        chain = [stage.address]
        while (following := unit.blocks.get(unit.blocks[chain[-1]].values.from_)) is not None:
            if following.kind != "stage" or following.values is None:
                break
            if following.address in chain:
                cycle = chain[chain.index(following.address) :]
                if not reported.intersection(cycle):
                    yield Finding(
                        "E0405",
                        f"stages start from each other: {' → '.join([*cycle, cycle[0]])}",
                        unit.blocks[cycle[0]].span_of("from"),
                        "closes the circle",
                        helps=("let the first of them start from a model",),
                    )
                reported.update(cycle)
                break
            chain.append(following.address)


def models_hold_together(unit: Unit) -> Iterator[Finding]:
    for model in unit.of_kind("model"):
        source = model.values.source
        if isinstance(source, Scratch) and source.hidden % (2 * source.heads):
            message = f"`hidden` must be an even number for each head: {source.hidden} / {source.heads} is not"
            yield Finding("E0303", message, model.span_of("source"), "here")
        if isinstance(source, Path) and model.values.tokenizer is not None:
            yield Finding(
                "E0801",
                "another tokenizer than that of the model's folder is not built yet",
                model.span_of("tokenizer"),
                "the folder has its own",
                helps=("remove `tokenizer`",),
            )
        if isinstance(model.values.tokenizer, Bpe):
            for name in model.values.tokenizer.over:
                corpus = unit.blocks[name]
                if corpus.values is not None and corpus.values.role in MEASURED_ROLES:
                    message = f"`{name}` is measured only, and no tokenizer may be trained on it"
                    yield Finding("E0509", message, model.span_of("tokenizer"), f"role {corpus.values.role}")


def models_have_a_tokenizer(unit: Unit) -> Iterator[Finding]:
    owners: dict[str, Declaration] = {}
    for model in used_models(unit):
        owner = tokenizer_owner(model, unit)
        if owner is None:
            message = f"the tokenizer of `{model.address}` goes round in a circle of `of(…)`"
            yield Finding("E0405", message, model.span_of("tokenizer"), "closes the circle")
        elif not has_tokenizer(owner):
            yield Finding(
                "E0401",
                f"`{model.address}` needs a `tokenizer`: a model from scratch has none of its own",
                model.block.head,
                "no `tokenizer` here",
                helps=("`tokenizer = bpe(vocab = 4096, over = [corpus.…])` trains one, `of(model.…)` shares one",),
            )
        else:
            owners[owner.address] = model
    if len(owners) > 1:
        second = list(owners.values())[1]
        yield Finding(
            "E0801",
            "models of two tokenizers in one spec are not built yet",
            second.block.head,
            "reads with another tokenizer",
            helps=("share one: `tokenizer = of(model.…)`",),
        )


def stages_read_what_they_can(unit: Unit) -> Iterator[Finding]:
    for stage in unit.of_kind("stage"):
        data = unit.blocks[stage.values.data]
        if data.values is None or data.kind != "corpus":
            continue
        role = data.values.role
        if role in MEASURED_ROLES:
            yield Finding(
                "E0509",
                f"`{data.address}` is measured only, and cannot be trained on",
                stage.span_of("data"),
                f"role {role}",
            )
        elif role != "instruction":
            yield Finding(
                "E0506",
                f"`{stage.variant}` reads questions and answers, and `{data.address}` has role {role}",
                stage.span_of("data"),
                f"role {role}",
            )


def structure_meets_data(unit: Unit) -> Iterator[Finding]:
    for stage in unit.of_kind("stage"):
        if stage.variant != "scpt":
            continue
        mixture, taxonomy = unit.blocks[stage.values.data], unit.blocks[stage.values.structure]
        if mixture.values is None or taxonomy.values is None or _unread(taxonomy.values.over, unit):
            continue
        shared = [name for name in mixture.values.weights if name in taxonomy.values.over]
        if not shared:
            yield Finding(
                "E0706",
                f"`{mixture.address}` holds no corpus of `{taxonomy.address}`: no chunk would see its map",
                stage.span_of("structure"),
                f"orders {', '.join(taxonomy.values.over)}",
                others=(
                    Label(
                        span=stage.span_of("data"),
                        text=f"draws from {', '.join(mixture.values.weights)}",
                        primary=False,
                    ),
                ),
            )
        for name in shared:
            cap = chunking(unit.blocks[name], unit).max
            if cap + 1 >= stage.values.length:
                yield Finding(
                    "E0710",
                    f"chunks of up to {cap} tokens leave no room for the map in a length of {stage.values.length}",
                    stage.span_of("length"),
                    f"{stage.values.length} positions = map + chunk + 1 end of text",
                    helps=(
                        f"raise `length`, or cut `{name}` finer: `paragraphs(max = {stage.values.length // 2} tokens)`",
                    ),
                )


def _unread(names: Iterable[str], unit: Unit) -> bool:
    """Whether some of these blocks could not be read, so that nothing more can be said of them."""
    return any(unit.blocks[name].values is None for name in names)


def batches_are_whole(unit: Unit) -> Iterator[Finding]:
    for stage in unit.of_kind("stage"):
        cluster = unit.blocks[stage.values.cluster].values if stage.values.cluster else None
        processes = cluster.processes if cluster else 1
        share = stage.values.length * processes
        if stage.values.batch % share:
            below = stage.values.batch // share * share
            arithmetic = f"({stage.values.length} × {processes})"
            nearest_fit = (
                f"`batch = {below + share} tokens`"
                if not below
                else f"`batch = {below} tokens` or `{below + share} tokens`"
            )
            yield Finding(
                "E0705",
                f"`batch` must be a multiple of `length` × processes: {stage.values.batch} / {arithmetic}",
                stage.span_of("batch", "length"),
                f"{stage.values.batch} positions",
                helps=(f"write {nearest_fit}",),
            )
        root = root_model(stage, unit)
        if root is not None and root.values is not None and isinstance(root.values.source, Scratch):
            positions = root.values.source.positions
            if stage.values.length > positions:
                message = f"`{root.address}` knows {positions} positions, and `length` is {stage.values.length}"
                yield Finding("E0303", message, stage.span_of("length"), "too long")


def tasks_fit_their_corpora(unit: Unit) -> Iterator[Finding]:
    for evaluation in unit.of_kind("evaluation"):
        for name, task in evaluation.values.tasks.items():
            corpus = unit.blocks[task.corpus]
            if corpus.values is None:
                continue
            role, span = corpus.values.role, task_span(evaluation, name)
            if isinstance(task, ClosedBook) and role != "exam":
                yield Finding(
                    "E0403", f"`closed_book` asks an exam, and `{corpus.address}` has role {role}", span, f"role {role}"
                )
            elif not isinstance(task, ClosedBook) and role not in TEXT_ROLES:
                yield Finding(
                    "E0403", f"`perplexity` reads text, and `{corpus.address}` has role {role}", span, f"role {role}"
                )


CHECKS: tuple[Callable[[Unit], Iterator[Finding]], ...] = (
    stages_start_somewhere,
    models_hold_together,
    models_have_a_tokenizer,
    stages_read_what_they_can,
    structure_meets_data,
    batches_are_whole,
    tasks_fit_their_corpora,
)
