"""How worker processes are started: their command line and their environment.

One process is started straight; several go through `torch.distributed.run`, which ends all ranks when one fails.
A worker inherits the environment but for what this module sets: its threads, its rendezvous and quieter libraries.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from structdsl_runtime.machine import processors


def command(module: str, job: Path, processes: int) -> list[str]:
    if processes == 1:
        return [sys.executable, "-m", module, str(job)]
    return [
        *(sys.executable, "-m", "torch.distributed.run"),
        *("--nproc-per-node", str(processes), "--master-addr", "127.0.0.1", "--master-port", str(free_port())),
        *("--tee", "3", "--log-dir", str(job.parent / "ranks")),
        *("-m", module, str(job)),
    ]


def environment(processes: int) -> dict[str, str]:
    """The environment of the workers; whatever the user set stays, ranks and rendezvous excepted.

    `OMP_WAIT_POLICY=passive`: threads that wait by spinning take a busy machine from 0.15 s to 3.2 s a step (measured
    on two cores with two other processes); on an idle machine the difference is below the noise.
    """
    threads = max(1, processors() // processes)
    settings = {
        "OMP_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "passive",
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_VERBOSITY": "error",
        "PYTHONUNBUFFERED": "1",
        "PYTHONWARNINGS": "ignore::FutureWarning,ignore::DeprecationWarning",  # of libraries among themselves
        "TORCHDYNAMO_DISABLE": "1",  # DeepSpeed decorates an optimizer that is not used here: 0.7 s of compiler imports
        "HF_HUB_OFFLINE": "1",  # folders only: nothing a worker does may wait for a network
    }
    single = {
        "RANK": "0",
        "WORLD_SIZE": "1",
        "LOCAL_RANK": "0",
        "LOCAL_WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1",
    }
    inherited = {name: value for name, value in os.environ.items() if name not in {*single, "MASTER_PORT"}}
    rendezvous = {**single, "MASTER_PORT": str(free_port())} if processes == 1 else {}
    return {**settings, **inherited, **rendezvous}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
