"""The DeepSpeed configuration of a stage: what the plan says, completed by what only the machine knows."""

from __future__ import annotations

import copy
from typing import Any, Final, Literal

from structdsl.plan import Train
from structdsl.plan.zero import ACCUMULATED, TYPES, accumulates_in_32_bits, zero_stage
from structdsl_runtime.training.batches import Layout

BUCKET: Final = 500_000_000  # elements: DeepSpeed's own default
OFFLOADED: Final = ("offload_optimizer", "offload_param")
Precision = Literal["fp32", "bf16", "fp16"]


def precision(arguments: Train) -> Precision:
    """The number format of a stage whose arguments are settled."""
    assert arguments.precision != "auto", "settled before the workers start"
    return arguments.precision


def configuration(
    arguments: Train, layout: Layout, kind: Precision, parameters: int, *, gpu: bool = False
) -> dict[str, Any]:
    """DeepSpeed's JSON; `parameters` bounds its buckets, which it would allocate at their full size.

    The optimizer is torch's AdamW on every device (`zero_force_ds_cpu_optimizer` off), since DeepSpeed's own for a CPU
    is compiled on first use; what is offloaded is pinned for the sake of a GPU alone, since pinning is compiled on
    first use where there is none.
    """
    config = copy.deepcopy(arguments.deepspeed)
    zero = config["zero_optimization"]
    zero["stage"] = zero_stage(config, half=kind != "fp32")
    for bucket in ("reduce_bucket_size", "allgather_bucket_size"):
        stated = zero.get(bucket, BUCKET)
        if zero["stage"] in {1, 2} and isinstance(stated, (int, float)):
            zero[bucket] = min(int(stated), max(1, parameters))
    if zero["stage"] == 3:
        zero["stage3_gather_16bit_weights_on_model_save"] = True
    for name in OFFLOADED:
        if name in zero and not gpu:
            zero[name]["pin_memory"] = False
    config.setdefault("zero_force_ds_cpu_optimizer", False)
    config.setdefault("steps_per_print", 1_000_000_000)
    config |= {
        "train_micro_batch_size_per_gpu": layout.micro,
        "gradient_accumulation_steps": layout.accumulation,
        "train_batch_size": layout.batch,
    }
    if kind != "fp32":
        config[kind] = {**config.get(kind, {}), "enabled": True}
    if layout.accumulation > 1 and accumulates_in_32_bits(config, precision=kind):
        config[TYPES] = {**config.get(TYPES, {}), ACCUMULATED: "fp32"}
    config["gradient_clipping"] = 0.0 if clips_itself(config) else arguments.optimizer.clip
    return config


def clips_itself(config: dict[str, Any]) -> bool:
    """Whether the trainer clips: in 32 bits without ZeRO, where DeepSpeed would clip and lose the norm."""
    half = any(config.get(kind, {}).get("enabled") for kind in ("bf16", "fp16"))
    return config["zero_optimization"]["stage"] == 0 and not half and "optimizer" not in config
