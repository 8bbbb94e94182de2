import numpy as np
import pytest

from facecli.detect.yunet import STRIDES, decode


def empty_maps(side: int = 64) -> dict[str, np.ndarray]:
    return {
        f"{name}_{stride}": np.zeros((count, side // stride, side // stride), np.float32)
        for name, count in {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}.items()
        for stride in STRIDES
    }


@pytest.mark.parametrize("stride", STRIDES)
def test_a_cell_of_each_stride_becomes_a_box_and_landmarks(stride):
    maps = empty_maps()
    maps[f"cls_{stride}"][0, 1, 0], maps[f"obj_{stride}"][0, 1, 0] = 0.81, 1.0
    maps[f"bbox_{stride}"][:, 1, 0] = [0.5, -0.25, np.log(2), np.log(4)]
    maps[f"kps_{stride}"][:, 1, 0] = [0, 0, 1, 0, 0.5, 0.5, 0, 1, 1, 1]
    faces = decode(maps, 0.5)
    # Centre (0 + 0.5, 1 - 0.25) cells, 2 x 4 cells large.
    np.testing.assert_allclose(faces.boxes_xyxy, np.array([[-0.5, -1.25, 1.5, 2.75]]) * stride, rtol=1e-6)
    expected = np.array([[[0, 1], [1, 1], [0.5, 1.5], [0, 2], [1, 2]]]) * stride
    np.testing.assert_allclose(faces.landmarks_xy, expected, rtol=1e-6)
    assert faces.scores.tolist() == pytest.approx([0.9])  # the geometric mean


def test_scores_outside_0_to_1_are_clipped():
    maps = empty_maps()
    maps["cls_8"][0, 0, :2], maps["obj_8"][0, 0, :2] = [1.5, -0.1], [1.5, 1.5]
    assert decode(maps, 0.5).scores.tolist() == [1.0]


def test_nothing_is_found_in_empty_maps():
    faces = decode(empty_maps(), 0.1)
    assert faces.boxes_xyxy.shape == (0, 4)
    assert faces.landmarks_xy.shape == (0, 5, 2)
    assert faces.scores.shape == (0,)
