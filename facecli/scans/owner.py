"""Which process works on a scan, and whether it still does."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

_START_FIELD: Final = 19  # of /proc/PID/stat, counted from the field behind the name (proc_pid_stat(5): field 22)
_DEAD_STATES: Final = frozenset("ZXx")


def this_process() -> str:
    """Return a word for this process that no other one has, not even a later one with the same number."""
    return f"{os.getpid()}:{_started(os.getpid()) or ''}"


def living_process(owner: str) -> int | None:
    """Return the number of the process that a word stands for, if it is alive; None on systems that do not tell."""
    number, _, started = owner.partition(":")
    if not number.isdecimal() or os.name != "posix":
        return None
    process_id = int(number)
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return None
    except (PermissionError, OverflowError):
        return None  # it belongs to somebody else, and this file does not
    now = _started(process_id)
    return None if started and now != started else process_id


def _started(process_id: int) -> str | None:
    """Return when a process was started, counted from the boot, and which boot that was; None if it cannot be told."""
    try:
        # The name, in brackets, may hold blanks and brackets itself.
        fields = Path(f"/proc/{process_id}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return None
    return "dead" if fields[0] in _DEAD_STATES else f"{fields[_START_FIELD]}:{boot}"
