"""The DeepSpeed configuration of a stage: what the plan says, completed by what only the machine knows."""

from __future__ import annotations

import copy
from typing import Any, Final, Literal

from structdsl.plan import Train
from structdsl_runtime.training.batches import Layout

BUCKET: Final = 500_000_000  # elements: DeepSpeed's own default
Precision = Literal["fp32", "bf16", "fp16"]


def precision(arguments: Train, *, gpu: bool) -> Precision:
    """`auto` is bf16 on a GPU and fp32 on a CPU."""
    if arguments.precision == "auto":
        return "bf16" if gpu else "fp32"
    return arguments.precision


def configuration(arguments: Train, layout: Layout, kind: Precision, parameters: int) -> dict[str, Any]:
    """DeepSpeed's JSON; `parameters` bounds its buckets, which it would allocate at their full size.

    The optimizer is torch's AdamW on every device (`zero_force_ds_cpu_optimizer` off), since DeepSpeed's own for a CPU
    is compiled on first use; an `optimizer` in the plan's JSON wins.
    """
    config = copy.deepcopy(arguments.deepspeed)
    zero = config.setdefault("zero_optimization", {})
    zero.setdefault("stage", 2)
    for bucket in ("reduce_bucket_size", "allgather_bucket_size"):
        stated = zero.get(bucket, BUCKET)
        if zero["stage"] in {1, 2} and isinstance(stated, (int, float)):
            zero[bucket] = min(int(stated), max(1, parameters))
    if zero["stage"] == 3:
        zero["stage3_gather_16bit_weights_on_model_save"] = True
    config.setdefault("zero_force_ds_cpu_optimizer", False)
    config.setdefault("steps_per_print", 1_000_000_000)
    config |= {
        "train_micro_batch_size_per_gpu": layout.micro,
        "gradient_accumulation_steps": layout.accumulation,
        "train_batch_size": layout.batch,
    }
    if kind != "fp32":
        config[kind] = {**config.get(kind, {}), "enabled": True}
    config["gradient_clipping"] = 0.0 if clips_itself(config) else arguments.optimizer.clip
    return config


def clips_itself(config: dict[str, Any]) -> bool:
    """Whether the trainer clips: in 32 bits without ZeRO, where DeepSpeed would clip and lose the norm."""
    half = any(config.get(kind, {}).get("enabled") for kind in ("bf16", "fp16"))
    return config["zero_optimization"]["stage"] == 0 and not half and "optimizer" not in config
