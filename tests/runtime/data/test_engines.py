"""The fast engine: used where it makes the same tokens, and told of where it does not."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

from structdsl.plan import CountTokens, Tokenise
from structdsl_runtime.operations.count_tokens import count_tokens
from structdsl_runtime.operations.tokenise import tokenise
from structdsl_runtime.text import engines
from structdsl_runtime.text.tokens import load
from tests.runtime.data.workshop import WORLD, FakeInputs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from structdsl_runtime.text.ragged import Ragged
    from tests.runtime.data.workshop import Table, Workshop

installed = pytest.mark.skipif(importlib.util.find_spec("fastokens") is None, reason="fastokens is not installed")

SPLIT = Regex(r"'s|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
SPECIAL = "<|endoftext|>"


def bytelevel(**parts: Any) -> Tokenizer:
    engine = Tokenizer(models.BPE())
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    for name, part in parts.items():
        setattr(engine, name, part)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=[SPECIAL], initial_alphabet=alphabet, show_progress=False
    )
    engine.train_from_iterator([WORLD], trainer)
    return engine


def grouped(*split: Any) -> Any:
    return pre_tokenizers.Sequence([*split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def wordpiece() -> Tokenizer:
    engine = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    engine.normalizer = normalizers.BertNormalizer()
    engine.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=["[UNK]", SPECIAL], show_progress=False)
    engine.train_from_iterator([WORLD], trainer)
    return engine


def unigram() -> Tokenizer:
    engine = Tokenizer(models.Unigram())
    engine.normalizer = normalizers.NFKC()
    engine.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=200,
        special_tokens=["<unk>", SPECIAL],
        unk_token="<unk>",
        show_progress=False,
    )
    engine.train_from_iterator([WORLD], trainer)
    return engine


def with_added(**flags: bool) -> Tokenizer:
    engine = bytelevel()
    engine.add_tokens([AddedToken(word, **flags) for word in ("water", "fish", "  the")])
    return engine


READ: dict[str, Callable[[], Tokenizer]] = {
    "byte level": bytelevel,
    "split": lambda: bytelevel(pre_tokenizer=grouped(pre_tokenizers.Split(SPLIT, "isolated"))),
    "digits": lambda: bytelevel(pre_tokenizer=grouped(pre_tokenizers.Digits(individual_digits=True))),
    "nfc": lambda: bytelevel(normalizer=normalizers.NFC()),
    "prefix space": lambda: bytelevel(pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=True)),
    "added": with_added,
    "added, blanks before": lambda: with_added(lstrip=True),
}
REFUSED: dict[str, Callable[[], Tokenizer]] = {
    "wordpiece": wordpiece,
    "unigram": unigram,
    "whole words": lambda: with_added(single_word=True),
    "blanks on both sides": lambda: with_added(lstrip=True, rstrip=True),
}
ODD = [
    "",
    " ",
    "\n\n\n",
    "a\u0301 ﬁ ½",
    "\u200b\ufeff",
    "👩‍👩‍👧 🇩🇪",
    "नमस्ते",
    "全角ＡＢＣ",
    "a\x00b",
    f"x{SPECIAL}y",
    "w" * 3000,
]


def lists(found: Ragged) -> list[list[int]]:
    return [ids.tolist() for ids in found.lists()]


@pytest.fixture(scope="module")
def pairs() -> dict[str, tuple[engines.Encode, engines.Encode]]:
    made = {name: make() for name, make in READ.items()}
    found = {}
    for name, engine in made.items():
        fast = engines.fast(engine, pytest.fail)
        assert fast is not None, name
        assert not isinstance(fast, str), name
        found[name] = (fast, engines.reference(engine))
    return found


@installed
@given(
    text=st.lists(st.text() | st.sampled_from([*ODD, " water", "fish", "  the", WORLD]), max_size=6).map("".join),
)
@settings(max_examples=100)
def test_both_engines_make_the_same_tokens(pairs: dict[str, tuple[engines.Encode, engines.Encode]], text: str) -> None:
    for name, (fast, reference) in pairs.items():
        for literal in (True, False):
            assert lists(fast([text], literal=literal)) == lists(reference([text], literal=literal)), name


@installed
@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_the_fast_engine_is_not_asked(name: str) -> None:
    assert isinstance(engines.fast(REFUSED[name](), pytest.fail), str)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tokenizer that the fast engine does not read."""
    folder = tmp_path / "wordpiece"
    folder.mkdir()
    wordpiece().save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(f'{{"eos_token": "{SPECIAL}"}}')
    return folder


def counted(run: Workshop, folder: Path, texts: Sequence[str]) -> list[int]:
    documents = [{"doc_id": f"d{number:04d}", "text": text} for number, text in enumerate(texts)]
    found = run(count_tokens, CountTokens(), {"documents": documents, "tokenizer": folder})["counts"]
    return [row["n_tokens"] for row in found.sort_by("doc_id").to_pylist()]


@installed
def test_one_that_it_cannot_read(run: Workshop, folder: Path) -> None:
    assert counted(run, folder, ["The fish.", WORLD]) == load(folder).count_batch(["The fish.", WORLD])
    assert len(run.warnings) == 1
    assert "fastokens" in run.warnings[0]


@installed
def test_one_that_makes_other_tokens(run: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [*(f"plain text {number}" for number in range(300)), "plain text with an æ"]

    def wrong(engine: Tokenizer, _: object) -> engines.Encode:
        right = engines.reference(engine)

        def encode(texts: Sequence[str], *, literal: bool) -> Ragged:
            return right([text.replace("æ", "a") for text in texts], literal=literal)

        return encode

    monkeypatch.setattr(engines, "fast", wrong)
    assert counted(run, run.tokenizer, texts) == load(run.tokenizer).count_batch(texts)
    assert len(run.warnings) == 1
    assert "plain text with an æ" in run.warnings[0]


@installed
def test_one_that_breaks_down(run: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    import fastokens  # type: ignore[import-untyped] # noqa: PLC0415 - where it is installed

    known = fastokens.Tokenizer.from_json_str

    class Broken:
        def __init__(self, engine: Tokenizer) -> None:
            self.known = known(engine.to_str())

        def encode_batch_flat(self, texts: list[str], **how: bool) -> tuple[bytes, bytes]:
            if any("æ" in text for text in texts) and len(texts) > 100:
                raise ValueError("match limit exceeded")
            found: tuple[bytes, bytes] = self.known.encode_batch_flat(texts, **how)
            return found

    monkeypatch.setattr(engines, "_fastokens", Broken)
    texts = [*(f"plain text {number}" for number in range(700)), "plain text with an æ"]
    assert counted(run, run.tokenizer, texts) == load(run.tokenizer).count_batch(texts)
    assert len(run.warnings) == 1
    assert "match limit exceeded" in run.warnings[0]


def test_no_result_depends_on_the_engine(run: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    samples = [
        {"position": n, "sample_id": f"s{n}", "kind": "plain", "prompt": "", "response": text, "marks": None}
        for n, text in enumerate([*ODD, WORLD, WORLD * 9])
    ]
    given_: dict[str, Table | Path] = {"samples": samples, "tokenizer": run.tokenizer}
    found = run(tokenise, Tokenise(length=100), given_)["tokens"]
    monkeypatch.setattr(engines, "fast", lambda *_: None)
    assert run(tokenise, Tokenise(length=100), given_)["tokens"].equals(found)
    assert run.warnings == []


def test_what_is_compared() -> None:
    texts = [f"plain {number}" for number in range(500)] + ["l" * 99, "ünïcödé", ""]
    inputs = FakeInputs({"documents": [{"id": str(number), "text": text} for number, text in enumerate(texts)]})
    found = engines.sample(inputs, "documents", ["text"], "id")
    assert {"l" * 99, "ünïcödé"} < set(found)
    assert len(found) < 40
    assert found == engines.sample(inputs, "documents", ["text"], "id")
    assert np.all([text in texts for text in found])


def test_a_long_text_is_compared_whole_where_none_so_long_was_before() -> None:
    texts = ["word " * 9999, "short"]
    inputs = FakeInputs({"documents": [{"id": text[0], "text": text} for text in texts]})
    cut = {text[: engines.COMPARED] for text in texts}
    assert set(engines.sample(inputs, "documents", ["text"], "id", longer=len(texts[0]) - 1)) == cut | {texts[0]}
    assert set(engines.sample(inputs, "documents", ["text"], "id", longer=len(texts[0]))) == cut
