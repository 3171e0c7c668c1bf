"""Start worker processes, follow them, and turn their end into a result or a fault.

`launchers` says how they are started; here they are followed, ended with the run, and asked what went wrong.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from structdsl.plan.operations import Launcher
from structdsl_runtime.operation import Context, Fault
from structdsl_runtime.training import events
from structdsl_runtime.training.launchers import command, environment, start

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
    nodes: int = 1,
    launcher: Launcher | None = None,
    on_event: Callable[[dict[str, Any]], None],
) -> None:
    """Run `python -m module job` in `processes` processes over `nodes` machines; output goes to the log.

    Events from `folder` go to `on_event`.

    Raises the `Fault` that a worker reported, else E0805 with the last lines of the rank that failed. Whatever ends
    the wait early (KeyboardInterrupt included) ends the workers first.
    """
    started = start(module, job, processes, nodes=nodes, launcher=launcher, root=context.root)
    reader = events.Reader(folder)
    with context.log.open("ab") as log:
        worker = subprocess.Popen(  # noqa: S603 - our own module, our own arguments
            command(started),
            env=environment(started),
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
