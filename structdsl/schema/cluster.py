"""`cluster`: where stages run. None of it changes what they compute."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from structdsl.schema.block import Nested, Schema
from structdsl.schema.scalars import Choice, Integer


class DeepSpeed(Schema):
    """`deepspeed { zero = 2 }`."""

    PLANNED: ClassVar[frozenset[str]] = frozenset({"offload", "overlap", "bucket", "extra"})

    zero: Annotated[int, Integer(minimum=0, maximum=3)] = Field(
        default=2, description="The ZeRO stage: what is partitioned over processes."
    )


class Cluster(Schema):
    """Processes and how DeepSpeed shares the work among them."""

    PLANNED: ClassVar[frozenset[str]] = frozenset({"nodes", "gpus", "launcher", "checkpoint"})

    processes: Annotated[int, Integer(minimum=1)] = Field(default=1, description="Training processes on this machine.")
    precision: Annotated[Literal["auto", "fp32", "bf16"], Choice(("auto", "fp32", "bf16"), planned=("fp16",))] = Field(
        default="auto", description="Number format: bf16 on a GPU and fp32 on a CPU unless said otherwise."
    )
    deepspeed: Annotated[DeepSpeed, Nested("deepspeed", {None: DeepSpeed}, many=False)] = Field(
        default=DeepSpeed(), description="Settings of DeepSpeed."
    )
