import numpy as np

from facecli.detect.candidates import Candidates, cut_out, joined, shifted, squared, suppress, suppress_nested


def candidates(*boxes: tuple[float, float, float, float], photos=None, scores=None) -> Candidates:
    count = len(boxes)
    return Candidates(
        np.array(photos or [0] * count, np.intp),
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(scores or np.linspace(0.9, 0.6, count), np.float32),
    )


def test_joining_keeps_the_order_and_nothing_joins_to_nothing():
    both = joined([candidates((0, 0, 1, 1)), candidates((2, 2, 3, 3), photos=[1])])
    assert both.photo.tolist() == [0, 1]
    assert both.boxes_xyxy.tolist() == [[0, 0, 1, 1], [2, 2, 3, 3]]
    assert joined([]).boxes_xyxy.shape == (0, 4)


def test_sides_move_by_shares_of_the_box():
    moved = shifted(candidates((10, 20, 30, 60)), np.array([[-0.5, 0.25, 0.5, 0.0]], np.float32))
    assert moved.boxes_xyxy.tolist() == [[0, 30, 40, 60]]


def test_squares_share_the_centre_and_lie_on_whole_pixels():
    squares = squared(candidates((0, 0, 10, 20), (3.2, 3.2, 3.3, 3.3)))
    assert squares.boxes_xyxy.tolist() == [[-5, 0, 15, 20], [3, 3, 4, 4]]


def test_what_is_cut_out_is_the_photo_and_black_beyond_its_border():
    canvas = np.random.default_rng(0).integers(1, 256, (20, 30, 3), dtype=np.uint8)
    squares = candidates((5, 6, 13, 14), (-4, -2, 4, 6), (26, 16, 34, 24), (40, 40, 48, 48), photos=[1] * 4)
    inside, before, after, outside = cut_out(squares, [None, canvas], 8)
    np.testing.assert_array_equal(inside, canvas[6:14, 5:13])
    np.testing.assert_array_equal(before[2:, 4:], canvas[:6, :4])
    assert not before[:2].any()
    assert not before[:, :4].any()
    np.testing.assert_array_equal(after[:4, :4], canvas[16:, 26:])
    assert not after[4:].any()
    assert not after[:, 4:].any()
    assert not outside.any()


def test_what_is_cut_out_is_averaged_to_its_size():
    canvas = np.kron([[0, 100], [200, 40]], np.ones((6, 6)))[..., None].repeat(3, 2).astype(np.uint8)
    [crop] = cut_out(candidates((0, 0, 12, 12)), [canvas], 2)
    assert crop[..., 0].tolist() == [[0, 100], [200, 40]]


def test_overlapping_boxes_are_thinned_out_within_each_photo():
    boxes = [(0, 0, 10, 10), (1, 0, 11, 10), (0, 0, 10, 10), (20, 0, 30, 10)]
    crowd = candidates(*boxes, photos=[0, 0, 1, 0], scores=[0.7, 0.9, 0.8, 0.6])
    assert suppress(crowd, 0.5).tolist() == [1, 3, 2]
    assert suppress(crowd, 0.9).tolist() == [1, 0, 3, 2]


def test_a_box_inside_a_better_one_is_dropped_however_small():
    boxes = [(0, 0, 100, 100), (10, 10, 20, 20), (95, 95, 105, 105), (10, 10, 20, 20)]
    crowd = candidates(*boxes, photos=[0, 0, 0, 1])
    assert suppress_nested(crowd, 0.7) == [0, 2, 3]
    # A better one inside a larger one costs the larger one its place.
    assert suppress_nested(candidates(*boxes[:2], scores=[0.8, 0.9]), 0.7) == [1]
