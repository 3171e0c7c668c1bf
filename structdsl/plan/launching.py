"""The command line by which the processes of a stage are started: one function, for the run and for `launch.sh`.

One process is started straight, several of one machine by `torch.distributed.run`; SLURM by `srun` inside its
allocation; other machines by DeepSpeed's launcher, over the hosts of a file, or by `torch.distributed.run` on each.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Final

from structdsl.plan.operations import Launcher

WORKER: Final = "structdsl_runtime.training.worker"
HOSTFILE: Final = "/job/hostfile"  # where DeepSpeed looks unless told
REMOTE: Final = ("pdsh", "openmpi")


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What is started: a module in `processes` processes over `nodes` machines that meet at an address and a port."""

    processes: int
    nodes: int = 1
    launcher: Launcher | None = None
    module: str = WORKER
    job: str = "JOB"
    python: str = "python"
    address: str = "$MASTER_ADDR"
    port: str = "$MASTER_PORT"
    node: str = "$NODE_RANK"  # of the machine that starts its share by torchrun, from 0
    logs: str | None = None  # a folder for what each process of this machine prints

    @property
    def each(self) -> int:
        """Processes of a machine."""
        return self.processes // self.nodes

    @property
    def by(self) -> str:
        """Who starts them: a launcher that has one machine to reach is `local`, but for `slurm`."""
        name = self.launcher.name if self.launcher is not None else "local"
        return name if name == "slurm" or self.nodes > 1 else "local"

    @property
    def hostfile(self) -> str:
        return (self.launcher.hostfile if self.launcher is not None else None) or HOSTFILE


def command(start: Start) -> list[str]:
    """The arguments, the program first."""
    worker = ["-m", start.module, start.job]
    match start.by:
        case "slurm":
            tasks = ["--nodes", str(start.nodes), "--ntasks", str(start.processes)]
            spread = ["--ntasks-per-node", str(start.each), "--distribution", "block"]
            return ["srun", *tasks, *spread, "--kill-on-bad-exit=1", start.python, *worker]
        case "pdsh" | "openmpi":
            return _deepspeed(start)
        case "local" if start.processes == 1:
            return [start.python, *worker]
        case _:
            nodes = ["--nnodes", str(start.nodes), "--node-rank", start.node] if start.by == "torchrun" else []
            logs = ["--tee", "3", "--log-dir", start.logs] if start.logs is not None else []
            meeting = ["--master-addr", start.address, "--master-port", start.port]
            many = [*nodes, "--nproc-per-node", str(start.each), *meeting, *logs]
            return [start.python, "-m", "torch.distributed.run", *many, *worker]


def _deepspeed(start: Start) -> list[str]:
    """OpenMPI starts a process a slot of the file, and is told where they meet; pdsh takes the first of each host."""
    line = [start.python, "-m", "deepspeed.launcher.runner", "--launcher", start.by, "--hostfile", start.hostfile]
    if start.by == "openmpi":
        line += ["--launcher_args", f"-x MASTER_ADDR={start.address} -x MASTER_PORT={start.port}"]
    else:
        line += ["--num_nodes", str(start.nodes), "--num_gpus", str(start.each)]
    meeting = ["--master_addr", start.address, "--master_port", start.port]
    return [*line, *meeting, "--no_local_rank", "--module", start.module, start.job]


def shown(start: Start) -> str:
    """The command as a shell reads it; variables stay variables."""
    return " ".join(part if part.startswith("$") else shlex.quote(part) for part in command(start))
