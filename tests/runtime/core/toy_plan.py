"""A plan of seven steps over a folder of text files, with operations of its own: fast, and like the real ones.

As a script (`toy_plan.py ROOT STORE`) it runs the plan, so that tests can kill it.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from structdsl.identity import fingerprint
from structdsl.plan import (
    Column,
    CountTokens,
    Graph,
    Guard,
    Operation,
    Output,
    Place,
    Plan,
    Query,
    ReadFiles,
    ScratchModel,
    Step,
    View,
)
from structdsl_runtime.executor import run
from structdsl_runtime.operation import Context, Fault, Function, Inputs, Outputs
from structdsl_runtime.operations.query import query
from structdsl_runtime.progress import Plain

PLACE = Place(file="toy.adapt", line=1, column=1, start=0, end=1)


def columns(text: str) -> tuple[Column, ...]:
    """The columns of a text such as "doc_id VARCHAR, n BIGINT"."""
    pairs = (part.strip().split(" ", 1) for part in text.split(","))
    return tuple(Column(name=name, type=kind, doc=f"the {name}") for name, kind in pairs)


def table(name: str, shape: str) -> Output:
    return Output(table=name, columns=columns(shape), doc=f"Table {name}: it's a toy.")


def step(
    address: str,
    operation: Operation,
    outputs: dict[str, Output],
    inputs: dict[str, str] | None = None,
    *,
    sources: tuple[str, ...] = (),
    guards: tuple[Guard, ...] = (),
) -> Step:
    return Step(
        address=address,
        operation=operation,
        inputs=inputs or {},
        sources=sources,
        outputs=outputs,
        guards=guards,
        recipe=fingerprint(address),
        place=PLACE,
    )


def plan_of(*steps: Step) -> Plan:
    return Plan(
        edition=1,
        compiler="0",
        name="toy",
        spec="toy.adapt",
        parameters={"seed": "1"},
        steps=steps,
        training=Graph(nodes=(), edges=()),
        reports=(),
    )


READ = "corpus.x.read:documents"
KEEP = "SELECT doc_id, 'keep' AS reason FROM corpus.x_read WHERE n_chars < 6"
KEPT = "SELECT * FROM corpus.x_read ANTI JOIN corpus.x_verdicts USING (doc_id)"
STATS = "SELECT count(*) AS n, sum(n_chars)::BIGINT AS chars FROM corpus.x"
DOCUMENT = "doc_id VARCHAR, text VARCHAR, n_chars BIGINT, meta JSON"


def plan(
    *,
    keep: str = KEEP,
    limit: int | None = None,
    hidden: int = 8,
    stats: str = STATS,
    pattern: str = "data/*.txt",
    guards: tuple[Guard, ...] = (),
) -> Plan:
    """Read → keep → view → counts and stats; a model beside them that the counts read."""
    scratch = ScratchModel(arch="llama", hidden=hidden, layers=1, heads=1, positions=8, seed=1)
    return plan_of(
        step(
            "corpus.x.read",
            ReadFiles(corpus="x", role="domain", pattern=pattern, limit=limit),
            {
                "documents": table("corpus.x_read", DOCUMENT),
                "faults": table("corpus.x_faults", "doc_id VARCHAR, reason VARCHAR"),
            },
            sources=(pattern,),
        ),
        step(
            "corpus.x.keep",
            Query(sql=keep),
            {"verdicts": table("corpus.x_verdicts", "doc_id VARCHAR, reason VARCHAR")},
            {"corpus.x_read": READ},
        ),
        step(
            "corpus.x",
            View(sql=KEPT),
            {"documents": table("corpus.x", DOCUMENT)},
            {"corpus.x_read": READ, "corpus.x_verdicts": "corpus.x.keep:verdicts"},
        ),
        step("model.m.load", scratch, {"model": Output(kind="folder")}),
        step(
            "corpus.x.count",
            CountTokens(),
            {"counts": table("corpus.x_counts", "doc_id VARCHAR, n_tokens BIGINT, input_ids INTEGER[]")},
            {"documents": "corpus.x:documents", "tokenizer": "model.m.load:model"},
        ),
        step(
            "corpus.x.stats",
            Query(sql=stats),
            {"stats": table("corpus.x_stats", "n BIGINT, chars BIGINT")},
            {"corpus.x": "corpus.x:documents"},
            guards=guards,
        ),
    )


def read_files(arguments: ReadFiles, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    assert inputs.names() == ()
    paths = sorted(context.root.glob(arguments.pattern))[: arguments.limit]
    if not paths:
        raise Fault("E0513", f"no file matches `{arguments.pattern}`", notes=("looked here",), helps=("look there",))
    with outputs.table("documents") as documents, outputs.table("faults") as faults:
        for done, path in enumerate(paths):
            text = path.read_text(encoding="utf-8")
            meta = json.dumps({"size": len(text)})
            if text:
                documents.row(doc_id=path.name, text=text, n_chars=len(text), meta=meta)
            else:
                faults.row(doc_id=path.name, reason="empty")
            context.progress(done + 1, len(paths), "documents")


def scratch_model(arguments: ScratchModel, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    assert inputs.names() == ()
    assert not any(context.scratch.iterdir())
    folder = outputs.folder("model")
    (folder / "config.json").write_text(json.dumps({"hidden": arguments.hidden}), encoding="utf-8")
    (folder / "weights").mkdir()
    (folder / "weights" / "0.bin").write_bytes(bytes(range(256)) * 64)


def count_tokens(arguments: CountTokens, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    assert arguments.version == 1
    assert context.address == "corpus.x.count"
    assert (inputs.folder("tokenizer") / "config.json").exists()
    with outputs.table("counts") as counts:
        for row in inputs.rows("documents", columns="doc_id, text", order="doc_id"):
            words = row["text"].split()
            counts.row(doc_id=row["doc_id"], n_tokens=len(words), input_ids=[len(word) for word in words])
            time.sleep(0.002)


OPERATIONS: dict[str, Function] = {
    "count_tokens": count_tokens,
    "query": query,
    "read_files": read_files,
    "scratch_model": scratch_model,
}


def main() -> None:
    result = run(
        plan(), root=Path(sys.argv[1]), store=Path(sys.argv[2]), operations=OPERATIONS, observer=Plain(sys.stdout)
    )
    sys.exit(0 if result.failure is None else 4)


if __name__ == "__main__":
    main()
