"""What types cannot say about corpora: roles, columns, what they are made from and held against, how they are cut."""

from __future__ import annotations

from collections.abc import Iterator

import sqlglot
from sqlglot import exp

from structdsl.apart import corpora_behind
from structdsl.diagnostics import Label, did_you_mean, nearest, respelling
from structdsl.lineage import MEASURED_ROLES, TEXT_ROLES, asked_only, bpe_corpora
from structdsl.passes.finding import Finding
from structdsl.passes.patterns import wrong_pattern, wrong_replacement
from structdsl.passes.places import call_span, item_span, key_span, taken_out
from structdsl.promised import MESSAGES, PROMISED, converses, maker_of, signals_of
from structdsl.schema.chunking import Chunking, Tokens
from structdsl.schema.cleaning import Lines, Minhash, Quality, Regex, Semantic
from structdsl.schema.corpus import Corpus, Derived
from structdsl.schema.model import Bpe
from structdsl.signals import rules
from structdsl.unit import Declaration, Unit

_COMPUTED = frozenset({"corpus", "role", "n_chars", "n_tokens", "source", "meta"})
COMPUTED = {
    role: _COMPUTED | {"instruction": {"shape"}, "preference": {"shape", "messages"}}.get(role, set())
    for role in PROMISED
}
"""Columns of a role that are never taken from a source."""
NEEDED = {
    "domain": ("text",),
    "replay": ("text",),
    "probe": ("text",),
    "instruction": ("question", "answer"),
    "preference": ("prompt", "chosen", "rejected"),
    "exam": ("question", "answer"),
}
"""Columns without which a row is no document of its role."""


def roles_fit_attributes(unit: Unit) -> Iterator[Finding]:
    for corpus in unit.of_kind("corpus"):
        role, values = corpus.values.role, corpus.values
        if values.chunk is not None and role not in TEXT_ROLES:
            message = f"a corpus of role {role} is not cut into chunks"
            yield Finding(
                "E0403",
                message,
                corpus.span_of("chunk"),
                "has no use here",
                helps=("remove `chunk`",),
                fixes=taken_out(unit, corpus, "chunk"),
            )
        if role not in MEASURED_ROLES:
            continue
        if values.holdout is not None:
            message = f"a corpus of role {role} is held out as a whole, for nothing trains on it"
            yield Finding(
                "E0403",
                message,
                corpus.span_of("holdout"),
                "has no use here",
                helps=("remove `holdout`",),
                fixes=taken_out(unit, corpus, "holdout"),
            )
        if values.decontaminate is not None:
            message = f"a corpus of role {role} is what others are held against, and loses nothing itself"
            helps = ("remove `decontaminate`",)
            yield Finding(
                "E0403",
                message,
                corpus.span_of("decontaminate"),
                "has no use here",
                helps=helps,
                fixes=taken_out(unit, corpus, "decontaminate"),
            )


def mapped_columns_exist(unit: Unit) -> Iterator[Finding]:
    """A name that is close to one that the role reads is taken for a slip; any other is a column of its own."""
    for corpus in unit.of_kind("corpus"):
        computed = COMPUTED[corpus.values.role]
        known = [name for name in PROMISED[corpus.values.role] if name not in computed]
        for name in corpus.values.columns:
            found = nearest(name, known) if name not in known else []
            if name in computed:
                message, label = (
                    f"`{name}` is worked out from what is read, and cannot be mapped",
                    "not a column to map",
                )
            elif found:
                message = f"`{name}` is no column that a corpus of role {corpus.values.role} reads"
                label = "unknown column"
            else:
                continue
            span = key_span(corpus, "columns", name)
            yield Finding(
                "E0602",
                message,
                span,
                label,
                notes=(f"columns that can be mapped: {', '.join(known)}",),
                helps=did_you_mean(found),
                fixes=respelling(span, name, found, corpus.values.columns),
            )


def conversations_say_it_all(unit: Unit) -> Iterator[Finding]:
    for corpus in unit.of_kind("corpus"):
        for name in ("question", "answer", "text") if converses(corpus, unit) else ():
            if name in corpus.values.columns:
                message = f"`{name}` follows from `messages`, and is not read beside them"
                helps = (f"map `{name}` or `messages`",)
                yield Finding("E0403", message, key_span(corpus, "columns", name), "has no use here", helps=helps)


def numbers_fit_together(unit: Unit) -> Iterator[Finding]:
    for corpus in unit.of_kind("corpus"):
        if corpus.values.holdout is not None and not 0 < corpus.values.holdout < 1:
            message = "`holdout` must lie between 0% and 100%, and leave something on either side"
            yield Finding("E0303", message, corpus.span_of("holdout"), "all or nothing")
        for index, method in enumerate(corpus.values.dedup):
            if isinstance(method, Minhash) and method.permutations % method.bands:
                arithmetic = f"{method.permutations} / {method.bands}"
                message = f"`bands` must divide `permutations` evenly: {arithmetic} is not whole"
                yield Finding("E0303", message, call_span(corpus, "dedup", index), "here")
    for block in (*unit.of_kind("corpus"), *unit.of_kind("taxonomy")):
        chunk = block.values.chunk
        if isinstance(chunk, Tokens) and chunk.overlap >= chunk.max:
            message = f"`overlap` must be smaller than `max`: {chunk.overlap} and {chunk.max}"
            yield Finding("E0303", message, block.span_of("chunk"), "no window would move on")


def lines_are_cut_out_of_prose(unit: Unit) -> Iterator[Finding]:
    for corpus in unit.of_kind("corpus"):
        for index, method in enumerate(corpus.values.dedup):
            if isinstance(method, Lines) and corpus.values.role not in TEXT_ROLES:
                message = f"`lines` changes texts, and a row of role {corpus.values.role} is more than its text"
                helps = ("`exact` and `minhash` take whole rows out",)
                yield Finding("E0403", message, call_span(corpus, "dedup", index), "has no use here", helps=helps)


def documents_are_embedded_by_weights(unit: Unit) -> Iterator[Finding]:
    for corpus in unit.of_kind("corpus"):
        for index, method in enumerate(corpus.values.dedup):
            if isinstance(method, Semantic) and asked_only(unit.blocks[method.model]):
                message = f"`{method.model}` is a server, and shows no hidden states"
                helps = ("name a model with weights: `source = path(…)` or `hf(…)`",)
                yield Finding("E0718", message, call_span(corpus, "dedup", index), "an endpoint", helps=helps)


def against_is_something_else(unit: Unit) -> Iterator[Finding]:
    for corpus in unit.of_kind("corpus"):
        for index, method in enumerate(corpus.values.dedup):
            if corpus.address in method.against:
                message = f"`{corpus.address}` is compared with itself already"
                yield Finding("E0403", message, call_span(corpus, "dedup", index), "`against` names others")
        methods = corpus.values.decontaminate
        for index, method in enumerate(methods if isinstance(methods, tuple) else ()):
            for name in method.against:
                other = unit.blocks[name].values
                if other is not None and other.role not in MEASURED_ROLES:
                    message = f"what leaves training is decided by exams and probes, and `{name}` has role {other.role}"
                    span = call_span(corpus, "decontaminate", index)
                    helps = ("hold training corpora apart with `dedup = …(against = [corpus.…])`",)
                    yield Finding("E0403", message, span, f"role {other.role}", helps=helps)


def corpora_form_no_circle(unit: Unit) -> Iterator[Finding]:
    """What a corpus is made from, or held against, must be there first."""
    behind = {corpus.address: corpora_behind(corpus, unit) for corpus in unit.of_kind("corpus")}
    reported: set[str] = set()
    for name in behind:
        cycle = _cycle(name, behind)
        if cycle and not reported.intersection(cycle):
            reported.update(cycle)
            corpus = unit.blocks[name]
            yield Finding(
                "E0405",
                f"corpora wait for each other: {' → '.join([*cycle, cycle[0]])}",
                corpus.span_of("over", "dedup", "decontaminate"),
                "closes the circle",
                helps=("let one of them do without the other",),
            )


def _cycle(start: str, behind: dict[str, set[str]]) -> list[str]:
    """A way from a corpus back to itself, or nothing."""
    paths = [[start]]
    seen = {start}
    while paths:
        path = paths.pop()
        for following in sorted(behind.get(path[-1], ())):
            if following == start:
                return path
            if following not in seen:
                seen.add(following)
                paths.append([*path, following])
    return []


def derived_corpora_say_how(unit: Unit) -> Iterator[Finding]:
    for corpus in unit.of_kind("corpus"):
        if not isinstance(corpus.values, Derived):
            continue
        values = corpus.values
        if values.select is None and values.python is None:
            helps: tuple[str, ...] = (
                'write `select = sql """SELECT …"""`',
                'or `python = "package.module:function", version = 1`',
            )
            message = f"`{corpus.address}` does not say how it is made"
            yield Finding("E0502", message, corpus.block.head, "neither `select` nor `python`", helps=helps)
        elif values.select is not None and values.python is not None:
            message = f"`{corpus.address}` is made in two ways"
            label = Label(span=corpus.span_of("select"), text="by a query here", primary=False)
            yield Finding("E0502", message, corpus.span_of("python"), "by a function here", others=(label,))
        elif values.python is not None and values.version is None:
            message = "a function in Python needs a `version`: its text is not part of the plan"
            helps = ("write `version = 1`, and raise it whenever the function would yield other rows",)
            yield Finding("E0502", message, corpus.span_of("python"), "of no version", helps=helps)
        elif values.python is None and values.version is not None:
            message = "a query needs no `version`: its text is part of the plan"
            yield Finding(
                "E0502",
                message,
                corpus.span_of("version"),
                "has no use here",
                helps=("remove `version`",),
                fixes=taken_out(unit, corpus, "version"),
            )


def derived_queries_yield_documents(unit: Unit) -> Iterator[Finding]:
    for corpus in unit.of_kind("corpus"):
        query = unit.queries.get(f"{corpus.address}.select")
        if query is None:
            continue
        span = corpus.span_of("select")
        found = {column.name.lower() for column in query.columns}
        for name in ("doc_id", *(() if MESSAGES in found else NEEDED[corpus.values.role])):
            if name not in found:
                message = f"the query of `{corpus.address}` yields no column `{name}`"
                needs = ", ".join(("doc_id", *NEEDED[corpus.values.role]))
                needs += ", or doc_id, messages" if corpus.values.role == "instruction" else ""
                notes = (f"a corpus of role {corpus.values.role} needs {needs}", f"columns: {', '.join(sorted(found))}")
                yield Finding("E0504", message, span, f"no `{name}` in its SELECT", notes=notes)
        for table in query.reads:
            if table not in corpus.values.over:
                message = f"`{corpus.address}` reads `{table}`, which is not in its `over`"
                helps = (f"add `{table}` to `over`",)
                yield Finding("E0503", message, span, f"reads `{table}`", helps=helps)
        for table in corpus.values.over:
            if table not in query.reads:
                message = f"`{corpus.address}` is over `{table}`, and its query does not read it"
                helps = (f"take `{table}` out of `over`, or read `${{{table}}}`",)
                yield Finding("E0503", message, item_span(corpus, "over", table), "not read", helps=helps)


def what_is_measured_stays_apart(unit: Unit) -> Iterator[Finding]:
    """An exam does not become training text by a query over it."""
    for corpus in unit.of_kind("corpus"):
        if corpus.variant != "derived" or corpus.values.role in MEASURED_ROLES:
            continue
        for table in corpus.values.over:
            made = maker_of(table, unit)
            if made is not None and made.values is not None and getattr(made.values, "role", "") in MEASURED_ROLES:
                yield Finding(
                    "E0509",
                    f"`{made.address}` is measured only, and `{corpus.address}` would be trained on",
                    item_span(corpus, "over", table),
                    f"role {made.values.role}",
                    helps=(f"give `{corpus.address}` the role `{made.values.role}`, or split off another corpus",),
                )


def one_chunking_per_corpus(unit: Unit) -> Iterator[Finding]:
    for corpus in unit.of_kind("corpus"):
        claims: list[tuple[Declaration, Chunking]] = []
        if corpus.values.chunk is not None:
            claims = [(corpus, corpus.values.chunk)]
        claims += [
            (taxonomy, taxonomy.values.chunk)
            for taxonomy in unit.taxonomies_over.get(corpus.address, ())
            if taxonomy.values.chunk is not None
        ]
        for owner, chunk in claims[1:]:
            if chunk != claims[0][1]:
                first, other = claims[0]
                yield Finding(
                    "E0511",
                    f"`{corpus.address}` is cut in two ways",
                    owner.span_of("chunk"),
                    _cut(chunk),
                    others=(Label(span=first.span_of("chunk"), text=_cut(other), primary=False),),
                    helps=("say it once: on the corpus, or on the taxonomy over it",),
                )


def _cut(chunk: Chunking) -> str:
    return f"{type(chunk).__name__.lower()} of at most {chunk.max} tokens here"


def keep_does_not_count_what_it_feeds(unit: Unit) -> Iterator[Finding]:
    for name in sorted(bpe_corpora(unit)):
        for index, predicate in enumerate(unit.predicates.get(name, ())):
            tree = sqlglot.parse_one(predicate, dialect="duckdb")
            if any(column.name.lower() == "n_tokens" for column in tree.find_all(exp.Column)):
                corpus = unit.blocks[name]
                yield Finding(
                    "E0512",
                    f"`n_tokens` of `{name}` is counted by a tokenizer trained on it",
                    corpus.values.conditions[index].span,
                    "uses `n_tokens`",
                    helps=("use `n_chars`, or train the tokenizer on another corpus",),
                )


def tokenizers_are_trained_on_what_is_read(unit: Unit) -> Iterator[Finding]:
    """Tokens are counted before anything is made from them."""
    tokenizers = [model.values.tokenizer for model in unit.of_kind("model")]
    for name in sorted({name for tokenizer in tokenizers if isinstance(tokenizer, Bpe) for name in tokenizer.over}):
        corpus = unit.blocks[name]
        if corpus.values is not None and not isinstance(corpus.values, Corpus):
            message = f"`{name}` is made from corpora whose tokens are counted by a tokenizer that is trained on it"
            helps = (f"train the tokenizer on what `{name}` is made from",)
            yield Finding("E0405", message, corpus.block.head, "closes the circle", helps=helps)


def bundles_see_their_signals(unit: Unit) -> Iterator[Finding]:
    """A column of a corpus hides the signal of its name, which a bundle of rules would take for what it measured."""
    for corpus in unit.of_kind("corpus"):
        known = {signal.name for signal in signals_of(corpus, unit)}
        for index, bundle in enumerate(corpus.values.keep):
            if not isinstance(bundle, Quality):
                continue
            trees = (sqlglot.parse_one(rule, dialect="duckdb") for rule in rules(bundle.rules, bundle.words))
            asked = dict.fromkeys(column.name for tree in trees for column in tree.find_all(exp.Column))
            for name in asked:
                if name not in known:
                    message = f"`{name}` is a column of `{corpus.address}`, and hides what `{bundle.rules}` asks for"
                    helps = (f"give `{name}` another name in `columns`, or in the query of the corpus",)
                    yield Finding("E0403", message, call_span(corpus, "keep", index), f"needs `{name}`", helps=helps)


def redaction_patterns_work(unit: Unit) -> Iterator[Finding]:
    """Patterns are tried where DuckDB is at hand; a corpus that is not read from a source has none."""
    for corpus in unit.of_kind("corpus"):
        for index, method in enumerate(corpus.values.redact if isinstance(corpus.values, Corpus) else ()):
            if not isinstance(method, Regex):
                continue
            if (reason := wrong_pattern(method.pattern)) is not None:
                message = f"the pattern of `redact` is no regular expression of RE2: {reason}"
                yield Finding("E0601", message, call_span(corpus, "redact", index), "cannot be read")
            elif (reason := wrong_replacement(method.pattern, method.with_)) is not None:
                message = f"`with` of `redact` does not fit its pattern: {reason}"
                yield Finding("E0303", message, call_span(corpus, "redact", index), "cannot be put there")
