"""Ctrl-C, SIGTERM and SIGHUP: the first asks to stop after what is in hand, the second ends at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType
from typing import Final, TypeVar

from facecli.report.writing import discard_unfinished
from facecli.services.pipeline import Cancelled

Item = TypeVar("Item")

_SIGNALS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # Windows has no SIGHUP

_NOTICE: Final = b"finishing what is in hand; once more ends at once\n"

# How late a wait may notice that it is to end; a sleeping process that wakes so often takes no time worth counting.
_LOOK_S: Final = 0.2

SIGNAL_EXIT: Final = 128  # plus the signal's number, as shells count


class Stop:
    """Whether somebody asked to stop, and by which signal."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._signal_number = 0

    @property
    def requested(self) -> bool:
        """Whether to begin nothing more."""
        return bool(self._signal_number)

    @property
    def exit_code(self) -> int:
        """128 and the signal's number: 130 for Ctrl-C, 143 for SIGTERM."""
        return SIGNAL_EXIT + self._signal_number

    def wait(self, seconds: float) -> None:
        """Sleep, but no longer than until somebody asks to stop."""
        until = time.monotonic() + seconds
        while not self.requested and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _LOOK_S))

    def handle(self, signal_number: int, frame: FrameType | None) -> None:  # noqa: ARG002  # as `signal.signal` calls it
        """Take note of a signal; at the second, end without waiting for anything."""
        if self.requested:
            discard_unfinished()
            os._exit(SIGNAL_EXIT + signal_number)
        self._signal_number = signal_number
        if not self._quiet:
            # Not through the stream, which may be in the middle of writing something itself.
            with suppress(OSError, ValueError):
                os.write(sys.stderr.fileno(), _NOTICE)


@contextmanager
def stopping(*, quiet: bool) -> Iterator[Stop]:
    """Handle the signals while a block runs. One that was ignored before (``nohup``) stays so."""
    stop = Stop(quiet=quiet)
    if threading.current_thread() is not threading.main_thread():  # only there handlers can be set
        yield stop
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    handled = [number for number, handler in before.items() if handler not in (signal.SIG_IGN, None)]
    for number in handled:
        signal.signal(number, stop.handle)
    try:
        yield stop
    finally:
        for number in handled:
            signal.signal(number, before[number])


class Stopped(Exception):  # noqa: N818  # no error: it was asked for
    """Somebody asked to stop before all was done."""


def until_stopped(items: Iterator[Item], stop: Stop) -> Iterator[Item]:
    """Yield items until somebody asks to stop.

    Raises
    ------
    Stopped
        If they did before the last item. `items` is closed then, which lets it finish what it has in hand.
    """
    with ExitStack() as stack:
        if isinstance(items, Generator):
            stack.callback(items.close)
        while True:
            if stop.requested:
                raise Stopped
            try:
                item = next(items)
            except StopIteration:
                return
            except Cancelled:
                raise Stopped from None
            yield item
