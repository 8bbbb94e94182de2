"""How large a batch becomes: on a made-up device, whose clock stands still unless it computes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from facecli.errors import DeviceMemoryError, InputError
from facecli.runtime.batch_limit import FIRST_BATCH, MOST_BATCH, RUNS, BatchLimit
from facecli.runtime.batching import BatchingNetwork
from facecli.types import FloatArray, PixelArray

SIDE = 4
PIXELS = SIDE * SIDE
SHAPE = (SIDE, SIDE, 3)


class Device:
    """Gives the first number of each picture, and takes the time that is asked of it for a batch."""

    def __init__(self, seconds: Callable[[int], float], most_pixels: int = 10**9) -> None:
        self.now = 1000.0
        self.sizes: list[int] = []
        self._seconds = seconds
        self._most_pixels = most_pixels

    def __call__(self, pictures: PixelArray) -> dict[str, FloatArray]:
        self.sizes.append(len(pictures))
        if np.prod(pictures.shape[:3]) > self._most_pixels:
            raise DeviceMemoryError("too many")
        self.now += self._seconds(len(pictures))
        return {"first": pictures[:, 0, 0, 0].astype(np.float32)}

    def clock(self) -> float:
        return self.now


def pictures(count: int, side: int = SIDE) -> PixelArray:
    batch = np.zeros((count, side, side, 3), np.uint8)
    batch[:, 0, 0, 0] = np.arange(count) % 251
    return batch


def run(network: BatchingNetwork, count: int = 2048, side: int = SIDE) -> None:
    batch = pictures(count, side)
    np.testing.assert_array_equal(network(batch)["first"], batch[:, 0, 0, 0])


def in_order(sizes: list[int]) -> list[int]:
    """Sizes as they changed."""
    return [size for at, size in enumerate(sizes) if not at or size != sizes[at - 1]]


def test_it_grows_as_long_as_larger_batches_are_faster() -> None:
    device = Device(lambda count: 10.0 + 0.01 * count)
    limit = BatchLimit(clock=device.clock)

    assert limit.of(SHAPE) == FIRST_BATCH
    run(BatchingNetwork(device, limit))

    assert in_order(device.sizes) == [8, 16, 32, 64] == [FIRST_BATCH << n for n in range(4)]
    assert limit.of(SHAPE) == MOST_BATCH
    assert [device.sizes.count(size) for size in (8, 16, 32)] == [RUNS] * 3


def test_it_stops_where_larger_batches_gain_nothing_and_goes_back_to_the_size_before() -> None:
    device = Device(lambda count: max(20.0, count))  # nothing is gained from 20 on
    limit = BatchLimit(clock=device.clock)

    run(BatchingNetwork(device, limit), RUNS * (8 + 16 + 32 + 64) + 10 * 32)

    assert in_order(device.sizes) == [8, 16, 32, 64, 32]
    assert limit.of(SHAPE) == 32


@pytest.mark.parametrize(("gain", "found"), [(1.04, 8), (1.06, 64)])
def test_a_few_per_cent_are_no_reason_to_grow(gain: float, found: int) -> None:
    device = Device(lambda count: count / gain ** np.log2(count))
    limit = BatchLimit(clock=device.clock)

    run(BatchingNetwork(device, limit))

    assert limit.of(SHAPE) == found


def test_what_prepares_a_size_is_not_held_against_it() -> None:
    device = Device(lambda count: 100.0 if device.sizes.count(count) <= 2 else 10.0)
    limit = BatchLimit(clock=device.clock)

    run(BatchingNetwork(device, limit))

    assert limit.of(SHAPE) == MOST_BATCH


def test_memory_ends_the_search_and_loses_nobody() -> None:
    device = Device(lambda count: 10.0, most_pixels=20 * PIXELS)
    limit = BatchLimit(clock=device.clock)
    network = BatchingNetwork(device, limit)

    run(network)

    assert in_order(device.sizes) == [8, 16, 32, 16]
    assert device.sizes.count(32) == 1
    run(network, side=2 * SIDE)  # four times the pixels: bounded before it is tried
    assert set(device.sizes[device.sizes.index(4) :]) == {4}
    assert limit.of(SHAPE) == 16
    assert limit.of((2 * SIDE, 2 * SIDE, 3)) == 4


def test_a_bound_met_by_another_shape_ends_the_search_of_this_one_where_it_stands() -> None:
    device = Device(lambda count: 10.0)
    limit = BatchLimit(clock=device.clock)
    network = BatchingNetwork(device, limit)
    run(network, 8 * RUNS)
    assert limit.of(SHAPE) == 16

    limit.lower((2 * SIDE, 2 * SIDE, 3), 6)

    run(network)
    assert limit.of(SHAPE) == 12 == max(device.sizes)


def test_each_shape_has_its_own_size() -> None:
    device = Device(lambda count: 10.0)
    limit = BatchLimit(clock=device.clock)

    run(BatchingNetwork(device, limit))

    assert limit.of(SHAPE) == MOST_BATCH
    assert limit.of((SIDE, 2 * SIDE, 3)) == FIRST_BATCH


def test_batches_that_are_not_full_tell_nothing() -> None:
    device = Device(lambda count: 10.0)
    limit = BatchLimit(clock=device.clock)
    network = BatchingNetwork(device, limit)

    for _ in range(3 * RUNS):
        run(network, FIRST_BATCH - 1)  # filled up with a black picture

    assert set(device.sizes) == {FIRST_BATCH}
    assert limit.of(SHAPE) == FIRST_BATCH


def test_a_batch_that_fails_tells_nothing() -> None:
    limit = BatchLimit()
    for _ in range(2 * RUNS):
        with pytest.raises(InputError), limit.timed(SHAPE, FIRST_BATCH):
            raise InputError("a picture that nobody can look at")

    assert limit.of(SHAPE) == FIRST_BATCH


@pytest.mark.parametrize("size", [3, 32])
def test_a_size_that_was_asked_for_stays(size: int) -> None:
    device = Device(lambda count: 10.0)
    limit = BatchLimit(size, size, clock=device.clock)

    run(BatchingNetwork(device, limit))

    assert set(device.sizes[:-1]) == {size}
    assert limit.of(SHAPE) == size


def test_batches_at_once_have_a_part_of_the_device_each() -> None:
    """Alone a batch of 8 takes 10 s; two of 16 at once take 24 s, which is 12 s each: faster, and so it is kept."""
    now = [0.0]
    limit = BatchLimit(clock=lambda: now[0])
    for _ in range(RUNS):
        with limit.timed(SHAPE, 8):
            now[0] += 10.0
    for _ in range(RUNS // 2):
        with limit.timed(SHAPE, 16), limit.timed(SHAPE, 16):
            now[0] += 24.0

    assert limit.of(SHAPE) == 32


def test_many_threads_lose_no_picture_while_the_size_is_looked_for() -> None:
    lock = threading.Lock()
    device = Device(lambda count: 10.0, most_pixels=40 * PIXELS)

    def guarded(batch: PixelArray) -> dict[str, FloatArray]:
        with lock:
            return device(batch)

    limit = BatchLimit(clock=device.clock)
    network = BatchingNetwork(guarded, limit, in_flight=2)
    batches = [np.full((1, SIDE, SIDE, 3), value % 251, np.uint8) for value in range(3000)]
    with ThreadPoolExecutor(2 * MOST_BATCH) as pool:
        found = [float(each["first"].item()) for each in pool.map(network, batches)]

    assert found == [float(value % 251) for value in range(3000)]
    assert FIRST_BATCH <= limit.of(SHAPE) <= 40
