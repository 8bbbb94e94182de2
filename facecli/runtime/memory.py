"""How much memory this process may use."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

# Control groups, version 2 and 1, as containers see their own.
_GROUP_LIMITS: Final = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))

# Assumed where the system does not say.
_UNKNOWN_BYTES: Final = 4 << 30


def machine_memory_bytes(group_limits: tuple[Path, ...] = _GROUP_LIMITS) -> int:
    """Return the memory of the machine, or of the container if that is limited to less."""
    sizes = []
    with contextlib.suppress(ValueError, OSError, AttributeError):  # no sysconf on Windows
        sizes.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in group_limits:
        with contextlib.suppress(OSError, ValueError):  # absent, or "max"
            sizes.append(int(path.read_text()))
    return min((size for size in sizes if size > 0), default=_UNKNOWN_BYTES)
