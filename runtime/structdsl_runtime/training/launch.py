"""Start worker processes, follow them, and turn their end into a result or a fault.

One process is started straight; several go through `torch.distributed.run`, which ends all ranks when one fails.
A worker inherits the environment but for what this module sets: its threads, its rendezvous and quieter libraries.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from structdsl_runtime.machine import processors
from structdsl_runtime.operation import Context, Fault
from structdsl_runtime.training import events

POLL_SECONDS: Final = 0.05
GRACE_SECONDS: Final = 10.0
TAIL_LINES: Final = 12
LAUNCHER_NOISE = re.compile(r"torch/distributed/(elastic|launcher|run)|^[EWI]\d{4} |^\s*$")


def launch(
    module: str,
    job: Path,
    folder: Path,
    *,
    processes: int,
    context: Context,
    on_event: Callable[[dict[str, Any]], None],
) -> None:
    """Run `python -m module job` in `processes` processes; events from `folder` go to `on_event`, output to the log.

    Raises the `Fault` that a worker reported, else E0805 with the last lines of the rank that failed. Whatever ends
    the wait early (KeyboardInterrupt included) ends the workers first.
    """
    reader = events.Reader(folder)
    with context.log.open("ab") as log:
        worker = subprocess.Popen(  # noqa: S603 - our own module, our own arguments
            command(module, job, processes),
            env=environment(processes),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while True:
                ended = _ended(worker)
                for event in reader.new():
                    on_event(event)
                if ended:
                    break
        finally:
            stop(worker)
    if worker.returncode != 0:
        raise fault(folder, context, worker.returncode)


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


def stop(worker: subprocess.Popen[bytes]) -> None:
    """End the worker and its children: asked first, made to after a grace; nothing where it ended by itself."""
    if worker.poll() is None:
        os.killpg(worker.pid, signal.SIGTERM)
        try:
            worker.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()


def fault(folder: Path, context: Context, code: int) -> Fault:
    """The fault of a run that ended with `code`."""
    record = events.failed(folder)
    if record is not None and record["code"] is not None:
        return Fault(record["code"], record["message"], notes=tuple(record["notes"]), helps=tuple(record["helps"]))
    lines = context.log.read_text("utf-8", errors="replace").splitlines()
    rank, reason = 0, f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    if record is not None:
        rank, reason, lines = record["rank"], record["message"], record["traceback"].splitlines()
    elif dead := re.findall(
        r"rank\s*:\s*(\d+) \(local_rank: \d+\)\s+.*?exitcode\s*:\s*(-?\d+)", "\n".join(lines), re.DOTALL
    ):
        rank, code = (int(text) for text in dead[-1])
        reason = f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        lines = [line for line in lines if line.startswith(f"[default{rank}]:")] or lines
    tail = [line for line in lines if not LAUNCHER_NOISE.search(line)][-TAIL_LINES:]
    killed = code == -signal.SIGKILL
    return Fault(
        "E0805",
        f"`{context.address}`: a worker process failed (rank {rank}): {reason}",
        notes=("last lines of the log:\n" + "\n".join(tail), f"the whole log is `{context.log}`"),
        helps=("the machine may have run out of memory: try smaller micro-batches or more ZeRO",) if killed else (),
    )


def _ended(worker: subprocess.Popen[bytes]) -> bool:
    try:
        worker.wait(POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True
