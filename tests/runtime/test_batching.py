"""Calls of several threads, merged: nobody waits in vain, everybody gets their own, in few sizes of batch."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

from facecli.errors import DeviceMemoryError, FacecliError, InputError
from facecli.runtime.batch_limit import BatchLimit
from facecli.runtime.batching import BatchingNetwork
from facecli.types import FloatArray, PixelArray

PATIENCE_S = 20.0  # a deadlock fails a test instead of hanging it


class SumNetwork:
    """Gives the sum of each picture, remembers its batches, and stops at a gate that may be closed."""

    def __init__(self, most_pixels: int = 10**9) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.inside = threading.Semaphore(0)
        self._most_pixels = most_pixels

    def __call__(self, pictures: PixelArray) -> dict[str, FloatArray]:
        self.shapes.append(pictures.shape)
        self.inside.release()
        assert self.gate.wait(PATIENCE_S)
        if np.prod(pictures.shape[:3]) > self._most_pixels:
            raise DeviceMemoryError("too many")
        if (pictures == 13).all(axis=(1, 2, 3)).any():
            raise InputError("a picture that nobody can look at")
        sums = pictures.reshape(len(pictures), -1).sum(1, dtype=np.float32)
        return {"sum": sums[:, None], "first": pictures[:, :1, :1, 0].astype(np.float32)}

    @property
    def sizes(self) -> list[int]:
        return [shape[0] for shape in self.shapes]


def pictures(value: int, count: int = 1, side: int = 4) -> PixelArray:
    return np.full((count, side, side, 3), value, np.uint8)


def at_most(count: int) -> BatchLimit:
    return BatchLimit(count, count)


def wait_until_waiting(network: BatchingNetwork, count: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while len(network._waiting) != count:
        assert time.monotonic() < deadline, f"{len(network._waiting)} wait, not {count}"
        time.sleep(0.001)


@contextmanager
def queued(inner: SumNetwork, network: BatchingNetwork, *batches: PixelArray) -> Iterator[list[Future]]:
    """Let the calls wait, in this order, behind one call that is in the network; run them when the block ends."""
    inner.gate.clear()
    with ThreadPoolExecutor(len(batches) + 1) as pool:
        calls = [pool.submit(network, pictures(1))]
        assert inner.inside.acquire(timeout=PATIENCE_S)
        for number, batch in enumerate(batches, start=1):
            calls.append(pool.submit(network, batch))
            wait_until_waiting(network, number)
        try:
            yield calls[1:]
        finally:
            inner.gate.set()
        calls[0].result(PATIENCE_S)


def test_one_caller_is_served_at_once_and_alone() -> None:
    inner = SumNetwork()
    network = BatchingNetwork(inner, at_most(32))

    started = time.monotonic()
    outputs = [network(pictures(value, count=2)) for value in (3, 5)]

    assert time.monotonic() - started < PATIENCE_S / 2
    assert [each["sum"].tolist() for each in outputs] == [[[144.0]] * 2, [[240.0]] * 2]
    assert inner.sizes == [2, 2]


def test_calls_that_wait_are_run_together() -> None:
    inner = SumNetwork()
    network = BatchingNetwork(inner, at_most(32))

    with queued(inner, network, *(pictures(value, count) for value, count in ((2, 1), (3, 2), (4, 3)))) as calls:
        pass

    assert inner.sizes == [1, 8]  # six, filled up to a power of two
    for call, (value, count) in zip(calls, ((2, 1), (3, 2), (4, 3)), strict=True):
        assert call.result(0)["sum"].tolist() == [[48.0 * value]] * count
        assert call.result(0)["first"].shape == (count, 1, 1)


def test_other_sizes_wait_for_their_turn_the_oldest_first() -> None:
    inner = SumNetwork()
    network = BatchingNetwork(inner, at_most(32))

    with queued(inner, network, *(pictures(2, side=side) for side in (8, 4, 8, 6))) as calls:
        pass

    assert inner.shapes[1:] == [(2, 8, 8, 3), (1, 4, 4, 3), (1, 6, 6, 3)]
    assert [call.result(0)["sum"].item() for call in calls] == [2.0 * 3 * side * side for side in (8, 4, 8, 6)]


def test_no_batch_is_larger_than_allowed() -> None:
    inner = SumNetwork()
    network = BatchingNetwork(inner, at_most(8))

    with queued(inner, network, pictures(2, 5), pictures(3, 4), pictures(4, 1)) as calls:
        pass

    assert inner.sizes[1:] == [8, 4]  # 5 and 1, filled up; then the 4 that found no room
    assert [call.result(0)["sum"].shape for call in calls] == [(5, 1), (4, 1), (1, 1)]


def test_a_call_with_more_pictures_than_a_batch_is_run_in_parts() -> None:
    inner = SumNetwork()

    outputs = BatchingNetwork(inner, at_most(6))(np.concatenate([pictures(value) for value in range(1, 12)]))

    assert inner.sizes == [6, 6]  # 5 are not filled up to 8
    assert outputs["sum"].ravel().tolist() == [48.0 * value for value in range(1, 12)]


def test_an_error_reaches_the_callers_of_its_batch_and_nobody_else() -> None:
    inner = SumNetwork()
    network = BatchingNetwork(inner, at_most(32))

    with queued(inner, network, pictures(2), pictures(13), pictures(7, side=8)) as calls:
        pass

    for call in calls[:2]:
        with pytest.raises(InputError, match="nobody can look at"):
            call.result(0)
    assert calls[2].result(0)["sum"].item() == 7 * 192
    assert network(pictures(2))["sum"].item() == 96


def test_what_does_not_fit_in_memory_is_run_in_halves_and_kept_so() -> None:
    inner = SumNetwork(most_pixels=3 * 64)
    network = BatchingNetwork(inner, at_most(32))

    outputs = network(np.concatenate([pictures(value, side=8) for value in range(1, 8)]))
    assert outputs["sum"].ravel().tolist() == [192.0 * value for value in range(1, 8)]
    assert inner.sizes == [8, 4, 2, 2, 2, 1]

    inner.shapes.clear()
    assert network(pictures(2, 4, side=8))["sum"].tolist() == [[384.0]] * 4
    assert network(pictures(2, 16))["sum"].tolist() == [[96.0]] * 16  # a quarter of the pixels each
    assert inner.sizes == [2, 2, 8, 8]


def test_a_single_picture_that_does_not_fit_is_an_error_of_its_caller() -> None:
    inner = SumNetwork(most_pixels=3 * 16)
    network = BatchingNetwork(inner, at_most(32))

    with queued(inner, network, pictures(2, 2, side=8), pictures(3, 2)) as calls:
        pass

    with pytest.raises(DeviceMemoryError):
        calls[0].result(0)
    assert calls[1].result(0)["sum"].tolist() == [[144.0]] * 2


def test_two_batches_may_be_in_the_network() -> None:
    both = threading.Barrier(2)

    def inner(batch: PixelArray) -> dict[str, FloatArray]:
        both.wait(PATIENCE_S)
        return {"first": batch[:, 0, 0, 0].astype(np.float32)}

    network = BatchingNetwork(inner, at_most(32), in_flight=2)
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(network, pictures(value)) for value in (2, 3)]
        assert [call.result(PATIENCE_S)["first"].item() for call in calls] == [2.0, 3.0]


def test_batches_are_put_together_where_the_device_wants_them() -> None:
    made: list[PixelArray] = []

    def allocate(shape: tuple[int, ...]) -> PixelArray:
        made.append(np.full(shape, 255, np.uint8))
        return made[-1]

    given: list[PixelArray] = []

    def inner(batch: PixelArray) -> dict[str, FloatArray]:
        given.append(batch)
        return {"sum": batch.sum((1, 2, 3), dtype=np.float32)}

    BatchingNetwork(inner, at_most(32), allocate=allocate)(pictures(2, 3))

    assert len(given) == len(made) == 1
    assert given[0] is made[0]
    assert made[0][3].max() == 0  # black, not what the memory held


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signal can be sent to a thread here")
def test_who_is_interrupted_while_waiting_leaves_no_gap() -> None:
    inner = SumNetwork()
    network = BatchingNetwork(inner, at_most(32))
    inner.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(network, pictures(1))
        assert inner.inside.acquire(timeout=PATIENCE_S)

        def interrupt() -> None:
            wait_until_waiting(network, 1)
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

        pool.submit(interrupt)
        with pytest.raises(KeyboardInterrupt):
            network(pictures(2))
        inner.gate.set()
        leader.result(PATIENCE_S)

    assert network(pictures(3))["sum"].item() == 144
    assert inner.sizes == [1, 1]


def test_many_callers_all_get_their_own() -> None:
    inner = SumNetwork(most_pixels=6 * 32)
    network = BatchingNetwork(inner, at_most(16), in_flight=2)

    def calls(seed: int) -> int:
        random = np.random.default_rng(seed)
        for _ in range(50):
            batch = random.integers(20, 256, (random.integers(1, 6), random.choice([4, 8]), 4, 3), np.uint8)
            if random.random() < 0.1:
                batch[:] = 13
            try:
                outputs = network(batch)
            except FacecliError:
                continue  # in company of a picture that nobody can look at
            assert (batch != 13).any()
            np.testing.assert_array_equal(outputs["sum"][:, 0], batch.sum((1, 2, 3), dtype=np.float32))
            np.testing.assert_array_equal(outputs["first"][:, 0, 0], batch[:, 0, 0, 0])
        return 50

    with ThreadPoolExecutor(12) as pool:
        assert sum(call.result(3 * PATIENCE_S) for call in [pool.submit(calls, seed) for seed in range(12)]) == 600
    assert set(inner.sizes) <= {1, 2, 4, 8, 16}
