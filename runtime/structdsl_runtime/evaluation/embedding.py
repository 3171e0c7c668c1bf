"""What a model makes of a whole text: the mean of its last hidden states, as a vector of length 1.

Encoders and causal models are asked alike, with the special tokens that their tokenizer puts around a text. A text that
is longer than the window is read in windows, so that texts which only begin alike are told apart.

Shapes: N texts, B windows, T tokens, D hidden size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tokenizers
import torch

from structdsl_runtime.evaluation.likelihood import BATCH_TOKENS, WINDOW
from structdsl_runtime.pretrained import read_json


def windowed(engine: tokenizers.Tokenizer, model: Any, folder: Path) -> tokenizers.Tokenizer:
    """The tokenizer of a model folder, cutting texts at what its model takes at once."""
    stated = read_json(folder / "tokenizer_config.json", str(folder)).get("model_max_length")
    sizes = (stated, _positions(model), WINDOW)
    engine.enable_truncation(int(min(size for size in sizes if isinstance(size, int | float) and size > 0)))
    return engine


def _positions(model: Any) -> int | None:
    """How many positions a text may have: those of RoBERTa and its kin begin behind the number of the padding token."""
    found: int | None = getattr(model.config, "max_position_embeddings", None)
    for name, module in model.named_modules():
        padding = getattr(module, "padding_idx", None)
        if name.endswith("position_embeddings") and found is not None and padding is not None:
            return int(found - padding - 1)
    return found


@torch.inference_mode()
def embeddings(model: Any, engine: tokenizers.Tokenizer, texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Vectors (N, D) of length 1; a text without a token has zeros."""
    encoded = engine.encode_batch(list(texts), add_special_tokens=True)
    parts = [(number, part.ids) for number, whole in enumerate(encoded) for part in (whole, *whole.overflowing)]
    sums_ND = torch.zeros((len(texts), model.config.hidden_size))
    for batch in _batches(sorted((part for part in parts if part[1]), key=lambda part: len(part[1]))):
        input_BT = torch.full((len(batch), len(batch[-1][1])), model.config.pad_token_id or 0)
        mask_BT = torch.zeros_like(input_BT)
        for line, (_, ids) in enumerate(batch):
            input_BT[line, : len(ids)] = torch.tensor(ids)
            mask_BT[line, : len(ids)] = 1
        found = model(input_ids=input_BT.to(model.device), attention_mask=mask_BT.to(model.device))
        states_BTD = found.last_hidden_state.float().cpu()
        owners_B = torch.tensor([number for number, _ in batch])
        sums_ND.index_add_(0, owners_B, (states_BTD * mask_BT[..., None]).sum(1))
    vectors: npt.NDArray[np.float32] = torch.nn.functional.normalize(sums_ND).numpy()
    return vectors


def _batches(order: Sequence[tuple[int, list[int]]]) -> Iterator[list[tuple[int, list[int]]]]:
    """Windows of rising length, not too many tokens together."""
    batch: list[tuple[int, list[int]]] = []
    for window in order:
        if batch and (len(batch) + 1) * len(window[1]) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(window)
    if batch:
        yield batch
