"""Bytes of a photo file, read once, whatever the path turns out to name."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from facecli.errors import UnreadableImageError


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """How large a photo may be before it is refused rather than decoded.

    Attributes
    ----------
    max_file_bytes : int
        Size of the file; it is held in memory whole.
    max_pixels : int
        Pixels at full resolution, as the header states them: bounds the time.
    max_decoded_pixels : int
        Pixels that are held in memory at once, at 4 bytes in the decoder and 3 in the photo. A JPEG that is
        decoded at a reduced scale counts as what it is reduced to.
    max_side_px : int
        Width and height at full resolution.
    """

    max_file_bytes: int = 1 << 30  # a 170-megapixel TIFF of 16 bits a channel
    max_pixels: int = 500_000_000  # above the largest single shots of cameras (400 megapixels)
    max_decoded_pixels: int = 250_000_000  # 1.75 GB
    max_side_px: int = 65_535  # what a JPEG header can state


DEFAULT_LIMITS: Final = ImageLimits()

# Never wait for a writer (pipes) or a carrier (serial lines); absent on Windows, where neither has a path.
_OPEN_FLAGS: Final = (
    os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
)

_KINDS: Final = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def printable_name(path: str) -> str:
    """Return `path` for a message: on one line, and with every byte that is no text escaped."""
    text = path.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def human_size(count: int) -> str:
    """Return a number of bytes as people say it."""
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def _refuse_kind(path: str, mode: int) -> None:
    """Refuse what is not a regular file."""
    name = printable_name(path)
    if stat.S_ISDIR(mode):
        raise UnreadableImageError(
            f"{name} is a folder, not a photo", hint="Name a photo inside it.", code="is_directory"
        )
    if not stat.S_ISREG(mode):
        kind = next((what for test, what in _KINDS if test(mode)), "no regular file")
        raise UnreadableImageError(
            f"{name} is {kind}, not a photo",
            hint="Save the picture to a file, or pass it on standard input as -.",
            code="not_a_file",
        )


def os_problem(path: str, error: OSError | ValueError) -> UnreadableImageError:
    """Return what the operating system said about `path` as an error of facecli."""
    name = printable_name(path)
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.EACCES, errno.EPERM):
        return UnreadableImageError(
            f"{name} may not be read", hint="Check who owns it and its permissions.", code="permission_denied"
        )
    if number in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG) or isinstance(error, ValueError):
        # ValueError: a NUL inside the name, which no file can have.
        what = "is a link to a file that does not exist" if _is_link(path) else "does not exist"
        return UnreadableImageError(f"{name} {what}", hint="Check the spelling of the path.", code="not_found")
    if number == errno.ELOOP:
        return UnreadableImageError(
            f"{name} is a link that leads back to itself", hint="Name the file it should lead to.", code="not_found"
        )
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return UnreadableImageError(
        f"{name} could not be read: {reason}", hint="Check the disk or network share it is on.", code="io_error"
    )


def file_size(path: str) -> int:
    """Return the size of a file in bytes; 0 where it cannot be told, of which `read_file` says why."""
    try:
        return Path(path).stat().st_size if path else 0
    except (OSError, ValueError):
        return 0


def _is_link(path: str) -> bool:
    try:
        return Path(path).is_symlink()
    except (OSError, ValueError):
        return False


def read_file(path: str | os.PathLike[str], limits: ImageLimits = DEFAULT_LIMITS) -> bytes:
    """Read a photo's bytes, once, without ever waiting for a pipe or a device.

    Parameters
    ----------
    path : str or path-like
        Bytes that are no UTF-8 are surrogate-escaped, as `os.fsdecode` does.
    limits : ImageLimits
        Its `max_file_bytes` is checked before anything is read.

    Returns
    -------
    bytes
        The whole file, never empty.

    Raises
    ------
    UnreadableImageError
        With code not_found, is_directory, not_a_file, permission_denied, empty_file, too_large or io_error.
    """
    path = os.fspath(path)
    if not path:  # which pathlib takes for the current folder
        raise UnreadableImageError("the path of a photo is empty", hint="Name a file.", code="not_found")
    try:
        # Before opening too: opening a device can already act on it (rewind a tape).
        _refuse_kind(path, Path(path).stat().st_mode)
        with open(os.open(path, _OPEN_FLAGS), "rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            _refuse_kind(path, status.st_mode)
            if status.st_size > limits.max_file_bytes:
                raise UnreadableImageError(
                    f"{printable_name(path)} has {human_size(status.st_size)}, "
                    f"more than the limit of {human_size(limits.max_file_bytes)}",
                    hint="Save it as a JPEG, or at a smaller size.",
                    code="too_large",
                )
            data = file.readall()
    except (OSError, ValueError) as error:
        raise os_problem(path, error) from error
    except MemoryError as error:
        raise UnreadableImageError(
            f"{printable_name(path)} does not fit into memory", hint="Save it at a smaller size.", code="too_large"
        ) from error
    if not data:
        raise UnreadableImageError(
            f"{printable_name(path)} is empty", hint="Copy it again from where it came from.", code="empty_file"
        )
    return data
