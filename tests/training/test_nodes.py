"""Several nodes by torchrun: what the environment says, who waits for whom and how long, and what becomes of a stage.

Both sides run here, in a thread each; a share of a stage is a process of our own making.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from structdsl.compile import compile_text
from structdsl.plan import Perplexity, Place, Plan
from structdsl.plan.launching import Start
from structdsl.plan.operations import Launcher
from structdsl_runtime.events import Failure
from structdsl_runtime.operation import Fault
from structdsl_runtime.operations.evaluate import perplexity
from structdsl_runtime.training import joining, leading, signs
from structdsl_runtime.training.joining import join
from structdsl_runtime.training.launch import launch
from structdsl_runtime.training.leading import Lead
from structdsl_runtime.training.signs import OfLead, OfNode, Teller, Watch, path_of
from structdsl_runtime.training.torchrun import Node, this_node
from tests.training.stage_fakes import FakeInputs, FakeOutputs, context
from tests.training.test_launch import HEAD, wait_until_gone

SPEC = """\
language 1
model base { source = path("models/base") }
corpus notes { source = files("notes/*.md"), role = domain }
corpus web { source = files("web/*.md"), role = replay }
mixture m { budget = 1M tokens, weights = { corpus.notes: 80%, corpus.web: rest } }
cluster c { nodes = NODES, gpus = 2, launcher = torchrun }
stage learn: cpt { from = model.base, data = mixture.m, cluster = cluster.c }
"""


def plan_of(nodes: int) -> Plan:
    plan, sink = compile_text(SPEC.replace("NODES", str(nodes)), Path("spec.adapt"))
    assert plan is not None, [diagnostic.message for diagnostic in sink]
    return plan


MEET = {"MASTER_ADDR": "n0", "MASTER_PORT": "7"}
ENVIRONMENTS: dict[str, tuple[dict[str, str], Any]] = {
    "none": ({"RANK": "1", "WORLD_SIZE": "2", **MEET}, None),
    "usual": ({"NODE_RANK": "1", **MEET}, (1, "n0", "7")),
    "any port": ({"NODE_RANK": "0", "NNODES": "2", "MASTER_ADDR": "n0"}, (0, "n0", None)),
    "options": ({"PET_NODE_RANK": "1", "PET_NNODES": "2", "PET_MASTER_ADDR": "n0"}, (1, "n0", None)),
    "within a torchrun": (
        {"GROUP_RANK": "1", "GROUP_WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "1", "TORCHELASTIC_RUN_ID": "x", **MEET},
        (1, "n0", "7"),
    ),
    "copies": (
        {"GROUP_RANK": "0", "LOCAL_WORLD_SIZE": "8", "TORCHELASTIC_RUN_ID": "x", **MEET},
        "started the run 8 times on this node",
    ),
    "nodes": ({"NODE_RANK": "1", "NNODES": "4", **MEET}, "the cluster has 2 nodes, and the environment 4"),
    "rank": ({"NODE_RANK": "2", **MEET}, "the cluster has 2 nodes, numbered from 0, and this is node 2"),
    "word": ({"NODE_RANK": "first", **MEET}, "`NODE_RANK=first` is no number"),
    "nowhere": ({"NODE_RANK": "1"}, "nothing says where the processes of all nodes meet"),
}


@pytest.mark.parametrize(("environ", "found"), ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_the_environment_names_a_node(environ: dict[str, str], found: Any) -> None:
    assert this_node(plan_of(1), environ) is None
    if isinstance(found, str):
        with pytest.raises(Fault, match=found) as caught:
            this_node(plan_of(2), environ)
        assert caught.value.code == "E0741"
        return
    node = this_node(plan_of(2), environ)
    assert (None if node is None else (node.rank, node.address, node.port)) == found


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs many times a second, and little patience."""
    monkeypatch.setattr(signs, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(signs, "SILENCE", 3.0)
    monkeypatch.setattr(leading, "PEER_SECONDS", 0.2)
    monkeypatch.setattr(leading, "GRACE_SECONDS", 3.0)
    monkeypatch.delenv("STRUCTDSL_TIMEOUT", raising=False)


def numbered(rank: int) -> Node:
    return Node(rank=rank, nodes=2, address="127.0.0.1", port=None)


class Joining(threading.Thread):
    """Node 1, and how it ends."""

    def __init__(self, store: Path, plan: str = "p") -> None:
        super().__init__(daemon=True)
        self._store, self._plan = store, plan
        self.end: OfLead | None = None
        self.fault: Fault | None = None

    def run(self) -> None:
        try:
            self.end = join(self._store, numbered(1), self._plan, lambda _: None)
        except Fault as fault:
            self.fault = fault

    def ended(self) -> Joining:
        self.join(20)
        assert not self.is_alive()
        return self


@contextmanager
def led(store: Path) -> Iterator[Lead]:
    lead = Lead(store, numbered(0), "p", "run-1")
    try:
        yield lead
    finally:
        lead.finish("done", None)


def until(true: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def leave_behind(store: Path, rank: int) -> None:
    """The file of a node of an earlier run, as that left it."""
    left: signs.Sign = OfLead(run="old", state="done", admitted={1: "t"})
    if rank:
        left = OfNode(token="t", host="h", plan="p", store=str(store))
    path_of(store, rank).parent.mkdir(parents=True, exist_ok=True)
    path_of(store, rank).write_text(left.model_dump_json())


def test_the_others_are_waited_for_and_hear_of_the_end(tmp_path: Path) -> None:
    for rank in (0, 1):
        leave_behind(tmp_path, rank)
    other = Joining(tmp_path)
    other.start()
    lead = Lead(tmp_path, numbered(0), "p", "run-1")
    lead.gather(lambda _: None)
    place = Place(file="spec.adapt", line=1, column=1, start=0, end=1)
    lead.finish("failed", Failure(address="a", code="E0722", message="not good enough", place=place))
    end = other.ended().end
    assert end is not None
    assert (end.run, end.state, end.code, end.said) == ("run-1", "failed", "E0722", "not good enough")


@pytest.mark.parametrize("rank", [0, 1])
def test_one_that_does_not_come_is_not_waited_for_forever(
    rank: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRUCTDSL_TIMEOUT", "0.5")
    leave_behind(tmp_path, rank)
    if rank == 0:
        other = Joining(tmp_path)
        other.start()
        fault = other.ended().fault
        assert fault is not None
    else:
        with led(tmp_path) as lead, pytest.raises(Fault) as caught:
            lead.gather(lambda _: None)
        fault = caught.value
    assert (fault.code, fault.message) == (
        "E0835",
        ["node 0 did not start a run", "node 1 of 2 did not come"][rank],
    )


def test_nodes_of_different_plans_do_not_begin(tmp_path: Path) -> None:
    other = Joining(tmp_path, plan="q")
    other.start()
    with led(tmp_path) as lead, pytest.raises(Fault, match="has compiled another plan than node 0") as caught:
        lead.gather(lambda _: None)
    assert caught.value.code == "E0741"
    assert other.ended().end is not None


def test_two_that_take_themselves_for_the_same_node(tmp_path: Path) -> None:
    both = [Joining(tmp_path), Joining(tmp_path)]
    for each in both:
        each.start()
    until(lambda: any(each.fault is not None for each in both))
    fault = next(each.fault for each in both if each.fault is not None)
    assert fault.code == "E0741"
    assert "is node 1 as well" in fault.message


SHARE = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); {}"


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Lead, str], tuple[Joining, int]]:
    """Begin a stage whose share of node 1 runs `body`; that node, and the process of its share."""

    def begin(lead: Lead, body: str) -> tuple[Joining, int]:
        (tmp_path / "events").mkdir()
        line = [sys.executable, "-c", SHARE.format(body), str(tmp_path / "pid")]
        monkeypatch.setattr(joining, "command", lambda _: line)
        other = Joining(tmp_path)
        other.start()
        lead.gather(lambda _: None)
        started = Start(processes=2, nodes=2, launcher=Launcher(name="torchrun"), job=str(tmp_path / "job"))
        lead.order(started, context(tmp_path / "step"), tmp_path / "events")
        until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
        return other, int((tmp_path / "pid").read_text())

    return begin


Begun = Callable[[Lead, str], tuple[Joining, int]]


def test_a_share_that_fails_fails_the_stage(tmp_path: Path, begun: Begun) -> None:
    with led(tmp_path) as lead:
        other, _ = begun(lead, "sys.exit(3)")
        until(lead.failed)
        assert lead.codes() == {1: 3}
        lead.withdraw()
    assert other.ended().end is not None


def test_a_stage_that_fails_ends_the_shares_of_the_others(tmp_path: Path, begun: Begun) -> None:
    with led(tmp_path) as lead:
        other, process = begun(lead, "time.sleep(60)")
        until(lambda: lead.over(1))  # which does not wait for one that lives
        lead.withdraw()
        wait_until_gone(process, 1)
    assert other.ended().end is not None


def test_a_dead_node_0_ends_the_others(tmp_path: Path, begun: Begun) -> None:
    lead = Lead(tmp_path, numbered(0), "p", "run-1")
    other, process = begun(lead, "time.sleep(60)")
    lead._teller.close()  # as if it were killed
    fault = other.ended().fault
    assert fault is not None
    assert (fault.code, fault.message) == ("E0835", "node 0 is gone")
    wait_until_gone(process, 1)


def test_a_dead_node_fails_the_stage(tmp_path: Path) -> None:
    lead = Lead(tmp_path, numbered(0), "p", "run-1")
    other = Teller(path_of(tmp_path, 1), OfNode(token="t", host="gpu7", plan="p", store=str(tmp_path)))
    lead.gather(lambda _: None)
    started = Start(processes=2, nodes=2, launcher=Launcher(name="torchrun"), job=str(tmp_path / "job"))
    lead.order(started, context(tmp_path / "step"), tmp_path / "events")
    other.close()
    with pytest.raises(Fault, match=r"node 1 \(`gpu7`\) is gone") as caught:
        until(lambda: lead.over(1))
    assert caught.value.code == "E0835"
    began = time.monotonic()
    lead.withdraw()
    lead.finish("failed", None)
    assert time.monotonic() - began < 1  # it is not waited for again


def test_a_node_that_is_asked_to_stop_stops_the_run(tmp_path: Path) -> None:
    with led(tmp_path) as lead:
        sign = OfNode(token="t", host="h", plan="p", store=str(tmp_path))
        other = Teller(path_of(tmp_path, 1), sign)
        lead.gather(lambda _: None)
        started = Start(processes=2, nodes=2, launcher=Launcher(name="torchrun"), job=str(tmp_path / "job"))
        lead.order(started, context(tmp_path / "step"), tmp_path / "events")
        assert not lead.failed()
        other.say(sign.model_copy(update={"asked": True}))
        with pytest.raises(KeyboardInterrupt):
            until(lead.failed)
        other.say(sign.model_copy(update={"left": True}))
        other.close()


def test_a_sign_of_another_version_is_none(tmp_path: Path) -> None:
    path_of(tmp_path, 1).parent.mkdir()
    path_of(tmp_path, 1).write_text('{"beat": 1}')
    assert Watch(path_of(tmp_path, 1), OfNode).look() is None


MEETS = """
import torch.distributed as ranks
ranks.init_process_group("gloo")
seen = [None] * 2
ranks.all_gather_object(seen, (rank, os.environ["LOCAL_RANK"], os.environ["GROUP_RANK"]))
reporter.emit("met", seen=seen)
ranks.barrier()
if rank == 1:
    print("last words of rank 1", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
with failures(folder, rank):
    ranks.barrier()
"""


@pytest.mark.slow
def test_a_killed_rank_of_another_node_is_named_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "stand_in.py").write_text(HEAD + MEETS)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(tmp_path), *sys.path)))
    other = Joining(tmp_path)
    other.start()
    met: list[Any] = []
    with led(tmp_path) as lead:
        lead.gather(lambda _: None)
        here = context(tmp_path / "step")
        object.__setattr__(here, "lead", lead)
        with pytest.raises(Fault) as caught:
            launch(
                "stand_in",
                tmp_path / "job.json",
                tmp_path,
                processes=2,
                nodes=2,
                launcher=Launcher(name="torchrun"),
                context=here,
                on_event=met.append,
            )
    assert met[0]["seen"] == [[0, "0", "0"], [1, "0", "1"]]
    assert caught.value.code == "E0805"
    assert "(rank 1): ended by SIGKILL" in caught.value.message
    assert "last words of rank 1" in caught.value.notes[0]
    assert "node-1.log" in caught.value.notes[1]
    assert other.ended().end is not None


@pytest.mark.slow
def test_the_items_of_a_task_are_shared_out_over_nodes(base: Path, tmp_path: Path) -> None:
    other = Joining(tmp_path)
    other.start()
    documents = pa.table({"doc_id": [f"d{number}" for number in range(5)], "text": ["Words."] * 5})
    arguments = Perplexity(model="model.base", task="t", processes=2, nodes=2, launcher=Launcher(name="torchrun"))
    outputs, here = FakeOutputs(tmp_path / "out"), context(tmp_path / "step")
    with led(tmp_path) as lead:
        lead.gather(lambda _: None)
        object.__setattr__(here, "lead", lead)
        perplexity(arguments, FakeInputs({"documents": documents}, {"model": base}), outputs, here)
    rows = outputs.tables["items"]
    assert [row["item"] for row in rows] == [f"d{number}" for number in range(5)]
    assert len({row["score"] for row in rows}) == 1
    told = {path.name: len(path.read_text().splitlines()) for path in (here.scratch / "events").iterdir()}
    assert told == {"progress.jsonl": 3, "progress-1.jsonl": 2}
    assert other.ended().end is not None
