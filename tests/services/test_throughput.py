from __future__ import annotations

import time

from facecli.errors import UnreadableImageError
from facecli.services.throughput import Rate, Watch, peak_memory_bytes, repeat


def test_work_is_repeated_until_the_time_is_up() -> None:
    started = time.perf_counter()
    rate = repeat([1, 2, 3], lambda _: time.sleep(0.001), threads=2, seconds=0.1)

    assert 0.1 <= rate.seconds <= time.perf_counter() - started
    assert rate.count > 3


def test_or_once_and_what_fails_is_not_counted() -> None:
    def work(number: int) -> None:
        if number == 2:
            raise UnreadableImageError("torn")

    assert repeat([1, 2, 3], work, 2, seconds=60, rounds=1, count=lambda number: number).count == 4


def test_nothing_to_do_takes_no_time() -> None:
    assert repeat([], lambda _: None, threads=2, seconds=60) == Rate()


def test_a_rate_in_words_that_people_use() -> None:
    rate = Rate(10, 2.0, 3.0)
    assert (rate.per_second, rate.ms_each, rate.cpu_ms_each) == (5, 200, 300)
    assert (Rate().per_second, Rate().ms_each, Rate().cpu_ms_each) == (None, None, None)


def test_processor_time_of_all_threads_is_counted() -> None:
    watch = Watch(0.0)
    sum(range(2_000_000))
    rate = watch.rate(1)

    assert watch.is_over
    assert 0 < rate.cpu_seconds <= 1.5 * rate.seconds + 0.1


def test_the_peak_of_memory_holds_what_was_held() -> None:
    held = bytearray(64 << 20)
    peak = peak_memory_bytes()
    assert peak is None or peak > len(held)
