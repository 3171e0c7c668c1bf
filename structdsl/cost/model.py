"""How large a model is: from its arguments, from a shape that the lock holds, else from its name.

Every stage goes back to a model, and none of them changes its shape; so one walk up the plan answers for each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from structdsl.cost.figure import Figure, about, derive, exact, most, unknown
from structdsl.lock import Shape
from structdsl.plan import (
    Dpo,
    FetchModel,
    LoadModel,
    MergeModels,
    ScratchModel,
    Step,
    Train,
    TrainTokenizer,
)

NAMED = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", re.IGNORECASE)
UNITS = {"b": 1e9, "m": 1e6}
BLOCK = 8  # the inner size of the MLP of a scratch model is a multiple of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A decoder of `layers` layers and `hidden` units, with gates in its MLP; each figure may be unknown."""

    address: str
    parameters: Figure
    hidden: Figure
    inner: Figure
    layers: Figure
    keys: Figure  # width of the keys, and of the values, of a layer
    vocab: Figure


def model_behind(reference: str, steps: Mapping[str, Step], shapes: Mapping[str, Shape]) -> Model:
    """The model that `address:output` goes back to; `shapes` are by the address of the model, such as `model.base`."""
    step = steps[reference.rpartition(":")[0]]
    match step.operation:
        case Train() | Dpo():
            return model_behind(step.inputs["model"], steps, shapes)
        case MergeModels():
            return model_behind(step.inputs["base"], steps, shapes)
        case ScratchModel() as scratch:
            return _scratch(step, scratch, steps, shapes)
        case _:
            return _shaped(step, shapes)


def _scratch(step: Step, scratch: ScratchModel, steps: Mapping[str, Step], shapes: Mapping[str, Shape]) -> Model:
    """LLaMA with tied embeddings: V·h + L·(4h² + 3·h·inner + 2h) + h."""
    hidden, layers = scratch.hidden, scratch.layers
    inner = -(-8 * hidden // (3 * BLOCK)) * BLOCK
    vocab = _vocabulary(step, steps, shapes)
    body = layers * (4 * hidden**2 + 3 * hidden * inner + 2 * hidden) + hidden
    return Model(
        address=_block(step),
        parameters=derive(lambda entries: entries * hidden + body, vocab),
        hidden=exact(hidden),
        inner=exact(inner),
        layers=exact(layers),
        keys=exact(hidden),
        vocab=vocab,
    )


def _vocabulary(step: Step, steps: Mapping[str, Step], shapes: Mapping[str, Shape]) -> Figure:
    tokenizer = steps[step.inputs["tokenizer"].rpartition(":")[0]]
    if isinstance(tokenizer.operation, TrainTokenizer):
        return most(tokenizer.operation.vocab, "a trained vocabulary may come out smaller than `vocab`")
    shape = shapes.get(_block(tokenizer))
    return exact(shape.vocab) if shape and shape.vocab else unknown(f"the vocabulary of {_block(tokenizer)}: {LOCK}")


LOCK = "known once `structdsl lock` has pinned it"


def _shaped(step: Step, shapes: Mapping[str, Shape]) -> Model:
    address = _block(step)
    shape = shapes.get(address, Shape())
    waits = unknown(f"the shape of {address}: {LOCK}")

    def told(value: int | None) -> Figure:
        return waits if value is None else exact(value)

    hidden = told(shape.hidden)
    inner = told(shape.inner) if shape.inner is not None else derive(lambda width: 4 * width, hidden)
    keys = hidden
    if shape.hidden is not None and shape.heads and shape.kv_heads:
        keys = exact(shape.hidden // shape.heads * shape.kv_heads)
    return Model(
        address=address,
        parameters=exact(shape.parameters) if shape.parameters is not None else _named(step, waits),
        hidden=hidden,
        inner=inner,
        layers=told(shape.layers),
        keys=keys,
        vocab=told(shape.vocab),
    )


def _named(step: Step, otherwise: Figure) -> Figure:
    """The number of parameters that the name of a repository or a folder tells: `Llama-3.1-8B`."""
    match step.operation:
        case FetchModel(id=name) | LoadModel(path=name):
            found = NAMED.search(name.rstrip("/").rpartition("/")[2].replace("_", "-"))
            if found is not None:
                value = float(found[1]) * UNITS[found[2].lower()]
                return about(value, f"the size of {_block(step)} is read from its name")
    return otherwise


def _block(step: Step) -> str:
    return ".".join(step.address.split(".")[:2])


def adapted(model: Model, rank: int) -> Figure:
    """Parameters of low-rank updates to all linear layers: rank × (in + out) each."""

    def counted(hidden: float, inner: float, layers: float, keys: float) -> float:
        return rank * layers * (2 * 2 * hidden + 2 * (hidden + keys) + 3 * (hidden + inner))

    return derive(counted, model.hidden, model.inner, model.layers, model.keys)
