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

from structdsl.plan.launching import Start
from structdsl.plan.operations import Launcher
from structdsl_runtime.operation import Context, Fault
from structdsl_runtime.training import events, orders
from structdsl_runtime.training.launchers import command, environment, start
from structdsl_runtime.training.signs import log_of

POLL_SECONDS: Final = 0.05
GRACE_SECONDS: Final = 10.0
TAIL_LINES: Final = 12
LAUNCHER_NOISE = re.compile(r"torch/distributed/(elastic|launcher|run)|^[EWI]\d{4} |^\s*$")
DEAD = re.compile(r"rank\s*:\s*(\d+) \(local_rank: \d+\)\s+.*?exitcode\s*:\s*(-?\d+)", re.DOTALL)  # in its report
LATE = re.compile("timed? ?out", re.IGNORECASE)  # of a collective, in the words of its backend


def launch(  # noqa: PLR0913 - a launch has that many parts
    module: str,
    job: Path,
    folder: Path,
    *,
    processes: int,
    context: Context,
    nodes: int = 1,
    launcher: Launcher | None = None,
    on_event: Callable[[dict[str, Any]], None],
    saves: bool = False,
) -> None:
    """Run `python -m module job` in `processes` processes over `nodes` machines; output goes to the log.

    Events from `folder` go to `on_event`.

    Events that are there already, of an attempt that this one goes on from, come first. Raises the `Fault` that a
    worker reported, else E0832 with the ranks that the others waited for in vain, else E0805 with the last lines of
    the rank that failed; E0835 where a node is gone. Whatever ends the wait early ends the workers first; where they
    save (`saves`) and have begun, a KeyboardInterrupt waits for that, and a second one does not.
    """
    node = context.lead.node if context.lead is not None else None
    started = start(module, job, processes, nodes=nodes, launcher=launcher, root=context.root, node=node)
    lead = context.lead if started.by == "torchrun" else None
    reader = events.Reader(folder)
    for event in reader.new():
        on_event(event)
    begun = False
    if lead is not None:
        lead.order(started, context, folder)
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
                ended = _ended(worker) and (lead is None or _said(folder) or lead.over(worker.returncode))
                for event in reader.new():
                    begun = begun or event["event"] == "started"
                    on_event(event)
                if ended or (lead is not None and lead.failed()):
                    break
        except KeyboardInterrupt:
            if saves and begun:
                orders.ask(folder)
                context.warn("saving after the running step; asked again, it ends at once")
                while not _ended(worker):  # in short waits: a second signal is heard between them
                    pass
            raise
        finally:
            stop(worker, folder)
            if lead is not None:
                lead.withdraw()
    codes = [worker.returncode, *(lead.codes().values() if lead is not None else ())]
    if any(codes):
        raise fault(folder, context, next(code for code in codes if code), started)


def stop(worker: subprocess.Popen[bytes], folder: Path) -> None:
    """End the worker and its children: told first, made to after a grace; nothing where it ended by itself."""
    if worker.poll() is None:
        orders.end(folder)
        os.killpg(worker.pid, signal.SIGTERM)
        try:
            worker.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()


def fault(folder: Path, context: Context, code: int, started: Start) -> Fault:
    """The fault of a run that ended with `code`."""
    records = events.failed(folder)
    record = records[0] if records else None
    if record is not None and record["code"] is not None:
        return Fault(record["code"], record["message"], notes=tuple(record["notes"]), helps=tuple(record["helps"]))
    logs = [log_of(context.log, node) for node in range(started.nodes if started.by == "torchrun" else 1)]
    texts = [path.read_text("utf-8", errors="replace") if path.exists() else "" for path in logs]
    dead = [(int(rank), int(status)) for text in texts for rank, status in DEAD.findall(text)]
    killed = [(rank, status) for rank, status in dead if status < 0 and status != -signal.SIGTERM]
    absent = sorted(set(range(started.processes)) - {each["rank"] for each in records})

    def printed(rank: int) -> tuple[list[str], str]:
        """What a rank printed, and where all of it is."""
        node, local = divmod(rank, started.each) if len(logs) > 1 else (0, rank)
        of_node = f" of node {node}" if len(logs) > 1 else ""
        return _of(texts[node].splitlines(), local), f"the whole log{of_node} is `{logs[node]}`"

    if absent and not killed and any(LATE.search(each["message"]) for each in records):
        names = f"rank{'s' * (len(absent) > 1)} {', '.join(map(str, absent))}"
        message = f"`{context.address}`: {names} did not arrive where the others waited"
        waited = f"they waited for {orders.patience():,.0f} s"
        lines, where = printed(absent[0])
        return orders.hung(message, waited, "last lines of the log:\n" + _tail(lines), where)
    rank, reason = 0, _ending(code)
    lines, where = texts[0].splitlines(), f"the whole log is `{logs[0]}`"
    if killed or (record is None and dead):
        rank, code = (killed or dead)[-1]
        reason, (lines, where) = _ending(code), printed(rank)
    elif record is not None:
        rank, reason = record["rank"], record["message"]
        lines, where = record["traceback"].splitlines(), printed(rank)[1]
    return Fault(
        "E0805",
        f"`{context.address}`: a worker process failed (rank {rank}): {reason}",
        notes=("last lines of the log:\n" + _tail(lines), where),
        helps=("the machine may have run out of memory: try smaller micro-batches or more ZeRO",)
        if code == -signal.SIGKILL
        else (),
    )


def _said(folder: Path) -> bool:
    """Whether a worker has said what is wrong, so that nothing else is to be waited for."""
    return any(record["code"] is not None for record in events.failed(folder))


def _ending(code: int) -> str:
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _of(lines: list[str], rank: int) -> list[str]:
    """What one rank printed, where several did."""
    return [line for line in lines if line.startswith(f"[default{rank}]:")] or lines


def _tail(lines: list[str]) -> str:
    return "\n".join([line for line in lines if not LAUNCHER_NOISE.search(line)][-TAIL_LINES:])


def _ended(worker: subprocess.Popen[bytes]) -> bool:
    try:
        worker.wait(POLL_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True
