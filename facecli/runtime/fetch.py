"""Pulling models of the catalogue: only when asked, resumable, checked before it counts."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BufferedRandom
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from facecli.errors import WeightsError
from facecli.runtime.manifest import MANIFEST_FILE, Manifest, Original, read_manifest
from facecli.runtime.weights import CatalogueEntry, file_sha256, write_manifest

if TYPE_CHECKING:
    from facecli.runtime.download import Reply

Progress: TypeAlias = Callable[[int, int | None], None]
"""Told again and again the bytes that are there, and those there will be (None if unknown)."""

TIMEOUT_S: Final = 30.0
# The largest file of the catalogue has 174 MB: what goes on beyond this is no model of ours.
_MAX_BYTES: Final = 1 << 30
_CHUNK_BYTES: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class Pulled:
    """A model that is now on this machine, checked.

    Attributes
    ----------
    manifest : Manifest
    downloaded : bool
        False if it was there already.
    recorded : bool
        True if nobody knew the SHA-256 beforehand: that of the file that came was recorded. Tell the user.
    """

    manifest: Manifest
    downloaded: bool
    recorded: bool

    @property
    def path(self) -> Path:
        """The weights file."""
        return self.manifest.path


def pull(
    entry: CatalogueEntry,
    cache_dir: Path,
    *,
    offline: bool = False,
    progress: Progress | None = None,
    base_url: str | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Pulled:
    """Fetch a model of the catalogue, unless it is there already.

    What a cut-off download brought is kept, and the next call goes on from there. Two calls at once are
    safe: the second waits for the first.

    Parameters
    ----------
    entry : CatalogueEntry
    cache_dir : Path
        Folder of pulled and imported models; made if absent.
    offline : bool
        Refuse before any socket is opened. A model that is there already is still checked and returned.
    progress : callable, optional
    base_url : str, optional
        Address of a folder to fetch the file from instead of the catalogue's `url`.
    timeout_s : float
        Seconds to wait for a connection and between any two pieces.

    Raises
    ------
    WeightsError
        If it cannot be fetched or stored, or is not the file that the catalogue states.
    """
    manifest = replace(entry.manifest, folder=cache_dir / entry.name)
    try:
        present = _present(manifest)
        if present is None:
            if offline:
                raise WeightsError(
                    f"{entry.name!r} cannot be fetched offline",
                    hint=f"Run it without --offline, or run: facecli models import FILE --name {entry.name}",
                    code="offline",
                )
            manifest.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _locked(manifest.folder):
                present = _present(manifest)  # whoever held the lock may have fetched it
                if present is None:
                    url = f"{base_url.rstrip('/')}/{manifest.file}" if base_url else entry.url
                    present = _fetch(entry, manifest, url, progress, timeout_s)
                    return Pulled(present, downloaded=True, recorded=not entry.manifest.sha256)
    except OSError as error:
        raise _storage_error(error, entry.name, manifest.folder) from error
    return Pulled(present, downloaded=False, recorded=False)


def _present(manifest: Manifest) -> Manifest | None:
    """Return the manifest of the file that is there and is the right one, with its record beside it."""
    if not manifest.path.is_file():
        return None
    record = manifest.folder / MANIFEST_FILE
    recorded = read_manifest(record) if record.is_file() else None
    sha256 = manifest.sha256 or (recorded.sha256 if recorded else "")
    if not sha256 or file_sha256(manifest.path) != sha256:
        return None
    if recorded is None:  # a pull was killed between the two
        write_manifest(replace(manifest, sha256=sha256))
    return replace(manifest, sha256=sha256)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    import fcntl

    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _fetch(
    entry: CatalogueEntry, manifest: Manifest, url: str, progress: Progress | None, timeout_s: float
) -> Manifest:
    from facecli.runtime.download import open_reply

    part = manifest.path.with_name(f"{manifest.file}.part")
    etag_file = part.with_name(f"{part.name}.etag")
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with open(descriptor, "r+b") as file:
        etag = etag_file.read_text("ascii", "replace").strip() if etag_file.is_file() else ""
        # Without a hash known beforehand only the validator tells that both halves are of one file.
        offset = file.seek(0, os.SEEK_END) if manifest.sha256 or etag else 0
        with open_reply(url, offset=offset, etag=etag, timeout_s=timeout_s) as reply:
            total = _total_bytes(entry, reply, part)
            file.truncate(reply.start)
            etag_file.write_text(reply.etag, "ascii", "replace")
            sha256 = _copy(reply, file, total, url, progress)
        file.flush()
        os.fsync(file.fileno())
    if manifest.sha256 and sha256 != manifest.sha256:
        _remove(part, etag_file)
        raise WeightsError(
            f"what {url} sent for {entry.name!r} is not the file it should be: its SHA-256 begins with "
            f"{sha256[:12]}, expected {manifest.sha256[:12]}; it was removed",
            hint=f"Run: facecli models pull {entry.name}; if it happens again, the file was changed at its source",
            code="weights_altered",
        )
    part.replace(manifest.path)
    etag_file.unlink(missing_ok=True)
    fetched = replace(manifest, sha256=sha256, original=Original(manifest.file, sha256, url))
    write_manifest(fetched)
    return fetched


def _total_bytes(entry: CatalogueEntry, reply: Reply, part: Path) -> int | None:
    """Size that the file must have, refused where the server offers another or the disk has no room for it."""
    expected, offered = entry.size_bytes, reply.total_bytes
    if expected is not None and offered is not None and offered != expected:
        _remove(part)
        raise WeightsError(
            f"{entry.name!r} should have {expected} bytes, the server offers {offered}",
            hint="The file was changed at its source; get the right one by hand and run: facecli models import FILE",
            code="weights_altered",
        )
    total = expected if expected is not None else offered
    if (total or 0) - reply.start > shutil.disk_usage(part.parent).free:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return total


def _copy(reply: Reply, file: BufferedRandom, total: int | None, url: str, progress: Progress | None) -> str:
    """Append the reply to the file and return the SHA-256 of the whole, in hex."""
    from facecli.runtime.download import cut_off

    file.seek(0)
    digest = hashlib.file_digest(file, "sha256")  # of what an earlier call brought; leaves the file at its end
    done = file.tell()
    limit = _MAX_BYTES if total is None else total
    while True:
        if progress is not None:
            progress(done, total)
        chunk = reply.read(_CHUNK_BYTES)
        if not chunk:
            break
        done += len(chunk)
        if done > limit:
            file.truncate(0)
            raise WeightsError(f"{url} sends more than the {limit} bytes it should", code="weights_altered")
        digest.update(chunk)
        file.write(chunk)
    if total is not None and done < total:
        raise cut_off(reply.host, f"{done} of {total} bytes came")
    return digest.hexdigest()


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _storage_error(error: OSError, name: str, folder: Path) -> WeightsError:
    if error.errno == errno.ENOSPC:
        return WeightsError(
            f"no room for {name!r} in {folder}",
            hint="Make room or set FACECLI_CACHE to another folder.",
            code="disk_full",
        )
    return WeightsError(f"{name!r} cannot be stored in {folder}: {error.strerror or error}")
