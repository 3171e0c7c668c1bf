"""Node 0 of a run on several nodes: waits for the others, has them take part in a stage, and hears how they fare.

A run begins when all its nodes are there, and ends when all have heard of its end: so two runs one after the other
(`launch.sh`) never mix, however fast node 0 is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from structdsl.plan.launching import Start
from structdsl_runtime.events import Failure, Status
from structdsl_runtime.operation import Context, Fault
from structdsl_runtime.training.orders import patience
from structdsl_runtime.training.signs import (
    POLL_SECONDS,
    OfLead,
    OfNode,
    Order,
    Teller,
    Watch,
    lost,
    path_of,
    silence,
)
from structdsl_runtime.training.torchrun import Node

TOLD_SECONDS: Final = 5.0  # of waiting, before the user is told
PEER_SECONDS: Final = 5.0  # for the processes here to say what the end of those on another node has done to them
GRACE_SECONDS: Final = 15.0  # for a node to end its share, or to hear of the end of the run


class Lead:
    """What node 0 says, and what it knows of the others."""

    def __init__(self, store: Path, node: Node, plan: str, run: str) -> None:
        self.node = node
        self._store = store
        self._plan = plan
        self._others = range(1, node.nodes)
        self._watches = {rank: Watch(path_of(store, rank), OfNode) for rank in self._others}
        self._hosts: dict[int, str] = {}
        self._gone: set[int] = set()  # not waited for any more
        self._number = 0
        self._failed: float | None = None  # since when a share of the order is known to have failed
        self._alone: float | None = None  # since when the share of this node has ended
        self._teller = Teller(path_of(store, 0), OfLead(run=run))

    def gather(self, tell: Callable[[str], None]) -> None:
        """Wait until all nodes are there. Raises Fault E0835 where one does not come, E0741 for one of another plan."""
        began, told = time.monotonic(), False
        found: dict[int, OfNode] = {}
        while absent := [rank for rank in self._others if rank not in found]:
            for rank in absent:
                sign = self._watches[rank].look()
                if sign is not None and self._watches[rank].lives and not sign.left:
                    found[rank] = sign
                    self._hosts[rank] = sign.host
                    admitted = {rank: sign.token for rank, sign in found.items()}
                    self._teller.say(self._teller.sign.model_copy(update={"admitted": admitted}))
            waited = time.monotonic() - began
            if waited > TOLD_SECONDS and not told:
                tell(f"waiting for {_named(absent)} of {self.node.nodes}: the same run, with NODE_RANK={absent[0]}")
                told = True
            if waited > patience():
                raise lost(f"{_named(absent)} of {self.node.nodes} did not come", f"waited for {waited:,.0f} s")
            time.sleep(POLL_SECONDS)
        for rank, sign in found.items():
            if sign.store != str(self._store):
                raise Fault(
                    "E0741",
                    f"{self._name(rank)} has the store at `{sign.store}`, node 0 at `{self._store}`",
                    helps=("all nodes need the folder of the spec under the same path",),
                )
            if sign.plan != self._plan:
                raise Fault(
                    "E0741",
                    f"{self._name(rank)} has compiled another plan than node 0",
                    helps=("start the same spec, with the same params and the same version, on every node",),
                )

    def order(self, started: Start, context: Context, events: Path) -> None:
        """Have the other nodes of a stage start their share."""
        self._number, self._failed, self._alone = self._number + 1, None, None
        order = Order(
            number=self._number,
            address=context.address,
            module=started.module,
            job=Path(started.job),
            events=events,
            log=context.log,
            processes=started.processes,
            nodes=started.nodes,
            meet=started.address,
            port=started.port,
        )
        self._teller.say(self._teller.sign.model_copy(update={"order": order}))

    def failed(self) -> bool:
        """Whether the share of another node has failed, and those here had time to say so themselves.

        Raises Fault E0835 for a node that is gone, KeyboardInterrupt where one was asked to stop.
        """
        codes = [sign.code for sign in self._taking_part().values() if sign.order == self._number]
        if any(codes) and self._failed is None:
            self._failed = time.monotonic()
        return self._failed is not None and time.monotonic() - self._failed > PEER_SECONDS

    def over(self, code: int) -> bool:
        """Whether the shares of the others have ended too, those here having ended with `code`; waits a moment if not.

        After a failure a sign that they live is enough. Raises as `failed` does: of a node that is gone, the processes
        here know no more than a broken connection.
        """
        signs = self._taking_part()
        if self._alone is None:
            self._alone = time.monotonic()  # what was said before is no sign of life after the failure
        waited = time.monotonic() - self._alone
        if all(sign.order == self._number and sign.code is not None for sign in signs.values()):
            return True
        if code and waited > PEER_SECONDS and all(self._watches[rank].silent < waited for rank in signs):
            return True
        time.sleep(POLL_SECONDS)
        return False

    def withdraw(self) -> None:
        """The stage is over: its files go when the others have ended what they started, or do not answer."""
        sign = self._teller.sign
        if sign.order is None:
            return
        nodes = range(1, sign.order.nodes)
        self._teller.say(sign.model_copy(update={"order": None}))
        self._await(lambda found: found.order < self._number or found.code is not None, nodes)

    def codes(self) -> dict[int, int]:
        """How the shares of the last order ended, by node, of those that said so."""
        signs = {rank: watch.look() for rank, watch in self._watches.items()}
        return {
            rank: sign.code
            for rank, sign in signs.items()
            if sign is not None and sign.order == self._number and sign.code is not None
        }

    def finish(self, state: Status, failure: Failure | None) -> None:
        """Tell the others how the run has ended, and wait until they have heard it."""
        why = {} if failure is None else {"code": failure.code, "said": failure.message}
        self._teller.say(self._teller.sign.model_copy(update={"state": state, **why}))
        self._await(lambda found: found.left, self._others)
        self._teller.close()

    def _await(self, ready: Callable[[OfNode], bool], nodes: range) -> None:
        """Until all admitted nodes that live are ready, and not for long."""
        admitted = self._teller.sign.admitted
        deadline = time.monotonic() + GRACE_SECONDS
        waiting = {rank for rank in nodes if rank in admitted} - self._gone
        while waiting and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            for rank in sorted(waiting):
                sign = self._watches[rank].look()
                if sign is None or sign.token != admitted[rank] or sign.left or ready(sign):
                    waiting.remove(rank)
        self._gone |= waiting

    def _taking_part(self) -> dict[int, OfNode]:
        """The signs of the nodes that the stage needs."""
        order = self._teller.sign.order
        assert order is not None, "a stage has begun"
        signs = {}
        for rank in range(1, order.nodes):
            watch = self._watches[rank]
            sign = watch.look()
            if watch.silent > silence():
                self._gone.add(rank)
                raise lost(f"{self._name(rank)} is gone", f"no sign of life for {watch.silent:.0f} s")
            if sign is None:
                continue
            if sign.left or sign.token != self._teller.sign.admitted[rank]:
                raise lost(f"{self._name(rank)} has left the run", "it was started anew, or asked to stop")
            if sign.asked:
                raise KeyboardInterrupt
            signs[rank] = sign
        return signs

    def _name(self, rank: int) -> str:
        return f"node {rank} (`{self._hosts[rank]}`)"


def _named(ranks: list[int]) -> str:
    return f"node{'s' * (len(ranks) > 1)} {', '.join(map(str, ranks))}"
