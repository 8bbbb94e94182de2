"""Crops of faces: cut where the pixels are, only when asked for, as sharp as the photo but no larger than is of use."""

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from fakes import BLUE, RED, FakeDetector, picture
from PIL import Image

from facecli.embed import face_crop
from facecli.gallery.store import Gallery
from facecli.media.images import decode_photo
from facecli.services.analysis import Analyser, PhotoSource
from facecli.services.enrolment import enrol
from facecli.services.enrolment_plan import EnrolmentPhoto


def analysed(analyser: Analyser, data: bytes, path: str = "p.png"):
    (analysis,) = analyser.analyse([PhotoSource(path, data)])
    return analysis


def opened(crop) -> np.ndarray:
    return decode_photo(crop.image, "a crop").pixels


def test_nothing_is_cut_unless_asked_for(analyser: Analyser) -> None:
    assert analysed(analyser, picture((RED, 10, 10, 60))).crops == ()


def test_each_face_has_its_crop(make_analyser: Callable[..., Analyser]) -> None:
    analysis = analysed(make_analyser(cut_crops=True), picture((RED, 8, 8, 48), (BLUE, 64, 64, 32)))
    for face, colour in zip(analysis.faces, (RED, BLUE), strict=True):
        crop = analysis.crop_of(face)
        x, y = crop.landmarks_xy[2].round().astype(int)
        assert np.abs(opened(crop)[y, x].astype(int) - colour).max() < 12
    assert analysis.crop_of(replace(analysis.faces[1], quality=None)) is analysis.crops[1]


def test_what_is_enrolled_is_kept_with_its_crop(make_analyser: Callable[..., Analyser], gallery: Gallery) -> None:
    photo = EnrolmentPhoto("Ana", PhotoSource("Ana.png", picture((RED, 10, 10, 60))))
    (outcome,) = enrol([photo], make_analyser(cut_crops=True), gallery)
    assert gallery.crops([outcome.template_id]).keys() == {outcome.template_id}
    list(enrol([EnrolmentPhoto("Bo", photo.source)], make_analyser(), gallery))
    assert gallery.crop_count().templates_without == 1


def test_a_crop_holds_no_metadata(make_analyser: Callable[..., Analyser]) -> None:
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "a camera's name"
    pixels = Image.open(io.BytesIO(picture((RED, 8, 8, 48), side=96)))
    pixels.save(stream, "JPEG", quality=100, subsampling=0, exif=exif, comment=b"at home", icc_profile=b"not a profile")
    analysis = analysed(make_analyser(cut_crops=True), stream.getvalue(), "p.jpg")
    (crop,) = analysis.crops
    found = Image.open(io.BytesIO(crop.image))
    assert found.format == "JPEG"
    assert found.info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi"}
    assert found.layer[0][1:3] == found.layer[1][1:3]  # colours in full


@pytest.mark.parametrize(("square", "reduced"), [(400, True), (100, False)])
def test_faces_that_are_larger_than_of_use_are_reduced(
    make_analyser: Callable[..., Analyser], square: int, reduced: bool
) -> None:
    analysis = analysed(make_analyser(cut_crops=True), picture((RED, 100, 100, square), side=600))
    (face,), (crop,) = analysis.faces, analysis.crops
    full = np.ptp(face.detection.landmarks_xy, axis=0)
    kept = np.ptp(crop.landmarks_xy, axis=0)
    if reduced:
        assert kept.max() < 0.7 * full.max()
        assert opened(crop).shape[0] < face_crop.MAX_SCALE * 150
    else:  # not a pixel is changed but by JPEG
        np.testing.assert_allclose(kept, full, atol=1e-3)


def test_a_photo_that_was_decoded_too_small_for_a_sharp_crop_is_decoded_again(
    make_analyser: Callable[..., Analyser], detector: FakeDetector
) -> None:
    detector.size = type(detector.size)(None, 20, max_long_side_px=100)
    data = picture((RED, 160, 160, 160), side=1600, file_format="JPEG")
    analysis = analysed(make_analyser(cut_crops=True), data, "large.jpg")
    (face,), (crop,) = analysis.faces, analysis.crops
    full = np.ptp(face.detection.landmarks_xy, axis=0)
    assert (np.ptp(crop.landmarks_xy, axis=0) > 0.95 * full).all()
