"""What goes into a gallery and what comes out of it, beside the values of `facecli.types`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from facecli.errors import GeometryError, InputError
from facecli.types import Crop, Embedding, FloatArray

SAMPLED_TEMPLATES: Final = 64
"""Stand for all of a gallery whose revision is the same: what was enrolled anew differs in any of them."""


@dataclass(frozen=True, slots=True, eq=False)
class NewTemplate:
    """A template about to be enrolled.

    Attributes
    ----------
    embedding : Embedding
    quality : float
        `Quality.score`, 0 to 1.
    source : str
        Path of the photo as the user named it; bytes that are no UTF-8 are surrogate-escaped.
    content_hash : str
        SHA-256 (hex) of the photo file's bytes.
    box_xyxy : ndarray of shape (4,), float32
        Of the face, in full-resolution pixels of the upright photo.
    crop : Crop, optional
        The face itself, to be kept so that another model can embed it.

    Raises
    ------
    GeometryError
        If the box is no box.
    InputError
        If the quality is outside 0 to 1 or the hash is empty.
    """

    embedding: Embedding
    quality: float
    source: str
    content_hash: str
    box_xyxy: FloatArray
    crop: Crop | None = None

    def __post_init__(self) -> None:
        box = np.array(self.box_xyxy, np.float32)
        if box.shape != (4,) or not np.isfinite(box).all() or not (box[0] < box[2] and box[1] < box[3]):
            raise GeometryError(f"the box {box.tolist()} of a face in {self.source} is no box")
        box.flags.writeable = False
        object.__setattr__(self, "box_xyxy", box)
        if not 0.0 <= self.quality <= 1.0 or math.isnan(self.quality):
            raise InputError(f"the quality {self.quality} of a face in {self.source} is not between 0 and 1")
        if not self.content_hash:
            raise InputError(f"the photo {self.source} has no content hash")


@dataclass(frozen=True, slots=True, eq=False)
class TemplateMatrix:
    """All templates of one model, ready to be searched.

    Attributes
    ----------
    model_id : str
    vectors : ndarray of shape (T, D), float32
        C-contiguous unit vectors, sorted by person and then by template; (0, 0) for an empty gallery.
    template_ids, person_ids : ndarray of shape (T,), int64
        Whose and which each row is.
    names : mapping of int to str
        Name of every person that has a row here, by person_id.
    revision : int
        `Gallery.revision` at the moment of reading.
    """

    model_id: str
    vectors: FloatArray
    template_ids: NDArray[np.int64]
    person_ids: NDArray[np.int64]
    names: Mapping[int, str]
    revision: int

    def vectors_at(self, rows: NDArray[np.int64]) -> FloatArray:
        """Return some of the vectors."""
        return self.vectors[rows]

    def sample(self) -> tuple[NDArray[np.int64], FloatArray]:
        """Return a few rows, evenly spread with the first and the last, and their vectors."""
        count = len(self.template_ids)
        rows = np.unique(np.linspace(0, max(count - 1, 0), min(count, SAMPLED_TEMPLATES)).astype(np.int64))
        return rows, self.vectors_at(rows) if count else self.vectors


@dataclass(frozen=True, slots=True)
class StoredThreshold:
    """The threshold that a gallery's templates gave for a false positive rate.

    Attributes
    ----------
    model_id : str
    revision : int
        Of the gallery it was estimated for; a later change may ask for another one.
    fpir : float
        The rate that was asked for.
    threshold : float
    low, high : float
        95 % interval of the rate there.
    made_at : str
        ISO 8601, UTC.
    """

    model_id: str
    revision: int
    fpir: float
    threshold: float
    low: float
    high: float
    made_at: str = ""


@dataclass(frozen=True, slots=True)
class CropCount:
    """The crops of a gallery.

    Attributes
    ----------
    crops : int
    size_bytes : int
        Of all of them together.
    templates_with, templates_without : int
        Templates of people whose face is kept as a crop, and whose is not.
    """

    crops: int
    size_bytes: int
    templates_with: int
    templates_without: int


@dataclass(frozen=True, slots=True)
class GalleryInfo:
    """What a gallery holds.

    Attributes
    ----------
    path : str
    schema_version : int
    people : int
    templates : mapping of str to int
        Number of templates by model_id; a model without templates is left out.
    size_bytes : int
        Of the file and its write-ahead log.
    revision : int
    read_only : bool
    thresholds : tuple of StoredThreshold
        The last one estimated for each model.
    is_encrypted : bool
    problems : tuple of str, optional
        What the integrity check found, nothing if all is well; None if it was not asked for.
    """

    path: str
    schema_version: int
    people: int
    templates: Mapping[str, int]
    size_bytes: int
    revision: int
    read_only: bool
    thresholds: tuple[StoredThreshold, ...] = ()
    is_encrypted: bool = False
    problems: tuple[str, ...] | None = None
