"""What a step costs in arithmetic, and how much of that a device could do: model FLOPs and their share of the peak.

A forward pass takes, for t tokens of which s are supervised, in segments of lengths l:

    2·N·t + 2·H·s + 2·L·A·Σ l²

N being the parameters of the body without its embeddings, H those of the output head (it sees supervised positions
alone), L its layers and A the width of attention (heads × head size). The last term is two products of l × l × A per
layer, two operations each, halved since attention is causal and isolated. The gradients with respect to activations
take as much again, those of weights as much for the share of the weights that is trained: 3 × in all where every
weight is (6·N per token). Padding and what activation checkpointing computes anew are no work of the model and do not
count. A teacher adds its forward pass, with every position of the head counted like the student's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch

PEAKS: Final[dict[str, float]] = {
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989.4e12,
    "H200": 989.4e12,
    "GH200": 989.4e12,
    "H800": 989.4e12,
    "H20": 148e12,
    "B200": 2250e12,
    "A100": 312e12,
    "A800": 312e12,
    "A10G": 70e12,
    "A10": 125e12,
    "A30": 165e12,
    "A40": 149.7e12,
    "L40S": 362e12,
    "L40": 181e12,
    "L4": 121e12,
    "RTX 4090": 165.2e12,
    "RTX 3090": 71e12,
}
"""Dense bf16 operations per second by a part of the device's name, the first that fits; from makers' data sheets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What of a model decides its arithmetic."""

    body: int  # parameters but those of embeddings and head
    head: int  # parameters of the output head
    layers: int
    width: int  # heads × head size
    trained: float = 1.0  # share of the parameters that is trained


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What goes through a model: tokens, supervised tokens, and the sum of the squared lengths of segments."""

    tokens: int
    supervised: int
    squares: int


def shape_of(model: Any) -> Shape:
    """Of a causal language model of transformers; shards of ZeRO-3 are counted whole."""
    config = model.config
    sizes = {id(parameter): (size_of(parameter), parameter.requires_grad) for parameter in model.parameters()}
    outside = {id(part.weight) for part in (model.get_input_embeddings(), model.get_output_embeddings())}
    total = sum(size for size, _ in sizes.values())
    head = size_of(model.get_output_embeddings().weight)
    per_head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return Shape(
        body=sum(size for name, (size, _) in sizes.items() if name not in outside),
        head=head,
        layers=config.num_hidden_layers,
        width=config.num_attention_heads * per_head,
        trained=sum(size for size, trained in sizes.values() if trained) / max(1, total),
    )


def size_of(parameter: torch.nn.Parameter) -> int:
    """Elements of a parameter, over all ranks."""
    return int(getattr(parameter, "ds_numel", parameter.numel()))


def forward_flops(shape: Shape, work: Work) -> int:
    """Operations of a forward pass."""
    weights = 2 * (shape.body * work.tokens + shape.head * work.supervised)
    return weights + 2 * shape.layers * shape.width * work.squares


def training_flops(shape: Shape, work: Work, teacher: Shape | None = None) -> float:
    """Operations of a forward and a backward pass; gradients of attention have no weights, and take twice."""
    forward = forward_flops(shape, work)
    attention = 2 * shape.layers * shape.width * work.squares
    backward = forward * (1 + shape.trained) + attention * (1 - shape.trained)
    return forward + backward + (0 if teacher is None else forward_flops(teacher, work))


def peak_flops(device: torch.device) -> float | None:
    """Dense bf16 operations per second of a device; none where it is not known, as for every CPU."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for part, peak in PEAKS.items() if part in name), None)
