"""A node of a run that is not the first: it waits, and starts its share of each stage that node 0 begins.

It makes no data and holds no store; the files of the job, which all nodes see, say what there is to do. It goes when
node 0 has ended the run, however that was, or when node 0 gives no sign of life.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from structdsl.plan.launching import Start
from structdsl.plan.operations import Launcher
from structdsl_runtime.lock import StoreUnusable
from structdsl_runtime.operation import Fault
from structdsl_runtime.stop import stoppable
from structdsl_runtime.training.launch import stop
from structdsl_runtime.training.launchers import command, environment
from structdsl_runtime.training.orders import PARENT, patience
from structdsl_runtime.training.signs import (
    POLL_SECONDS,
    OfLead,
    OfNode,
    Order,
    Teller,
    Watch,
    log_of,
    lost,
    path_of,
    silence,
)
from structdsl_runtime.training.torchrun import Node

LAUNCHER: Final = Launcher(name="torchrun")


@dataclass(slots=True, kw_only=True)
class Share:
    """What this node does of a stage."""

    order: Order
    agent: subprocess.Popen[bytes]
    over: bool = False  # its end has been told


def join(store: Path, node: Node, plan: str, tell: Callable[[str], None]) -> OfLead:
    """Take part in the run that node 0 starts on a store; its last words. `tell` is told what happens meanwhile.

    Raises Fault E0835 where node 0 does not come or is gone, E0741 where another process takes itself for this node,
    KeyboardInterrupt where the node is asked to stop: in a stage not before node 0 has saved it, unless asked twice;
    `StoreUnusable`.
    """
    token = secrets.token_hex(8)
    sign = OfNode(token=token, host=socket.gethostname(), plan=plan, store=str(store))
    try:
        teller = Teller(path_of(store, node.rank), sign)
    except OSError as error:
        raise StoreUnusable(store, error) from None
    joined = _Joined(node, Watch(path_of(store, 0), OfLead), Watch(path_of(store, node.rank), OfNode), teller, tell)
    try:
        with stoppable():
            return joined.follow()
    finally:
        joined.drop()
        teller.say(teller.sign.model_copy(update={"left": True}))
        teller.close()


class _Joined:
    def __init__(
        self,
        node: Node,
        lead: Watch[OfLead],
        own: Watch[OfNode],
        teller: Teller[OfNode],
        tell: Callable[[str], None],
    ) -> None:
        self._node = node
        self._lead = lead
        self._own = own
        self._teller = teller
        self._tell = tell
        self._began = time.monotonic()
        self._run: str | None = None
        self._share: Share | None = None
        tell(f"node {node.rank} of {node.nodes}, waiting for node 0")

    def follow(self) -> OfLead:
        """Turn after turn, until the end of the run."""
        while True:
            try:
                end = self._turn()
                if end is not None:
                    return end
                time.sleep(POLL_SECONDS)
            except KeyboardInterrupt:
                if self._share is None or self._share.over or self._teller.sign.asked:
                    raise
                self._teller.say(self._teller.sign.model_copy(update={"asked": True}))
                self._tell("node 0 is asked to save and to stop; asked again, this node ends at once")

    def drop(self) -> None:
        """End what was started here."""
        if self._share is not None and not self._share.over:
            stop(self._share.agent, self._share.order.events)

    def _turn(self) -> OfLead | None:
        own = self._own.look()
        if own is not None and own.token != self._teller.sign.token:
            raise Fault(
                "E0741",
                f"another process, on `{own.host}`, is node {self._node.rank} as well",
                helps=("give each node a number of its own: `NODE_RANK`",),
            )
        lead = self._lead.look()
        if self._run is None:
            self._await(lead)
            return None
        if self._lead.silent > silence():
            raise lost("node 0 is gone", f"no sign of life for {self._lead.silent:.0f} s")
        if lead is None:
            return None
        if lead.run != self._run:
            raise lost("node 0 has started the run anew", "it was killed, or took this node for gone")
        self._work(lead.order)
        return None if lead.state == "running" else lead

    def _await(self, lead: OfLead | None) -> None:
        """Until node 0 counts on this process: what it wrote before is of another run."""
        if lead is not None and lead.admitted.get(self._node.rank) == self._teller.sign.token:
            self._run = lead.run
            self._tell(f"node {self._node.rank} takes part in run {lead.run}")
        elif (waited := time.monotonic() - self._began) > patience():
            raise lost("node 0 did not start a run", f"waited for {waited:,.0f} s")

    def _work(self, order: Order | None) -> None:
        """Start a share, see whether it has ended, end one that is not wanted any more."""
        share = self._share
        if share is not None and not share.over:
            if order is None or order.number != share.order.number:
                stop(share.agent, share.order.events)
            code = share.agent.poll()
            if code is not None:
                share.over = True
                self._teller.say(self._teller.sign.model_copy(update={"code": code}))
                self._tell(f"{share.order.address}: ended with exit code {code}")
        if order is not None and order.number > self._teller.sign.order and self._node.rank < order.nodes:
            self._share = self._start(order)
            self._teller.say(self._teller.sign.model_copy(update={"order": order.number, "code": None}))

    def _start(self, order: Order) -> Share:
        started = Start(
            processes=order.processes,
            nodes=order.nodes,
            launcher=LAUNCHER,
            module=order.module,
            job=str(order.job),
            python=sys.executable,
            address=order.meet,
            port=order.port,
            node=str(self._node.rank),
            logs=str(order.job.parent / "ranks"),
        )
        log = log_of(order.log, self._node.rank)
        self._tell(f"{order.address}: {started.each} of {started.processes} processes, log `{log}`")
        with log.open("ab") as stream:
            agent = subprocess.Popen(  # noqa: S603 - our own module, our own arguments
                command(started),
                env={**environment(started), PARENT: str(os.getpid())},
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return Share(order=order, agent=agent)
