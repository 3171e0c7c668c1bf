"""`cluster`: where stages run. But for the number format, none of it changes what they compute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from typing import Literal as Exactly

from pydantic import Field

from structdsl.schema.block import Nested, Schema
from structdsl.schema.containers import CallOf, OneOf
from structdsl.schema.free import FreeMap
from structdsl.schema.quantities import DURATION, amount_of
from structdsl.schema.reader import ERROR, Reader
from structdsl.schema.scalars import Boolean, Bytes, Choice, Count, Duration, Integer, Literal
from structdsl.schema.texts import FilePath
from structdsl.syntax.tree import Expression, Keyword, Quantity

SECOND = 10**9  # nanoseconds


class Local(Schema):
    """`local`: processes of this machine, started by the run itself."""


class Torchrun(Schema):
    """`torchrun`: the run is started on every node, and they meet where the environment of torchrun says."""


class Slurm(Schema):
    """`slurm`: inside an allocation of SLURM, by `srun`."""


class Pdsh(Schema):
    """`pdsh(hostfile = "hosts")`: DeepSpeed's launcher, over ssh."""

    hostfile: Annotated[str | None, FilePath()] = Field(
        default=None, description="Host names and their slots, a line each [/job/hostfile]."
    )


class OpenMpi(Schema):
    """`openmpi(hostfile = "hosts")`: DeepSpeed's launcher, by `mpirun`."""

    hostfile: Annotated[str | None, FilePath()] = Field(
        default=None, description="Host names and their slots, a line each [/job/hostfile]."
    )


LAUNCHERS = {"local": Local, "torchrun": Torchrun, "slurm": Slurm, "pdsh": Pdsh, "openmpi": OpenMpi}

Launcher = Local | Torchrun | Slurm | Pdsh | OpenMpi


class Cpu(Schema):
    """`cpu`: what the optimizer holds, and at ZeRO-3 the parameters, wait in the memory of the machine."""


class Nvme(Schema):
    """`nvme("/scratch")`: they wait on a fast disk."""

    path: Annotated[str, FilePath()] = Field(description="A folder on that disk.")


class DeepSpeed(Schema):
    """`deepspeed { zero = 2 }`."""

    zero: Annotated[int, Integer(minimum=0, maximum=3)] = Field(
        default=2, description="The ZeRO stage: what is partitioned over processes."
    )
    offload: Annotated[
        Cpu | Nvme | Exactly["none"],
        OneOf(((Keyword, Literal("none")), (object, CallOf({"cpu": Cpu, "nvme": Nvme})))),
    ] = Field(default="none", description="Where partitioned state waits outside of the GPU: `cpu`, `nvme(path)`.")
    overlap: Annotated[bool | None, Boolean()] = Field(
        default=None, description="Whether gradients are reduced while others are still computed [as DeepSpeed does]."
    )
    bucket: Annotated[int | None, Bytes(minimum=1)] = Field(
        default=None, description="Bytes that are reduced or gathered at once [as DeepSpeed does]."
    )
    extra: Annotated[dict[str, Any], FreeMap()] = Field(
        default={}, description="Any other option of DeepSpeed, under its own name; merged last."
    )


@dataclass(frozen=True, slots=True)
class Period:
    """A length of time, in seconds."""

    seconds: int


class Every:
    """A length of time, or a number of optimizer steps."""

    def read(self, value: Expression, at: Reader) -> object:
        """Steps are an `int`, time is a `Period`."""
        if isinstance(value, Quantity) and amount_of(value).dimension == DURATION:
            found = Duration().read(value, at)
            if found is not ERROR and found < SECOND:
                return at.report("E0303", f"`{at.attribute}` must be at least 1s", value.span, "too small")
            return ERROR if found is ERROR else Period(found // SECOND)
        return Count("steps").read(value, at)

    def describe(self) -> str:
        return "a duration such as `30min`, or `500 steps`"


class Checkpoint(Schema):
    """`checkpoint { every = 30min, keep = 3 }`: how much work an interruption can cost."""

    every: Annotated[int | Period, Every()] = Field(description="How often the state of a stage is saved.")
    keep: Annotated[int, Integer(minimum=1)] = Field(default=1, description="How many of them are kept.")


class Cluster(Schema):
    """Processes and how DeepSpeed shares the work among them."""

    nodes: Annotated[int, Integer(minimum=1)] = Field(default=1, description="Machines.")
    gpus: Annotated[int | None, Integer(minimum=1)] = Field(default=None, description="GPUs of each machine.")
    processes: Annotated[int | None, Integer(minimum=1)] = Field(
        default=None, description="Training processes over all machines [`nodes` × `gpus`, or 1]."
    )
    precision: Annotated[Exactly["auto", "fp32", "bf16", "fp16"], Choice(("auto", "fp32", "bf16", "fp16"))] = Field(
        default="auto", description="Number format: bf16 on a GPU and fp32 on a CPU unless said otherwise."
    )
    launcher: Annotated[Launcher | None, CallOf(dict(LAUNCHERS))] = Field(
        default=None, description="What starts the processes [`local`, and `pdsh` on several machines]."
    )
    deepspeed: Annotated[DeepSpeed, Nested("deepspeed", {None: DeepSpeed}, many=False)] = Field(
        default=DeepSpeed(), description="Settings of DeepSpeed."
    )
    checkpoint: Annotated[Checkpoint, Nested("checkpoint", {None: Checkpoint}, many=False)] = Field(
        default=Checkpoint(every=Period(1800)),
        description="When the state of a stage is saved on the way, besides when it is interrupted [every 30min].",
    )

    @property
    def world(self) -> int:
        """Training processes over all machines."""
        return self.processes or self.nodes * (self.gpus or 1)
