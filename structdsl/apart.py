"""What is measured, and what is trained on and so held against it.

By default a corpus that some stage reads is held against every exam that an evaluation asks, every probe and what the
corpora of the spec hold out. One that is made from others can only hold out once those are done, and what is measured
may itself be made from text that is trained on: no corpus waits for what waits for it. `left_open` says where that
leaves something. What is decided follows addresses, not the order of the text.
"""

from __future__ import annotations

from collections.abc import Mapping

from structdsl.lineage import MEASURED_ROLES, corpora_before, examined, trained_corpora
from structdsl.schema.cleaning import Ngrams
from structdsl.schema.corpus import Corpus
from structdsl.unit import Declaration, Unit


def measured(unit: Unit) -> tuple[str, ...]:
    """The exams that evaluations ask, all probes and all that is held out, in the order of their names."""
    exams, found = set(examined(unit)), list[str]()
    for corpus in unit.of_kind("corpus"):
        if corpus.values.role == "probe" or corpus.address in exams:
            found.append(corpus.address)
        if corpus.values.holdout is not None:
            found.append(f"{corpus.address}_heldout")
    return tuple(sorted(found))


def apart(unit: Unit) -> Mapping[str, tuple[str, ...]]:
    """The tables that each corpus is held against where it names none: all that is measured and can be there."""
    trained, corpora = trained_corpora(unit), sorted(unit.of_kind("corpus"), key=lambda corpus: corpus.address)
    before = {corpus.address: corpora_before(corpus, unit) | _named(corpus) for corpus in corpora}
    found: dict[str, tuple[str, ...]] = {}
    for corpus in corpora:
        address, methods = corpus.address, corpus.values.decontaminate
        if corpus.values.role in MEASURED_ROLES or not (address in trained or isinstance(methods, tuple)):
            continue
        found[address] = tuple(table for table in unit.measured if _is_there(table, corpus, before, unit))
        if methods != "none":
            before[address].update(table for table in found[address] if table in unit.blocks)
    return found


def screened(unit: Unit) -> Mapping[str, tuple[Ngrams, ...]]:
    """How each corpus is held apart that is: as it says, else by the default where there is something to find."""
    found = dict[str, tuple[Ngrams, ...]]()
    for corpus in unit.of_kind("corpus"):
        methods, address = corpus.values.decontaminate, corpus.address
        if isinstance(methods, tuple):
            found[address] = methods
        elif methods is None and unit.apart.get(address):
            found[address] = (Ngrams(),)
    return found


def held_apart(corpus: Declaration, against: tuple[str, ...], unit: Unit) -> tuple[str, ...]:
    """The tables that a corpus is held against: those that it names, else all that is measured and can be there."""
    return against or unit.apart.get(corpus.address, ())


def corpora_behind(corpus: Declaration, unit: Unit) -> set[str]:
    """Addresses of the corpora that must be done before one is; what they hold out is there beforehand."""
    methods = unit.screened.get(corpus.address, ())
    tables = {table for method in methods for table in held_apart(corpus, method.against, unit)}
    return corpora_before(corpus, unit) | {table for table in tables if table in unit.blocks}


def left_open(corpus: Declaration, unit: Unit) -> tuple[str, ...]:
    """What is measured and made from a corpus, or held out too late for it: tables it cannot be held against."""
    held = unit.apart.get(corpus.address, ())
    return tuple(table for table in unit.measured if table != corpus.address and table not in held)


def holds_out_first(corpus: Declaration) -> bool:
    """Whether what a corpus holds out is known before any corpus is done."""
    values = corpus.values
    alone = not any(method.against for method in values.dedup)
    return values.holdout is not None and isinstance(values, Corpus) and alone


def _named(corpus: Declaration) -> set[str]:
    """What a corpus says that it is held against."""
    methods = corpus.values.decontaminate
    return {name for method in methods for name in method.against} if isinstance(methods, tuple) else set()


def _is_there(table: str, corpus: Declaration, before: Mapping[str, set[str]], unit: Unit) -> bool:
    """Whether a table that is measured can be made before a corpus is done."""
    if table in unit.blocks:
        return table != corpus.address and corpus.address not in _behind(table, before)
    owner = unit.blocks[table.removesuffix("_heldout")]
    return owner.address == corpus.address or holds_out_first(owner)


def _behind(address: str, before: Mapping[str, set[str]]) -> set[str]:
    """The corpora that one waits for, directly or through others."""
    found, waiting = set[str](), [address]
    while waiting:
        new = before.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return found
