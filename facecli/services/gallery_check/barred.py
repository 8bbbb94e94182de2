"""Faces said not to be somebody's that speak against that person's own photos."""

from __future__ import annotations

import numpy as np

from facecli.gallery.records import TemplateMatrix
from facecli.gallery.store import Gallery
from facecli.services.gallery_check.crowd import Crowd
from facecli.services.gallery_check.findings import Commands, Finding
from facecli.services.gallery_check.limits import Limits
from facecli.services.gallery_check.photos import Photo


def barred_findings(
    gallery: Gallery, matrix: TemplateMatrix, photos: list[Photo], crowd: Crowd, limits: Limits, commands: Commands
) -> list[Finding]:
    """Find what was said of who somebody is not, and cannot be true if their photos are theirs.

    It contradicts a photo of the same face, or a copy of it; or it would keep the person's name from a photo of theirs,
    left out, that is as near to it as to the person's others.
    """
    findings = []
    for negative in gallery.templates(model_id=matrix.model_id, is_negative=True):
        name = matrix.names.get(negative.person_id)
        if name is None:  # nobody to keep it from
            continue
        said = Photo.of(negative, name)
        rows = crowd.rows_of(negative.person_id)
        scores = crowd.vectors[rows] @ negative.embedding.vector
        same = np.array([photos[row].is_same_face(said) for row in rows.tolist()]) | (scores >= limits.copy)
        barred = ~same & (crowd.own[rows] > -1) & (scores >= crowd.own[rows])
        if not (same | barred).any():
            continue
        concerned = [photos[row] for row in rows[same | barred].tolist()]
        what = f"template {said.template_id} ({said.source}) is said not to be {name}, "
        if same.any():
            what += f"and template {concerned[0].template_id} of {name} is the same face"
        else:
            what += f"and keeps the name from {int(barred.sum())} of {name}'s {len(rows)} photos, each left out"
        templates = [said, *concerned]
        findings.append(
            Finding(
                kind="negative_contradicts",
                severity="warning",
                what=what,
                people=(name,),
                template_ids=tuple(each.template_id for each in templates),
                sources=tuple(each.source for each in templates),
                boxes_xyxy=tuple(each.box_xyxy for each in templates),
                score=float(scores.max()),
                change=f"photos of {name} kept from the name, each left out: {int((same | barred).sum())} -> 0",
                fix=commands.drop([said.template_id]),
            )
        )
    return findings
