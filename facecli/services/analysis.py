"""From photo files to faces: read, decode, detect, align, judge, embed. Every command's first half."""

from __future__ import annotations

import hashlib
import itertools
import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from facecli.errors import FacecliError, GeometryError
from facecli.media.images import decode_photo, read_file
from facecli.services.stages import Detector, Embedder
from facecli.types import AlignedFace, Detection, Face, Photo, PhotoError, PhotoResult, PhotoStatus, Quality

Judge = Callable[[Photo, Detection, AlignedFace], Quality]


@dataclass(frozen=True, slots=True)
class PhotoSource:
    """A photo to analyse.

    Attributes
    ----------
    path : str
        As the user named it.
    data : bytes or None
        Its content, if it does not come from a file (standard input).
    photo : Photo or None
        It was decoded before.
    error : PhotoError or None
        It could not even be looked at, such as a folder that cannot be listed.
    """

    path: str
    data: bytes | None = None
    error: PhotoError | None = None
    photo: Photo | None = None


@dataclass(slots=True)
class Analysis:
    """One photo on its way through the steps.

    Attributes
    ----------
    photo : Photo or None
        None where it could not be decoded.
    content_hash : str
        SHA-256 (hex) of the file's bytes; empty where it could not be read.
    """

    source: PhotoSource
    photo: Photo | None = None
    content_hash: str = ""
    faces: tuple[Face, ...] = ()
    error: PhotoError | None = None
    warnings: tuple[str, ...] = ()
    elapsed_ms: float = 0.0
    data: bytes = field(default=b"", repr=False)

    def result(self, model: dict[str, str]) -> PhotoResult:
        """Return what was found out, as reports take it."""
        status: PhotoStatus = "error" if self.error else "ok" if self.faces else "no_face"
        return PhotoResult(
            path=self.source.path,
            status=status,
            width=self.photo.full_width if self.photo else 0,
            height=self.photo.full_height if self.photo else 0,
            faces=self.faces,
            error=self.error,
            warnings=self.warnings,
            model=model,
            elapsed_ms=self.elapsed_ms,
        )


class Analyser:
    """Analyses photos in batches, decoding ahead in threads.

    Parameters
    ----------
    detector : Detector
    embedder : Embedder or None
        None stops after detection.
    judge : callable
        Judges a face's quality.
    model : dict of str to str
        What made the results, for reports.
    jobs : int
        Threads that decode.
    batch_size : int
        Photos detected together.
    salvage : bool
        Use what can be decoded of truncated photos.
    """

    def __init__(
        self,
        detector: Detector,
        embedder: Embedder | None,
        judge: Judge,
        *,
        model: dict[str, str],
        jobs: int = 1,
        batch_size: int = 1,
        salvage: bool = False,
    ) -> None:
        self._detector = detector
        self._embedder = embedder
        self._judge = judge
        self._jobs = jobs
        self._batch_size = batch_size
        self._salvage = salvage
        self.model = model

    def analyse(self, sources: Iterable[PhotoSource]) -> Iterator[Analysis]:
        """Analyse photos, in their order. A photo that fails is an `Analysis` with its error; it stops nothing."""
        for batch in self.analyse_in_batches(sources):
            yield from batch

    def analyse_in_batches(self, sources: Iterable[PhotoSource]) -> Iterator[list[Analysis]]:
        """Analyse photos, in their order, and give them as they were computed together."""
        waiting = iter(sources)
        first = list(itertools.islice(waiting, 2))
        if len(first) < 2:  # the usual single photo needs no threads
            for source in first:
                yield self._analysed([self._decoded(source)])
            return
        with ThreadPoolExecutor(self._jobs, thread_name_prefix="decode") as pool:
            # Bounded: a batch in the network, one behind it, and one photo a thread in the making.
            ahead: deque[Future[Analysis]] = deque()
            remaining = itertools.chain(first, waiting)
            try:
                while True:
                    room = 2 * self._batch_size + self._jobs - len(ahead)
                    ahead.extend(pool.submit(self._decoded, source) for source in itertools.islice(remaining, room))
                    if not ahead:
                        return
                    batch = [ahead.popleft().result() for _ in range(min(self._batch_size, len(ahead)))]
                    yield self._analysed(batch)
            finally:
                for future in ahead:
                    future.cancel()

    def _decoded(self, source: PhotoSource) -> Analysis:
        """Read and decode one photo; runs in a thread."""
        started = time.perf_counter()
        analysis = Analysis(source, error=source.error)
        if source.photo is not None:
            analysis.photo = source.photo
            analysis.content_hash = hashlib.sha256(source.photo.pixels.tobytes()).hexdigest()
        elif source.error is None:
            try:
                data = source.data if source.data is not None else read_file(source.path)
                analysis.content_hash = hashlib.sha256(data).hexdigest()
                side = self._detector.size.decode_side_px
                analysis.photo = decode_photo(data, source.path, min_long_side=side, salvage=self._salvage)
                analysis.warnings = analysis.photo.warnings
                if analysis.photo.full_width > analysis.photo.pixels.shape[1]:
                    analysis.data = data  # small faces may want it at a larger scale
            except FacecliError as error:
                analysis.error = PhotoError(error.code, error.message, error.hint)
        analysis.elapsed_ms = (time.perf_counter() - started) * 1000
        return analysis

    def _analysed(self, batch: list[Analysis]) -> list[Analysis]:
        """Detect, align, judge and embed a batch in place."""
        started = time.perf_counter()
        good = [(analysis, analysis.photo) for analysis in batch if analysis.photo is not None]
        detections = self._detector.detect([photo for _, photo in good]) if good else []
        if self._embedder is None:
            for (analysis, _), found in zip(good, detections, strict=True):
                analysis.faces = tuple(Face(detection) for detection in found)
        else:
            self._embed(self._embedder, good, detections)
        share_ms = (time.perf_counter() - started) * 1000 / max(len(good), 1)
        for analysis, _ in good:
            analysis.elapsed_ms += share_ms
            analysis.data = b""
        return batch

    def _embed(
        self, embedder: Embedder, good: Sequence[tuple[Analysis, Photo]], detections: list[list[Detection]]
    ) -> None:
        faces: list[list[tuple[Detection, AlignedFace, Quality]]] = []
        for (analysis, photo), found in zip(good, detections, strict=True):
            sharp = self._sharp_enough(analysis, photo, found, embedder.side_px)
            aligned = []
            for detection in found:
                try:
                    face = embedder.align(sharp, detection)
                except GeometryError as error:
                    analysis.warnings += (f"a face was left out: {error.message}",)
                    continue
                aligned.append((detection, face, self._judge(sharp, detection, face)))
            faces.append(aligned)
        embeddings = iter(embedder.embed([face for aligned in faces for _, face, _ in aligned]))
        for (analysis, _), aligned in zip(good, faces, strict=True):
            embedded = []
            for detection, _, quality in aligned:
                embedding = next(embeddings)
                if embedding is None:
                    analysis.warnings += ("a face was left out: the embedder gave no vector for it",)
                    continue
                embedded.append(Face(detection, quality, embedding))
            analysis.faces = tuple(embedded)

    def _sharp_enough(self, analysis: Analysis, photo: Photo, found: list[Detection], side_px: int) -> Photo:
        """Return the photo at a scale at which its smallest face is at least `side_px` large, or at full resolution."""
        if not found or not analysis.data:
            return photo
        wanted = side_px / min(detection.size_px for detection in found)
        if wanted <= float(photo.scale_xy.min()):
            return photo
        side = math.ceil(min(wanted, 1.0) * max(photo.full_width, photo.full_height))
        try:
            return decode_photo(analysis.data, photo.source, min_long_side=side, salvage=self._salvage)
        except FacecliError as error:  # such as more pixels than may be held in memory
            analysis.warnings += (f"small faces were compared at a reduced scale: {error.message}",)
            return photo


def default_jobs() -> int:
    """Return how many threads decode by default: the cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
