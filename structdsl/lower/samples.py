"""What a stage reads: rows of its data as samples, samples as tokens, tokens in rows of equal length."""

from __future__ import annotations

from sqlglot import exp

from structdsl.lineage import root_model
from structdsl.lower.inputs import chosen_rows, template_of
from structdsl.lower.model import seed_of, tokenizer_of
from structdsl.lower.planner import Planner
from structdsl.lower.structured import lower_scpt, lower_ssft, tokens_output
from structdsl.plan import LayOut, Ordered, Output, Pack, RenderChat, Tokenise
from structdsl.promised import LAYOUT, PACKED, RENDERED, SAMPLES, columns
from structdsl.unit import Declaration

CHAT_ROWS = (*RENDERED, *columns('messages STRUCT("role" VARCHAR, "content" VARCHAR)[]'))

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
            lower_scpt(stage, tokenizer, planner)
        case "ssft":
            lower_ssft(stage, root, tokenizer, planner)
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
        split=Ordered(key="position"),
    )


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
        tables={"pairs" if pairs else "questions": chosen_rows(stage, root, tokenizer, planner)},
        holes={
            "epochs": stage.values.epochs,
            "seed": seed_of(planner),
            "joiner": exp.Literal.string("") if chat else LINE,
            "messages": [exp.column("messages")] if chat else [],
        },
        view=chat,
        split=None if chat else Ordered(key="position"),
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


def _tokenise_and_pack(stage: Declaration, tokenizer: str, planner: Planner) -> None:
    name, length = stage.address, stage.values.length
    if f"{name}_tokens" not in planner.owners:
        planner.add(
            f"{name}.tokenise",
            Tokenise(length=length),
            at=stage.span_of("length"),
            inputs={"samples": planner.owners[f"{name}_rendered"], "tokenizer": tokenizer},
            outputs={"tokens": tokens_output(name)},
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
