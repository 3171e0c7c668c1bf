"""Text to token ids with the `tokenizers` library alone: importing transformers costs more than most steps take.

Text never yields a special token: a document that spells `<|endoftext|>` is encoded as those letters. In a rendered
chat template those at given places are special, and only those. What a model
wants before every text (a beginning-of-text token, where it has one) is `prefix`; what ends one is `eos_id`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import tokenizers

from structdsl_runtime.operation import Context, Fault, Inputs
from structdsl_runtime.pretrained import SAVE_TOKENIZER, code_files, read_json, unusable
from structdsl_runtime.text import engines
from structdsl_runtime.text.ragged import Ids, Ragged, joined, starts
from structdsl_runtime.text.spans import Spans

_TOGETHER: Final = 1 << 24  # characters that an engine is given at once


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """A tokenizer and what its model expects around a text."""

    engine: tokenizers.Tokenizer
    encode: engines.Encode  # by this engine, or by one that gives the same ids sooner
    prefix: tuple[int, ...]  # before every text, never a target
    eos_id: int
    specials: tuple[str, ...] = ()  # texts of the special tokens, the longest first

    def encode_flat(self, texts: Sequence[str], *, literal: bool = True) -> Ragged:
        """Ids of each text, with nothing added; special tokens are found in text only where it is not `literal`."""
        return joined(self.encode(group, literal=literal) for group in _groups(texts))

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text, with nothing added, as lists: for few texts."""
        return [ids.tolist() for ids in self.encode_flat(texts).lists()]

    def count_batch(self, texts: Iterable[str]) -> list[int]:
        """Number of ids of each text, with nothing added."""
        counts: list[int] = self.encode_flat(list(texts)).sizes.tolist()
        return counts

    def find_specials(self, text: str) -> Iterator[tuple[int, str]]:
        """Where the text of a special token stands, whoever wrote it, and which it is."""
        if self.specials:
            yield from ((found.start(), found[0]) for found in _any_of(self.specials).finditer(text))

    def encode_rendered(self, prompt: str, response: str, marks: Sequence[int]) -> tuple[list[int], list[int]]:
        """Ids of a prompt and a response of a chat template, the end of text last.

        `marks` are the places in `prompt + response` at which a special token stands.
        """
        asked, said = self.encode_parts(prompt, response, marks)
        return asked, said if said[-1:] == [self.eos_id] else [*said, self.eos_id]

    def encode_parts(self, prompt: str, response: str, marks: Sequence[int]) -> tuple[list[int], list[int]]:
        """As `encode_rendered`, of a response that goes on: nothing is added to it."""
        asked, said = (ids.tolist() for ids in self.encode_marked(*apart(prompt, response, marks)).lists())
        return asked, said

    def encode_marked(self, texts: Sequence[str], marks: Sequence[Sequence[int]]) -> Ragged:
        """Ids of texts in each of which special tokens stand at the marked places, and only there."""
        # Where the library would take the same for special, it takes the text whole, as it does at test time.
        whole = [
            [place for place, _ in self.find_specials(text)] == list(places)
            for text, places in zip(texts, marks, strict=True)
        ]
        wholes = iter(
            self.encode_flat([text for text, is_ in zip(texts, whole, strict=True) if is_], literal=False).lists()
        )
        found = [
            next(wholes) if is_ else self._encode_parts(text, places)
            for text, places, is_ in zip(texts, marks, whole, strict=True)
        ]
        sizes = np.fromiter(map(len, found), np.int64, len(found))
        return Ragged(np.concatenate([np.empty(0, np.int32), *found]), starts(sizes))

    def _encode_parts(self, text: str, marks: Sequence[int]) -> Ids:
        """Ids of what stands between the marks, and of the special tokens there."""
        named: list[int] = []
        parts: list[str] = []
        start = 0
        for mark in marks:
            special = next(special for special in self.specials if text.startswith(special, mark))
            known = self.engine.token_to_id(special)
            assert known is not None, "it is one of the tokenizer's"
            parts.append(text[start:mark])
            named.append(known)
            start = mark + len(special)
        letters = self.encode_flat([*parts, text[start:]]).lists()
        return np.concatenate(
            [letters[0], *(part for pair in zip(([n] for n in named), letters[1:], strict=True) for part in pair)],
            dtype=np.int32,
        )

    def text_of(self, token: int) -> str:
        """What a token is called in the vocabulary."""
        text = self.engine.id_to_token(token)
        assert text is not None, f"token {token} is in the vocabulary"
        return text

    def decode(self, ids: Sequence[int]) -> str:
        return self.engine.decode(list(ids), skip_special_tokens=False)


def apart(prompt: str, response: str, marks: Sequence[int]) -> tuple[tuple[str, str], tuple[list[int], list[int]]]:
    """Both texts, and the marks of each, counted from its own start."""
    return (prompt, response), (
        [mark for mark in marks if mark < len(prompt)],
        [mark - len(prompt) for mark in marks if mark >= len(prompt)],
    )


def estimate(texts: Iterable[str]) -> list[int]:
    """Counts where no tokenizer is named: four bytes of UTF-8 are taken for a token."""
    sizes = texts.sizes if isinstance(texts, Spans) else np.array([len(text.encode()) for text in texts], np.int64)
    counts: list[int] = (-(-sizes // 4)).tolist()
    return counts


def load(folder: Path, shown: str | None = None) -> Tokenizer:
    """The tokenizer of a folder, which messages call `shown`.

    Raises Fault E0711 where it has no end-of-text token, E0715 where a file of it cannot be read.
    """
    shown = shown or str(folder)
    engine = engine_of(folder, shown)
    settings = read_json(folder / "tokenizer_config.json", shown)
    added = engine.get_added_tokens_decoder().values()
    specials = sorted((token.content for token in added if token.special), key=lambda text: (-len(text), text))
    return Tokenizer(
        engine=engine,
        encode=engines.reference(engine),
        prefix=_prefix(engine, settings),
        eos_id=_end(engine, settings, folder, shown),
        specials=tuple(specials),
    )


def engine_of(folder: Path, shown: str | None = None) -> tokenizers.Tokenizer:
    """The tokenizer of a folder as the library has it: an encoder's need not know what ends a text.

    Raises Fault E0715 where a file of it cannot be read.
    """
    engine = _read_engine(folder, shown or str(folder))
    engine.no_padding()
    engine.no_truncation()
    engine.encode_special_tokens = True
    return engine


def load_fast(
    inputs: Inputs, name: str, columns: Sequence[str], key: str, context: Context, also: Iterable[str] = ()
) -> Tokenizer:
    """The tokenizer of the input `tokenizer`, on the fast engine where that gives the ids of the reference.

    They are compared on a sample of `columns` of the table `name`, and on what is `also` to be read; where the
    reference stays, the user is told why.
    """
    folder = inputs.folder("tokenizer")
    files = tuple((path.name, path.stat().st_mtime_ns) for path in sorted(folder.iterdir()))
    tokenizer, compared = _load_once(folder, files)
    sooner = engines.fast(tokenizer.engine, context.warn)
    if sooner is None:
        return tokenizer
    if not isinstance(sooner, str):
        texts = engines.sample(inputs, name, columns, key, longer=compared.longest)
        odd = engines.different(sooner, tokenizer.encode, [*texts, *also], tokenizer.specials)
        if odd is None:
            compared.longest = max(compared.longest, *map(len, texts), 0)
            return replace(tokenizer, encode=sooner)
        sooner = f"it makes other tokens of {odd[:40]!r}"
    context.warn(f"`fastokens` cannot take the place of this tokenizer ({sooner}): the `tokenizers` library is slower")
    return tokenizer


@dataclass(slots=True)
class _Compared:
    """What this process has held the engines of a tokenizer against each other on."""

    longest: int = 0  # characters of a text


@functools.lru_cache(maxsize=2)
def _load_once(folder: Path, files: tuple[tuple[str, int], ...]) -> tuple[Tokenizer, _Compared]:
    """The tokenizer of a folder with these files, each under its time: read once for all parts of a table."""
    del files
    return load(folder), _Compared()


def same(one: Path, other: Path) -> bool:
    """Whether the tokenizers of two folders know the same tokens under the same ids."""
    return one == other or load(one).engine.get_vocab() == load(other).engine.get_vocab()


def _groups(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Texts in order, not many characters together."""
    size, first = 0, 0
    if sum(map(len, texts)) <= _TOGETHER:
        yield texts
        return
    for number, text in enumerate(texts):
        if size and size + len(text) > _TOGETHER:
            yield texts[first:number]
            size, first = 0, number
        size += len(text)
    yield texts[first:]


@functools.lru_cache(maxsize=8)
def _any_of(specials: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, specials)))


def _read_engine(folder: Path, shown: str) -> tokenizers.Tokenizer:
    path = folder / "tokenizer.json"
    if path.is_file():
        try:
            return tokenizers.Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing narrower
            raise unusable(shown, f"`{path.name}` is no tokenizer: {error}", SAVE_TOKENIZER) from error
    from transformers import AutoTokenizer  # noqa: PLC0415 — 0.6 s that most runs never pay

    wrapped = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=bool(code_files(folder)))
    engine: tokenizers.Tokenizer = wrapped.backend_tokenizer
    return engine


def _prefix(engine: tokenizers.Tokenizer, settings: dict[str, Any]) -> tuple[int, ...]:
    """What the tokenizer's own template puts before a text."""
    alone = engine.encode("a", add_special_tokens=False).ids
    full = engine.encode("a", add_special_tokens=True).ids
    starts = range(len(full) - len(alone) + 1)
    before = next((tuple(full[:start]) for start in starts if full[start : start + len(alone)] == alone), ())
    if not before and settings.get("add_bos_token"):
        begin = engine.token_to_id(_content(settings.get("bos_token")) or "")
        return () if begin is None else (begin,)
    return before


def _end(engine: tokenizers.Tokenizer, settings: dict[str, Any], folder: Path, shown: str) -> int:
    special = read_json(folder / "special_tokens_map.json", shown)
    named = _content(settings.get("eos_token")) or _content(special.get("eos_token"))
    if named is not None:
        known = engine.token_to_id(named)
        if known is not None:
            return known
    for file in ("generation_config.json", "config.json"):
        end = read_json(folder / file, shown).get("eos_token_id")
        first = end[0] if isinstance(end, list) and end else end
        if isinstance(first, int):
            return first
    raise Fault(
        "E0711",
        "tokenizer has no end-of-text token",
        notes=(f"looked for `eos_token` in `tokenizer_config.json` of `{shown}`",),
        helps=("name one of its special tokens as `eos_token` in `tokenizer_config.json`",),
    )


def _content(token: object) -> str | None:
    """A token is written as its text or as an object that has it."""
    value = token.get("content") if isinstance(token, dict) else token
    return value if isinstance(value, str) else None
