"""Tokenizers: one trained on the corpora of the spec, or one that a model on disk already has.

Either way the result is a folder that transformers' AutoTokenizer loads.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

from structdsl.plan import LoadTokenizer, TrainTokenizer
from structdsl_runtime.operation import Context, Fault, Inputs, Outputs
from structdsl_runtime.structure.mindmap import GLYPHS
from structdsl_runtime.structure.templates import training_text
from structdsl_runtime.text import tokens

END_OF_TEXT: Final = "<|endoftext|>"
_FILES: Final = (
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "chat_template*",
    "config.json",  # where a tokenizer without settings of its own finds its class and its end of text
    "generation_config.json",
)


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
    _write_json(folder / "tokenizer_config.json", settings)
    _write_json(folder / "special_tokens_map.json", {"eos_token": END_OF_TEXT, "pad_token": END_OF_TEXT})


def load_tokenizer(arguments: LoadTokenizer, inputs: Inputs, outputs: Outputs, context: Context) -> None:
    """Copy the tokenizer of a folder; raises Fault E0515 where there is none, E0711 where it has no end of text."""
    del inputs
    source = context.root / arguments.path
    folder = outputs.folder("tokenizer")
    if not source.is_dir():
        raise Fault("E0515", f"`{arguments.path}` cannot be read: no such folder")
    for pattern in _FILES:
        for path in sorted(source.glob(pattern)):
            if path.is_file():
                shutil.copyfile(path, folder / path.name)
    if not (folder / "tokenizer.json").is_file():
        _convert(source, folder, arguments.path)
    tokens.load(folder)


def _convert(source: Path, folder: Path, shown: str) -> None:
    """Have transformers write `tokenizer.json` from an older kind of tokenizer."""
    from transformers import AutoTokenizer  # noqa: PLC0415 — 0.6 s that most runs never pay

    try:
        AutoTokenizer.from_pretrained(source, local_files_only=True).save_pretrained(folder)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise Fault("E0515", f"`{shown}` cannot be read: it holds no tokenizer", notes=(reason,)) from None


def _texts(inputs: Inputs, context: Context) -> Iterator[str]:
    """The text of every document of every corpus, then the words of our own templates."""
    total, done = sum(inputs.count(name) for name in inputs.names()), 0
    for name in inputs.names():
        for batch in inputs.batches(name, columns="text"):
            yield from (str(text) for text in batch.column("text").to_pylist())
            done += batch.num_rows
            context.progress(done, total, "documents")
    yield from training_text()


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")
