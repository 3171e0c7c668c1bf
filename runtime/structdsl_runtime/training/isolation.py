"""Samples that share a row must not see each other: how attention is told so, and the test that it obeys.

With SDPA an explicit block-diagonal causal mask says who sees whom, and position ids restart with each segment.
With flash attention on a GPU rows are joined to one and cut at the starts of segments (varlen): no mask is built.
Position ids alone are not enough: transformers 5 drops the isolation they imply as soon as a cache or any other mask
is in play (logits then differ by 1e-1, where isolation leaves 6e-8). Hence the test on the model that will train.

Shapes: B rows, T positions, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from structdsl_runtime.operation import Fault
from structdsl_runtime.training.batches import positions

SLIDING: Final = "sliding_attention"
TOLERANCE: Final = {torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 6e-2}  # of the largest logit
SEGMENTS: Final = (7, 12)  # tokens of the two samples of the test
TAIL: Final = 5  # padding behind them


def forward_arguments(config: Any, input_BT: Tensor, segment_BT: Tensor, position_BT: Tensor) -> dict[str, Any]:  # noqa: ANN401
    """Keyword arguments of a causal language model's forward pass in which segments are isolated.

    Rows of padding attend to themselves, so that no softmax is over nothing. The logits are (B, T, V), with flash
    attention (1, B·T, V): the same when flattened.
    """
    if str(config._attn_implementation).startswith("flash_attention"):  # noqa: SLF001 (transformers has no public name)
        starts = torch.nonzero(position_BT.reshape(-1) == 0).reshape(-1).to(torch.int32)
        ends = torch.nn.functional.pad(starts, (0, 1), value=input_BT.numel())
        longest = int(ends.diff().max())
        return {
            "input_ids": input_BT.reshape(1, -1),
            "position_ids": position_BT.reshape(1, -1),
            "cu_seq_lens_q": ends,
            "cu_seq_lens_k": ends,
            "max_length_q": longest,
            "max_length_k": longest,
            "use_cache": False,
        }
    return {
        "input_ids": input_BT,
        "position_ids": position_BT,
        "attention_mask": attention_mask(config, segment_BT),
        "use_cache": False,
    }


def attention_mask(config: Any, segment_BT: Tensor) -> Tensor | dict[str, Tensor]:  # noqa: ANN401
    """True where a position (row of the matrix) sees another: (B, 1, T, T), one per kind of layer where they differ."""
    place = torch.arange(segment_BT.shape[1], device=segment_BT.device)
    same_BTT = segment_BT[:, :, None] == segment_BT[:, None, :]
    full = (same_BTT & (place[:, None] >= place[None, :]))[:, None]
    window = getattr(config, "sliding_window", None)
    if window is None:
        return full
    near = full & (place[:, None] - place[None, :] < window)
    kinds = getattr(config, "layer_types", None)
    if kinds is None:
        return near
    return {kind: near if kind == SLIDING else full for kind in set(kinds)}


Logits = Callable[[Tensor, Tensor, Tensor], Tensor]  # of input, segments and positions, each (B, T)


def leak(logits: Logits, vocabulary: int, device: torch.device) -> float:
    """The largest difference between logits of two samples in one row and of each alone, as a share of the largest.

    Infinite where the row's padding brings forth NaN. Raises Fault E0714 where a sample alone does.
    """
    generator = torch.Generator().manual_seed(0)
    lengths = (*SEGMENTS, TAIL)
    input_BT = torch.randint(vocabulary, (1, sum(lengths)), generator=generator)
    segment_BT = torch.repeat_interleave(torch.tensor([0, 1, -1]), torch.tensor(lengths))[None]

    def of(part: slice) -> Tensor:
        position_BT = torch.from_numpy(positions(segment_BT[:, part].numpy()))
        parts = (input_BT[:, part], segment_BT[:, part], position_BT)
        found = logits(*(tensor.to(device) for tensor in parts))
        return found.reshape(-1, found.shape[-1]).float()

    together = of(slice(None))
    ends = np.cumsum((0, *SEGMENTS))
    parts = [slice(int(start), int(stop)) for start, stop in zip(ends[:-1], ends[1:], strict=True)]
    alone = [of(part) for part in parts]
    largest = max(float(logits.abs().max()) for logits in alone)
    if not math.isfinite(largest):
        raise Fault(
            "E0714",
            "the model's logits are no numbers before the first step",
            helps=("look at the loss of the stage that made it",),
        )
    if not torch.isfinite(together).all():
        return math.inf
    worst = max(float((together[part] - logits).abs().max()) for part, logits in zip(parts, alone, strict=True))
    return worst / max(1e-6, largest)


def check(logits: Logits, *, vocabulary: int, device: torch.device, dtype: torch.dtype) -> None:
    """Raises Fault E0712 where samples in one row see each other, or padding brings forth NaN."""
    found, allowed = leak(logits, vocabulary, device), TOLERANCE[dtype]
    if not found <= allowed:
        raise Fault(
            "E0712",
            "samples packed into one row see each other in this model",
            notes=(
                f"logits of two samples in a row and of each alone differ by {found:.1e} of the largest logit; "
                f"{allowed:.0e} is rounding",
            ),
            helps=("choose a model whose attention is a plain decoder's",),
        )
