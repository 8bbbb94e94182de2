"""How much is worked on at once, and what it may hold in memory."""

from __future__ import annotations

import os
from typing import Final, NamedTuple

from facecli.runtime.batch_limit import MOST_BATCH
from facecli.runtime.device import Device
from facecli.runtime.memory import machine_memory_bytes

# Share of the machine's memory that a run may take if nobody says otherwise.
MEMORY_SHARE: Final = 0.5

# What a run holds that no photo asks for: interpreter and libraries, and for each photo in hand the layers of the
# networks. A scan of wider_train, whose canvases have many shapes, held 528 MiB with 2 jobs.
BASE_BYTES: Final = 400 << 20
JOB_BYTES: Final = 150 << 20


class Workload(NamedTuple):
    """Photos worked on at once, and the bytes that they may hold together."""

    jobs: int
    photo_bytes: float


def workload(device: Device, *, jobs: int | None, batch_size: int | None, max_memory_mib: int | None) -> Workload:
    """Choose what nobody said: a photo a core, on a GPU enough for two batches, and half of the machine's memory.

    On a CPU there are no batches: as many streams of one picture do more (tests/bench/RESULTS.md).
    """
    total = max_memory_mib << 20 if max_memory_mib is not None else MEMORY_SHARE * machine_memory_bytes()
    if device.kind != "cpu":
        return Workload(jobs or max(default_jobs(), 2 * (batch_size or MOST_BATCH)), max(total - BASE_BYTES, 0))
    chosen = jobs or max(1, min(default_jobs(), int((total - BASE_BYTES) // JOB_BYTES)))
    return Workload(chosen, max(total - BASE_BYTES - chosen * JOB_BYTES, 0))


def default_jobs() -> int:
    """Return how many photos are worked on at once by default: the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
