"""Questions about how the blocks of a spec hang together, asked by checks and by lowering alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from structdsl.passes.reach import references
from structdsl.promised import maker_of
from structdsl.schema.chunking import Chunking, Paragraphs
from structdsl.schema.corpus import Synthetic
from structdsl.schema.evaluation import Divergence
from structdsl.schema.model import Bpe, Endpoint, Hf, Of, Path
from structdsl.unit import Declaration, Unit

TEXT_ROLES = frozenset({"domain", "replay", "probe"})
MEASURED_ROLES = frozenset({"exam", "probe"})


def origin(stage: Declaration) -> str:
    """The address of the model or stage whose weights a stage changes; of a merge, the tuned one."""
    address: str = stage.values.tuned if stage.variant == "merge" else stage.values.from_
    return address


def ancestry(stage: Declaration, unit: Unit) -> Iterator[Declaration]:
    """The stage, what it starts from, and so on to a model; a cycle ends where it closes."""
    seen: set[str] = set()
    at: Declaration | None = stage
    while at is not None and at.address not in seen:
        yield at
        seen.add(at.address)
        at = unit.blocks.get(origin(at)) if at.kind == "stage" and at.values is not None else None


def needs(stage: Declaration, unit: Unit) -> dict[str, str]:
    """Models and stages that must be there before a stage, by the attribute that says so."""
    values = stage.values
    if stage.variant == "merge":
        return {"base": values.base, "tuned": values.tuned}
    found = {"from": values.from_}
    if values.distill is not None and values.distill.teacher is not None:
        found["distill"] = values.distill.teacher
    if selection(stage) is not None:
        found["data"] = scorer(stage, unit)
    return found


def selection(stage: Declaration) -> Any:
    """What a stage chooses from its data by, where it does not take all of it."""
    data = getattr(stage.values, "data", None)
    return None if data is None or isinstance(data, str) else data


def data_of(stage: Declaration) -> str | None:
    """The address of the mixture or corpus that a stage reads; a merge reads none."""
    chosen = selection(stage)
    address: str | None = chosen.corpus if chosen is not None else getattr(stage.values, "data", None)
    return address


def structure_of(stage: Declaration, unit: Unit) -> str | None:
    """The address of the taxonomy of a scpt or ssft: as it says, else the one that its synthetic corpus is over."""
    stated: str | None = stage.values.structure
    data = unit.blocks.get(data_of(stage) or "")
    if stated is None and data is not None and isinstance(data.values, Synthetic):
        return data.values.over
    return stated


def asked_in(block: Declaration, unit: Unit) -> Any:
    """The chat template that a model or stage last learned to answer questions in; none where that was a line each."""
    stages = (at for at in ancestry(block, unit) if at.kind == "stage")
    return next((at.values.template for at in stages if hasattr(at.values, "template")), None)


def scorer(stage: Declaration, unit: Unit) -> str:
    """The address of who says how hard a row is: the nearest cpt or scpt before a stage, else what it starts from."""
    chosen = selection(stage)
    if chosen is not None and chosen.by is not None:
        by: str = chosen.by
        return by
    before = [block for block in ancestry(stage, unit) if block is not stage]
    return next((block.address for block in before if block.variant in {"cpt", "scpt"}), origin(stage))


def root_model(block: Declaration, unit: Unit) -> Declaration | None:
    """The model that a model or stage goes back to."""
    *_, last = ancestry(block, unit)
    return last if last.kind == "model" else None


def tokenizer_owner(model: Declaration, unit: Unit) -> Declaration | None:
    """The model that declares the tokenizer which `model` uses; none where `of` runs in a circle."""
    seen: set[str] = set()
    at: Declaration | None = model
    while at is not None and at.values is not None and isinstance(at.values.tokenizer, Of):
        if at.address in seen:
            return None
        seen.add(at.address)
        at = unit.blocks.get(at.values.tokenizer.model)
    return at


def has_tokenizer(model: Declaration) -> bool:
    """Whether a model brings one: declared, in its folder or in its repository."""
    return model.values is None or model.values.tokenizer is not None or isinstance(model.values.source, Path | Hf)


def roots(names: Iterable[str], unit: Unit) -> list[Declaration]:
    """The models that these models and stages go back to, in the order of the text."""
    blocks = [block for name in names if (block := unit.blocks.get(name)) is not None]
    found = {root.address for block in blocks if (root := root_model(block, unit)) is not None}
    return [model for model in unit.of_kind("model") if model.address in found]


def staged_models(unit: Unit) -> list[Declaration]:
    """The models at the roots of the stages, in the order of the text."""
    return roots((stage.address for stage in unit.of_kind("stage")), unit)


def used_models(unit: Unit) -> list[Declaration]:
    """Models that a stage or an evaluation uses, in the order of the text."""
    names = [stage.address for stage in unit.of_kind("stage")]
    names += [name for stage in unit.of_kind("stage") for name in needs(stage, unit).values()]
    for evaluation in unit.of_kind("evaluation"):
        names += evaluation.values.models
        names += [task.from_ for task in evaluation.values.tasks.values() if isinstance(task, Divergence)]
    return roots(names, unit)


def counting_model(unit: Unit) -> Declaration | None:
    """The model whose tokenizer counts the tokens of the spec: the project's, else that at the root of the stages."""
    project = unit.blocks.get("project")
    named = project.values.tokenizer if project is not None and project.values is not None else None
    candidates = [unit.blocks[named]] if named is not None else [*staged_models(unit), *used_models(unit)]
    for model in candidates:
        owner = tokenizer_owner(model, unit)
        if owner is not None and owner.values is not None and has_tokenizer(owner) and not asked_only(owner):
            return owner
    return None


def asked_only(model: Declaration) -> bool:
    """Whether a model answers and shows nothing else: no weights, no losses, no tokenizer."""
    return model.kind == "model" and model.values is not None and isinstance(model.values.source, Endpoint)


def chunking(corpus: Declaration, unit: Unit) -> Chunking:
    """How a corpus is cut: as it says, as a taxonomy over it says, else by the default of the language."""
    claims = [corpus.values.chunk] if corpus.values is not None else []
    claims += [taxonomy.values.chunk for taxonomy in unit.taxonomies_over.get(corpus.address, ())]
    return next((claim for claim in claims if claim is not None), Paragraphs())


def mixed_corpora(mixture: Declaration, unit: Unit) -> tuple[str, ...]:
    """Addresses of the corpora that a mixture draws from, in the order of the text.

    Where the mixture names none: all text of the spec that may be trained on, but for what a derived corpus is made of.
    """
    weights = mixture.values.weights
    if isinstance(weights, dict):
        return tuple(weights)
    if weights.over:
        return tuple(weights.over)
    sources = {name for corpus in unit.of_kind("corpus") for name in getattr(corpus.values, "over", ())}
    return tuple(
        corpus.address
        for corpus in unit.of_kind("corpus")
        if corpus.values.role in {"domain", "replay"} and corpus.address not in sources
    )


def trained_corpora(unit: Unit) -> set[str]:
    """Addresses of the corpora that some stage reads."""
    found: set[str] = set()
    for stage in unit.of_kind("stage"):
        data = unit.blocks.get(data_of(stage) or "")
        if data is None or data.values is None:
            continue
        if data.kind == "corpus":
            found.add(data.address)
        else:
            found.update(mixed_corpora(data, unit))
    return found


def corpora_before(corpus: Declaration, unit: Unit) -> set[str]:
    """Addresses of the corpora that one is made from or compared with, directly."""
    values, found = corpus.values, set[str]()
    for name in (values.over,) if isinstance(getattr(values, "over", ()), str) else getattr(values, "over", ()):
        found |= _corpora_of(maker_of(name, unit), unit)
    for method in values.dedup:
        found |= set(method.against) - {corpus.address}
    return found


def _corpora_of(block: Declaration | None, unit: Unit) -> set[str]:
    """The corpora that must be there before a block is: of a stage, those that it and its ancestors learn from."""
    found, seen, waiting = set[str](), set[str](), [block]
    while waiting:
        at = waiting.pop()
        if at is None or at.values is None or at.address in seen:
            continue
        seen.add(at.address)
        if at.kind == "corpus":
            found.add(at.address)
            continue
        if at.kind == "mixture":
            found.update(mixed_corpora(at, unit))
        names = (f"{head}.{name}" for head, name in references([at.block]))
        waiting += [maker_of(name, unit) for name in names]
    return found


def examined(unit: Unit) -> tuple[str, ...]:
    """Addresses of the exams that the evaluations of a spec ask."""
    names = [
        getattr(task, "corpus", getattr(task, "over", None))
        for evaluation in unit.of_kind("evaluation")
        for task in evaluation.values.tasks.values()
    ]
    known = [unit.blocks.get(name) for name in names if isinstance(name, str)]
    corpora = [block for block in known if block is not None and block.kind == "corpus" and block.values is not None]
    return tuple(dict.fromkeys(corpus.address for corpus in corpora if corpus.values.role == "exam"))


def bpe_corpora(unit: Unit) -> set[str]:
    """Addresses of the corpora that the counting tokenizer is trained on."""
    model = counting_model(unit)
    return set(model.values.tokenizer.over) if model is not None and isinstance(model.values.tokenizer, Bpe) else set()
