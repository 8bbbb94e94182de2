"""From photo files to faces: read, decode, detect, align, judge, embed. Every command's first half."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Final, Protocol

from facecli.embed.face_crop import cut_crop, decoded_scale
from facecli.errors import GeometryError, UnreadableImageError
from facecli.media.files import file_size, printable_name
from facecli.media.images import decode_photo, read_file
from facecli.services.pipeline import OrderedPipeline, Turn
from facecli.services.stages import Detector, Embedder
from facecli.types import AlignedFace, Crop, Detection, Face, Photo, PhotoError, PhotoResult, PhotoStatus, Quality

Judge = Callable[[Photo, Detection, AlignedFace], Quality]

ANALYSIS_VERSION: Final = 1
"""Grows with every change to what the same photo, networks and settings give, so that nothing old is taken for new."""

# A face is cut out of a reduced photo if it has this share of the embedder's side there: 34 of SFace's 112 pixels. As
# many pairs are recognised with a face of 32 pixels as with all of them (tests/bench/RESULTS.md, "Quality": 98.6 % at
# 32 and at 48 pixels, 98.5 % as they are), and decoding again takes a sixth of a scan of 24-megapixel photos.
SHARP_SHARE: Final = 0.3


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
    content_hash : str
        SHA-256 (hex) of the file's bytes, if it is known: what a store knows of it is then taken without reading it.
    """

    path: str
    data: bytes | None = None
    error: PhotoError | None = None
    photo: Photo | None = None
    content_hash: str = ""


@dataclass(slots=True)
class Analysis:
    """One photo on its way through the steps.

    Attributes
    ----------
    photo : Photo or None
        Only where the analyser keeps photos, and this one could be decoded.
    content_hash : str
        SHA-256 (hex) of the file's bytes; empty where it could not be read.
    width, height : int
        Of the upright photo at full resolution, in pixels; 0 where it could not be decoded.
    crops : tuple of Crop or None
        Of each of `faces`, where the analyser cuts them.
    """

    source: PhotoSource
    photo: Photo | None = None
    content_hash: str = ""
    width: int = 0
    height: int = 0
    faces: tuple[Face, ...] = ()
    error: PhotoError | None = None
    warnings: tuple[str, ...] = ()
    elapsed_ms: float = 0.0
    crops: tuple[Crop | None, ...] = ()

    def crop_of(self, face: Face) -> Crop | None:
        """Return the crop of one of the faces, identified or not; None where none was cut."""
        found = zip(self.faces, self.crops, strict=False)
        return next((crop for each, crop in found if each.detection is face.detection), None)

    def result(self, model: dict[str, str]) -> PhotoResult:
        """Return what was found out, as reports take it."""
        status: PhotoStatus = "error" if self.error else "ok" if self.faces else "no_face"
        return PhotoResult(
            path=self.source.path,
            status=status,
            width=self.width,
            height=self.height,
            faces=self.faces,
            error=self.error,
            warnings=self.warnings,
            model=model,
            elapsed_ms=self.elapsed_ms,
        )


class AnalysisStore(Protocol):
    """What is known of photos from before. Called by many threads."""

    def find(self, content_hash: str) -> PhotoResult | None:
        """Return what a photo of this content gave, under the path that it had; None if it is not known."""
        ...

    def keep(self, source: PhotoSource, content_hash: str, result: PhotoResult) -> None:
        """Take note of a photo that is done: of a failed one too, whose content may be unknown (an empty hash)."""
        ...


class Analyser:
    """Analyses photos, several at once.

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
        Photos in hand at once, each in a thread.
    memory_bytes : float
        What photos in hand may hold together; a single one may hold more.
    timeout_s : float
        How long reading one file may take.
    salvage : bool
        Use what can be decoded of truncated photos.
    keep_photos : bool
        Leave the decoded pixels in each `Analysis`.
    cut_crops : bool
        Leave a crop of each face that is embedded there, of photos that the store does not know.
    store : AnalysisStore, optional
        Asked before a photo is decoded, and told what came of it.
    prepare : callable, optional
        Called before the first photo that is not known is decoded; loads the networks in the background.
    cancelled : callable
        Whether somebody asked to stop: `facecli.services.pipeline.Cancelled` is raised then.
    """

    def __init__(
        self,
        detector: Detector,
        embedder: Embedder | None,
        judge: Judge,
        *,
        model: dict[str, str],
        jobs: int = 1,
        memory_bytes: float = math.inf,
        timeout_s: float = math.inf,
        salvage: bool = False,
        keep_photos: bool = False,
        cut_crops: bool = False,
        store: AnalysisStore | None = None,
        prepare: Callable[[], None] | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._detector = detector
        self._embedder = embedder
        self._judge = judge
        self._salvage = salvage
        self._keep_photos = keep_photos
        self._cut_crops = cut_crops
        self._store = store
        self._prepare = prepare
        self._timeout_s = timeout_s
        self._pipeline = OrderedPipeline(
            self._analysed,
            self._timed_out,
            workers=jobs,
            memory_bytes=memory_bytes,
            timeout_s=timeout_s,
            cancelled=cancelled,
        )
        self.model = model

    def analyse(self, sources: Iterable[PhotoSource]) -> Iterator[Analysis]:
        """Analyse photos, in their order. A photo that fails is an `Analysis` with its error; it stops nothing."""
        with closing(self.analyse_in_batches(sources)) as batches:
            for batch in batches:
                yield from batch

    def analyse_in_batches(self, sources: Iterable[PhotoSource]) -> Generator[list[Analysis], None, None]:
        """Analyse photos, in their order, and give those together that are ready together."""
        yield from self._pipeline.run(sources)

    def _analysed(self, source: PhotoSource, turn: Turn[PhotoSource]) -> Analysis:
        """Take one photo through all steps; runs in a thread."""
        started = time.perf_counter()
        analysis = Analysis(source, error=source.error, content_hash=source.content_hash)
        try:
            if source.error is None and (self._keep_photos or not self._recall(analysis)):
                data = self._content(analysis, turn)
                if not self._recall(analysis):
                    self._look(analysis, data, turn)
                elif self._keep_photos and analysis.error is None:
                    analysis.photo = self._photo(source, data, turn)
        except UnreadableImageError as error:
            analysis.error = PhotoError(error.code, error.message, error.hint)
        if not self._keep_photos:
            analysis.photo = None
            turn.release()
        analysis.elapsed_ms = (time.perf_counter() - started) * 1000
        if self._store is not None:
            self._store.keep(source, analysis.content_hash, analysis.result(self.model))
        return analysis

    def _timed_out(self, source: PhotoSource) -> Analysis:
        error = PhotoError(
            "timeout",
            f"{printable_name(source.path)} could not be read within {self._timeout_s:.0f} s",
            "Check the disk or network share it is on.",
        )
        analysis = Analysis(source, error=error)
        if self._store is not None:
            self._store.keep(source, "", analysis.result(self.model))
        return analysis

    def _recall(self, analysis: Analysis) -> bool:
        """Take what the store knows of a photo's content; say whether it knew."""
        if self._store is None or not analysis.content_hash:
            return False
        known = self._store.find(analysis.content_hash)
        if known is None:
            return False
        analysis.width, analysis.height = known.width, known.height
        analysis.faces, analysis.warnings = known.faces, known.warnings
        if known.error is not None:  # which names the file that it was met in
            here, there = printable_name(analysis.source.path), printable_name(known.path)
            analysis.error = replace(known.error, message=known.error.message.replace(there, here, 1))
        return True

    def _content(self, analysis: Analysis, turn: Turn[PhotoSource]) -> bytes:
        """Read a photo's file."""
        source = analysis.source
        if source.photo is not None:
            analysis.content_hash = hashlib.sha256(source.photo.pixels.tobytes()).hexdigest()
            return b""
        analysis.content_hash = ""  # what was known of the file is not of what can be read now
        if source.data is not None:
            turn.hold(len(source.data))
            data = source.data
        else:
            with turn.may_hang():
                size = file_size(source.path)
            turn.hold(size)
            with turn.may_hang():
                data = read_file(source.path)
        analysis.content_hash = hashlib.sha256(data).hexdigest()
        return data

    def _look(self, analysis: Analysis, data: bytes, turn: Turn[PhotoSource]) -> None:
        """Decode, detect, align, judge and embed."""
        if self._prepare is not None:
            self._prepare()
        analysis.photo = photo = self._photo(analysis.source, data, turn)
        analysis.width, analysis.height = photo.full_width, photo.full_height
        analysis.warnings = photo.warnings
        (found,) = self._detector.detect([photo])
        if self._embedder is None:
            analysis.faces = tuple(Face(detection) for detection in found)
        elif found:
            photo = self._sharp_enough(analysis, photo, found, data, turn)
            analysis.faces = tuple(self._embedded(self._embedder, analysis, photo, found))
            if self._cut_crops and analysis.faces:
                analysis.crops = tuple(self._cut(analysis, photo, data, turn))

    def _photo(self, source: PhotoSource, data: bytes, turn: Turn[PhotoSource]) -> Photo:
        if source.photo is not None:
            return source.photo
        return self._decoded(data, source.path, self._detector.size.decode_side_px, turn)

    def _decoded(self, data: bytes, path: str, min_long_side: int, turn: Turn[PhotoSource]) -> Photo:
        return decode_photo(data, path, min_long_side=min_long_side, salvage=self._salvage, reserve=turn.hold)

    def _embedded(
        self, embedder: Embedder, analysis: Analysis, photo: Photo, found: Sequence[Detection]
    ) -> Iterator[Face]:
        aligned = []
        for detection in found:
            try:
                face = embedder.align(photo, detection)
            except GeometryError as error:
                analysis.warnings += (f"a face was left out: {error.message}",)
                continue
            aligned.append((detection, face, self._judge(photo, detection, face)))
        embeddings = embedder.embed([face for _, face, _ in aligned])
        for (detection, _, quality), embedding in zip(aligned, embeddings, strict=True):
            if embedding is None:
                analysis.warnings += ("a face was left out: the embedder gave no vector for it",)
            else:
                yield Face(detection, quality, embedding)

    def _sharp_enough(
        self, analysis: Analysis, photo: Photo, found: Sequence[Detection], data: bytes, turn: Turn[PhotoSource]
    ) -> Photo:
        """Return the photo at a scale at which its smallest face is large enough to embed, or at full resolution."""
        if self._embedder is None or not data or photo.full_width <= photo.pixels.shape[1]:
            return photo
        wanted = SHARP_SHARE * self._embedder.side_px / min(detection.size_px for detection in found)
        return self._at_scale(analysis, photo, wanted, data, turn, "small faces were compared at a reduced scale")

    def _cut(self, analysis: Analysis, photo: Photo, data: bytes, turn: Turn[PhotoSource]) -> Iterator[Crop | None]:
        """Cut out all faces, from pixels that leave the largest one, which is mostly meant, as sharp as is of use."""
        wanted = decoded_scale(max((face.detection for face in analysis.faces), key=lambda each: each.size_px))
        if data and photo.full_width > photo.pixels.shape[1]:
            photo = self._at_scale(analysis, photo, wanted, data, turn, "the face is kept at a reduced scale")
        for face in analysis.faces:
            try:
                yield cut_crop(photo, face.detection)
            except GeometryError:
                yield None

    def _at_scale(
        self, analysis: Analysis, photo: Photo, wanted: float, data: bytes, turn: Turn[PhotoSource], otherwise: str
    ) -> Photo:
        """Return the photo at a scale, decoded again if that is larger; where that fails, warn `otherwise`."""
        if wanted <= float(photo.scale_xy.min()):
            return photo
        side = math.ceil(min(wanted, 1.0) * max(photo.full_width, photo.full_height))
        try:
            return self._decoded(data, photo.source, side, turn)
        except UnreadableImageError as error:  # such as more pixels than may be held in memory
            analysis.warnings += (f"{otherwise}: {error.message}",)
            return photo
