from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facecli.detect import mtcnn
from facecli.detect.letterbox import DetectionSize
from facecli.detect.mtcnn import MtcnnDetector, pyramid
from facecli.errors import DeviceError, WeightsError
from facecli.geometry import iou
from facecli.media.images import load_photo
from facecli.runtime.device import Device
from facecli.types import Detection, Photo

SIZE = DetectionSize(40, 20)


@pytest.fixture(scope="module")
def detector() -> MtcnnDetector:
    return MtcnnDetector(Device("cpu"), size=SIZE)


@pytest.fixture(scope="module")
def group(sample_images: Path) -> Photo:
    return load_photo(sample_images / "group.jpg", min_long_side=1280)


@pytest.fixture(scope="module")
def stranger(sample_images: Path) -> Photo:
    return load_photo(sample_images / "stranger.jpg", min_long_side=640)


def boxes_of(faces: list[Detection]) -> np.ndarray:
    return np.array([face.box_xyxy for face in faces], np.float32).reshape(-1, 4)


def test_the_pyramid_starts_where_the_smallest_face_fills_a_window():
    assert list(pyramid(100, 60, 20)) == [(61, 37), (43, 26), (31, 19), (22, 13)]
    assert list(pyramid(100, 19, 20)) == []


def test_the_people_of_a_group_are_found_from_left_to_right(detector, group):
    faces = sorted(detector.detect([group])[0], key=lambda face: face.box_xyxy[0])
    assert len(faces) == 4
    for face in faces:
        left, top, right, bottom = face.box_xyxy
        assert ((face.landmarks_xy > [left, top]) & (face.landmarks_xy < [right, bottom])).all()
        left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks_xy
        assert left_eye[0] < nose[0] < right_eye[0]
        assert left_mouth[0] < nose[0] < right_mouth[0]
        assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])


def test_the_answers_are_those_of_facenet_pytorch(detector, group, stranger):
    # Within what facenet-pytorch's own answers move by when a photo is shifted by one pixel.
    reference = pytest.importorskip("facenet_pytorch").MTCNN(keep_all=True, min_face_size=40)
    for photo in (group, stranger):
        pixels = np.array(photo.pixels)
        shrink = photo.full_width / pixels.shape[1]
        boxes, confidences, landmarks = reference.detect(pixels, landmarks=True)
        faces = [face for face in detector.detect([photo])[0] if face.size_px > 60]
        keep = confidences > 0.99
        overlap = iou(np.asarray(boxes[keep] * shrink, np.float32), boxes_of(faces))
        assert (overlap.max(1) > 0.85).all()
        for points, index in zip(landmarks[keep], overlap.argmax(1), strict=True):
            face = faces[index]
            assert np.abs(points * shrink - face.landmarks_xy).max() < 0.06 * face.size_px


def test_photos_of_different_sizes_in_one_call_are_answered_as_one_by_one(detector, group, stranger):
    tiny, blank = Photo(np.zeros((5, 5, 3), np.uint8)), Photo(np.full((300, 200, 3), 255, np.uint8))
    photos = [stranger, blank, group, tiny, stranger]
    together, alone = detector.detect(photos), [detector.detect([photo])[0] for photo in photos]
    assert [len(faces) for faces in together] == [1, 0, 4, 0, 1]
    for many, one in zip(together, alone, strict=True):
        # float32 sums in another order
        np.testing.assert_allclose(boxes_of(many), boxes_of(one), atol=0.05)


def test_the_largest_face_comes_first(detector, group):
    sizes = [face.size_px for face in detector.detect([group])[0]]
    assert sizes == sorted(sizes, reverse=True)


def test_a_blank_photo_never_reaches_a_network(detector, monkeypatch):
    def refuse(*_):
        raise AssertionError("a network ran")

    blank = Photo(np.full((300, 200, 3), 255, np.uint8))
    assert detector.detect([]) == []
    monkeypatch.setattr(MtcnnDetector, "_run", refuse)
    assert detector.detect([blank]) == [[]]


def test_structure_without_a_face_gives_nothing(detector):
    stripes = np.zeros((300, 400, 3), np.uint8)
    stripes[:, ::20] = 255
    assert detector.detect([Photo(stripes)]) == [[]]


def test_a_face_cut_by_the_border_keeps_its_whole_box(detector, stranger):
    [whole] = detector.detect([stranger])[0]
    left, _, right, _ = whole.box_xyxy * stranger.scale_xy[0]
    cut_at = int(left + 0.2 * (right - left))
    [cut] = detector.detect([Photo(stranger.pixels[:, cut_at:])])[0]
    assert cut.box_xyxy[0] < 0
    expected = whole.box_xyxy * stranger.scale_xy[0] - [cut_at, 0, cut_at, 0]
    assert iou(cut.box_xyxy[None], expected[None].astype(np.float32))[0, 0] > 0.7


def test_coordinates_are_those_of_the_photo_at_full_resolution(detector, stranger):
    pixels = stranger.pixels
    large = Photo(pixels, "", pixels.shape[1] * 4, pixels.shape[0] * 4)
    [near], [far] = (
        MtcnnDetector(Device("cpu"), size=DetectionSize(face, 20)).detect([photo])[0]
        for face, photo in ((40, Photo(pixels)), (160, large))
    )
    np.testing.assert_allclose(far.box_xyxy, 4 * near.box_xyxy, rtol=1e-4)
    np.testing.assert_allclose(far.landmarks_xy, 4 * near.landmarks_xy, rtol=1e-4)


def test_the_smallest_face_wanted_decides_what_is_looked_for(stranger):
    small = np.full((600, 600, 3), 120, np.uint8)
    face = stranger.pixels[:: stranger.pixels.shape[0] // 100, :: stranger.pixels.shape[0] // 100]
    small[200 : 200 + face.shape[0], 200 : 200 + face.shape[1]] = face
    found = {
        wish: len(MtcnnDetector(Device("cpu"), size=DetectionSize(wish, 20)).detect([Photo(small)])[0])
        for wish in (20, 150)
    }
    assert found == {20: 1, 150: 0}


def test_no_face_is_surer_than_certain(group):
    assert MtcnnDetector(Device("cpu"), size=SIZE, threshold=1.0).detect([group]) == [[]]


def test_altered_weights_are_refused(monkeypatch):
    monkeypatch.setitem(mtcnn.WEIGHTS_SHA256, "rnet", "0" * 64)
    with pytest.raises(WeightsError, match=r"rnet\.pt is not the file it should be") as error:
        MtcnnDetector(Device("cpu"), size=SIZE)
    assert error.value.hint == "Install facenet-pytorch 2.5.3 again."


def test_a_device_that_torch_cannot_use_is_refused():
    with pytest.raises(DeviceError, match="cuda:99 was asked for"):
        MtcnnDetector(Device("cuda", 99), size=SIZE)


@pytest.mark.gpu
def test_cuda_gives_the_answers_of_the_cpu(detector, group, stranger):
    on_cuda = MtcnnDetector(Device("cuda"), size=SIZE)
    for ours, theirs in zip(detector.detect([group, stranger]), on_cuda.detect([group, stranger]), strict=True):
        np.testing.assert_allclose(boxes_of(ours), boxes_of(theirs), atol=2)
