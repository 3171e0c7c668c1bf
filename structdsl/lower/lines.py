"""Lines that many documents repeat: numbered, counted, and cut out of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from structdsl import sql
from structdsl.lower.planner import Planner
from structdsl.lower.read import offsets_as_read
from structdsl.lower.staying import columns_of_staying, place, staying
from structdsl.plan import CountTokens, DedupLines, Hashed, NumberLines, Output, Rows
from structdsl.promised import COUNTS, CUT_LINES, DROPPED, LINES, OFFSETS, REPEATED
from structdsl.schema.cleaning import Lines
from structdsl.syntax.tree import Span
from structdsl.unit import Declaration

if TYPE_CHECKING:
    from structdsl.lower.corpus import Progress


def cut_lines(
    corpus: Declaration, method: Lines, suffix: str, made: Progress, tokenizer: str | None, planner: Planner
) -> None:
    """Texts change here, and so do their counts: what comes after reads the new ones."""
    name, at = corpus.address, place(corpus, suffix)
    numbered = f"{name}_numbered{suffix}"
    _number(made.documents, numbered, f"{name}.number{suffix}", at, planner)
    others = [f"{numbered}_{other.partition('.')[2]}" for other in method.against]
    for other, table in zip(method.against, others, strict=True):
        _number(other, table, f"{name}.number{suffix}_{other.partition('.')[2]}", at, planner)
    repeated, template = f"{name}_repeated{suffix}", "lines_repeated"
    counted = staying(numbered, made.gone)
    if others:
        counted = sql.union(
            [
                columns_of_staying(numbered, made.gone, "lines"),
                *(columns_of_staying(each, (), "lines") for each in others),
            ]
        )
    planner.select(
        f"{name}.repeated{suffix}",
        sql.fill(template, {"numbered": counted}, at_least=method.at_least),
        repeated,
        REPEATED,
        at=at,
        reads=(numbered, *made.gone, *others),
        purpose=sql.purpose(template),
        split=Hashed(key="line"),
    )
    before = planner.steps[planner.owners[made.documents].rpartition(":")[0]]
    columns = before.outputs[planner.owners[made.documents].rpartition(":")[2]].columns
    documents, emptied = f"{name}_lines{suffix}", f"{name}_emptied{suffix}"
    planner.add(
        f"{name}.dedup{suffix}",
        DedupLines(),
        at=at,
        inputs={"documents": planner.owners[made.documents], "repeated": planner.owners[repeated]},
        outputs={
            "documents": Output(table=documents, columns=columns, doc="The documents without the lines of `repeated`."),
            "cut": Output(table=f"{name}_cut_lines{suffix}", columns=CUT_LINES, doc="The lines that were cut out."),
            "emptied": Output(table=f"{emptied}_all", columns=DROPPED, doc="Documents of which nothing is left."),
        },
    )
    _relocate(corpus, suffix, at, planner)
    planner.select(
        f"{name}.emptied{suffix}",
        sql.fill("emptied", {"emptied": staying(f"{emptied}_all", made.gone)}),
        emptied,
        DROPPED,
        at=at,
        reads=(f"{emptied}_all", *made.gone),
        purpose=sql.purpose("emptied"),
    )
    made.gone.append(emptied)
    made.dropped.append(emptied)
    made.documents, made.counts = documents, f"{name}_recounts{suffix}"
    _recount(f"{name}.recount{suffix}", made, at, tokenizer, planner)


def _relocate(corpus: Declaration, suffix: str, at: Span, planner: Planner) -> None:
    """Where the texts stand in their files, now that lines are gone from them; every entry of `dedup` moves them on."""
    name, template = corpus.address, "offsets_without"
    numbers = [number for number, each in enumerate(corpus.values.dedup, start=1) if isinstance(each, Lines)]
    place_ = numbers.index(int(suffix.removeprefix("_") or 1))
    before = offsets_as_read(corpus) if place_ == 0 else f"{name}_offsets_{numbers[place_ - 1]}"
    last = place_ == len(numbers) - 1
    if before not in planner.owners:  # of what no file is known
        return
    cut = f"{name}_cut_lines{suffix}"
    planner.select(
        f"{name}.offsets" if last else f"{name}.offsets{suffix}",
        sql.fill(template, {"offsets": before, "cut": cut}),
        f"{name}_offsets" if last else f"{name}_offsets{suffix}",
        OFFSETS,
        at=at,
        reads=(before, cut),
        purpose=sql.purpose(template),
        view=True,
    )


def _number(documents: str, table: str, address: str, at: Span, planner: Planner) -> None:
    planner.add(
        address,
        NumberLines(),
        at=at,
        inputs={"documents": planner.owners[documents]},
        outputs={"lines": Output(table=table, columns=LINES, doc="The lines of each document, as numbers.")},
    )


def _recount(address: str, made: Progress, at: Span, tokenizer: str | None, planner: Planner) -> None:
    if tokenizer is None:
        planner.query(
            address,
            "estimates",
            made.counts,
            COUNTS,
            at=at,
            tables={"documents": made.documents},
            split=Rows(input=made.documents),
        )
        return
    planner.add(
        address,
        CountTokens(),
        at=at,
        inputs={"documents": planner.owners[made.documents], "tokenizer": tokenizer},
        outputs={"counts": Output(table=made.counts, columns=COUNTS, doc="Tokens of each document, as it is now.")},
    )
