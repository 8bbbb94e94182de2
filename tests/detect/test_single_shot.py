import numpy as np
import pytest
from fake_network import SIDE_PX, MarkNetwork, decode_marks

from facecli.detect.letterbox import DetectionSize
from facecli.detect.single_shot import FirstLook, RawFaces, SingleShotDetector
from facecli.types import Detection, Photo

RED = (255, 0, 0)


def photo_of(height: int, width: int, *marks_xy: tuple[int, int], full: int = 1) -> Photo:
    """Grey dots everywhere, so that nothing is cut, and a red pixel for each face."""
    pixels = np.full((height, width, 3), 128, np.uint8)
    pixels[::7, ::7] = 0
    for x, y in marks_xy:
        pixels[y, x] = RED
    return Photo(pixels, "", width * full, height * full)


def detector_of(network: MarkNetwork, min_face: int | None = None, **more) -> SingleShotDetector:
    size = DetectionSize(min_face, 20, max_long_side_px=1280)
    return SingleShotDetector(network, decode_marks, size=size, threshold=0.5, **more)


def values(faces: list[Detection]) -> list[tuple]:
    return [(face.box_xyxy.tolist(), face.landmarks_xy.tolist(), face.confidence) for face in faces]


def test_a_blank_photo_never_reaches_the_network():
    network = MarkNetwork()
    blank = Photo(np.full((480, 640, 3), 255, np.uint8))
    assert detector_of(network).detect([blank, blank]) == [[], []]
    assert network.calls == []
    assert detector_of(network, use_edges=False).detect([blank]) == [[]]
    assert network.calls == [(1, 480, 640, 3)]


def test_no_photos_give_no_answers():
    assert detector_of(MarkNetwork()).detect([]) == []


def test_answers_come_in_the_order_of_the_photos_whatever_their_sizes():
    photos = [
        photo_of(64, 96, (20, 30)),
        photo_of(96, 64, (30, 50), (40, 10)),
        Photo(np.zeros((50, 50, 3), np.uint8)),
        photo_of(64, 96),
        photo_of(64, 96, (70, 40)),
    ]
    network = MarkNetwork()
    together = detector_of(network).detect(photos)
    assert [len(faces) for faces in together] == [1, 2, 0, 0, 1]
    alone = [detector_of(MarkNetwork()).detect([photo])[0] for photo in photos]
    assert [values(faces) for faces in together] == [values(faces) for faces in alone]
    assert network.calls == [(3, 64, 96, 3), (1, 96, 64, 3)]


def test_cutting_a_border_moves_no_coordinate():
    page = np.full((720, 960, 3), 250, np.uint8)
    page[400:540, 520:720:5] = 0
    page[470, 671] = RED
    network = MarkNetwork()
    found = [detector_of(network, use_edges=use).detect([Photo(page)])[0] for use in (True, False)]
    assert values(found[0]) == values(found[1])
    assert found[0][0].box_xyxy.tolist() == [663.5, 462.5, 679.5, 478.5]
    assert np.prod(network.calls[0]) < 0.5 * np.prod(network.calls[1])


class TestAGlance:
    """Photos of 960 x 640 pixels, looked at in 480 x 320 first: a face of 16 pixels there is 32 pixels large."""

    def network(self, *confidences: float) -> MarkNetwork:
        """Give what is marked these confidences, one a call."""
        network, left = MarkNetwork(), list(confidences)

        def call(pictures: np.ndarray) -> dict[str, np.ndarray]:
            return {name: value * left.pop(0) for name, value in MarkNetwork.__call__(network, pictures).items()}

        network.answer = call
        return network

    def found(self, network: MarkNetwork, sure_px: float = 16, **more) -> tuple[list[float], list[tuple[int, ...]]]:
        size = DetectionSize(more.pop("min_face", None), 20, max_long_side_px=960)
        look = FirstLook(480, doubt=0.1, sure_px=sure_px)
        detector = SingleShotDetector(network.answer, decode_marks, size=size, threshold=0.5, first_look=look, **more)
        pixels = np.full((640, 960, 3), 128, np.uint8)
        pixels[::7, ::7] = 0
        pixels[300:302, 400:402] = RED  # a single pixel at half the size
        (faces,) = detector.detect([Photo(pixels)])
        return [round(face.confidence, 2) for face in faces], [shape[1:3] for shape in network.calls]

    @pytest.mark.parametrize("confidence", [0.5, 1.0])
    def test_is_enough_where_it_is_sure(self, confidence):
        assert self.found(self.network(confidence)) == ([confidence], [(320, 480)])

    @pytest.mark.parametrize("confidence", [0.0, 0.09])
    def test_is_enough_where_nothing_is_like_a_face(self, confidence):
        assert self.found(self.network(confidence)) == ([], [(320, 480)])

    @pytest.mark.parametrize("confidence", [0.1, 0.49])
    def test_what_might_be_a_face_is_looked_at_again(self, confidence):
        assert self.found(self.network(confidence, 0.8)) == ([0.8], [(320, 480), (640, 960)])

    def test_a_face_too_small_is_looked_at_again(self):
        assert self.found(self.network(0.9, 0.8), sure_px=17) == ([0.8], [(320, 480), (640, 960)])

    def test_is_not_taken_where_small_faces_are_asked_for(self):
        assert self.found(self.network(0.9), min_face=20)[1] == [(640, 960)]

    def test_is_not_worth_it_for_a_photo_little_larger(self):
        network = MarkNetwork()
        look = FirstLook(480, doubt=0.1, sure_px=1)
        size = DetectionSize(None, 20, max_long_side_px=960)
        detector = SingleShotDetector(network, decode_marks, size=size, threshold=0.5, first_look=look)
        for long_side in (480, 799, 800):
            detector.detect([photo_of(320, long_side, (20, 30))])
        assert [shape[2] for shape in network.calls] == [480, 800, 480]  # the last one a glance


def test_a_face_whose_size_is_no_number_is_none():
    def decode(outputs, threshold):
        boxes = np.array([[0, 0, 9, 9], [5, 5, 5, 9], [20, 20, np.nan, 30], [-np.inf, 40, 50, 50]], np.float32)
        return RawFaces(boxes, np.zeros((4, 5, 2), np.float32), np.ones(4, np.float32))

    detector = SingleShotDetector(MarkNetwork(), decode, size=DetectionSize(None, 20), threshold=0.5)
    assert [face.box_xyxy.tolist() for face in detector.detect([photo_of(64, 96)])[0]] == [[0, 0, 9, 9]]


def test_faces_at_the_border_are_not_clipped():
    photo = photo_of(64, 96, (1, 2), (95, 63))
    boxes = sorted(face.box_xyxy.tolist() for face in detector_of(MarkNetwork()).detect([photo])[0])
    assert boxes == [[-6.5, -5.5, 9.5, 10.5], [87.5, 55.5, 103.5, 71.5]]


def test_coordinates_are_those_of_the_photo_at_full_resolution():
    [face] = detector_of(MarkNetwork(), min_face=80).detect([photo_of(64, 96, (20, 30), full=4)])[0]
    # Four pixels of the photo to one of the canvas: the mark's centre is at (20.5, 30.5) there.
    assert face.box_xyxy.tolist() == [4 * (20.5 - 8), 4 * (30.5 - 8), 4 * (20.5 + 8), 4 * (30.5 + 8)]
    assert face.landmarks_xy[2].tolist() == [82, 122]
    assert face.size_px == 4 * SIDE_PX


def test_of_faces_that_overlap_one_is_kept():
    near, apart = photo_of(64, 96, (20, 30), (22, 30)), photo_of(64, 96, (20, 30), (50, 30))
    assert [len(faces) for faces in detector_of(MarkNetwork()).detect([near, apart])] == [1, 2]


def test_large_batches_are_split(monkeypatch):
    monkeypatch.setattr("facecli.detect.single_shot.MAX_BATCH_PIXELS", 2 * 64 * 96)
    network = MarkNetwork()
    found = detector_of(network).detect([photo_of(64, 96, (20, 30))] * 5)
    assert [shape[0] for shape in network.calls] == [2, 2, 1]
    assert [len(faces) for faces in found] == [1] * 5


@pytest.mark.parametrize("threshold", [0.5, 1.1])
def test_the_threshold_is_passed_on(threshold):
    detector = SingleShotDetector(MarkNetwork(), decode_marks, size=DetectionSize(None, 20), threshold=threshold)
    assert len(detector.detect([photo_of(64, 96, (20, 30))])[0]) == (threshold <= 1)
