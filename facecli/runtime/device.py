"""Which device runs the networks, found without importing a framework."""

from __future__ import annotations

import ctypes
import platform
import re
import sys
from dataclasses import dataclass
from typing import Literal

from facecli.errors import DeviceError, UsageError


@dataclass(frozen=True, slots=True)
class Device:
    """A processor that runs networks."""

    kind: Literal["cpu", "cuda", "mps"]
    index: int = 0

    def __str__(self) -> str:
        """As torch names it."""
        return f"cuda:{self.index}" if self.kind == "cuda" else self.kind


def cuda_device_count() -> int:
    """Ask the CUDA driver how many devices it has; 0 without a driver. Takes about a millisecond."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        count = ctypes.c_int(0)
        if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
            return 0
    except (OSError, AttributeError):  # no driver, or a stub without these functions
        return 0
    return count.value


def resolve_device(wish: str) -> Device:
    """Turn ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps`` into a device that exists.

    Raises
    ------
    UsageError
        If `wish` is none of these.
    DeviceError
        If the device is absent; it is never replaced by another.
    """
    match = re.fullmatch(r"(auto|cpu|mps|cuda(?::(\d+))?)", wish)
    if match is None:
        raise UsageError(f"'{wish}' is no device", hint="Use auto, cpu, cuda, cuda:N or mps.")
    if wish == "cpu":
        return Device("cpu")
    if wish == "mps":
        if sys.platform != "darwin" or platform.machine() != "arm64":
            raise DeviceError("MPS was asked for, but this is no Mac with Apple silicon", hint="Use --device auto.")
        return Device("mps")
    count = cuda_device_count()
    if wish == "auto":
        return Device("cuda") if count else Device("cpu")
    index = int(match.group(2) or 0)
    if index >= count:
        found = "no CUDA device was found" if not count else f"only {count} CUDA devices were found"
        raise DeviceError(
            f"{wish} was asked for, but {found}",
            hint="Use --device cpu, or check the driver with nvidia-smi.",
        )
    return Device("cuda", index)
