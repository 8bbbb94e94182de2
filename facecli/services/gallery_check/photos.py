"""What is known of each template beside its vector."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from facecli.errors import GalleryError
from facecli.gallery.records import TemplateMatrix
from facecli.gallery.rows import SAME_FACE_IOU
from facecli.gallery.store import Gallery
from facecli.geometry import iou
from facecli.types import Template


@dataclass(frozen=True, slots=True)
class Photo:
    """Where a template comes from."""

    template_id: int
    name: str
    source: str
    content_hash: str
    box_xyxy: tuple[float, float, float, float]
    quality: float

    @classmethod
    def of(cls, template: Template, name: str) -> Photo:
        """Return that of a template."""
        left, top, right, bottom = template.box_xyxy.tolist()
        box = (left, top, right, bottom)
        return cls(template.template_id, name, template.source, template.content_hash, box, template.quality)

    def is_same_face(self, other: Photo) -> bool:
        """Say whether both are of one face of one photo."""
        if self.content_hash != other.content_hash:
            return False
        boxes = np.array([self.box_xyxy, other.box_xyxy], np.float32)
        return bool(iou(boxes[:1], boxes[1:]).max() >= SAME_FACE_IOU)


def photos_of(gallery: Gallery, matrix: TemplateMatrix) -> list[Photo]:
    """Return the photo of each row of a matrix.

    Raises
    ------
    GalleryError
        If the gallery cannot be read; with code ``gallery_changed`` if templates have gone since the matrix was read.
    """
    known = {each.template_id: each for each in _photos(gallery.templates(model_id=matrix.model_id), matrix)}
    try:
        return [known[template_id] for template_id in matrix.template_ids.tolist()]
    except KeyError as error:
        raise GalleryError(
            f"the gallery {gallery.path} was changed while it was read", hint="Run it again.", code="gallery_changed"
        ) from error


def _photos(templates: Iterable[Template], matrix: TemplateMatrix) -> Iterable[Photo]:
    return (Photo.of(each, matrix.names[each.person_id]) for each in templates if each.person_id in matrix.names)
