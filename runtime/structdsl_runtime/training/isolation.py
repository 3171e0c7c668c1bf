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
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from structdsl_runtime.operation import Fault
from structdsl_runtime.training.batches import positions

SLIDING: Final = "sliding_attention"
ROUNDING: Final = {torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 6e-2}  # between shapes of a batch
SAME_SHAPE: Final = 1e-3  # in any precision: the same sums over the same numbers
SEGMENTS: Final = (7, 12)  # tokens of the two samples of the test
TAIL: Final = 5  # padding behind them


def forward_arguments(config: Any, input_BT: Tensor, segment_BT: Tensor, position_BT: Tensor) -> dict[str, Any]:
    """Keyword arguments of a causal language model's forward pass in which segments are isolated.

    Rows of padding attend to themselves, so that no softmax is over nothing. The logits are (B, T, V), with flash
    attention (1, B·T, V): the same when flattened.
    """
    if str(config._attn_implementation).startswith("flash_attention"):  # noqa: SLF001 - it has no public name
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


def attention_mask(config: Any, segment_BT: Tensor) -> Tensor | dict[str, Tensor]:
    """True where a position (row of the matrix) sees another: (B, 1, T, T), one per kind of layer where they differ."""
    place = torch.arange(segment_BT.shape[1], device=segment_BT.device)
    same_BTT = segment_BT[:, :, None] == segment_BT[:, None, :]
    full: Tensor = (same_BTT & (place[:, None] >= place[None, :]))[:, None]
    window = getattr(config, "sliding_window", None)
    if window is None:
        return full
    near: Tensor = full & (place[:, None] - place[None, :] < window)
    kinds = getattr(config, "layer_types", None)
    if kinds is None:
        return near
    return {kind: near if kind == SLIDING else full for kind in set(kinds)}


Logits = Callable[[Tensor, Tensor, Tensor], Tensor]  # of input, segments and positions, each (B, T)


@dataclass(frozen=True, slots=True)
class Leak:
    """Largest differences of logits, as shares of the largest logit; infinite where padding brings forth NaN."""

    alone: float  # between a sample in a shared row and the same sample alone
    swapped: float  # between the second sample behind one first sample and behind another


def leak(logits: Logits, vocabulary: int, device: torch.device) -> Leak:
    """How far samples in one row see each other; raises Fault E0714 where a sample alone gives no numbers."""
    generator = torch.Generator().manual_seed(0)
    lengths = (*SEGMENTS, TAIL)
    input_BT = torch.randint(vocabulary, (1, sum(lengths)), generator=generator)
    segment_BT = torch.repeat_interleave(torch.tensor([0, 1, -1]), torch.tensor(lengths))[None]
    first, second = slice(0, SEGMENTS[0]), slice(SEGMENTS[0], sum(SEGMENTS))

    def of(part: slice) -> Tensor:
        position_BT = torch.from_numpy(positions(segment_BT[:, part].numpy()))
        parts = (input_BT[:, part], segment_BT[:, part], position_BT)
        found = logits(*(tensor.to(device) for tensor in parts))
        return found.reshape(-1, found.shape[-1]).float()

    together, alone = of(slice(None)), [(part, of(part)) for part in (first, second)]
    largest = max(float(found.abs().max()) for _, found in alone)
    if not math.isfinite(largest):
        raise Fault(
            "E0714",
            "the model's logits are no numbers before the first step",
            helps=("look at the loss of the stage that made it",),
        )
    input_BT[:, first] = (input_BT[:, first] + 1) % vocabulary
    swapped = of(slice(None))
    if not (torch.isfinite(together).all() and torch.isfinite(swapped).all()):
        return Leak(math.inf, math.inf)
    scale = max(1e-6, largest)
    return Leak(
        alone=max(float((together[part] - found).abs().max()) for part, found in alone) / scale,
        swapped=float((together[second] - swapped[second]).abs().max()) / scale,
    )


def check(logits: Logits, *, vocabulary: int, device: torch.device, dtype: torch.dtype) -> None:
    """Raises Fault E0712 where samples in one row see each other, or padding brings forth NaN."""
    found = leak(logits, vocabulary, device)
    if found.alone > ROUNDING[dtype] or found.swapped > SAME_SHAPE:
        raise Fault(
            "E0712",
            "samples packed into one row see each other in this model",
            notes=(
                f"a sample in a shared row and alone: logits differ by {found.alone:.1e} of the largest",
                f"behind another first sample: they differ by {found.swapped:.1e} of the largest",
                f"rounding explains at most {ROUNDING[dtype]:.0e} and {SAME_SHAPE:.0e}",
            ),
            helps=("choose a model whose attention is a plain decoder's",),
        )
