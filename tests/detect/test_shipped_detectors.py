"""The detectors that ship, on the photos that ship."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facecli.detect import centerface, yunet
from facecli.detect.letterbox import DetectionSize
from facecli.detect.single_shot import SingleShotDetector
from facecli.geometry import iou
from facecli.media.images import load_photo
from facecli.runtime.manifest import shipped_models
from facecli.runtime.network import Network
from facecli.runtime.openvino_engine import OpenVinoEngine
from facecli.types import Detection, FloatArray, Photo

DECODERS = {"centerface": (centerface.decode, 0.4), "yunet": (yunet.decode, 0.6)}
GROUP_FACES = 4


@pytest.fixture(scope="module", params=sorted(DECODERS))
def network(request) -> tuple[str, Network]:
    manifest = shipped_models()[request.param]
    return request.param, OpenVinoEngine().load(manifest.path, manifest.preprocessing)


@pytest.fixture(scope="module")
def group(sample_images: Path) -> Photo:
    return load_photo(sample_images / "group.jpg", min_long_side=1280)


def detector_of(network: tuple[str, Network], min_face: int | None = None, **more) -> SingleShotDetector:
    decode, threshold = DECODERS[network[0]]
    return SingleShotDetector(network[1], decode, size=DetectionSize(min_face, 20), threshold=threshold, **more)


def boxes_of(faces: list[Detection]) -> FloatArray:
    return np.array(sorted((face.box_xyxy.tolist() for face in faces), key=lambda box: box[0]), np.float32)


def test_the_people_of_a_group_are_found_with_their_features_in_place(network, group):
    faces = detector_of(network).detect([group])[0]
    assert len(faces) == GROUP_FACES
    for face in faces:
        left, top, right, bottom = face.box_xyxy
        assert ((face.landmarks_xy > [left, top]) & (face.landmarks_xy < [right, bottom])).all()
        left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks_xy
        assert left_eye[0] < nose[0] < right_eye[0]
        assert left_mouth[0] < nose[0] < right_mouth[0]
        assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


def test_a_photo_on_a_white_page_shows_the_same_faces_with_and_without_edges(network, group):
    small = group.pixels[::4, ::4]
    page = np.full((1600, 1130, 3), 255, np.uint8)
    page[700 : 700 + small.shape[0], 300 : 300 + small.shape[1]] = small
    found = [boxes_of(detector_of(network, use_edges=use).detect([Photo(page)])[0]) for use in (True, False)]
    assert len(found[0]) == len(found[1]) == GROUP_FACES
    assert np.diag(iou(*found)).min() > 0.95


@pytest.mark.parametrize("contrast", [0.2, 0.1])
def test_faint_faces_survive_the_edge_map(network, group, contrast):
    faint = Photo((group.pixels * contrast + 10).astype(np.uint8))
    found = [boxes_of(detector_of(network, use_edges=use).detect([faint])[0]) for use in (True, False)]
    assert len(found[1]) == GROUP_FACES
    np.testing.assert_array_equal(found[0], found[1])


def test_photos_of_different_sizes_in_one_call_are_answered_as_one_by_one(network, group):
    photos = [group, Photo(group.pixels[:, :700]), Photo(np.zeros((9, 9, 3), np.uint8)), Photo(group.pixels[:, 600:])]
    detector = detector_of(network)
    for many, photo in zip(detector.detect(photos), photos, strict=True):
        np.testing.assert_allclose(boxes_of(many), boxes_of(detector.detect([photo])[0]), atol=0.05)


def test_small_faces_are_found_on_request(network, group):
    tiny = Photo(np.ascontiguousarray(group.pixels[::18, ::18]))
    assert len(detector_of(network, min_face=8).detect([tiny])[0]) == GROUP_FACES
    assert detector_of(network, min_face=80).detect([tiny]) == [[]]
