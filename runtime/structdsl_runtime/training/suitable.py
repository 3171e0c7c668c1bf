"""Whether this machine can do what its cluster asks: found before a model is loaded, and in words (E0741).

DeepSpeed compiles what it needs on first use, by all ranks at once. Nothing that a stage needs is left to that: here
the first rank of each node builds the one operation that cannot be done without, while the others wait.
"""

from __future__ import annotations

import os

import torch
from deepspeed.accelerator import get_accelerator  # type: ignore[import-untyped]
from deepspeed.ops.op_builder import AsyncIOBuilder  # type: ignore[import-untyped]

from structdsl.plan import Train
from structdsl_runtime.operation import Fault
from structdsl_runtime.training.deepspeed_config import OFFLOADED


def before_joining() -> None:
    """Raises Fault E0741 where a node has fewer GPUs than processes: nccl would wait for them."""
    rank, found = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if 0 < found <= rank:
        raise Fault(
            "E0741",
            f"process {rank + 1} of this machine has no GPU: there are {found}",
            helps=("write as many `gpus` as a node has, or leave `processes` out",),
        )


def check(arguments: Train) -> None:
    """Raises Fault E0741 where a number format or a disk cannot be used here; every rank takes part."""
    if arguments.precision == "fp16" and not get_accelerator().is_fp16_supported():
        raise Fault(
            "E0741",
            "`precision = fp16` cannot be trained on this machine",
            notes=(f"DeepSpeed does not support it on this {get_accelerator().device_name()}",),
            helps=("write `bf16`, `fp32` or `auto`, or train on a GPU",),
        )
    zero = arguments.deepspeed.get("zero_optimization", {})
    if any(zero.get(name, {}).get("device") == "nvme" for name in OFFLOADED):
        _build_disk_access()


def _build_disk_access() -> None:
    if not AsyncIOBuilder().is_compatible(verbose=False):
        raise Fault(
            "E0741",
            "`offload = nvme(…)` cannot be used on this machine",
            notes=("DeepSpeed reaches the disk through libaio, which is missing, or not for this device",),
            helps=("install libaio with its headers (libaio-dev), or write `offload = cpu`",),
        )
    if os.environ["LOCAL_RANK"] == "0":
        AsyncIOBuilder().load(verbose=False)
    torch.distributed.barrier()
