"""What steps are given that read no corpus alone: the rows that a stage chooses, weights, a chat template."""

from __future__ import annotations

import glob

from structdsl.lineage import data_of, scorer, selection
from structdsl.lower.asked import asked_model
from structdsl.lower.model import tokenizer_of
from structdsl.lower.planner import Planner
from structdsl.plan import Output, ScoreSamples
from structdsl.plan.operations import Template
from structdsl.promised import columns, columns_of
from structdsl.schema import model as schema
from structdsl.schema.stage import Easiest
from structdsl.unit import Declaration

DIFFICULTY = columns("doc_id VARCHAR, nats DOUBLE, nats_templated DOUBLE, n_tokens BIGINT")


def chosen_rows(stage: Declaration, root: Declaration, tokenizer: str, planner: Planner) -> str:
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
