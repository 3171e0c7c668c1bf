"""Tokenizers: one trained on the corpora of the spec, or one that a model has already, on disk or on the Hub.

Either way the result is a folder that transformers' AutoTokenizer loads.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from structdsl.plan import FetchTokenizer, LoadTokenizer, TrainTokenizer
from structdsl_runtime import repository
from structdsl_runtime.files import resolve
from structdsl_runtime.operation import Context, Fault, Inputs, Outputs
from structdsl_runtime.pretrained import (
    OLDER_TOKENIZERS,
    SAVE_TOKENIZER,
    SETTINGS,
    TOKENIZER_FILES,
    copy,
    unusable,
    write_json,
)
from structdsl_runtime.structure.mindmap import GLYPHS
from structdsl_runtime.structure.templates import training_text
from structdsl_runtime.text import tokens
from structdsl_runtime.text.sources import as_listed

END_OF_TEXT: Final = "<|endoftext|>"


def train_tokenizer(arguments: TrainTokenizer, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Byte-level BPE with at most `vocab` entries, the end of text and the glyphs of mind maps among them.

    The same text gives the same file whatever the number of threads: merges are chosen by count, then by pair.
    Raises Fault E0711 where `vocab` has no room for the 256 bytes.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    least = len(alphabet) + 1 + len(GLYPHS)
    if arguments.vocab < least:
        raise Fault(
            "E0711",
            f"a vocabulary of {arguments.vocab} is too small",
            notes=(f"{len(alphabet)} bytes + end of text + {len(GLYPHS)} glyphs of mind maps = {least}",),
            helps=("raise `vocab` of `bpe`",),
        )
    engine = Tokenizer(models.BPE())
    engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    engine.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=arguments.vocab - len(GLYPHS),
        special_tokens=[AddedToken(END_OF_TEXT, special=True, normalized=False)],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    engine.train_from_iterator(_texts(inputs, context), trainer)
    engine.add_tokens([AddedToken(glyph, special=False, normalized=False) for glyph in GLYPHS])
    folder = outputs.folder("tokenizer")
    engine.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END_OF_TEXT,
        "pad_token": END_OF_TEXT,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 1_000_000_000,
    }
    write_json(folder / "tokenizer_config.json", settings)
    write_json(folder / "special_tokens_map.json", {"eos_token": END_OF_TEXT, "pad_token": END_OF_TEXT})


def load_tokenizer(arguments: LoadTokenizer, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Copy the tokenizer of a folder.

    Raises Fault E0515 where there is no folder or it changes, E0715 where it has no usable tokenizer, E0711 where that
    has no end of text.
    """
    del inputs
    source = resolve(arguments.path, context.root)
    if not source.is_dir():
        raise Fault("E0515", f"`{arguments.path}` cannot be read: no such folder")
    with as_listed(context, arguments.path):
        _take(source, outputs.folder("tokenizer"), arguments.path, trust_code=False)


def fetch_tokenizer(arguments: FetchTokenizer, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Copy the tokenizer of a repository of the Hub.

    Raises the Faults of `repository.fetch`, E0715 and E0711 as `load_tokenizer` does.
    """
    del inputs
    wanted = repository.Wanted(id=arguments.id, revision=arguments.revision, token=arguments.token)
    source = repository.fetch(wanted, "tokenizer", code=arguments.trust_remote_code)
    _take(source, outputs.folder("tokenizer"), arguments.id, trust_code=arguments.trust_remote_code)
    context.progress(1, 1, "tokenizers")


def _take(source: Path, folder: Path, shown: str, *, trust_code: bool) -> None:
    # A tokenizer without settings of its own finds its class and its end of text in those of the model.
    copy(source, folder, (*TOKENIZER_FILES, *SETTINGS))
    if not (folder / "tokenizer.json").is_file():
        _convert(source, folder, shown, trust_code=trust_code)
    tokens.load(folder, shown)


def _convert(source: Path, folder: Path, shown: str, *, trust_code: bool) -> None:
    """Have transformers write `tokenizer.json` from an older kind of tokenizer."""
    kinds = ("tokenizer.json", *OLDER_TOKENIZERS)
    if not any((source / name).is_file() for name in kinds):
        looked = ", ".join(f"`{name}`" for name in kinds)
        raise unusable(shown, f"it has no tokenizer, none of {looked}", SAVE_TOKENIZER)
    from transformers import AutoTokenizer  # noqa: PLC0415 — 0.6 s that most runs never pay

    try:
        wrapped = AutoTokenizer.from_pretrained(source, local_files_only=True, trust_remote_code=trust_code)
        wrapped.save_pretrained(folder)
    except Exception as error:  # every kind of tokenizer fails in its own way
        reason = " ".join(str(error).split())
        raise unusable(shown, f"its tokenizer cannot be converted: {reason}", SAVE_TOKENIZER) from error


def _texts(inputs: Inputs, context: Context) -> Iterator[str]:
    """The text of every document of every corpus, then the words of our own templates."""
    total, done = sum(inputs.count(name) for name in inputs.names()), 0
    for name in inputs.names():
        for batch in inputs.batches(name, columns="text"):
            yield from (str(text) for text in batch.column("text").to_pylist())
            done += batch.num_rows
            context.progress(done, total, "documents")
    yield from training_text()
