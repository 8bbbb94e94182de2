"""Which process works on a scan, and whether it still does."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Final

_START_FIELD: Final = 19  # of /proc/PID/stat, counted from the field behind the name (proc_pid_stat(5): field 22)
_DEAD_STATES: Final = frozenset("ZXx")


def this_process() -> str:
    """Return a word for this process that no other one has, not even a later one with the same number."""
    return f"{os.getpid()}:{_started(os.getpid()) or ''}:{_place()}"


def living_process(owner: str) -> int | None:
    """Return the number of the process that a word stands for, if it is alive; None on systems that do not tell."""
    number, started, place = _parts(owner)
    if number is None or os.name != "posix" or place not in ("", _place()):
        return None
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return None
    except PermissionError:  # it belongs to somebody else, who may work on this file too
        return number if started and _started(number) == started else None
    return None if started and _started(number) != started else number


def is_gone(owner: str) -> bool:
    """Return whether the process that a word stands for has certainly ended.

    Nothing can be told of one on another machine, in another container, or before the last boot.
    """
    number, started, place = _parts(owner)
    if number is None or os.name != "posix" or place != _place():
        return False
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass
    now = _started(number)
    return bool(started) and now is not None and now != started


def _parts(owner: str) -> tuple[int | None, str, str]:
    """Return the number of a process, when it was started, and where its number means something."""
    number, _, rest = owner.partition(":")
    started, _, place = rest.partition(":")
    return int(number) if number.isdecimal() else None, started, place


def _place() -> str:
    """Return where process numbers are those of this process: the boot of a machine, and the namespace within it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot}:{Path('/proc/self/ns/pid').readlink()}"
    except OSError:  # a system without /proc
        return platform.node()


def _started(process_id: int) -> str | None:
    """Return when a process was started, in ticks since the boot; None if it cannot be told."""
    try:
        # The name, in brackets, may hold blanks and brackets itself.
        fields = Path(f"/proc/{process_id}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return None
    return "dead" if fields[0] in _DEAD_STATES else fields[_START_FIELD]
