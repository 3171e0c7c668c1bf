"""Models, their tokenizers and their chat templates."""

from __future__ import annotations

from collections.abc import Iterator

from structdsl.lineage import (
    MEASURED_ROLES,
    asked_only,
    counting_model,
    has_tokenizer,
    root_model,
    staged_models,
    tokenizer_owner,
    used_models,
)
from structdsl.passes.finding import Finding
from structdsl.passes.places import taken_out
from structdsl.schema.model import Bpe, Chatml, Jinja, Of, Own, Scratch, Template
from structdsl.schema.stage import Fas
from structdsl.syntax.tree import Span
from structdsl.unit import Declaration, Unit


def models_hold_together(unit: Unit) -> Iterator[Finding]:
    for model in unit.of_kind("model"):
        source = model.values.source
        if isinstance(source, Scratch) and source.hidden % (2 * source.heads):
            message = f"`hidden` must be an even number for each head: {source.hidden} / {source.heads} is not"
            yield Finding("E0303", message, model.span_of("source"), "here")
        for name in ("tokenizer", "template", "trust_remote_code"):
            if asked_only(model) and model.attribute(name) is not None:
                message = f"`{name}` of `{model.address}` would change nothing: a server has it on its side"
                helps, fixes = (f"remove `{name}`",), taken_out(unit, model, name)
                yield Finding("E0403", message, model.span_of(name), "of an endpoint", helps=helps, fixes=fixes)
        if isinstance(model.values.tokenizer, Bpe):
            yield from _trained_on(model, model.values.tokenizer, unit)


def _trained_on(model: Declaration, bpe: Bpe, unit: Unit) -> Iterator[Finding]:
    for name in bpe.over:
        corpus = unit.blocks[name]
        if corpus.values is not None and corpus.values.role in MEASURED_ROLES:
            message = f"`{name}` is measured only, and no tokenizer may be trained on it"
            yield Finding("E0509", message, model.span_of("tokenizer"), f"role {corpus.values.role}")


def models_have_a_tokenizer(unit: Unit) -> Iterator[Finding]:
    for model in used_models(unit):
        if asked_only(model):
            continue
        owner = tokenizer_owner(model, unit)
        if owner is None:
            message = f"the tokenizer of `{model.address}` goes round in a circle of `of(…)`"
            yield Finding("E0405", message, model.span_of("tokenizer"), "closes the circle")
        elif asked_only(owner):
            message = f"`{owner.address}` is a server, and shows no tokenizer"
            yield Finding("E0718", message, model.span_of("tokenizer"), "of an endpoint")
        elif not has_tokenizer(owner):
            yield Finding(
                "E0401",
                f"`{model.address}` needs a `tokenizer`: a model from scratch has none of its own",
                model.block.head,
                "no `tokenizer` here",
                helps=("`tokenizer = bpe(vocab = 4096, over = [corpus.…])` trains one, `of(model.…)` shares one",),
            )


def same_tokenizer(one: Declaration | None, other: Declaration | None, unit: Unit) -> bool | None:
    """Whether two models read with the same tokenizer; none where only their repositories know."""
    if one is None or other is None or one.values is None or other.values is None:
        return None
    owners = [tokenizer_owner(model, unit) for model in (one, other)]
    if owners[0] is None or owners[1] is None or owners[0].address == owners[1].address:
        return True
    first, second = (owner.values for owner in owners if owner is not None)
    if first is None or second is None:
        return None
    fresh = Scratch in {type(first.source), type(second.source)}
    if first.tokenizer is None and second.tokenizer is None and not fresh:
        return True if first.source == second.source else None
    return first.tokenizer is not None and first.tokenizer == second.tokenizer


def one_tokenizer_counts(unit: Unit) -> Iterator[Finding]:
    """Stages of several tokenizers need the project to say which of them counts."""
    project = unit.blocks.get("project")
    if project is not None and (project.values is None or project.values.tokenizer is not None):
        named = unit.blocks.get(project.values.tokenizer) if project.values is not None else None
        if named is not None and named.values is not None and counting_model(unit) is None:
            message = f"`{named.address}` has no tokenizer to count with"
            yield Finding("E0403", message, project.span_of("tokenizer"), "counts nothing")
        return
    owners = [(model, tokenizer_owner(model, unit)) for model in staged_models(unit)]
    models = [model for model, owner in owners if owner is not None and not asked_only(owner)]
    for model in models[1:]:
        first = models[0]
        if same_tokenizer(first, model, unit) is not True:
            message = f"`{first.address}` and `{model.address}` read with different tokenizers, and one has to count"
            helps = (f"say which: `project name {{ tokenizer = {first.address} }}`", "share one: `tokenizer = of(…)`")
            notes = ("`n_tokens`, budgets and chunks are counted once, for all stages",)
            yield Finding("E0720", message, model.block.head, "another tokenizer", notes=notes, helps=helps)
            return


def templates_are_there(unit: Unit) -> Iterator[Finding]:
    for model in unit.of_kind("model"):
        if isinstance(model.values.template, Of):
            yield from _template(model.values.template, model, model.span_of("template"), unit)
    for stage in unit.of_kind("stage"):
        written, root = getattr(stage.values, "template", None), root_model(stage, unit)
        if written is not None and root is not None and root.values is not None:
            yield from _template(written, root, stage.span_of("template"), unit)
        if written is None and isinstance(getattr(stage.values, "data", None), Fas):
            message = "`fas` compares losses with and without the chat template, and the stage has none"
            helps = ("write `template = chatml`",)
            yield Finding("E0721", message, stage.span_of("data"), "no `template`", helps=helps)


def _template(written: Template, holder: Declaration, span: Span, unit: Unit) -> Iterator[Finding]:
    """What is wrong with a template that leads from model to model."""
    at: Template | None = written
    seen: set[str] = set()
    while True:
        match at:
            case Chatml() | Jinja():
                return
            case Of(model=model):
                holder = unit.blocks[model]
            case Own() | None:
                pass
        if holder.values is None:
            return
        if holder.address in seen:
            message = f"the template of `{holder.address}` goes round in a circle of `of(…)`"
            yield Finding("E0405", message, span, "closes the circle")
            return
        seen.add(holder.address)
        at = holder.values.template
        if at is None:
            owner = tokenizer_owner(holder, unit)
            bare = owner is not None and owner.values is not None and isinstance(owner.values.tokenizer, Bpe)
            if bare or asked_only(holder):
                why = "it is a server" if asked_only(holder) else "its tokenizer is trained on plain text"
                message = f"`{holder.address}` has no chat template: {why}"
                yield Finding("E0721", message, span, "stands for nothing", helps=("write `template = chatml`",))
            return
