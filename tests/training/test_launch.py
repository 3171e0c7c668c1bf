"""How worker processes end: by themselves, with a fault, by a signal, or with the run that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from structdsl.plan.launching import Start
from structdsl_runtime.operation import Fault
from structdsl_runtime.training.launch import launch
from structdsl_runtime.training.launchers import environment
from tests.training.stage_fakes import context

HEAD = """
import os, signal, sys, time
from pathlib import Path
from structdsl_runtime.operation import Fault
from structdsl_runtime.training.events import Reporter, end_with, failures
from structdsl_runtime.training.orders import Orders
folder = Path(sys.argv[1]).parent
rank = int(os.environ["RANK"])
reporter = Reporter(folder, rank)
"""


def start(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    body: str,
    processes: int = 1,
    on_event: Any = None,
    *,
    saves: bool = False,
) -> list[Any]:
    """Launch a worker whose module is `body`; its events."""
    (folder / "stand_in.py").write_text(HEAD + body)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(folder), *sys.path)))
    seen: list[Any] = []
    launch(
        "stand_in",
        folder / "job.json",
        folder,
        processes=processes,
        context=context(folder),
        on_event=on_event or seen.append,
        saves=saves,
    )
    return seen


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def wait_until_gone(pid: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    while alive(pid):
        assert time.monotonic() < end, f"process {pid} lives on"
        time.sleep(0.05)


def test_events_arrive_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "for step in range(500): reporter.emit('step', step=step)\nprint('words for the log')"
    seen = start(tmp_path, monkeypatch, body)
    assert [event["step"] for event in seen] == list(range(500))
    assert "words for the log" in (tmp_path / "step.log").read_text()


def test_a_fault_of_a_worker_keeps_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = (
        "with failures(folder, rank): raise Fault('E0714', 'the loss is nan', notes=('rows 3 to 5',), helps=('rest',))"
    )
    with pytest.raises(Fault) as caught:
        start(tmp_path, monkeypatch, body)
    fault = caught.value
    assert (fault.code, fault.message, fault.notes, fault.helps) == (
        "E0714",
        "the loss is nan",
        ("rows 3 to 5",),
        ("rest",),
    )


def test_an_exception_is_e0805_with_its_last_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Fault) as caught:
        start(tmp_path, monkeypatch, "with failures(folder, rank): {}['missing']")
    assert caught.value.code == "E0805"
    assert "KeyError: 'missing'" in caught.value.message
    assert "{}['missing']" in caught.value.notes[0]


def test_a_killed_process_is_e0805_with_the_end_of_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Fault) as caught:
        start(tmp_path, monkeypatch, "print('last words')\nos.kill(os.getpid(), signal.SIGKILL)")
    assert caught.value.code == "E0805"
    assert "SIGKILL" in caught.value.message
    assert "last words" in caught.value.notes[0]
    assert "memory" in caught.value.helps[0]


def test_the_failing_rank_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = "print('rank', rank, 'speaks')\nif rank == 1: os.kill(os.getpid(), signal.SIGKILL)\ntime.sleep(60)"
    began = time.monotonic()
    with pytest.raises(Fault) as caught:
        start(tmp_path, monkeypatch, body, processes=2)
    assert time.monotonic() - began < 30
    assert "rank 1" in caught.value.message
    assert "SIGKILL" in caught.value.message
    assert "rank 1 speaks" in caught.value.notes[0]
    assert "rank 0 speaks" not in caught.value.notes[0]


@pytest.mark.parametrize("processes", [1, 2])
def test_an_interrupt_ends_the_workers(processes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pids: list[int] = []

    def interrupt(event: dict[str, Any]) -> None:
        pids.append(event["pid"])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start(tmp_path, monkeypatch, "reporter.emit('x', pid=os.getpid())\ntime.sleep(60)", processes, interrupt)
    wait_until_gone(pids[0], 5)


SAVING = """
orders = Orders(folder, os.getppid(), rank)
orders.heed(1)
reporter.emit('started')
while not orders.stop_asked(): time.sleep(0.01)
time.sleep(WAIT)
(folder / 'saved').touch()
"""


@pytest.mark.parametrize("again", [False, True])
def test_an_interrupt_waits_for_what_is_saved_and_a_second_does_not(
    again: bool,  # noqa: FBT001 - a case
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have background jobs ignore it

    def interrupt(_event: dict[str, Any]) -> None:
        if again:
            threading.Timer(0.5, signal.raise_signal, [signal.SIGINT]).start()
        raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path, monkeypatch, SAVING.replace("WAIT", "60" if again else "1"), 1, interrupt, saves=True)
    assert time.monotonic() - began < 20
    assert (tmp_path / "saved").exists() != again


def test_a_single_process_that_hangs_is_ended_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRUCTDSL_TIMEOUT", "0.5")
    body = "orders = Orders(folder, os.getppid(), rank)\norders.heed(1)\ntime.sleep(60)"
    with pytest.raises(Fault) as caught:
        start(tmp_path, monkeypatch, body)
    assert caught.value.code == "E0832"
    assert "rank 0 has made no step" in caught.value.message
    assert "Thread" in (tmp_path / "step.log").read_text()


def test_the_rank_that_does_not_arrive_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRUCTDSL_TIMEOUT", "2")
    body = """
import datetime, torch.distributed as ranks
ranks.init_process_group("gloo", timeout=datetime.timedelta(seconds=2))
if rank == 1: time.sleep(60)
with failures(folder, rank): ranks.barrier()
"""
    began = time.monotonic()
    with pytest.raises(Fault) as caught:
        start(tmp_path, monkeypatch, body, processes=2)
    assert time.monotonic() - began < 30
    assert caught.value.code == "E0832"
    assert "rank 1 did not arrive" in caught.value.message


def test_workers_end_with_a_killed_executor(tmp_path: Path) -> None:
    executor = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    body = f"end_with({executor.pid})\nreporter.emit('x')\ntime.sleep(60)"
    (tmp_path / "stand_in.py").write_text(HEAD + body)
    worker = subprocess.Popen(
        [sys.executable, str(tmp_path / "stand_in.py"), str(tmp_path / "job.json")], env={**os.environ, "RANK": "0"}
    )
    end = time.monotonic() + 20
    while not (tmp_path / "progress.jsonl").exists() and time.monotonic() < end:
        time.sleep(0.05)
    executor.kill()
    executor.wait()
    assert worker.wait(timeout=10) == 143


def test_threads_are_shared_out_and_the_users_choice_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("structdsl_runtime.training.launchers.processors", lambda: 8)
    assert [environment(Start(processes=count))["OMP_NUM_THREADS"] for count in (1, 2, 8, 16)] == ["8", "4", "1", "1"]
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert environment(Start(processes=2))["OMP_NUM_THREADS"] == "3"
    monkeypatch.setenv("MASTER_PORT", "1")
    monkeypatch.setenv("RANK", "7")
    found = environment(Start(processes=1, port="2"))
    assert (found["RANK"], found["WORLD_SIZE"]) == ("0", "1")
    assert found["MASTER_PORT"] == "2"
