"""Questions about how the blocks of a spec hang together, asked by checks and by lowering alike."""

from __future__ import annotations

from collections.abc import Iterator

from structdsl.schema.corpus import Paragraphs
from structdsl.schema.model import Bpe, Of, Path
from structdsl.unit import Declaration, Unit

TEXT_ROLES = frozenset({"domain", "replay", "probe"})
MEASURED_ROLES = frozenset({"exam", "probe"})


def ancestry(stage: Declaration, unit: Unit) -> Iterator[Declaration]:
    """The stage, what it starts from, and so on to a model; a cycle ends where it closes."""
    seen: set[str] = set()
    at: Declaration | None = stage
    while at is not None and at.address not in seen:
        yield at
        seen.add(at.address)
        at = unit.blocks.get(at.values.from_) if at.kind == "stage" and at.values is not None else None


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
    """Whether a model brings one: declared, or in its folder."""
    return model.values is None or model.values.tokenizer is not None or isinstance(model.values.source, Path)


def used_models(unit: Unit) -> list[Declaration]:
    """Models that a stage or an evaluation uses, in the order of the text."""
    users = [*unit.of_kind("stage")]
    names = [name for evaluation in unit.of_kind("evaluation") for name in evaluation.values.models]
    users += [unit.blocks[name] for name in names]
    roots = {root.address for user in users if (root := root_model(user, unit)) is not None}
    return [model for model in unit.of_kind("model") if model.address in roots]


def counting_model(unit: Unit) -> Declaration | None:
    """The model whose tokenizer counts the tokens of the spec: that at the root of the stages."""
    for model in used_models(unit):
        owner = tokenizer_owner(model, unit)
        if owner is not None and owner.values is not None and has_tokenizer(owner):
            return owner
    return None


def chunking(corpus: Declaration, unit: Unit) -> Paragraphs:
    """How a corpus is cut: as it says, as a taxonomy over it says, else by the default of the language."""
    claims = [corpus.values.chunk] if corpus.values is not None else []
    claims += [t.values.chunk for t in unit.of_kind("taxonomy") if corpus.address in t.values.over]
    return next((claim for claim in claims if claim is not None), Paragraphs())


def trained_corpora(unit: Unit) -> set[str]:
    """Addresses of the corpora that some stage reads."""
    found: set[str] = set()
    for stage in unit.of_kind("stage"):
        data = unit.blocks[stage.values.data]
        if data.kind == "corpus":
            found.add(data.address)
        elif data.values is not None:
            found.update(data.values.weights)
    return found


def bpe_corpora(unit: Unit) -> set[str]:
    """Addresses of the corpora that the counting tokenizer is trained on."""
    model = counting_model(unit)
    return set(model.values.tokenizer.over) if model is not None and isinstance(model.values.tokenizer, Bpe) else set()
