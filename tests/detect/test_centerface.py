import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from facecli.detect.centerface import decode


def empty_maps(height: int = 4, width: int = 6) -> dict[str, np.ndarray]:
    channels = {"heatmap": 1, "scale": 2, "offset": 2, "landmarks": 10}
    return {name: np.zeros((count, height, width), np.float32) for name, count in channels.items()}


def test_a_cell_becomes_a_box_and_landmarks():
    maps = empty_maps()
    maps["heatmap"][0, 2, 3] = 0.75
    maps["scale"][:, 2, 3] = np.log([8, 4])  # height, width in cells
    maps["offset"][:, 2, 3] = [0.25, -0.5]  # y, x in cells
    maps["landmarks"][:, 2, 3] = [0, 0, 0.25, 1, 0.5, 0.5, 1, 0, 1, 1]  # y, x pairs
    faces = decode(maps, 0.5)
    # Centre (3 - 0.5 + 0.5, 2 + 0.25 + 0.5) * 4 = (12, 11), size 16 x 32.
    np.testing.assert_allclose(faces.boxes_xyxy, [[4, -5, 20, 27]], rtol=1e-6)
    expected = [[[4, -5], [20, 3], [12, 11], [4, 27], [20, 27]]]
    np.testing.assert_allclose(faces.landmarks_xy, expected, rtol=1e-6)
    assert faces.scores.tolist() == [0.75]


def test_the_threshold_itself_is_enough():
    maps = empty_maps()
    maps["heatmap"][0, 0, :3] = [0.49, 0.5, 0.51]
    assert decode(maps, 0.5).scores.tolist() == pytest.approx([0.5, 0.51])


def test_nothing_is_found_in_empty_maps():
    faces = decode(empty_maps(), 0.1)
    assert faces.boxes_xyxy.shape == (0, 4)
    assert faces.landmarks_xy.shape == (0, 5, 2)
    assert faces.scores.shape == (0,)


@given(arrays(np.float32, (15, 3, 5), elements=st.floats(-3, 3, width=32)))
def test_every_cell_over_the_threshold_gives_a_box_with_sides(values):
    maps = {"heatmap": values[:1], "scale": values[1:3], "offset": values[3:5], "landmarks": values[5:]}
    faces = decode(maps, 0.5)
    assert len(faces.boxes_xyxy) == len(faces.landmarks_xy) == len(faces.scores) == (values[0] >= 0.5).sum()
    assert (faces.boxes_xyxy[:, 2:] > faces.boxes_xyxy[:, :2]).all()
