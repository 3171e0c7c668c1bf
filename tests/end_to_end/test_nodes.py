"""A stage on two nodes by torchrun, both of them this machine: a run or a `launch.sh` each, over one store."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.end_to_end.folder import Folder, environment, lines

SPEC = """\
language 1
cluster two { processes = 2, deepspeed { zero = 1 } }
model scratch {
  source    = scratch(hidden = 32, layers = 1, heads = 2, positions = 64)
  tokenizer = bpe(vocab = 300, over = [corpus.notes])
}
corpus notes { source = files("notes.jsonl"), role = domain }
mixture m { budget = 30k tokens, max_epochs = 60, weights = { corpus.notes: 100% } }
stage learn: cpt {
  from = model.scratch, data = mixture.m, cluster = cluster.two
  length = 64, batch = 256 tokens, steps = 80, optimizer = adamw(lr = 1e-3)
}
stage half: merge { base = model.scratch, tuned = stage.learn }
"""
PROGRESS = "scratch/*/stage.learn.train/events/progress.jsonl"
NODES = "cluster two { nodes = 2, processes = 2, launcher = torchrun"


def new(path: Path) -> Folder:
    path.mkdir()
    folder = Folder(path, "pair")
    lines(path / "notes.jsonl", [{"text": f"Note {n} says that {7 * n % 13} follows {n}."} for n in range(60)])
    folder.spec.write_text(SPEC, encoding="utf-8")
    return folder


def started(folder: Folder, rank: int, *words: str, **more: str) -> subprocess.Popen[str]:
    """A command on a node."""
    log = (folder.path / f"node-{rank}.txt").open("w")
    return subprocess.Popen(
        words or folder.command("run"),
        cwd=folder.path,
        env=environment() | {"NODE_RANK": str(rank), "MASTER_ADDR": "127.0.0.1", **more},
        stdout=log,
        stderr=subprocess.STDOUT,
        text=True,
    )


def said(folder: Folder, rank: int) -> str:
    return (folder.path / f"node-{rank}.txt").read_text()


def weights(folder: Folder) -> bytes:
    (path,) = folder.store.glob("checkpoints/stage.learn.train/*/model/model.safetensors")
    return path.read_bytes()


@pytest.mark.slow
def test_two_nodes_under_zero_1_train_what_one_does_and_resume(tmp_path: Path) -> None:
    """Stopped on the second node, and gone on with by `launch.sh` on both: to the bits of two processes of one node."""
    folder = new(tmp_path / "here")
    folder.shell("run")
    alone, losses = weights(folder), folder.rows("SELECT loss FROM stage.learn_log ORDER BY step")
    for path in folder.store.glob("checkpoints/stage.*"):
        shutil.rmtree(path)
    folder.edit("cluster two { processes = 2", NODES)

    nodes = [started(folder, rank) for rank in (0, 1)]
    end = time.monotonic() + 120
    while not any('"started"' in path.read_text() for path in folder.store.glob(PROGRESS)):
        assert time.monotonic() < end, said(folder, 0) + said(folder, 1)
        time.sleep(0.05)
    nodes[1].send_signal(signal.SIGTERM)
    assert [node.wait(120) for node in nodes] == [130, 130], said(folder, 0) + said(folder, 1)

    (tmp_path / "structdsl").write_text(f'#!/bin/sh\nexec {sys.executable} -m structdsl "$@"\n')
    (tmp_path / "structdsl").chmod(0o755)
    script = str(folder.path / "build" / "pair" / "training" / "launch.sh")
    nodes = [started(folder, rank, "bash", script, STRUCTDSL=str(tmp_path / "structdsl")) for rank in (0, 1)]
    assert [node.wait(120) for node in nodes] == [0, 0], said(folder, 0) + said(folder, 1)
    assert "goes on from its checkpoint" in said(folder, 0)
    assert weights(folder) == alone
    assert folder.rows("SELECT loss FROM stage.learn_log ORDER BY step") == losses
    assert list(folder.store.glob("checkpoints/stage.half*/*/model/model.safetensors"))


def test_a_node_that_cannot_take_part_says_why(tmp_path: Path) -> None:
    folder = new(tmp_path / "here")
    folder.edit("cluster two { processes = 2", NODES)
    for more, code in (({"NNODES": "3"}, "E0741"), ({"STRUCTDSL_TIMEOUT": "0.5"}, "E0835")):
        assert started(folder, 1, **more).wait(60) == 4
        assert f"error[{code}]" in said(folder, 1)
        assert "cluster two" in said(folder, 1) or "stage learn" in said(folder, 1)
    assert not os.path.lexists(folder.store / "runs")
