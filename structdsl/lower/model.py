"""Models and tokenizers, as folders that transformers can load."""

from __future__ import annotations

from structdsl.lineage import tokenizer_owner
from structdsl.lower.planner import Planner, folder
from structdsl.plan import LoadModel, LoadTokenizer, ScratchModel, TrainTokenizer
from structdsl.schema.model import Bpe, Scratch
from structdsl.unit import Declaration


def tokenizer_of(model: Declaration, planner: Planner) -> str:
    """The reference to a model's tokenizer, whose step is added where it is not there yet."""
    owner = tokenizer_owner(model, planner.unit)
    assert owner is not None, "checked: a used model has a tokenizer"
    address = f"{owner.address}.tokenizer"
    if address not in planner.steps:
        tokenizer = owner.values.tokenizer
        span = owner.span_of("tokenizer", "source")
        if isinstance(tokenizer, Bpe):
            planner.add(
                address,
                TrainTokenizer(vocab=tokenizer.vocab),
                at=span,
                inputs={name: planner.owners[f"{name}_read"] for name in sorted(tokenizer.over)},
                outputs={"tokenizer": folder("A byte-level BPE tokenizer.")},
            )
        else:
            path = tokenizer.path if tokenizer is not None else owner.values.source.path
            planner.add(
                address,
                LoadTokenizer(path=path),
                at=span,
                sources=tuple(f"{path}/{name}" for name in ("*.json", "*.txt", "*.model", "*.jinja")),
                outputs={"tokenizer": folder("The tokenizer of a model folder.")},
            )
    return f"{address}:tokenizer"


def load_model(model: Declaration, planner: Planner) -> None:
    """The weights that stages start from."""
    source = model.values.source
    if isinstance(source, Scratch):
        planner.add(
            f"{model.address}.load",
            ScratchModel(
                arch=source.arch,
                hidden=source.hidden,
                layers=source.layers,
                heads=source.heads,
                positions=source.positions,
                seed=seed_of(planner),
            ),
            at=model.span_of("source"),
            inputs={"tokenizer": tokenizer_of(model, planner)},
            outputs={"model": folder("A freshly initialised model.")},
            doc=model.block.doc,
        )
        return
    planner.add(
        f"{model.address}.load",
        LoadModel(path=source.path),
        at=model.span_of("source"),
        sources=(f"{source.path}/*",),
        outputs={"model": folder("A model from disk.")},
        doc=model.block.doc,
    )


def seed_of(planner: Planner) -> int:
    """The project's seed."""
    project = planner.unit.blocks.get("project")
    return int(project.values.seed) if project is not None else 0
