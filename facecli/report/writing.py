"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final, TextIO

PRIVATE_MODE: Final = 0o600
"""Of files that hold faces: biometric data are for their owner alone."""

_USUAL_MODE: Final = 0o666  # less what the umask takes

_DESCRIPTORS: Final = "/proc/self/fd"

# For a process that is to end at once.
_unfinished: Final[set[Path]] = set()


@contextmanager
def written_whole(path: Path, mode: int = _USUAL_MODE) -> Iterator[TextIO]:
    """Open a file of text that takes its name when it is complete; a link stays one, a pipe or device is written to.

    Parameters
    ----------
    path : Path
    mode : int
        Permissions of the file, less what the umask takes; a file that is replaced passes on none of its own.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    with _written_whole(path, mode, "w", "utf-8") as stream:
        yield stream


@contextmanager
def octets_written_whole(path: Path, mode: int = _USUAL_MODE) -> Iterator[BinaryIO]:
    """Open a file of bytes; else as `written_whole`."""
    with _written_whole(path, mode, "wb", None) as stream:
        yield stream


@contextmanager
def _written_whole(path: Path, mode: int, kind: str, encoding: str | None) -> Iterator[Any]:
    if path.exists() and not path.is_file():
        with path.open(kind, encoding=encoding) as stream:
            yield stream
        return
    target = path.resolve()
    unfinished = target.with_name(f".{uuid.uuid4().hex}.tmp")
    _unfinished.add(unfinished)
    try:
        descriptor, is_named = _open_unfinished(unfinished, mode)
        with open(descriptor, kind, encoding=encoding) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
            if not is_named:
                # Only with a `src_dir_fd` does Python let Linux follow this link; the path is absolute all the same.
                os.link(f"{_DESCRIPTORS}/{stream.fileno()}", unfinished, src_dir_fd=stream.fileno())
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
        _unfinished.discard(unfinished)


def _open_unfinished(path: Path, mode: int) -> tuple[int, bool]:
    """Open a file, without a name where the system can: a process that is killed leaves nothing behind then.

    Returns
    -------
    descriptor : int
    is_named : bool
        Whether it is called `path`.
    """
    nameless = getattr(os, "O_TMPFILE", None)  # Linux, on most of its file systems
    if nameless is not None and Path(_DESCRIPTORS).is_dir():
        with suppress(OSError):
            return os.open(path.parent, os.O_WRONLY | nameless, mode), False
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), True


def discard_unfinished() -> None:
    """Delete the files that have not taken their names yet; for a process that ends without unwinding."""
    for path in tuple(_unfinished):
        path.unlink(missing_ok=True)
