"""How fast this machine works through a folder, step by step."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from facecli.errors import GeometryError, InputError
from facecli.media.images import decode_photo, read_file
from facecli.services.analysis import Analyser, PhotoSource
from facecli.services.stages import Detector, Embedder
from facecli.services.throughput import Rate, Watch, peak_memory_bytes, repeat
from facecli.types import AlignedFace, Detection, Photo, PhotoError

# How the time is divided. The scan is what the user wants to know; the rest explains it.
_SCAN_SHARE, _READ_SHARE, _DECODE_SHARE, _DETECT_SHARE, _EMBED_SHARE = 0.4, 0.1, 0.2, 0.2, 0.1

# Photos that are analysed before the clock starts, since networks prepare for every new shape of canvas; and those that
# are scanned however long it takes, since fewer tell nothing of a folder.
_WARM_UP_PHOTOS: Final = 8
_LEAST_PHOTOS: Final = 8

# Decoded photos that are kept for measuring the networks alone: some hundred at detection size.
_HELD_BYTES: Final = 256 << 20

# Faces embedded together by a thread, as if each photo showed so many.
_FACES_TOGETHER: Final = 4


@dataclass(frozen=True, slots=True)
class FolderSpeed:
    """What was measured of a folder.

    Attributes
    ----------
    photos_found, photos_scanned : int
        In the folder, and of them different ones in the time given.
    failures : tuple of PhotoError
        Of the latter.
    faces_per_photo, megapixels, megabytes : float
        Means of the photos scanned; pixels at full resolution.
    scan, read, decode, detect : Rate
        Of photos. `decode` reads too, from memory; `scan` is all of it together, the others are one step alone, with
        all threads.
    embed : Rate
        Of faces.
    peak_memory_bytes : int or None
        The largest that the process had been when the scan ended; None where the system does not say.
    flops_per_photo : float or None
        Floating point operations of the networks; None where they cannot be counted.
    """

    photos_found: int
    photos_scanned: int
    failures: tuple[PhotoError, ...]
    faces_per_photo: float
    megapixels: float
    megabytes: float
    scan: Rate
    read: Rate
    decode: Rate
    detect: Rate
    embed: Rate
    peak_memory_bytes: int | None
    flops_per_photo: float | None


@dataclass(slots=True)
class _Scan:
    """What the scan found, by path."""

    rate: Rate = field(default_factory=Rate)
    faces: dict[str, list[Detection]] = field(default_factory=dict)
    pixels: list[int] = field(default_factory=list)
    failures: dict[str, PhotoError] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FolderBench:
    """Measures the steps of a scan.

    Parameters
    ----------
    detector : Detector
    embedder : Embedder
    analyser : Analyser
        The two together, as a scan uses them.
    threads : int
        As many as the analyser's.
    flops : callable or None
        Tells the floating point operations of the networks so far; None where they cannot be counted.
    tell : callable
        Called with a line about what is done next.
    """

    detector: Detector
    embedder: Embedder
    analyser: Analyser
    threads: int
    flops: Callable[[], int] | None = None
    tell: Callable[[str], None] = lambda _: None

    def measure(self, sources: Sequence[PhotoSource], *, photos: int, seconds: float) -> FolderSpeed:
        """Measure up to `photos` photos, evenly spread over the folder, for about so many seconds.

        Raises
        ------
        InputError
            If there is no photo, or none of them can be read; code ``no_photos``.
        """
        if not sources:
            raise InputError("there are no photos to measure", hint="Name a folder that holds some.", code="no_photos")
        count = min(photos, len(sources))
        # In no order, so that those that the time is enough for are spread over the folder too.
        order = np.random.default_rng(0).permutation(count).tolist()
        sample = [sources[at * len(sources) // count].path for at in order]
        self.tell(f"reading {count} of {len(sources)} photos")
        sizes: list[int] = []
        read = repeat(sample, lambda path: sizes.append(len(read_file(path))), self.threads, seconds * _READ_SHARE, 1)
        self.tell("scanning")
        scan = self._scan(sample, seconds * _SCAN_SHARE)
        peak_memory = peak_memory_bytes()
        self.tell(f"decoding only, {self.threads} threads")
        good = list(scan.faces)
        decode = repeat(good, self._decode, self.threads, seconds * _DECODE_SHARE)
        held = list(_until_full(map(self._decode, good)))
        self.tell(f"detecting only, {len(held)} photos that lie in memory")
        count_flops = self.flops or (lambda: 0)
        flops = [count_flops()]
        detect = repeat(held, lambda photo: self.detector.detect([photo]), self.threads, seconds * _DETECT_SHARE)
        flops.append(count_flops())
        groups = list(self._face_groups(held, scan.faces))
        self.tell(f"embedding only, {sum(map(len, groups))} faces that lie in memory")
        embed = repeat(groups, self.embedder.embed, self.threads, seconds * _EMBED_SHARE, count=len)
        flops.append(count_flops())
        faces_per_photo = sum(map(len, scan.faces.values())) / len(good)
        detect_flops, embed_flops = flops[1] - flops[0], flops[2] - flops[1]
        flops_per_photo = detect_flops / max(detect.count, 1) + faces_per_photo * embed_flops / max(embed.count, 1)
        return FolderSpeed(
            photos_found=len(sources),
            photos_scanned=len(good) + len(scan.failures),
            failures=tuple(scan.failures.values()),
            faces_per_photo=faces_per_photo,
            megapixels=sum(scan.pixels) / len(good) / 1e6,
            megabytes=sum(sizes) / len(sizes) / 1e6 if sizes else 0.0,
            scan=scan.rate,
            read=read,
            decode=decode,
            detect=detect,
            embed=embed,
            peak_memory_bytes=peak_memory,
            flops_per_photo=None if self.flops is None else flops_per_photo,
        )

    def _scan(self, paths: Sequence[str], seconds: float) -> _Scan:
        """Analyse photos until the time is up, from the first again if there are too few."""
        for _ in self.analyser.analyse(PhotoSource(path) for path in paths[:_WARM_UP_PHOTOS]):
            pass
        found, count, least = _Scan(), 0, min(_LEAST_PHOTOS, len(paths))
        running = self.analyser.analyse(PhotoSource(path) for path in itertools.cycle(paths))
        watch = Watch(seconds)
        for analysis in running:
            count += 1
            path = analysis.source.path
            if analysis.error is not None:
                found.failures[path] = analysis.error
            elif path not in found.faces:
                found.faces[path] = [face.detection for face in analysis.faces]
                found.pixels.append(analysis.width * analysis.height)
            known = len(found.faces) + len(found.failures)
            if watch.is_over and known >= least and (found.faces or known == len(paths)):
                break
        found.rate = watch.rate(count)
        if isinstance(running, Generator):
            running.close()  # begins nothing more of the endless list
        if not found.faces:
            error = next(iter(found.failures.values()))
            raise InputError(f"none of {len(paths)} photos can be read: {error.message}", code="no_photos")
        return found

    def _decode(self, path: str) -> Photo:
        return decode_photo(read_file(path), path, min_long_side=self.detector.size.decode_side_px)

    def _face_groups(self, photos: Iterable[Photo], faces: dict[str, list[Detection]]) -> Iterator[list[AlignedFace]]:
        """Cut the faces out of photos, and give them as many at a time as are to be embedded together."""
        cut: list[AlignedFace] = []
        for photo in photos:
            for detection in faces[photo.source]:
                with contextlib.suppress(GeometryError):
                    cut.append(self.embedder.align(photo, detection))
        for start in range(0, len(cut), _FACES_TOGETHER):
            yield cut[start : start + _FACES_TOGETHER]


def _until_full(photos: Iterable[Photo]) -> Iterator[Photo]:
    """Yield photos as long as they fit into the memory that is kept for them; one at least."""
    size = 0
    for photo in photos:
        yield photo
        size += photo.pixels.nbytes
        if size >= _HELD_BYTES:
            return
