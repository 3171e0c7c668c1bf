"""How worker processes are started: their command line on this machine, and their environment.

`structdsl.plan.launching` words the command; what only the machine knows is said here: the interpreter, where processes
meet, and whether the environment is the one that the launcher needs. A worker inherits the environment but for what
this module sets: its threads, its rendezvous and quieter libraries.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from structdsl.plan import launching
from structdsl.plan.launching import Start
from structdsl.plan.operations import Launcher
from structdsl_runtime.machine import processors
from structdsl_runtime.operation import Fault
from structdsl_runtime.progress import counted
from structdsl_runtime.training import torchrun

LOCALHOST = "127.0.0.1"
RANKS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def start(
    module: str,
    job: Path,
    processes: int,
    *,
    nodes: int = 1,
    launcher: Launcher | None = None,
    root: Path | None = None,
    node: torchrun.Node | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Start:
    """What to start, on `node` where torchrun starts it on several; relative host files lie below `root`.

    Raises Fault E0741 where the launcher cannot reach nodes.
    """
    if launcher is not None and launcher.hostfile is not None and root is not None:
        launcher = launcher.model_copy(update={"hostfile": str(root / launcher.hostfile)})
    found = Start(
        processes=processes,
        nodes=nodes,
        launcher=launcher,
        module=module,
        job=str(job),
        python=sys.executable,
        logs=str(job.parent / "ranks"),
    )
    address, port = LOCALHOST, environ.get("MASTER_PORT")
    if found.by == "torchrun":
        if node is None:
            raise torchrun.nobody(nodes)
        address, port = node.address, node.port if node.port is not None and is_free(node.port) else None
    elif found.by == "slurm":
        address = environ.get("MASTER_ADDR") or first_host(_allocation(found, environ))
    elif found.by in launching.REMOTE:
        address = environ.get("MASTER_ADDR") or _hosts(found)[0]
    return Start(
        processes=processes,
        nodes=nodes,
        launcher=launcher,
        module=module,
        job=found.job,
        python=found.python,
        logs=found.logs,
        address=address,
        port=(port if found.by != "local" else None) or str(free_port()),
        node="0",
    )


def command(started: Start) -> list[str]:
    return launching.command(started)


def environment(started: Start) -> dict[str, str]:
    """The environment of the workers; whatever the user set stays, ranks and rendezvous excepted."""
    inherited = {
        name: value for name, value in os.environ.items() if name not in RANKS and not name.startswith(torchrun.OUTER)
    }
    meeting = {"MASTER_ADDR": started.address, "MASTER_PORT": started.port}
    alone = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}
    by_itself = started.by == "local" and started.processes == 1
    rendezvous = {**alone, **meeting} if by_itself else {} if started.by in {"local", "torchrun"} else meeting
    return {**settings(started.each), **inherited, **rendezvous}


def settings(processes: int) -> dict[str, str]:
    """What a worker has unless the user says otherwise, `processes` being those of a machine.

    `OMP_WAIT_POLICY=passive`: threads that wait by spinning take a busy machine from 0.15 s to 3.2 s a step (measured
    on two cores with two other processes); on an idle machine the difference is below the noise.
    """
    return {
        "OMP_NUM_THREADS": str(max(1, processors() // processes)),
        "OMP_WAIT_POLICY": "passive",
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_VERBOSITY": "error",
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore::FutureWarning,ignore::DeprecationWarning",  # of libraries among themselves
        "TORCHDYNAMO_DISABLE": "1",  # DeepSpeed decorates an optimizer that is not used here: 0.7 s of compiler imports
        "HF_HUB_OFFLINE": "1",  # folders only: nothing a worker does may wait for a network
    }


def first_host(nodes: str) -> str:
    """The first of a SLURM list of nodes: `gpu07` of `gpu[07-09,12],cpu1`."""
    found = re.match(r"([^,\[]+)(?:\[([^\],-]+))?", nodes)
    return f"{found[1]}{found[2] or ''}" if found is not None else nodes


def _allocation(wanted: Start, environ: Mapping[str, str]) -> str:
    """The nodes of the SLURM allocation that this run is in."""
    nodes = environ.get("SLURM_JOB_NODELIST") or environ.get("SLURM_NODELIST")
    if nodes is None or shutil.which("srun", path=environ.get("PATH")) is None:
        raise Fault(
            "E0741",
            "`launcher = slurm` needs an allocation, and this is none",
            notes=("there is no `srun`, or no SLURM_JOB_NODELIST in the environment",),
            helps=("start the run in a job: `sbatch --nodes … --wrap 'structdsl run …'`, or by `salloc`",),
        )
    given = environ.get("SLURM_JOB_NUM_NODES") or environ.get("SLURM_NNODES") or "1"
    if int(given) < wanted.nodes:
        raise Fault(
            "E0741",
            f"the cluster has {counted(wanted.nodes, 'node')}, and the allocation {given}",
            helps=(f"ask SLURM for them: `--nodes {wanted.nodes}`",),
        )
    return nodes


def _hosts(wanted: Start) -> list[str]:
    """The hosts of a file of lines `name slots=8`, checked against the cluster: DeepSpeed would take what is there."""
    path = Path(wanted.hostfile)
    if not path.is_file():
        raise Fault(
            "E0741",
            f"the host file `{path}` does not exist",
            helps=("write a line for each machine: `name slots=8`",),
        )
    lines = [line for text in path.read_text("utf-8").splitlines() if (line := text.partition("#")[0].strip())]
    slots = {}
    for line in lines:
        entry = re.fullmatch(r"(\S+)\s+slots=(\d+).*", line)
        if entry is None:
            raise Fault("E0741", f"`{path}` has a line that names no host: `{line}`", helps=("write `name slots=8`",))
        slots[entry[1]] = int(entry[2])
    exact = wanted.by == "openmpi"  # which takes all slots of the file
    fits = len(slots) == wanted.nodes if exact else len(slots) >= wanted.nodes
    taken = list(slots.values())[: wanted.nodes]
    if not fits or any(number != wanted.each if exact else number < wanted.each for number in taken):
        has = ", ".join(f"{name} {number}" for name, number in slots.items())
        raise Fault(
            "E0741",
            f"`{path}` does not have {counted(wanted.nodes, 'host')} of {counted(wanted.each, 'slot')}",
            notes=(f"it has: {has or 'none'}",),
            helps=("a slot is a process: give each host as many as the cluster says",),
        )
    return list(slots)


def is_free(port: str) -> bool:
    """Whether processes can meet there: a torchrun around the run has the port of its environment itself."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", int(port)))
        except OSError:
            return False
        return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOCALHOST, 0))
        port: int = probe.getsockname()[1]
        return port
