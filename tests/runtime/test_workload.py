from __future__ import annotations

import os
from pathlib import Path

import pytest

from facecli.runtime import workload as workload_module
from facecli.runtime.batch_limit import MOST_BATCH
from facecli.runtime.device import Device
from facecli.runtime.memory import machine_memory_bytes
from facecli.runtime.workload import BASE_BYTES, JOB_BYTES, default_jobs, workload

MIB = 1 << 20


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight cores and 16 GiB."""
    monkeypatch.setattr(workload_module, "default_jobs", lambda: 8)
    monkeypatch.setattr(workload_module, "machine_memory_bytes", lambda: 16 << 30)


def load(kind: str = "cpu", **given: int) -> tuple[int, float]:
    asked = {"jobs": None, "batch_size": None, "max_memory_mib": None} | given
    return tuple(workload(Device(kind), **asked))


def test_a_photo_a_core_and_half_of_the_memory() -> None:
    assert load() == (8, (8 << 30) - BASE_BYTES - 8 * JOB_BYTES)


def test_fewer_where_memory_is_short() -> None:
    jobs, photo_bytes = load(max_memory_mib=1024)
    assert jobs == (1024 * MIB - BASE_BYTES) // JOB_BYTES < 8
    assert 0 <= photo_bytes < JOB_BYTES


def test_there_is_always_one() -> None:
    assert load(max_memory_mib=256) == (1, 0)


def test_jobs_asked_for_are_taken() -> None:
    assert load(jobs=20, max_memory_mib=1024) == (20, 0)


def test_a_gpu_gets_two_batches() -> None:
    assert load("cuda")[0] == 2 * MOST_BATCH
    assert load("cuda", batch_size=3)[0] == 8
    assert load("cuda", jobs=5)[0] == 5


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system has no processor affinity")
def test_default_jobs_are_the_cores_of_this_process() -> None:
    assert default_jobs() == len(os.sched_getaffinity(0))


def test_a_container_has_what_its_group_allows(tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text("1048576\n")
    assert machine_memory_bytes((limit,)) == 1 << 20
    limit.write_text("max\n")
    assert machine_memory_bytes((limit, tmp_path / "none")) == machine_memory_bytes(()) > 1 << 20
