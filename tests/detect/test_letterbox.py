import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facecli.detect.edges import edge_map
from facecli.detect.letterbox import DetectionSize, Letterbox, in_batches, letterbox
from facecli.types import Photo

NATIVE = DetectionSize(None, 20, max_long_side_px=1280)


def cut(photo: Photo, size: DetectionSize = NATIVE) -> Letterbox:
    return letterbox(photo, size, 32, edge_map(photo.pixels))


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("size", "photo", "scale"),
    [
        (NATIVE, (800, 600), 1.0),
        (NATIVE, (2560, 1000), 0.5),  # the cap on the long side
        (DetectionSize(40, 20), (800, 600), 0.5),  # no need to look for less
        (DetectionSize(10, 20), (800, 600), 2.0),  # enlarged
        (DetectionSize(2, 20), (800, 600), 2.0),  # but never more
        (DetectionSize(20, 20), (4000, 3000), 1.0),  # a wish lifts the cap
        (DetectionSize(10, 20), (4000, 3000), 1.024),  # to the hard one
        (DetectionSize(None, 25), (400, 300), 1.25),
    ],
)
def test_the_scale_follows_the_smallest_face_within_the_caps(size, photo, scale):
    assert size.scale_for(*photo) == pytest.approx(scale)
    assert size.scale_for(*photo[::-1]) == pytest.approx(scale)


def test_the_smallest_face_wanted_changes_the_canvas():
    photo = Photo(noise(320, 640))
    shapes = {face: letterbox(photo, DetectionSize(face, 20), 32).canvas.shape for face in (10, 20, 40)}
    assert shapes == {10: (640, 1280, 3), 20: (320, 640, 3), 40: (160, 320, 3)}


def test_the_canvas_is_padded_with_black_to_whole_strides():
    pixels = np.maximum(noise(50, 70), 1)
    box = cut(Photo(pixels))
    assert box.canvas.shape == (64, 96, 3)
    np.testing.assert_array_equal(box.canvas[:50, :70], pixels)
    assert not box.canvas[50:].any()
    assert not box.canvas[:, 70:].any()


def test_a_blank_photo_gives_nothing_unless_edges_are_ignored():
    photo = Photo(np.full((480, 640, 3), 200, np.uint8))
    assert letterbox(photo, NATIVE, 32).canvas.shape == (480, 640, 3)


@pytest.mark.parametrize("size", [NATIVE, DetectionSize(35, 20), DetectionSize(12, 20)])
def test_cutting_borders_leaves_the_grid_in_place(size):
    page = np.full((1200, 1000, 3), 255, np.uint8)
    page[700:1000, 600:900] = noise(300, 300)
    whole, box = letterbox(Photo(page), size, 32), cut(Photo(page), size)
    shift = (box.origin_xy * box.scale_xy).round().astype(int)
    assert box.canvas.size < 0.5 * whole.canvas.size
    assert (shift % 32 == 0).all()
    assert shift.all()
    height, width = box.canvas.shape[:2]
    part = whole.canvas[shift[1] : shift[1] + height, shift[0] : shift[0] + width]
    np.testing.assert_array_equal(box.canvas, part)
    np.testing.assert_array_equal(box.scale_xy, whole.scale_xy)


def test_borders_that_spare_little_stay():
    page = np.full((640, 640, 3), 255, np.uint8)
    page[:, 40:] = noise(640, 600)
    assert cut(Photo(page)).canvas.shape == (640, 640, 3)


sides = st.integers(1, 700)


@settings(max_examples=60, deadline=None)  # the first call pays for OpenCV's set-up
@given(sides, sides, st.integers(1, 4), st.sampled_from([None, 8, 20, 50, 300]), st.sampled_from([1, 32]))
def test_the_way_back_leads_to_full_resolution(width, height, reduction, min_face, stride):
    full_width, full_height = width * reduction + reduction - 1, height * reduction
    photo = Photo(noise(height, width), "", full_width, full_height)
    box = letterbox(photo, DetectionSize(min_face, 20), stride)
    content = box.scale_xy * [full_width, full_height]
    # The content is whole pixels, its far corner is the photo's, and padding is less than a stride.
    np.testing.assert_allclose(content, content.round(), atol=1e-2)
    np.testing.assert_allclose(box.to_photo(content), [full_width, full_height], rtol=1e-5)
    padding = box.canvas.shape[1::-1] - content.round()
    assert ((padding >= 0) & (padding < stride)).all()


coordinates = st.floats(-1e4, 1e4, width=32)


@given(
    st.tuples(coordinates, coordinates),
    st.tuples(st.floats(0.05, 2), st.floats(0.05, 2)),
    st.tuples(st.floats(0, 5e3), st.floats(0, 5e3)),
)
def test_to_photo_undoes_scale_and_origin(point, scale, origin):
    box = Letterbox(np.zeros((1, 1, 3), np.uint8), np.array(scale, np.float32), np.array(origin, np.float32))
    on_canvas = (np.array(point, np.float32) - box.origin_xy) * box.scale_xy
    np.testing.assert_allclose(box.to_photo(on_canvas), point, atol=0.01)


def boxes_of(*shapes: tuple[int, int]) -> list[Letterbox]:
    ones = np.ones(2, np.float32)
    return [Letterbox(np.zeros((*shape, 3), np.uint8), ones, ones) for shape in shapes]


def test_batches_hold_one_shape_and_no_more_than_their_pixels():
    boxes = boxes_of((32, 64), (64, 32), (32, 64), (32, 64), (640, 640))
    assert in_batches(boxes, 2 * 32 * 64) == [[0, 2], [3], [1], [4]]


@given(st.lists(st.sampled_from([(32, 32), (32, 64), (64, 64)])), st.integers(1, 10_000))
def test_every_canvas_is_in_exactly_one_batch(shapes, max_pixels):
    boxes = boxes_of(*shapes)
    batches = in_batches(boxes, max_pixels)
    assert sorted(index for batch in batches for index in batch) == [
        index for index, shape in enumerate(shapes) if shape
    ]
    for batch in batches:
        assert len({shapes[index] for index in batch}) == 1
        assert len(batch) == 1 or sum(np.prod(shapes[index]) for index in batch) <= max_pixels
