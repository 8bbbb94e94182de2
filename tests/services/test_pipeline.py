from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.services.pipeline import WINDOW, Cancelled, OrderedPipeline, Turn

Work = Callable[[int, Turn[int]], object]


def pipeline(work: Work, *, workers: int = 3, memory: float = 1000, timeout_s: float = 60) -> OrderedPipeline:
    return OrderedPipeline(work, lambda item: f"{item} hung", workers=workers, memory_bytes=memory, timeout_s=timeout_s)


def answers(batches: Iterator[list[object]]) -> list[object]:
    return [answer for batch in batches for answer in batch]


def photo_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "photo"]


@given(st.lists(st.integers(0, 1200), max_size=40), st.integers(1, 5))
def test_answers_come_in_order_and_within_the_budget(sizes: list[int], workers: int) -> None:
    lock, held, most_by_others = threading.Lock(), [0], [0]

    def work(size: int, turn: Turn[int]) -> int:
        turn.hold(size)
        with lock:
            held[0] += size
            most_by_others[0] = max(most_by_others[0], held[0])
        time.sleep(0)
        with lock:
            held[0] -= size
        turn.release()
        return size

    assert answers(pipeline(work, workers=workers).run(sizes)) == sizes
    # One, whose answer is next, may exceed it.
    assert most_by_others[0] <= 1000 + max(sizes, default=0)


def test_who_holds_until_the_answer_is_taken_blocks_nobody_for_ever() -> None:
    """Each takes 600 of 1000 at first and 600 more later: no two fit, and none gives anything back by itself."""

    def work(item: int, turn: Turn[int]) -> int:
        turn.hold(600)
        turn.hold(600)
        return item

    assert answers(pipeline(work).run(range(30))) == list(range(30))


def test_work_goes_on_while_the_first_answer_is_missing() -> None:
    others_done = threading.Event()
    done: list[int] = []

    def work(item: int, turn: Turn[int]) -> int:
        if item == 0:
            assert others_done.wait(10)
        done.append(item)
        if len(done) == 50:
            others_done.set()
        return item

    assert answers(pipeline(work, workers=2).run(range(100))) == list(range(100))


def test_items_are_taken_only_a_window_ahead() -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    run = pipeline(lambda item, turn: item).run(endless())
    next(run)
    run.close()

    assert taken == WINDOW


def test_what_hangs_is_given_up_and_another_thread_takes_its_place() -> None:
    comes_back = threading.Event()

    def work(item: int, turn: Turn[int]) -> int:
        with turn.may_hang():
            if item in (1, 2):
                comes_back.wait(10)
        return item

    found = answers(pipeline(work, workers=2, timeout_s=0.2).run(range(6)))
    left_behind = len(photo_threads())
    comes_back.set()

    assert found == [0, "1 hung", "2 hung", 3, 4, 5]
    assert left_behind == 2
    for thread in photo_threads():
        thread.join(5)
    assert not photo_threads()


def test_what_takes_long_without_hanging_is_waited_for() -> None:
    def work(item: int, turn: Turn[int]) -> int:
        time.sleep(0.3)
        return item

    assert answers(pipeline(work, timeout_s=0.05).run(range(3))) == [0, 1, 2]


def test_closing_finishes_what_is_in_hand_and_begins_nothing() -> None:
    begun, finished, closing = [], [], threading.Event()

    def work(item: int, turn: Turn[int]) -> int:
        begun.append(item)
        if item:
            assert closing.wait(10)
        finished.append(item)
        return item

    run = pipeline(work, workers=2).run(range(100))
    next(run)
    timer = threading.Timer(0.1, closing.set)
    timer.start()
    run.close()
    timer.join()

    assert sorted(begun) == sorted(finished)
    assert len(begun) <= 3
    assert not photo_threads()


def test_closing_does_not_wait_for_what_hangs() -> None:
    comes_back = threading.Event()

    def work(item: int, turn: Turn[int]) -> int:
        if item:
            with turn.may_hang():
                comes_back.wait(10)
        return item

    run = pipeline(work, workers=2).run(range(5))
    next(run)
    started = time.monotonic()
    run.close()
    waited_s = time.monotonic() - started
    comes_back.set()

    assert waited_s < 5


def test_closing_wakes_who_waits_for_memory() -> None:
    def work(item: int, turn: Turn[int]) -> int:
        turn.hold(900)
        return item

    run = pipeline(work, workers=3).run(range(5))
    next(run)
    run.close()

    assert not photo_threads()


def test_who_asks_for_memory_after_closing_does_not_wait_for_ever() -> None:
    closing = threading.Event()

    def work(item: int, turn: Turn[int]) -> int:
        if item:
            assert closing.wait(10)
            time.sleep(0.1)  # the run is closed by now
        turn.hold(900)
        return item

    run = pipeline(work, workers=3).run(range(5))
    next(run)
    closing.set()
    run.close()

    assert not photo_threads()


@pytest.mark.parametrize("count", [1, 2, 9])
def test_an_error_is_raised_in_its_turn(count: int) -> None:
    def work(item: int, turn: Turn[int]) -> int:
        if item == count - 1:
            raise OSError("torn")
        return item

    found: list[object] = []
    with pytest.raises(OSError, match="torn"):
        found.extend(answer for batch in pipeline(work).run(range(count)) for answer in batch)
    assert found == list(range(count - 1))
    assert not photo_threads()


def test_a_single_item_that_hangs_is_given_up_too() -> None:
    comes_back = threading.Event()

    def work(item: int, turn: Turn[int]) -> int:
        with turn.may_hang():
            comes_back.wait(10)
        return item

    assert answers(pipeline(work, timeout_s=0.1).run([1])) == ["1 hung"]
    comes_back.set()


def test_nothing_gives_nothing() -> None:
    assert answers(pipeline(lambda item, turn: item).run([])) == []


def test_a_request_to_stop_is_noticed_while_an_answer_is_waited_for() -> None:
    comes_back, asked = threading.Event(), threading.Event()

    def work(item: int, turn: Turn[int]) -> int:
        with turn.may_hang():
            asked.set()
            comes_back.wait(10)
        return item

    run = OrderedPipeline(work, str, workers=2, memory_bytes=0, timeout_s=60, cancelled=asked.is_set)
    started = time.monotonic()
    with pytest.raises(Cancelled):
        answers(run.run(range(5)))
    comes_back.set()

    assert time.monotonic() - started < 5


LEFT_OPEN = """
import time
from facecli.services.pipeline import OrderedPipeline

def work(item, turn):
    if item:
        time.sleep(0.5)
        print("finished", flush=True)
    return item

pipeline = OrderedPipeline(work, str, workers=2, memory_bytes=0, timeout_s=60)
answers = pipeline.run(range(100))
print(next(answers), flush=True)
raise SystemExit(7)
"""


def test_a_program_that_ends_with_a_run_left_open_finishes_what_is_in_hand() -> None:
    done = subprocess.run([sys.executable, "-c", LEFT_OPEN], capture_output=True, text=True, timeout=30)

    assert (done.returncode, done.stderr) == (7, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "[0]"
    assert 1 <= lines.count("finished") <= 2
