"""Pictures of results: annotated photos, as pixels and as files."""

from __future__ import annotations

import uuid
from pathlib import Path, PurePath
from typing import Final

import numpy as np

from facecli.errors import FacecliError
from facecli.report.drawing import draw_result
from facecli.types import FloatArray, Photo, PhotoResult, PixelArray

JPEG_QUALITY: Final = 90
JPEG_LONGEST_PX: Final = 65_500  # libjpeg's JPEG_MAX_DIMENSION


def annotate(photo_pixels: PixelArray, result: PhotoResult, scale_xy: FloatArray | None = None) -> PixelArray:
    """Draw what was found into a copy of a photo.

    Parameters
    ----------
    photo_pixels : ndarray of shape (H, W, 3), uint8
        RGB, upright, at any resolution.
    result : PhotoResult
        Boxes and landmarks in pixels of the photo at full resolution; parts outside of it are not drawn.
    scale_xy : ndarray of shape (2,), float32, optional
        Pixels of `photo_pixels` per pixel at full resolution, `Photo.scale_xy`; 1 by default.

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
        As large as the photo.
    """
    return np.array(draw_result(photo_pixels, result, np.ones(2, np.float32) if scale_xy is None else scale_xy))


def annotated_path(source: str, folder: Path, root: Path | None = None) -> Path:
    """Return where the annotated picture of a photo goes.

    Parameters
    ----------
    source : str
        Path of the photo, as the user named it.
    folder : Path
        Of the annotated pictures.
    root : Path, optional
        Folder whose structure is mirrored: ``root/a/x.jpg`` goes to ``folder/a/x.annotated.jpg``. Without it, or for
        a photo elsewhere, the path as named is mirrored, so that ``a/x.jpg`` and ``b/x.jpg`` stay apart.

    Returns
    -------
    Path
        Inside `folder`; ``x.annotated.jpg`` for ``x.jpg`` and ``x.HEIC.annotated.jpg`` for ``x.HEIC``, so that
        photos that differ only in their ending stay apart. It is never the photo itself: the name is longer.
    """
    path = PurePath(source)
    if root is not None and path.is_relative_to(root):
        path = path.relative_to(root)
    parents = ["__" if part == ".." else part for part in path.parent.parts if part != path.anchor]
    return folder.joinpath(*parents, f"{path.stem if path.suffix == '.jpg' else path.name}.annotated.jpg")


def save_annotated(result: PhotoResult, photo: Photo, folder: Path, *, root: Path | None = None) -> Path:
    """Draw a result into its photo and save that as a JPEG without any metadata.

    The file appears whole or not at all; an annotated picture from an earlier run is replaced.

    Parameters
    ----------
    result : PhotoResult
    photo : Photo
        The photo of the result, at the resolution that the picture is to have.
    folder : Path
        Made if it is missing.
    root : Path, optional
        See `annotated_path`.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    FacecliError
        If it cannot be written; code ``cannot_write``.
    """
    target = annotated_path(result.path, folder, root)
    picture = draw_result(photo.pixels, result, photo.scale_xy)
    picture.thumbnail((JPEG_LONGEST_PX, JPEG_LONGEST_PX))  # of what is smaller nothing changes
    # Not tempfile: its files can be read by their owner alone, and stay so.
    unfinished = target.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            # Subsampling 0 keeps full colour resolution: coloured lines and letters would fray without it.
            picture.save(unfinished, format="JPEG", quality=JPEG_QUALITY, subsampling=0)
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise FacecliError(
            f"cannot write the annotated picture of {result.path} to {target}: {reason}",
            hint="Name a folder that can be written and has room.",
            code="cannot_write",
        ) from error
    return target
