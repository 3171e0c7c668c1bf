"""What every evaluation measures unasked: how much the models still know of text that nothing trains on.

For each corpus of role probe and each held-out table of the spec, the perplexity of every model and its divergence from
the first one, so that forgetting is a number by default.
"""

from __future__ import annotations

from collections.abc import Iterator

from structdsl.lineage import TEXT_ROLES, asked_only, root_model
from structdsl.passes.check_models import same_tokenizer
from structdsl.schema.evaluation import AnyTask, Divergence, Perplexity
from structdsl.unit import Declaration, Unit


def unseen_texts(unit: Unit) -> list[str]:
    """Probes and held-out tables, in the order of the text; imported ones where the spec refers to them."""
    found: list[str] = []
    for corpus in unit.of_kind("corpus"):
        if corpus.values.role == "probe":
            found.append(corpus.address)
        if corpus.values.role in TEXT_ROLES and corpus.values.holdout is not None:
            found.append(f"{corpus.address}_heldout")
    return found


def all_tasks(evaluation: Declaration, unit: Unit) -> dict[str, AnyTask]:
    """The tasks that an evaluation writes, and those that it does unasked."""
    return {**evaluation.values.tasks, **dict(unasked_tasks(evaluation, unit))}


def models_of(task: AnyTask, evaluation: Declaration, unit: Unit) -> tuple[str, ...]:
    """The models that do a task: a server has no probabilities to measure."""
    models: tuple[str, ...] = evaluation.values.models
    if not isinstance(task, Perplexity | Divergence):
        return models
    return tuple(name for name in models if not asked_only(unit.blocks[name]))


def unasked_tasks(evaluation: Declaration, unit: Unit) -> Iterator[tuple[str, Perplexity | Divergence]]:
    """`retention_<corpus>` and `drift_<corpus>` for each unseen text, where no written task measures the same.

    The divergence is left out where models may read with several tokenizers, or one model would be held against itself.
    """
    written = tuple(evaluation.values.tasks.values())
    for corpus in unseen_texts(unit):
        name, perplexity = corpus.removeprefix("corpus."), Perplexity(corpus=corpus)
        models = models_of(perplexity, evaluation, unit)
        if models and perplexity not in written:
            yield f"retention_{name}", perplexity
        if len(models) > 1 and _one_tokenizer(models, unit):
            divergence = Divergence.model_validate({"corpus": corpus, "from": models[0]})
            if divergence not in written:
                yield f"drift_{name}", divergence


def _one_tokenizer(models: tuple[str, ...], unit: Unit) -> bool:
    """Whether these models are known to read with the same tokenizer."""
    first, *others = (root_model(unit.blocks[name], unit) for name in models)
    return all(same_tokenizer(first, other, unit) for other in others)
