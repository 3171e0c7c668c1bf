"""A model of no size with a byte-level BPE of 32,000 tokens, trained on the first files of the corpus: all use it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

VOCAB: Final = 32_000
TRAINED_ON: Final = 20e6  # characters
END: Final = "</s>"


def make_model(folder: Path, corpus: Path) -> None:
    """A Hugging Face model folder with random weights, unless it is there already."""
    if (folder / "tokenizer.json").exists():
        return
    import torch  # noqa: PLC0415 - once in the life of a scratch folder
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: PLC0415
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast  # noqa: PLC0415

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(_texts(corpus), trainer)
    make: Any = PreTrainedTokenizerFast
    make(tokenizer_object=tokenizer, eos_token=END, pad_token=END).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCAB, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2
    )
    LlamaForCausalLM(config).save_pretrained(folder)


def _texts(corpus: Path) -> Iterator[str]:
    taken = 0
    for path in sorted(corpus.glob("part-*.jsonl")):
        with path.open(encoding="utf-8") as file:
            for line in file:
                text = json.loads(line)["text"]
                yield text
                taken += len(text)
                if taken > TRAINED_ON:
                    return
