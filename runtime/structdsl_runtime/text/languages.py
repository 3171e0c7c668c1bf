"""The language of texts, by the model of py3langid (Lui & Baldwin 2012, retrained): its answers, many texts at once.

The model walks over the bytes of a text and scores what it passes. Here it walks over many texts side by side, a byte
of each at a time, which is some ten times as fast as one text after the other.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

PREFIX: Final = 1024  # bytes of a text that are looked at
_SIDE_BY_SIDE: Final = 1024  # texts
_DIGITS: Final = 4  # of a score; what is beyond them differs from one machine to another

Numbers = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class _Model:
    """An automaton over bytes whose states may have a feature, and what each feature says for each language."""

    following: Numbers  # state after (row, byte)
    rows: Numbers  # row of each state
    features: Numbers  # of each state, or less than zero
    weights: Numbers  # of each feature, for each language
    priors: Numbers
    languages: tuple[str, ...]  # some twice, in two scripts


@cache
def _model() -> _Model:
    from py3langid.langid import MODEL_DIR, MODEL_FILE  # type: ignore[import-untyped] # noqa: PLC0415 - slow
    from py3langid.modelio import load_model  # type: ignore[import-untyped] # noqa: PLC0415

    weights, priors, languages, following, rows, features = load_model(MODEL_DIR / MODEL_FILE)
    return _Model(
        following=np.asarray(following, np.int32),
        rows=np.asarray(rows, np.int32) << 8,
        features=np.asarray(features, np.int32),
        weights=np.asarray(weights, np.float32),
        priors=np.asarray(priors),
        languages=tuple(languages),
    )


def identify(texts: Sequence[str]) -> list[tuple[str | None, float | None]]:
    """The code of ISO 639 of each text and how sure that is, up to 1; none of a text that says nothing of a language.

    What a text begins with decides, `PREFIX` bytes of it.
    """
    found: list[tuple[str | None, float | None]] = []
    for start in range(0, len(texts), _SIDE_BY_SIDE):
        data = [_bytes(text) for text in texts[start : start + _SIDE_BY_SIDE]]
        found += [_judge(passed, len(text)) for text, passed in zip(data, _walk(data), strict=True)]
    return found


def prefix(text: str) -> str:
    """What is looked at of a text."""
    return text[:PREFIX].encode("utf-8", "replace")[:PREFIX].decode("utf-8", "ignore")


def _bytes(text: str) -> bytes:
    """The bytes that the model was trained on."""
    looked_at = prefix(text)
    if looked_at.isupper():
        looked_at = looked_at.lower()
    return unicodedata.normalize("NFC", looked_at).encode()


def _walk(data: Sequence[bytes]) -> list[Numbers]:
    """The features that each text passes, in order, those that repeat included."""
    model = _model()
    lengths = np.array([len(text) for text in data], np.int64)
    longest_first = np.argsort(-lengths, kind="stable")
    active = np.searchsorted(-lengths[longest_first], -np.arange(int(lengths.max(initial=0))), "left")
    letters = np.zeros((len(data), int(lengths.max(initial=0))), np.uint8)
    for place, number in enumerate(longest_first):
        letters[place, : lengths[number]] = np.frombuffer(data[number], np.uint8)
    steps = np.ascontiguousarray(letters.T)
    passed = np.full(steps.shape, -1, np.int32)
    states = np.zeros(len(data), np.int32)
    for step, number in enumerate(active):
        states[:number] = model.following[model.rows[states[:number]] + steps[step, :number]]
        passed[step, :number] = model.features[states[:number]]
    columns = np.ascontiguousarray(passed.T)
    found: list[Numbers] = [np.empty(0, np.int32)] * len(data)
    for place, number in enumerate(longest_first):
        found[int(number)] = columns[place][columns[place] >= 0]
    return found


def _judge(passed: Numbers, size: int) -> tuple[str | None, float | None]:
    """The likeliest language; a softmax whose temperature keeps it calibrated over lengths, as the model has it."""
    if not passed.size:
        return None, None
    model = _model()
    features, counts = np.unique(passed, return_counts=True)
    scores = np.log1p(counts.astype(np.float32)) @ model.weights[features] + model.priors
    scores *= 1.0 / math.sqrt(size)
    shares = np.exp(scores - scores.max())
    shares /= shares.sum()
    likeliest: dict[str, float] = {}
    for language, share in zip(model.languages, shares.tolist(), strict=True):
        likeliest[language] = likeliest.get(language, 0.0) + share
    language = max(likeliest, key=likeliest.__getitem__)
    return language, round(likeliest[language], _DIGITS)
