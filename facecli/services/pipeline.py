"""Work on many things at once, and give the answers in the order of the questions, in bounded memory.

Every worker takes one thing from beginning to end, so that reading, decoding and networks of different photos overlap
without queues between them. Three rules keep a run going whatever its photos are:

- What is held in memory is asked for first. Who would exceed the budget waits, except the one whose answer comes next:
  it always goes on, so nobody waits for ever, and the budget is exceeded by one photo at most.
- What may hang (reading from a stalled network share) is watched: when its time is up, the thread is left behind, the
  answer says so, and another thread takes its place.
- Closing early, as Ctrl-C does, begins nothing new and lets what is in hand be finished.
"""

from __future__ import annotations

import atexit
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Final, Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")

# Things begun before the first answer is missing: enough for the others to go on while one of them hangs.
WINDOW: Final = 256

# How long closing waits for a thread that is in the middle of reading.
_READ_GRACE_S: Final = 1.0
_JOIN_S: Final = 0.1

# How late a request to stop is noticed while an answer is waited for.
_LOOK_S: Final = 0.2


class Cancelled(Exception):  # noqa: N818  # no error: it was asked for
    """Somebody asked to stop while an answer was waited for."""


class Abandoned(Exception):  # noqa: N818  # no error: nobody waits for the answer any more
    """Raised inside `work` to leave it: the run was closed, or the time was up."""


class Turn(Generic[Item]):
    """One thing on its way; `work` tells through it what it holds and what may hang.

    Attributes
    ----------
    number : int
        0 for the first thing.
    """

    def __init__(self, number: int, item: Item, state: _State) -> None:
        self.number = number
        self.item = item
        self.hanging_since: float | None = None
        self.thread: threading.Thread | None = None
        self.held_bytes = 0
        self._state = state

    def hold(self, size_bytes: int) -> None:
        """Wait until so many bytes more fit into the budget; they are given back when the turn ends.

        Raises
        ------
        Abandoned
            If the run was closed meanwhile.
        """
        state = self._state
        with state.changed:
            while not state.admits(self, size_bytes):
                state.check(self)  # before each wait: who closed the run does not say so twice
                state.changed.wait()
            state.used_bytes += size_bytes
            self.held_bytes += size_bytes

    def release(self) -> None:
        """Give back what `hold` took."""
        with self._state.changed:
            self._state.used_bytes -= self.held_bytes
            self.held_bytes = 0
            self._state.changed.notify_all()

    @contextmanager
    def may_hang(self) -> Iterator[None]:
        """Watch what is done inside: nobody waits for it longer than the time limit.

        Raises
        ------
        Abandoned
            When it is over at last, if nobody waited.
        """
        self.hanging_since = time.monotonic()
        try:
            yield
        finally:
            with self._state.changed:
                self.hanging_since = None
                self._state.check(self)


class _State:
    """What the threads of a run share; `changed` guards all of it."""

    def __init__(self, memory_bytes: float) -> None:
        self.changed = threading.Condition()
        self.memory_bytes = memory_bytes
        self.used_bytes = 0
        self.next_number = 0  # whose answer is given next
        self.closed = False
        self.in_hand: dict[int, Turn[Any]] = {}

    def admits(self, turn: Turn[Any], size_bytes: int) -> bool:
        return self.used_bytes + size_bytes <= self.memory_bytes or turn.number == self.next_number

    def check(self, turn: Turn[Any]) -> None:
        if self.closed or turn.number not in self.in_hand:
            raise Abandoned


class OrderedPipeline(Generic[Item, Answer]):
    """Runs `work` on many items in threads.

    Parameters
    ----------
    work : callable
        From an item and its `Turn` to an answer; called in threads. What it raises is raised by `run`.
    timed_out : callable
        The answer for an item that hung.
    workers : int
        Threads.
    memory_bytes : float
        Budget for what turns hold together.
    timeout_s : float
        How long one may hang.
    cancelled : callable
        Whether somebody asked to stop; looked at while an answer is waited for.
    """

    def __init__(
        self,
        work: Callable[[Item, Turn[Item]], Answer],
        timed_out: Callable[[Item], Answer],
        *,
        workers: int,
        memory_bytes: float,
        timeout_s: float,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._work = work
        self._timed_out = timed_out
        self._workers = workers
        self._memory_bytes = memory_bytes
        self._timeout_s = timeout_s
        self._cancelled = cancelled

    def run(self, items: Iterable[Item]) -> Generator[list[Answer], None, None]:
        """Yield the answers in order, those together that are ready together.

        Raises
        ------
        Cancelled
            If somebody asked to stop; what was in hand is finished, but for what hangs.
        """
        yield from _Run(self, iter(items)).answers()


class _Run(Generic[Item, Answer]):
    """One run of a pipeline."""

    # Those not closed yet: whoever takes the answers may fail, and leave a run behind until the program ends.
    open_runs: ClassVar[weakref.WeakSet[_Run[Any, Any]]] = weakref.WeakSet()

    def __init__(self, pipeline: OrderedPipeline[Item, Answer], items: Iterator[Item]) -> None:
        self._pipeline = pipeline
        self._items = items
        self._state = _State(pipeline._memory_bytes)
        self._queue: deque[Turn[Item]] = deque()
        self._done: dict[int, tuple[Turn[Item], Answer | BaseException]] = {}
        self._threads: set[threading.Thread] = set()
        self._begun = 0
        self.open_runs.add(self)

    def answers(self) -> Generator[list[Answer], None, None]:
        state = self._state
        more = True
        try:
            while True:
                while more and self._begun < state.next_number + WINDOW:
                    more = self._begin()
                with state.changed:
                    while state.next_number not in self._done and state.next_number < self._begun:
                        if self._pipeline._cancelled():
                            raise Cancelled
                        state.changed.wait(min(self._give_up_hanging(), _LOOK_S))
                    ready = self._take_ready()
                if not ready:
                    return
                answers: list[Answer] = []
                for _, answer in ready:
                    if isinstance(answer, BaseException):
                        if answers:
                            yield answers
                        raise answer
                    answers.append(answer)
                yield answers
                for turn, _ in ready:
                    turn.release()
                del turn, answer, answers, ready  # photos, where they are kept
        finally:
            self.close()

    def _begin(self) -> bool:
        """Queue the next item; False if there is none."""
        for item in self._items:
            with self._state.changed:
                self._queue.append(Turn(self._begun, item, self._state))
                self._begun += 1
                if len(self._threads) < min(self._pipeline._workers, self._begun):
                    self._start_thread()
                self._state.changed.notify_all()
            return True
        return False

    def _take_ready(self) -> list[tuple[Turn[Item], Answer | BaseException]]:
        ready = []
        while self._state.next_number in self._done:
            ready.append(self._done.pop(self._state.next_number))
            self._state.next_number += 1
        self._state.changed.notify_all()  # another one is next now, and may exceed the budget
        return ready

    def _start_thread(self) -> None:
        # Daemons, since nobody can end a thread that hangs in the operating system; the others are waited for.
        thread = threading.Thread(target=self._serve, name="photo", daemon=True)
        self._threads.add(thread)
        thread.start()

    def _serve(self) -> None:
        """Take one thing after the other, in a thread."""
        state, thread = self._state, threading.current_thread()
        while True:
            with state.changed:
                while not self._queue and not state.closed:
                    state.changed.wait()
                if state.closed or thread not in self._threads:
                    return
                turn = self._queue.popleft()
                turn.thread = thread
                state.in_hand[turn.number] = turn
            answer: Answer | BaseException | None
            try:
                answer = self._pipeline._work(turn.item, turn)
            except Abandoned:
                turn.release()
                answer = None
            except BaseException as error:  # noqa: BLE001  # raised in the thread that asks for the answer
                answer = error
            with state.changed:
                if state.in_hand.pop(turn.number, None) is not None and answer is not None:
                    self._done[turn.number] = (turn, answer)
                state.changed.notify_all()
            del turn, answer  # nothing of a photo is kept while waiting for the next

    def _give_up_hanging(self) -> float:
        """Answer for what has hung too long; return in how many seconds to look again."""
        now, wait_s = time.monotonic(), float(threading.TIMEOUT_MAX)
        for turn in list(self._state.in_hand.values()):
            if turn.hanging_since is None:
                continue
            left_s = turn.hanging_since + self._pipeline._timeout_s - now
            if left_s > 0:
                wait_s = min(wait_s, left_s)
                continue
            del self._state.in_hand[turn.number]
            self._done[turn.number] = (turn, self._pipeline._timed_out(turn.item))
            if turn.thread is not None:
                self._threads.discard(turn.thread)
            self._start_thread()
            return 0.0
        return wait_s

    def close(self) -> None:
        """Begin nothing more, and wait for what is in hand, but not for what hangs."""
        self.open_runs.discard(self)
        state = self._state
        with state.changed:
            state.closed = True
            self._queue.clear()
            self._done.clear()
            state.changed.notify_all()
        deadline = time.monotonic() + _READ_GRACE_S
        for thread in self._threads:
            while thread.is_alive():
                thread.join(_JOIN_S)
                if time.monotonic() >= deadline and thread in self._hanging():
                    break

    def _hanging(self) -> set[threading.Thread | None]:
        with self._state.changed:
            return {turn.thread for turn in self._state.in_hand.values() if turn.hanging_since is not None}


@atexit.register
def _close_open_runs() -> None:
    """Let no thread be inside a network while the interpreter ends, which would end it by a signal."""
    for run in list(_Run.open_runs):
        run.close()
