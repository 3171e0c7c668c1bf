"""The fast engine beside the reference: which of the two turns text into ids, and how that is known to be safe.

The reference is the `tokenizers` library, by which a model's own tokenizer is defined. `fastokens`, where it is
installed, gives the same ids an order of magnitude sooner for most byte-level tokenizers, and it is used only behind
three gates: it must read the tokenizer whole; no added token may have the flags under which the two are known to
differ; and on a sample of the very texts that a step is about to read, with the text of special tokens among them, it
must give the ids of the reference. Else the reference does the step, and a note says why. So no result depends on the
engine, and nothing of it enters a key.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import numpy as np
import tokenizers

from structdsl_runtime.operation import Inputs
from structdsl_runtime.text.ragged import Ragged, of_lists

LONGEST: Final = 1 << 18  # characters that are compared of the longest text
COMPARED: Final = 1 << 10  # characters that are compared of another text: the reference takes 0.2 µs for each
OF_EACH: Final = 16  # texts with most letters beyond ASCII; and texts by lot
_PROBES: Final = 16  # special tokens whose text is compared


class Encode(Protocol):
    """Ids of texts, with nothing added; the text of a special token is encoded as its letters where `literal`."""

    def __call__(self, texts: Sequence[str], *, literal: bool) -> Ragged: ...


def reference(engine: tokenizers.Tokenizer) -> Encode:
    """How the `tokenizers` library encodes."""

    def encode(texts: Sequence[str], *, literal: bool) -> Ragged:
        engine.encode_special_tokens = literal
        try:
            return of_lists([found.ids for found in engine.encode_batch_fast(list(texts), add_special_tokens=False)])
        finally:
            engine.encode_special_tokens = True

    return encode


def fast(engine: tokenizers.Tokenizer, note: Callable[[str], None]) -> Encode | str | None:
    """How `fastokens` encodes with the same tokenizer, or why it cannot; none where it is not installed.

    Should it fail on a text later, the reference does that text and all that follow, and `note` is told.
    """
    if importlib.util.find_spec("fastokens") is None:
        return None
    if any(
        token.single_word or (token.lstrip and token.rstrip) for token in engine.get_added_tokens_decoder().values()
    ):
        return "it has an added token that takes only whole words, or the blanks on both sides"
    known, failure = _tried(lambda: _fastokens(engine))
    if known is None:
        return failure
    slow, failed = reference(engine), False

    def encode(texts: Sequence[str], *, literal: bool) -> Ragged:
        nonlocal failed
        if not failed:
            found, failure = _tried(lambda: known.encode_batch_flat(list(texts), split_special_tokens=literal))
            if found is not None:
                return Ragged(np.frombuffer(found[0], np.int32), np.frombuffer(found[1], np.int64))
            failed = True
            note(f"`fastokens` failed on a text ({failure}): the `tokenizers` library does the rest, more slowly")
        return slow(texts, literal=literal)

    return encode


@functools.lru_cache(maxsize=2)
def _fastokens(engine: tokenizers.Tokenizer) -> Any:
    """The same tokenizer of `fastokens`, made once for all parts of a table: it takes as long as megabytes of text."""
    return importlib.import_module("fastokens").Tokenizer.from_json_str(engine.to_str())


def different(one: Encode, other: Encode, texts: Sequence[str], specials: Sequence[str]) -> str | None:
    """The first text of which two engines make different ids; specials are tried among letters too."""
    probes = [f"a {special}b{special}\n" for special in specials[:_PROBES]]
    for literal, compared in ((True, [*texts, *probes]), (False, probes)):
        found, wanted = one(compared, literal=literal), other(compared, literal=literal)
        for text, ours, theirs in zip(compared, found.lists(), wanted.lists(), strict=True):
            if not np.array_equal(ours, theirs):
                return text
    return None


def sample(inputs: Inputs, name: str, columns: Sequence[str], key: str, *, longer: int = 0) -> list[str]:
    """Texts of a table to compare engines on: the longest of each column, those with most letters beyond ASCII, and
    some by lot, which the column `key` draws. They are cut, but for the longest where it is `longer` than what was
    compared before: the parts of a table have one each, and its length is all that it is there for.
    """
    parts = []
    for column in columns:
        chosen = (
            (f"max_by({column}, strlen({column}), 1)", LONGEST),
            (f"max_by({column}, strlen({column}) - length({column}), {OF_EACH})", COMPARED),
            (f"min_by({column}, md5('engines/' || {key}), {OF_EACH})", COMPARED),
        )
        parts += [f"list_transform({texts}, lambda text: left(text, {most}))" for texts, most in chosen]
    wanted = ", ".join(f"{part} AS t{number}" for number, part in enumerate(parts))
    found: dict[str, None] = {}
    for row in inputs.rows(name, columns=wanted):
        for texts in row.values():
            found.update(dict.fromkeys(text if len(text) > longer else text[:COMPARED] for text in texts or () if text))
    return list(found)


def _tried(call: Callable[[], Any]) -> tuple[Any, str]:
    """What a call into the fast engine gives, or none and why, a panic of its own included.

    Its errors have no narrower type; whatever they are, the reference has the last word.
    """
    try:
        return call(), ""
    except Exception as error:  # noqa: BLE001 - see above
        return None, _words(error)
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        return None, _words(error)


def _words(error: BaseException) -> str:
    return re.sub(r"\s+", " ", str(error)).strip() or type(error).__name__
