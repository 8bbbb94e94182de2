"""A crop shows an embedder what the photo shows it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facecli.embed import face_crop
from facecli.embed.align import align
from facecli.embed.face_crop import cut_crop, decoded_scale
from facecli.errors import GeometryError
from facecli.geometry import apply_transform, similarity_transform
from facecli.media.images import decode_photo
from facecli.runtime.manifest import models_dir, read_manifest
from facecli.runtime.weights import catalogue
from facecli.types import Detection, Photo


def embedders():
    shipped = [read_manifest(path) for path in sorted(models_dir().glob("*/manifest.toml"))]
    return [each for each in (*shipped, *(entry.manifest for entry in catalogue().values())) if each.kind == "embedder"]


def smooth(height: int, width: int) -> np.ndarray:
    """A picture that JPEG and resampling leave nearly as it is."""
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(x / 23) + np.cos(y / 31), np.sin((x + y) / 41), np.cos((x - 2 * y) / 53)]
    return np.stack([127 + 50 * wave for wave in waves], -1).astype(np.uint8)


def face_at(centre, size: float, turn: float) -> Detection:
    matrix = size * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    landmarks = (face_crop._FRAME_XY - 56) / 112 @ matrix.T + centre
    return Detection(np.array([0, 0, 10, 10], np.float32), landmarks.astype(np.float32), 1.0)


def test_every_embedder_of_models_and_catalogue_finds_its_context_and_its_pixels():
    found = embedders()
    assert {each.name for each in found} >= {"sface", "mobilefacenet", "dlib-resnet", "facenet-vggface2"}
    for manifest in found:
        side = manifest.size_hw[0]
        matrix = similarity_transform(manifest.template, face_crop._FRAME_XY)
        corners = apply_transform(matrix, np.array([[0, 0], [side, 0], [0, side], [side, side]], np.float32))
        left, top, right, bottom = face_crop.CONTEXT
        assert (corners.min(0) >= [left, top]).all(), manifest.name
        assert (corners.max(0) <= [right, bottom]).all(), manifest.name
        assert face_crop.MAX_SCALE * np.hypot(*matrix[:, 0]) >= 0.995, manifest.name


@settings(deadline=None, max_examples=40)
@given(st.floats(60, 240), st.floats(60, 180), st.floats(30, 300), st.floats(-0.8, 0.8), st.sampled_from([1.0, 0.5]))
def test_an_embedder_is_shown_the_same(x, y, size, turn, scale):
    """Wherever the face lies, beyond the border too, and at whatever scale the photo was decoded."""
    decoded = smooth(240, 300)
    photo = Photo(decoded, "p.jpg", round(300 / scale), round(240 / scale))
    face = face_at(np.array([x, y]) / scale, size / scale, turn)
    crop = cut_crop(photo, face)
    again = Detection(face.box_xyxy, crop.landmarks_xy, 1.0)
    for manifest in embedders()[:3]:
        side = manifest.size_hw[0]
        expected = align(photo, face, manifest.template, side).pixels.astype(int)
        found = align(decode_photo(crop.image, "a crop"), again, manifest.template, side).pixels.astype(int)
        # Where the photo ends, a pixel more or less of black is no difference.
        inner = np.abs(expected - found)[2:-2, 2:-2]
        assert np.quantile(inner, 0.95) <= 6
        assert inner.mean() <= 2.5


def test_a_crop_never_has_more_pixels_than_the_photo():
    photo = Photo(smooth(240, 300))
    for size in (20, 80, 200, 700):
        face = face_at((150, 120), size, 0.1)
        crop = cut_crop(photo, face)
        inside = np.ptp(crop.landmarks_xy, axis=0) / np.ptp(face.landmarks_xy, axis=0)
        assert (inside <= 1.02).all()
        assert max(decode_photo(crop.image, "c").pixels.shape) <= 1.5 * 138 * face_crop.MAX_SCALE


def test_a_face_outside_the_photo_or_without_direction_has_no_crop():
    photo = Photo(smooth(100, 100))
    with pytest.raises(GeometryError, match="outside the photo"):
        cut_crop(photo, face_at((900, 900), 50, 0))
    flat = Detection(np.array([0, 0, 10, 10], np.float32), np.full((5, 2), 4, np.float32), 1.0)
    with pytest.raises(GeometryError, match="coincide"):
        cut_crop(photo, flat)


def test_a_scale_suffices_when_the_crop_cut_there_needs_reducing():
    face = face_at((500, 500), 400, 0)
    scale = decoded_scale(face)
    assert scale == pytest.approx(face_crop.MAX_SCALE * 112 / 400, rel=1e-3)
    assert decoded_scale(face_at((50, 50), 40, 0)) == 1.0
