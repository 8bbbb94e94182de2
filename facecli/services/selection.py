"""Which face of a photo is meant, where a photo stands for one person."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import numpy as np

from facecli.errors import InputError, NoFaceError, SeveralFacesError, UsageError
from facecli.services.analysis import Analysis
from facecli.types import Face

OnMulti: TypeAlias = Literal["error", "largest", "central", "skip"]

# A bystander in the background is no rival of the person portrayed: only faces at least this large, as a share of
# the largest face's side, make a photo ambiguous.
RIVAL_SIZE_SHARE: Final = 0.5

# Nor is a face that the photo's border cuts, unless it is the largest: share of the face within the photo (see
# `facecli.embed.quality`). In lfw_view1, whose photos are cut to the person in their middle, 273 of 1,549 had rivals
# before this rule and 137 with it; the face left was the right one in each of the 136.
WHOLE: Final = 0.9

_NUMBERED: Final = re.compile(r"(?s)(.+)#(\d+)")


def photo_and_face(argument: str) -> tuple[str, int | None]:
    """Part what a user wrote into a photo and the number of a face in it: ``party.jpg#2``, or only ``party.jpg``.

    A file that is called so is the photo, whatever its name looks like.

    Raises
    ------
    UsageError
        If the number is 0.
    """
    numbered = _NUMBERED.fullmatch(argument)
    if numbered is None or os.path.lexists(argument):
        return argument, None
    path, number = numbered[1], int(numbered[2])
    if not number:
        raise UsageError(f"{argument} names no face", hint=f"Faces count from 1, as in the reports: {path}#1")
    return path, number


def numbered_face(analysis: Analysis, number: int) -> Face:
    """Return a face by its number in the reports, from 1.

    Raises
    ------
    NoFaceError
        If the photo has no face.
    InputError
        With code ``no_such_face`` if it has not so many.
    """
    faces, path = analysis.faces, analysis.source.path
    if not faces:
        raise _no_face_error(path)
    if number > len(faces):
        raise InputError(
            f"{path} has {len(faces)} {'face' if len(faces) == 1 else 'faces'}, not {number}",
            hint=f"See their numbers: facecli identify {shlex.quote(path)}",
            code="no_such_face",
        )
    return faces[number - 1]


def the_face(analysis: Analysis, on_multi: OnMulti = "error") -> Face:
    """Return the face that a photo of one person is about.

    Parameters
    ----------
    analysis : Analysis
        Of a photo that was decoded.
    on_multi : {"error", "largest", "central", "skip"}
        Of several faces of a like size take the largest, or the one nearest to the photo's middle; otherwise it is an
        error.

    Raises
    ------
    NoFaceError
        If there is none.
    SeveralFacesError
        If there are several of a like size, and neither was asked for.
    """
    path = analysis.source.path
    faces = sorted(analysis.faces, key=lambda face: -face.detection.size_px)
    if not faces:
        raise _no_face_error(path)
    if on_multi == "largest":
        return faces[0]
    if on_multi == "central":
        return min(faces, key=lambda face: _off_centre(analysis, face))
    rivals = _rivals(faces)
    if len(rivals) > 1:
        raise SeveralFacesError(
            f"{len(rivals)} faces of a like size are in {path}",
            hint="Crop the photo to one person, or pass --on-multi largest or --on-multi central.",
        )
    return rivals[0]


def _no_face_error(path: str) -> NoFaceError:
    return NoFaceError(
        f"no face was found in {path}", hint="Use a photo that shows the face larger, brighter or more frontal."
    )


def _rivals(faces: Sequence[Face]) -> list[Face]:
    """Return the faces that a photo may be about, given the largest first."""
    subject = next((face for face in faces if _is_whole(face)), faces[0])
    size = subject.detection.size_px
    return [
        face
        for face in faces
        if face.detection.size_px >= (RIVAL_SIZE_SHARE * size if _is_whole(face) or not _is_whole(subject) else size)
    ]


def _is_whole(face: Face) -> bool:
    return face.quality is None or face.quality.measures.get("inside", 1.0) >= WHOLE


def _off_centre(analysis: Analysis, face: Face) -> float:
    """Distance of a face's middle from the photo's, in pixels."""
    middle = np.array([analysis.width, analysis.height]) / 2
    return float(np.hypot(*(face.detection.box_xyxy.reshape(2, 2).mean(0) - middle)))
