"""Command lines and environments of every launcher, and who a worker takes itself for under each.

`pdsh` and `openmpi` are held to DeepSpeed's own reading of the line; no other machine is reached.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from deepspeed.launcher.runner import parse_args  # type: ignore[import-untyped]

from structdsl.plan.launching import Start, command, shown
from structdsl.plan.operations import Launcher
from structdsl_runtime.operation import Fault
from structdsl_runtime.training.launch import launch
from structdsl_runtime.training.launchers import environment, first_host, free_port, start
from structdsl_runtime.training.ranks import adopt
from structdsl_runtime.training.torchrun import Node
from tests.training.stage_fakes import context
from tests.training.test_launch import HEAD

LINES = {
    (1, 1, None): "python -m W JOB",
    (4, 1, "local"): "python -m torch.distributed.run --nproc-per-node 4 --master-addr A --master-port 7 -m W JOB",
    (4, 1, "pdsh"): "python -m torch.distributed.run --nproc-per-node 4 --master-addr A --master-port 7 -m W JOB",
    (8, 2, "slurm"): "srun --nodes 2 --ntasks 8 --ntasks-per-node 4 --distribution block --kill-on-bad-exit=1 "
    "python -m W JOB",
    (8, 2, "pdsh"): "python -m deepspeed.launcher.runner --launcher pdsh --hostfile /job/hostfile --num_nodes 2 "
    "--num_gpus 4 --master_addr A --master_port 7 --no_local_rank --module W JOB",
    (8, 2, "torchrun"): "python -m torch.distributed.run --nnodes 2 --node-rank $NODE_RANK --nproc-per-node 4 "
    "--master-addr A --master-port 7 -m W JOB",
    (2, 2, "torchrun"): "python -m torch.distributed.run --nnodes 2 --node-rank $NODE_RANK --nproc-per-node 1 "
    "--master-addr A --master-port 7 -m W JOB",
    (8, 2, "openmpi"): "python -m deepspeed.launcher.runner --launcher openmpi --hostfile /job/hostfile "
    "--launcher_args '-x MASTER_ADDR=A -x MASTER_PORT=7' --master_addr A --master_port 7 --no_local_rank "
    "--module W JOB",
}


@pytest.mark.parametrize("case", LINES, ids=str)
def test_the_command_line(case: tuple[int, int, Any]) -> None:
    processes, nodes, name = case
    launcher = Launcher(name=name) if name else None
    begun = Start(processes=processes, nodes=nodes, launcher=launcher, module="W", address="A", port="7")
    assert shown(begun) == LINES[case]
    if begun.by in {"pdsh", "openmpi"}:
        read = parse_args(command(begun)[3:])
        assert (read.launcher, read.user_script, read.user_args) == (name, "W", ["JOB"])
        assert (read.master_addr, read.master_port) == ("A", 7)


HOSTS = {
    "two of two": ("a slots=4\nb slots=4 # the second\n", "pdsh", None),
    "more than needed": ("a slots=8\nb slots=4\nc slots=4", "pdsh", None),
    "openmpi takes all": ("a slots=8\nb slots=4", "openmpi", "does not have 2 hosts of 4 slots"),
    "too few": ("a slots=4", "pdsh", "does not have 2 hosts of 4 slots"),
    "slots": ("a slots=4\nb slots=2", "pdsh", "does not have 2 hosts of 4 slots"),
    "no host": ("a", "pdsh", "a line that names no host: `a`"),
    "no file": (None, "pdsh", "does not exist"),
}


@pytest.mark.parametrize(("text", "name", "fault"), HOSTS.values(), ids=HOSTS)
def test_host_files(text: str | None, name: Any, fault: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "hosts").write_text(text)
    launcher = Launcher(name=name, hostfile="hosts")

    def begin() -> Start:
        return start("W", tmp_path / "job", 8, nodes=2, launcher=launcher, root=tmp_path, environ={})

    if fault is None:
        assert (begin().address, begin().hostfile) == ("a", str(tmp_path / "hosts"))
        return
    with pytest.raises(Fault, match=fault) as caught:
        begin()
    assert caught.value.code == "E0741"


@pytest.mark.parametrize(
    ("nodes", "first"), [("gpu[07-09,12],cpu1", "gpu07"), ("a,b", "a"), ("n1", "n1"), ("n[3,5-9]", "n3")]
)
def test_the_first_node_of_an_allocation(nodes: str, first: str) -> None:
    assert first_host(nodes) == first


def test_slurm_needs_an_allocation_of_that_size(tmp_path: Path) -> None:
    (tmp_path / "srun").touch(mode=0o755)
    inside = {"PATH": str(tmp_path), "SLURM_JOB_NODELIST": "n[1-4]", "SLURM_JOB_NUM_NODES": "4"}
    launcher, job = Launcher(name="slurm"), tmp_path / "job"
    begun = start("W", job, 8, nodes=4, launcher=launcher, environ=inside)
    assert environment(begun)["MASTER_ADDR"] == "n1"
    assert "RANK" not in environment(begun)
    for nodes, environ in ((8, inside), (1, {"PATH": str(tmp_path)}), (1, {**inside, "PATH": ""})):
        with pytest.raises(Fault) as caught:
            start("W", job, 8, nodes=nodes, launcher=launcher, environ=environ)
        assert caught.value.code == "E0741"


def test_torchrun_meets_where_its_environment_says(tmp_path: Path) -> None:
    """On its port, unless a torchrun around the run holds that itself."""
    launcher, job = Launcher(name="torchrun"), tmp_path / "job"
    with socket.create_server(("127.0.0.1", 0)) as held:
        taken = str(held.getsockname()[1])
        ports = []
        for port in (taken, str(free_port())):
            node = Node(rank=0, nodes=2, address="n1", port=port)
            begun = start("W", job, 4, nodes=2, launcher=launcher, node=node, environ={"MASTER_PORT": "1"})
            assert (begun.address, begun.node) == ("n1", "0")
            ports.append((port, begun.port))
    assert ports[0][0] != ports[0][1]
    assert ports[1][0] == ports[1][1]
    with pytest.raises(Fault, match="nothing says which of them this is") as caught:
        start("W", job, 4, nodes=2, launcher=launcher, environ={})
    assert caught.value.code == "E0741"


def test_nothing_of_a_torchrun_around_the_run_reaches_the_one_within(monkeypatch: pytest.MonkeyPatch) -> None:
    outer = ("PET_NNODES", "TORCHELASTIC_USE_AGENT_STORE", "GROUP_RANK", "ROLE_RANK", "MASTER_PORT")
    for name in outer:
        monkeypatch.setenv(name, "1")
    found = environment(Start(processes=4, nodes=2, launcher=Launcher(name="torchrun"), port="7"))
    assert not found.keys() & {*outer}


WORLDS: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "torchrun": ({"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}, ("3", "4", "1", "2")),
    "deepspeed": ({"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_SIZE": "2"}, ("3", "4", "1", "2")),
    "srun": (
        {"SLURM_PROCID": "3", "SLURM_NTASKS": "4", "SLURM_LOCALID": "1", "SLURM_STEP_NUM_NODES": "2"},
        ("3", "4", "1", "2"),
    ),
    "mpirun in a job": (
        {
            "SLURM_PROCID": "0",
            "SLURM_NTASKS": "2",
            "SLURM_LOCALID": "0",
            "OMPI_COMM_WORLD_RANK": "3",
            "OMPI_COMM_WORLD_SIZE": "4",
            "OMPI_COMM_WORLD_LOCAL_RANK": "1",
            "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
        },
        ("3", "4", "1", "2"),
    ),
    "one process within a job": (
        {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "SLURM_PROCID": "5", "SLURM_NTASKS": "9"},
        ("0", "1", "0", "1"),
    ),
}


@pytest.mark.parametrize(("environ", "found"), WORLDS.values(), ids=WORLDS)
def test_ranks(environ: dict[str, str], found: tuple[str, ...]) -> None:
    adopt(environ)
    assert tuple(environ[name] for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")) == found


SRUN = f"""#!{sys.executable}
import os, subprocess, sys
count = int(sys.argv[sys.argv.index("--ntasks") + 1])
line = sys.argv[sys.argv.index({sys.executable!r}):]
tasks = [
    subprocess.Popen(line, env=os.environ | dict(
        SLURM_PROCID=str(n), SLURM_NTASKS=str(count), SLURM_LOCALID=str(n % 2), SLURM_STEP_NUM_NODES="2"))
    for n in range(count)
]
sys.exit(max(task.wait() for task in tasks))
"""
MEETS = """
import torch.distributed as dist
dist.init_process_group("gloo")
seen = [None] * dist.get_world_size()
dist.all_gather_object(seen, (rank, os.environ["LOCAL_RANK"], os.environ["LOCAL_WORLD_SIZE"]))
reporter.emit("met", seen=seen)
dist.barrier()
"""


@pytest.mark.slow
def test_processes_of_srun_meet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two nodes of two tasks, as an `srun` that starts them all here."""
    (tmp_path / "srun").write_text(SRUN)
    (tmp_path / "srun").chmod(0o755)
    ranked = "from structdsl_runtime.training.ranks import adopt\nimport os\nadopt(os.environ)\n"
    (tmp_path / "stand_in.py").write_text(ranked + HEAD + MEETS)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), *sys.path)))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_NODELIST", "localhost,localhost")
    monkeypatch.setenv("SLURM_JOB_NUM_NODES", "2")
    events: list[Any] = []
    launch(
        "stand_in",
        tmp_path / "job.json",
        tmp_path,
        processes=4,
        nodes=2,
        launcher=Launcher(name="slurm"),
        context=context(tmp_path),
        on_event=events.append,
    )
    assert events[0]["seen"] == [[0, "0", "2"], [1, "1", "2"], [2, "0", "2"], [3, "1", "2"]]
