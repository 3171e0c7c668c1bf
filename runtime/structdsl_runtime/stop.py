"""Being asked to stop: SIGTERM does what Ctrl-C does, and both are heard within a second.

Both raise `KeyboardInterrupt` in the main thread, as Ctrl-C always did. That is not enough: the main thread may be
inside a query of DuckDB, which looks for signals only between tasks, and a task may last for hours; and while a
library is imported, exceptions of signals get lost. So a thread listens too. It is woken by the interpreter's
C-level handler whatever the main thread does, writes down that a stop was asked for, and interrupts what it was told
to until the stop has been heard.
"""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], object] | signal.Handlers

USUAL: Mapping[signal.Signals, Handler] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
AGAIN = 0.2  # seconds: an interrupt that falls between two queries stops neither


class Stop:
    """Whether somebody asked, and what to interrupt then."""

    def __init__(self) -> None:
        self.asked = False
        self.interrupts: list[Callable[[], None]] = []  # to be called from another thread
        self._heard = threading.Event()
        self._handled = False  # the handler has run
        self._early = False  # `check` has raised what the handler has yet to run for

    def check(self) -> None:
        """Raise `KeyboardInterrupt` if somebody asked."""
        if self.asked:
            self._early = not self._handled
            raise KeyboardInterrupt

    def handle(self, _number: int, _frame: FrameType | None) -> None:
        """The handler of the signals: raises once for each, unless that has been done or the end has begun."""
        early, self._early = self._early, False
        self.asked = self._handled = True
        if not early and not self._heard.is_set():
            raise KeyboardInterrupt

    def heard(self) -> None:
        """The run is coming to its end: nothing more to interrupt."""
        self._heard.set()

    def listen(self, wire: socket.socket) -> None:
        """Wait for the number of a signal on the wire; the thread ends when the wire is closed."""
        while number := wire.recv(1):
            if number[0] in USUAL:
                self.asked = True
            while self.asked and not self._heard.is_set():
                for interrupt in self.interrupts:
                    interrupt()
                self._heard.wait(AGAIN)


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Listen to the signals that are not ignored or handled already; only the main thread can."""
    stop = Stop()
    ours = threading.current_thread() is threading.main_thread()
    numbers = [number for number, usual in USUAL.items() if ours and signal.getsignal(number) == usual]
    if not numbers:
        yield stop
        return

    end, wire = socket.socketpair()
    end.settimeout(0)  # non-blocking, as the interpreter demands
    listener = threading.Thread(target=stop.listen, args=(wire,), name="structdsl-stop", daemon=True)
    listener.start()
    before = signal.set_wakeup_fd(end.fileno(), warn_on_full_buffer=False)
    for number in numbers:
        signal.signal(number, stop.handle)
    try:
        yield stop
    finally:
        for number in numbers:
            signal.signal(number, USUAL[number])
        signal.set_wakeup_fd(before)
        stop.heard()
        end.close()
        listener.join(timeout=1)
        wire.close()
