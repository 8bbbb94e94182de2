"""Which face of a photo is meant, where a photo stands for one person."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from facecli.errors import NoFaceError, SeveralFacesError
from facecli.services.analysis import Analysis
from facecli.types import Face

OnMulti: TypeAlias = Literal["error", "largest", "skip"]

# A bystander in the background is no rival of the person portrayed: only faces at least this large, as a share of
# the largest face's side, make a photo ambiguous.
RIVAL_SIZE_SHARE: Final = 0.5


def the_face(analysis: Analysis, *, take_largest: bool) -> Face:
    """Return the face that a photo of one person is about.

    Parameters
    ----------
    analysis : Analysis
        Of a photo that was decoded.
    take_largest : bool
        Take the largest face even if others are of a like size.

    Raises
    ------
    NoFaceError
        If there is none.
    SeveralFacesError
        If there are several of a like size.
    """
    path = analysis.source.path
    faces = sorted(analysis.faces, key=lambda face: -face.detection.size_px)
    if not faces:
        raise NoFaceError(
            f"no face was found in {path}", hint="Use a photo that shows the face larger, brighter or more frontal."
        )
    rivals = [face for face in faces if face.detection.size_px >= RIVAL_SIZE_SHARE * faces[0].detection.size_px]
    if len(rivals) > 1 and not take_largest:
        raise SeveralFacesError(
            f"{len(rivals)} faces of a like size are in {path}",
            hint="Crop the photo to one person, or pass --on-multi largest.",
        )
    return faces[0]
