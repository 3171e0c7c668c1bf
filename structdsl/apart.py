"""What is measured, and what is trained on and so held against it.

By default a corpus that some stage reads is held against every exam that an evaluation asks, every probe and what the
corpora of the spec hold out. A corpus that is made from others can only hold out once those are done, so that what it
holds out is taken from itself alone; `left_open` says where that leaves something.
"""

from __future__ import annotations

from collections.abc import Mapping

from structdsl.lineage import MEASURED_ROLES, corpora_before, examined, made_from, trained_corpora
from structdsl.schema.cleaning import Ngrams
from structdsl.schema.corpus import Corpus
from structdsl.unit import Declaration, Unit


def measured(unit: Unit) -> tuple[str, ...]:
    """The exams that evaluations ask, all probes and all that is held out, in the order of the text."""
    exams, found = set(examined(unit)), list[str]()
    for corpus in unit.of_kind("corpus"):
        if corpus.values.role == "probe" or corpus.address in exams:
            found.append(corpus.address)
        if corpus.values.holdout is not None:
            found.append(f"{corpus.address}_heldout")
    return tuple(found)


def screened(unit: Unit) -> Mapping[str, tuple[Ngrams, ...]]:
    """How each corpus is held apart that is: as it says, else by the default where there is something to find."""
    trained, found = trained_corpora(unit), dict[str, tuple[Ngrams, ...]]()
    for corpus in unit.of_kind("corpus"):
        methods, address = corpus.values.decontaminate, corpus.address
        if isinstance(methods, tuple):
            found[address] = methods
        elif methods is None and _defaults(corpus, trained) and held_apart(corpus, (), unit):
            found[address] = (Ngrams(),)
    return found


def _defaults(corpus: Declaration, trained: set[str]) -> bool:
    return corpus.address in trained and corpus.values.role not in MEASURED_ROLES


def held_apart(corpus: Declaration, against: tuple[str, ...], unit: Unit) -> tuple[str, ...]:
    """The tables that a corpus is held against: those that it names, else all that is measured and can be there."""
    if against:
        return against
    return tuple(table for table in unit.measured if _is_there(table, corpus, unit))


def corpora_behind(corpus: Declaration, unit: Unit) -> set[str]:
    """Addresses of the corpora that must be done before one is; what they hold out is there beforehand."""
    methods = unit.screened.get(corpus.address, ())
    tables = {table for method in methods for table in held_apart(corpus, method.against, unit)}
    return corpora_before(corpus, unit) | {table for table in tables if table in unit.blocks}


def left_open(corpus: Declaration, unit: Unit) -> tuple[str, ...]:
    """What is measured and made from a corpus, or held out too late for it: tables it cannot be held against."""
    return tuple(table for table in unit.measured if table != corpus.address and not _is_there(table, corpus, unit))


def holds_out_first(corpus: Declaration) -> bool:
    """Whether what a corpus holds out is known before any corpus is done."""
    values = corpus.values
    alone = not any(method.against for method in values.dedup)
    return values.holdout is not None and isinstance(values, Corpus) and alone


def _is_there(table: str, corpus: Declaration, unit: Unit) -> bool:
    """Whether a table that is measured can be made before a corpus is done."""
    if table in unit.blocks:
        return table != corpus.address and corpus.address not in made_from(unit.blocks[table], unit)
    owner = unit.blocks[table.removesuffix("_heldout")]
    return owner.address == corpus.address or holds_out_first(owner)
