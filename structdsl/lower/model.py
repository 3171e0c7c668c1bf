"""Models and tokenizers, as folders that transformers can load; a server is a folder that says how it is reached."""

from __future__ import annotations

import glob

from structdsl.lineage import tokenizer_owner
from structdsl.lower.planner import Planner, folder
from structdsl.plan import (
    Endpoint,
    FetchModel,
    FetchTokenizer,
    LoadModel,
    LoadTokenizer,
    Operation,
    ScratchModel,
    TrainTokenizer,
)
from structdsl.plan.operations.models import Vocabulary
from structdsl.schema import model as schema
from structdsl.unit import Declaration

FILES_OF_A_TOKENIZER = ("*.json", "*.txt", "*.model", "*.jinja")


def tokenizer_of(model: Declaration, planner: Planner) -> str:
    """The reference to a model's tokenizer, whose step is added where it is not there yet."""
    owner = tokenizer_owner(model, planner.unit)
    assert owner is not None, "checked: a used model has a tokenizer"
    address = f"{owner.address}.tokenizer"
    if address in planner.steps:
        return f"{address}:tokenizer"
    tokenizer, source = owner.values.tokenizer, owner.values.source
    span = owner.span_of("tokenizer", "source")
    if isinstance(tokenizer, schema.Bpe):
        planner.add(
            address,
            TrainTokenizer(vocab=tokenizer.vocab),
            at=span,
            inputs={name: planner.owners[f"{name}_read"] for name in sorted(tokenizer.over)},
            outputs={"tokenizer": folder("A byte-level BPE tokenizer.")},
        )
    elif tokenizer is None and isinstance(source, schema.Hf):
        planner.add(
            address,
            FetchTokenizer(
                id=source.id,
                revision=planner.locked(address, source.id, source.revision),
                trust_remote_code=owner.values.trust_remote_code,
                token=source.token,
            ),
            at=span,
            outputs={"tokenizer": folder("The tokenizer of a repository.")},
        )
    else:
        path = tokenizer.path if tokenizer is not None else source.path
        planner.add(
            address,
            LoadTokenizer(path=path),
            at=span,
            sources=tuple(f"{glob.escape(path)}/{name}" for name in FILES_OF_A_TOKENIZER),
            outputs={"tokenizer": folder("The tokenizer of a model folder.")},
        )
    return f"{address}:tokenizer"


def load_model(model: Declaration, planner: Planner) -> None:
    """The weights that stages start from, or the way to a server."""
    source = model.values.source
    given = model.values.tokenizer is not None
    vocabulary: Vocabulary = "given" if given else "own"
    operation: Operation
    doc = "A model."
    sources: tuple[str, ...] = ()
    match source:
        case schema.Scratch():
            given, doc = True, "A freshly initialised model."
            operation = ScratchModel(
                arch=source.arch,
                hidden=source.hidden,
                layers=source.layers,
                heads=source.heads,
                positions=source.positions,
                seed=seed_of(planner),
            )
        case schema.Path(path=path):
            doc, sources = "A model from disk.", (f"{glob.escape(path)}/*",)
            operation = LoadModel(path=path, vocabulary=vocabulary, trust_remote_code=model.values.trust_remote_code)
        case schema.Hf():
            doc = "A model of the Hub."
            operation = FetchModel(
                id=source.id,
                revision=planner.locked(f"{model.address}.load", source.id, source.revision),
                vocabulary=vocabulary,
                trust_remote_code=model.values.trust_remote_code,
                token=source.token,
            )
        case schema.Endpoint():
            given, doc = False, "How a server is reached."
            operation = Endpoint(model=source.model, url=source.url, key=source.key)
    planner.add(
        f"{model.address}.load",
        operation,
        at=model.span_of("source"),
        inputs={"tokenizer": tokenizer_of(model, planner)} if given else {},
        sources=sources,
        outputs={"model": folder(doc)},
        places={name: model.span_of(name) for name in ("tokenizer", "trust_remote_code") if model.attribute(name)},
        doc=model.block.doc,
    )


def seed_of(planner: Planner) -> int:
    """The project's seed."""
    project = planner.unit.blocks.get("project")
    return int(project.values.seed) if project is not None else 0
