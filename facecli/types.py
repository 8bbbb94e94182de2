"""The values that flow from photo to prediction.

Every array is checked when its value is made and is read-only from then on.
Boxes and landmarks are pixels of the *upright photo at full resolution*: EXIF
orientation applied, whatever scale the photo was decoded at.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from facecli.errors import GeometryError

FloatArray: TypeAlias = NDArray[np.float32]
PixelArray: TypeAlias = NDArray[np.uint8]

LANDMARK_COUNT: Final = 5
"""Left eye, right eye, nose tip, left and right mouth corner, as the viewer sees them."""

# float32 sums of squares of 512 terms stray from 1 by less than this.
UNIT_NORM_TOLERANCE: Final = 1e-3


def _frozen(array: NDArray[Any], dtype: type, shape: tuple[int | None, ...], what: str) -> NDArray[Any]:
    """Return `array` as a read-only array of `dtype`, refusing any other shape."""
    fits = array.ndim == len(shape) and all(
        want is None or have == want for have, want in zip(array.shape, shape, strict=False)
    )
    if not fits:
        raise GeometryError(f"{what} has shape {array.shape}, expected {shape}")
    result: NDArray[Any] = np.ascontiguousarray(array, dtype=dtype).view()
    result.flags.writeable = False
    return result


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A decoded photo, upright.

    Attributes
    ----------
    pixels : ndarray of shape (H, W, 3), uint8
        RGB in sRGB, EXIF orientation applied, possibly decoded below full resolution.
    source : str
        Path or name it came from; bytes that are no UTF-8 are surrogate-escaped.
    full_width, full_height : int
        Size in pixels of the upright photo at full resolution; that of `pixels` by default.
    warnings : tuple of str
        What was mended on the way, such as a salvaged truncated file.
    """

    pixels: PixelArray
    source: str = ""
    full_width: int = 0
    full_height: int = 0
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "pixels", _frozen(self.pixels, np.uint8, (None, None, 3), "a photo"))
        height, width = self.pixels.shape[:2]
        if not height or not width:
            raise GeometryError(f"a photo of {width}x{height} pixels has nothing in it")
        object.__setattr__(self, "full_width", self.full_width or width)
        object.__setattr__(self, "full_height", self.full_height or height)

    @property
    def scale_xy(self) -> FloatArray:
        """Decoded pixels per full-resolution pixel, as (x, y); shape (2,), float32."""
        height, width = self.pixels.shape[:2]
        return np.array([width / self.full_width, height / self.full_height], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """One face found in a photo.

    Attributes
    ----------
    box_xyxy : ndarray of shape (4,), float32
        Left, top, right, bottom in full-resolution pixels; may reach past the border.
    landmarks_xy : ndarray of shape (5, 2), float32
        See `LANDMARK_COUNT` for the order.
    confidence : float
        The detector's own number in [0, 1]; comparable within one detector only.
    """

    box_xyxy: FloatArray
    landmarks_xy: FloatArray
    confidence: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "box_xyxy", _frozen(self.box_xyxy, np.float32, (4,), "a box"))
        landmarks = _frozen(self.landmarks_xy, np.float32, (LANDMARK_COUNT, 2), "the landmarks")
        object.__setattr__(self, "landmarks_xy", landmarks)
        left, top, right, bottom = self.box_xyxy
        if not (left < right and top < bottom):
            raise GeometryError(f"a box from ({left}, {top}) to ({right}, {bottom}) is empty")

    @property
    def size_px(self) -> float:
        """Geometric mean of the box's sides, in full-resolution pixels."""
        left, top, right, bottom = self.box_xyxy
        return float(np.sqrt((right - left) * (bottom - top)))


@dataclass(frozen=True, slots=True, eq=False)
class AlignedFace:
    """A face turned, scaled and shifted onto an embedder's template.

    Attributes
    ----------
    pixels : ndarray of shape (S, S, 3), uint8
        RGB crop.
    matrix : ndarray of shape (2, 3), float32
        Maps full-resolution photo pixels to crop pixels.
    detection : Detection
        The face it was cut from.
    """

    pixels: PixelArray
    matrix: FloatArray
    detection: Detection

    def __post_init__(self) -> None:
        object.__setattr__(self, "pixels", _frozen(self.pixels, np.uint8, (None, None, 3), "a crop"))
        object.__setattr__(self, "matrix", _frozen(self.matrix, np.float32, (2, 3), "a transform"))


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """A face cut out of its photo, with all that any embedder looks at.

    Attributes
    ----------
    image : bytes
        A JPEG file, upright, without any metadata.
    landmarks_xy : ndarray of shape (5, 2), float32
        In pixels of the image; see `LANDMARK_COUNT` for the order.
    """

    image: bytes
    landmarks_xy: FloatArray

    def __post_init__(self) -> None:
        landmarks = _frozen(self.landmarks_xy, np.float32, (LANDMARK_COUNT, 2), "the landmarks")
        object.__setattr__(self, "landmarks_xy", landmarks)


QualityReason: TypeAlias = Literal["too_small", "blurred", "too_dark", "too_bright", "turned_away", "cut_off"]


@dataclass(frozen=True, slots=True)
class Quality:
    """How far a face can be trusted to be compared.

    Attributes
    ----------
    score : float
        0 (useless) to 1 (nothing to object to): the lowest of the parts.
    reasons : tuple of QualityReason
        Every part that falls below its limit, the worst first.
    measures : dict of str to float
        What was measured; `facecli.embed.quality` says how.
    weakest : QualityReason or None
        The part that gives the score, below its limit or not; None where there is nothing to object to.
    """

    score: float
    reasons: tuple[QualityReason, ...] = ()
    measures: dict[str, float] = field(default_factory=dict)
    weakest: QualityReason | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Embedding:
    """A face as a unit vector of one model.

    Attributes
    ----------
    vector : ndarray of shape (D,), float32
        Unit L2 norm, so that a dot product is the cosine similarity.
    model_id : str
        Only embeddings of the same model may be compared.
    """

    vector: FloatArray
    model_id: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "vector", _frozen(self.vector, np.float32, (None,), "an embedding"))
        norm = float(np.linalg.norm(self.vector))
        if not abs(norm - 1.0) <= UNIT_NORM_TOLERANCE:
            raise GeometryError(f"an embedding of {self.model_id} has norm {norm:.4f}, expected 1")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody enrolled."""

    person_id: int
    name: str
    template_count: int = 0
    created_at: str = ""  # ISO 8601, UTC


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A stored embedding with its source.

    Attributes
    ----------
    content_hash : str
        SHA-256 (hex) of the photo file's bytes: the same photo enrolled twice adds nothing.
    """

    template_id: int
    person_id: int
    embedding: Embedding
    quality: float
    source: str
    content_hash: str
    box_xyxy: FloatArray
    created_at: str = ""  # ISO 8601, UTC


@dataclass(frozen=True, slots=True)
class Candidate:
    """One enrolled person as an answer to a probe; rank 1 is the nearest.

    `score` is that of the person's nearest template, which `template_id` names, or of the mean of their templates if
    that is nearer. `is_barred` says that the probe is as near, or nearer, to a face that was said not to be this
    person's: they are not named.
    """

    rank: int
    person_id: int
    name: str
    template_id: int
    score: float  # cosine similarity in [-1, 1]
    is_barred: bool = False


Rejection: TypeAlias = Literal["low_quality", "not_this_person"]


@dataclass(frozen=True, slots=True)
class Identification:
    """The open-set answer for one face.

    Attributes
    ----------
    candidates : tuple of Candidate
        Rank 1 first.
    threshold : float
    person : Candidate or None
        The nearest candidate that is not barred, if it reached the threshold. None when none did, or the face was
        rejected: the face is unknown.
    fpir : float or None
        Share of strangers' searches that the threshold was chosen to give a name to; None where the user gave it.
    probability : float or None
        That the nearest candidate that is not barred is the right person, if half of all faces searched are of people
        enrolled; None where the model's scores were not measured, or there is no such candidate.
    rejection : {"low_quality", "not_this_person"} or None
        Why the face is not named whatever its candidates score: it is too poor, or those who reached the threshold are
        barred. None where the threshold decided.
    """

    candidates: tuple[Candidate, ...]
    threshold: float
    person: Candidate | None
    fpir: float | None = None
    probability: float | None = None
    rejection: Rejection | None = None

    @property
    def nearest(self) -> Candidate | None:
        """The nearest candidate that is not barred."""
        return next((each for each in self.candidates if not each.is_barred), None)


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """One face of a photo with everything that was found out about it.

    Steps that were not run leave None.
    """

    detection: Detection
    quality: Quality | None = None
    embedding: Embedding | None = None
    identification: Identification | None = None


PhotoStatus: TypeAlias = Literal["ok", "no_face", "error"]


@dataclass(frozen=True, slots=True)
class PhotoError:
    """Why a photo gave no answer: a stable code, one sentence, and what to do."""

    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class PhotoResult:
    """What one photo gave; the unit of every report.

    Attributes
    ----------
    path : str
        As the user named it.
    status : {"ok", "no_face", "error"}
    faces : tuple of Face
        From left to right is not promised; the largest face comes first.
    model : dict
        Detector, embedder, engine, device and precision that made the result.
    elapsed_ms : float or None
        Wall time spent on this photo; None leaves it out of reports.
    """

    path: str
    status: PhotoStatus
    width: int = 0
    height: int = 0
    faces: tuple[Face, ...] = ()
    error: PhotoError | None = None
    warnings: tuple[str, ...] = ()
    model: dict[str, str] = field(default_factory=dict)
    elapsed_ms: float | None = 0.0
