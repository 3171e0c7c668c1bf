"""What a stage reads: rows of its data as samples, samples as tokens, tokens in rows of equal length."""

from __future__ import annotations

import glob

from sqlglot import exp

from structdsl.lineage import chunking, data_of, root_model, scorer, selection, structure_of
from structdsl.lower.asked import asked_model
from structdsl.lower.model import seed_of, tokenizer_of
from structdsl.lower.planner import Planner
from structdsl.plan import (
    SMALL_TREE,
    Guard,
    LayOut,
    Ordered,
    Output,
    Pack,
    RenderChat,
    RenderScpt,
    RenderSsft,
    ScoreSamples,
    Tokenise,
)
from structdsl.plan.operations import Template
from structdsl.promised import LAYOUT, NODES, PACKED, RECALLS, RENDERED, SAMPLES, TOKENS, columns, columns_of
from structdsl.schema import model as schema
from structdsl.schema.stage import Easiest
from structdsl.unit import Declaration

PLACES = columns(
    "position BIGINT, sample_id VARCHAR, epoch INTEGER, kind VARCHAR, corpus VARCHAR, node_id VARCHAR, tree_id VARCHAR"
)
SCPT_ROWS = columns(
    "position BIGINT, sample_id VARCHAR, epoch INTEGER, kind VARCHAR, corpus VARCHAR, doc_id VARCHAR, chunk_id VARCHAR,"
    "node_id VARCHAR, tree_id VARCHAR, heading VARCHAR, text VARCHAR"
)
SSFT_ROWS = columns(
    "position BIGINT, sample_id VARCHAR, corpus VARCHAR, question VARCHAR, answer VARCHAR,"
    'messages STRUCT("role" VARCHAR, "content" VARCHAR)[], doc_id VARCHAR, node_id VARCHAR, tree_id VARCHAR'
)
CHAT_ROWS = (*RENDERED, *columns('messages STRUCT("role" VARCHAR, "content" VARCHAR)[]'))
DIFFICULTY = columns("doc_id VARCHAR, nats DOUBLE, nats_templated DOUBLE, n_tokens BIGINT")

IN_ORDER = Ordered(key="position")
"""A query whose rows come out in the order of training, text among them."""

LINE = exp.func("chr", exp.Literal.number(10))
"""What stands between a question and its answer where there is no chat template."""


def lower_samples(stage: Declaration, planner: Planner) -> None:
    """The tables `_rendered`, `_tokens`, `_samples` and `_packed` of a stage."""
    root = root_model(stage, planner.unit)
    assert root is not None, "checked: a stage goes back to a model"
    tokenizer = tokenizer_of(root, planner)
    match stage.variant:
        case "cpt":
            _cpt(stage, planner)
        case "scpt":
            _scpt(stage, tokenizer, planner)
        case "ssft":
            _ssft(stage, root, tokenizer, planner)
        case _:
            _asked(stage, root, tokenizer, planner)
    _tokenise_and_pack(stage, tokenizer, planner)


def _cpt(stage: Declaration, planner: Planner) -> None:
    mixture = stage.values.data
    planner.query(
        f"{stage.address}.render",
        "cpt_samples",
        f"{stage.address}_rendered",
        RENDERED,
        at=stage.span_of("data"),
        tables={"draw": mixture, "pool": f"{mixture}_pool"},
        split=IN_ORDER,
    )


def _scpt(stage: Declaration, tokenizer: str, planner: Planner) -> None:
    name, mixture, taxonomy = stage.address, stage.values.data, stage.values.structure
    drawn = {"draw": mixture, "links": f"{taxonomy}_links", "nodes": f"{taxonomy}_nodes"}
    planner.query(
        f"{name}.recalls",
        "recalls",
        f"{name}_recalls",
        RECALLS,
        at=stage.span_of("structure", "data"),
        tables=drawn,
        holes={"small": SMALL_TREE, "seed": seed_of(planner)},
    )
    planner.query(
        f"{name}.places",
        "scpt_places",
        f"{name}_places",
        PLACES,
        at=stage.span_of("structure", "data"),
        tables={**drawn, "recalls": f"{name}_recalls"},
    )
    planner.query(
        f"{name}.rows",
        "scpt_rows",
        f"{name}_rows",
        SCPT_ROWS,
        at=stage.span_of("data"),
        tables={
            "places": f"{name}_places",
            "pool": f"{mixture}_pool",
            "recalls": f"{name}_recalls",
            "nodes": f"{taxonomy}_nodes",
        },
        split=IN_ORDER,
    )
    trees = _trees(stage, taxonomy, planner)
    blocks = planner.unit.blocks
    reserve = max(chunking(blocks[corpus], planner.unit).max for corpus in blocks[taxonomy].values.over)
    planner.add(
        f"{name}.render",
        RenderScpt(length=stage.values.length, reserve=reserve),
        at=stage.span_of("structure", "data"),
        inputs={"rows": planner.owners[f"{name}_rows"], "trees": trees, "tokenizer": tokenizer},
        outputs={"samples": _rendered(name), "tokens": _tokens(name)},
    )


def _trees(stage: Declaration, taxonomy: str, planner: Planner) -> str:
    """The trees that rows of a stage are of: no part of a table of rows has to know any other."""
    table = f"{stage.address}_trees"
    planner.query(
        f"{stage.address}.trees",
        "stage_trees",
        table,
        NODES,
        at=stage.span_of("structure", "data"),
        tables={"rows": f"{stage.address}_rows", "nodes": f"{taxonomy}_nodes"},
        view=True,
    )
    return planner.owners[table]


def _asked(stage: Declaration, root: Declaration, tokenizer: str, planner: Planner) -> None:
    """Questions and answers, or pairs of answers: a line each, or in a chat template."""
    name, pairs = stage.address, stage.variant == "dpo"
    chat = stage.values.template is not None
    planner.query(
        f"{name}.rows" if chat else f"{name}.render",
        "dpo_samples" if pairs else "sft_samples",
        f"{name}_rows" if chat else f"{name}_rendered",
        CHAT_ROWS if chat else RENDERED,
        at=stage.span_of("data"),
        tables={"pairs" if pairs else "questions": _chosen(stage, root, tokenizer, planner)},
        holes={
            "epochs": stage.values.epochs,
            "seed": seed_of(planner),
            "joiner": exp.Literal.string("") if chat else LINE,
            "messages": [exp.column("messages")] if chat else [],
        },
        view=chat,
        split=None if chat else IN_ORDER,
    )
    if not chat:
        return
    template, inputs, sources = template_of(stage.values.template, root, planner)
    planner.add(
        f"{name}.render",
        RenderChat(template=template),
        at=stage.span_of("template"),
        inputs={"samples": planner.owners[f"{name}_rows"], "tokenizer": tokenizer, **inputs},
        sources=sources,
        outputs={"samples": Output(table=f"{name}_rendered", columns=RENDERED, doc="Samples in the chat template.")},
        places={"template": stage.span_of("template")},
    )


def _ssft(stage: Declaration, root: Declaration, tokenizer: str, planner: Planner) -> None:
    name, taxonomy = stage.address, structure_of(stage, planner.unit)
    assert taxonomy is not None, "checked: an ssft stage has a structure"
    questions = _chosen(stage, root, tokenizer, planner)
    planner.query(
        f"{name}.rows",
        "ssft_rows",
        f"{name}_rows",
        SSFT_ROWS,
        at=stage.span_of("data"),
        tables={"questions": questions, "nodes": f"{taxonomy}_nodes", "links": f"{taxonomy}_links"},
        view=True,
    )
    template: Template | None = None
    inputs: dict[str, str] = {}
    sources: tuple[str, ...] = ()
    if stage.values.template is not None:
        template, inputs, sources = template_of(stage.values.template, root, planner)
    operation = RenderSsft(
        length=stage.values.length,
        reveal=stage.values.reveal,
        epochs=stage.values.epochs,
        seed=seed_of(planner),
        template=template,
    )
    guards: tuple[Guard, ...] = ()
    if operation.reveal != "none":
        guards = (
            planner.guard(
                "E0706",
                "ssft_unplaced",
                at=stage.span_of("structure", "data"),
                tables={"rows": f"{name}_rows"},
                holes={"corpus": data_of(stage), "taxonomy": taxonomy},
                helps=(
                    'map the column that holds it: `columns = { path: "…" }`',
                    f"the paths are in the column `path` of `{taxonomy}`",
                ),
            ),
        )
    planner.add(
        f"{name}.render",
        operation,
        at=stage.span_of("structure", "data"),
        inputs={
            "rows": planner.owners[f"{name}_rows"],
            "trees": _trees(stage, taxonomy, planner),
            "tokenizer": tokenizer,
            **inputs,
        },
        sources=sources,
        outputs={"samples": _rendered(name)},
        guards=guards,
        places={"template": stage.span_of("template")} if stage.attribute("template") is not None else {},
    )


def _chosen(stage: Declaration, root: Declaration, tokenizer: str, planner: Planner) -> str:
    """The table of rows that a stage reads: its corpus, or what it chooses from it."""
    name, chosen, corpus = stage.address, selection(stage), data_of(stage)
    assert corpus is not None, "only a merge reads nothing"
    if chosen is None:
        return corpus
    template: Template | None = None
    inputs: dict[str, str] = {}
    sources: tuple[str, ...] = ()
    if not isinstance(chosen, Easiest):
        template, inputs, sources = template_of(stage.values.template, root, planner)
    planner.add(
        f"{name}.difficulty",
        ScoreSamples(role=planner.unit.blocks[corpus].values.role, length=stage.values.length, template=template),
        at=stage.span_of("data"),
        inputs={
            "documents": planner.owners[corpus],
            "model": model_reference(scorer(stage, planner.unit), planner),
            "tokenizer": tokenizer,
            **inputs,
        },
        sources=sources,
        outputs={
            "difficulty": Output(
                table=f"{name}_difficulty", columns=DIFFICULTY, doc="What a model loses on the answer of each row."
            )
        },
    )
    planner.query(
        f"{name}.chosen",
        "easiest" if isinstance(chosen, Easiest) else "fas",
        f"{name}_chosen",
        columns_of(corpus, planner.unit) or (),
        at=stage.span_of("data"),
        tables={"documents": corpus, "difficulty": f"{name}_difficulty"},
        holes={"take": chosen.take},
        view=True,
    )
    return f"{name}_chosen"


def model_reference(address: str, planner: Planner) -> str:
    """Where the weights of a model or a stage come out; the step of a model is added where it is not there yet."""
    if not address.startswith("stage."):
        return asked_model(address, planner)
    step = "merge" if planner.unit.blocks[address].variant == "merge" else "train"
    return f"{address}.{step}:model"


def template_of(
    written: schema.Template, root: Declaration, planner: Planner
) -> tuple[Template, dict[str, str], tuple[str, ...]]:
    """A chat template, the inputs that it adds to a step, and the files on disk that decide it."""
    at, holder = written, root
    while True:
        match at:
            case schema.Chatml():
                return Template(kind="chatml"), {}, ()
            case schema.Jinja(path=path):
                return Template(kind="file", path=path), {}, (glob.escape(path),)
            case schema.Of(model=model):
                holder = planner.unit.blocks[model]
            case schema.Own():
                pass
        if holder.values.template is None:
            inputs = {} if holder is root else {"template": tokenizer_of(holder, planner)}
            return Template(kind="tokenizer"), inputs, ()
        at = holder.values.template


def _rendered(name: str) -> Output:
    return Output(table=f"{name}_rendered", columns=RENDERED, doc="Samples as text: what is shown, what is learnt.")


def _tokens(name: str) -> Output:
    return Output(table=f"{name}_tokens", columns=TOKENS, doc="Samples as token ids.")


def _tokenise_and_pack(stage: Declaration, tokenizer: str, planner: Planner) -> None:
    name, length = stage.address, stage.values.length
    if f"{name}_tokens" not in planner.owners:
        planner.add(
            f"{name}.tokenise",
            Tokenise(length=length),
            at=stage.span_of("length"),
            inputs={"samples": planner.owners[f"{name}_rendered"], "tokenizer": tokenizer},
            outputs={"tokens": _tokens(name)},
        )
    planner.query(
        f"{name}.samples",
        "samples",
        f"{name}_samples",
        SAMPLES,
        at=stage.block.head,
        tables={"rendered": f"{name}_rendered", "tokens": f"{name}_tokens"},
        view=True,
    )
    at = stage.block.head if stage.variant == "dpo" else stage.span_of("pack", "length")
    tokens = planner.owners[f"{name}_tokens"]
    planner.add(
        f"{name}.layout",
        LayOut(length=length, method=getattr(stage.values, "pack", "none")),
        at=at,
        inputs={"tokens": tokens},
        outputs={
            "layout": Output(table=f"{name}_layout", columns=LAYOUT, doc="Which samples lie in which row, and where.")
        },
        places={"pack": stage.span_of("pack")} if stage.attribute("pack") is not None else {},
    )
    planner.add(
        f"{name}.pack",
        Pack(length=length),
        at=at,
        inputs={"layout": planner.owners[f"{name}_layout"], "tokens": tokens},
        outputs={
            "packed": Output(
                table=f"{name}_packed", columns=PACKED, doc="Rows of equal length, the samples in them isolated."
            )
        },
    )
