"""YuNet: three feature maps at strides 8, 16 and 32, one candidate a cell.

References
----------
Wu et al. (2023), YuNet: A Tiny Millisecond-level Face Detector, Machine Intelligence Research 20.
"""

from __future__ import annotations

import numpy as np

from facecli.detect.single_shot import RawFaces
from facecli.types import FloatArray

STRIDES = (8, 16, 32)


def decode(outputs: dict[str, FloatArray], threshold: float) -> RawFaces:
    """Read faces out of the maps of one canvas.

    Parameters
    ----------
    outputs : dict of str to ndarray of shape (C, h, w), float32
        For each stride s: cls_s (1), obj_s (1), bbox_s (4: centre offset x, y in cells, log width, log height in
        cells), kps_s (10: x, y pairs in cells from the cell).
    threshold : float
        Least value of the geometric mean of cls and obj.

    Returns
    -------
    RawFaces
        In canvas pixels.
    """
    boxes, landmarks, scores = [], [], []
    for stride in STRIDES:
        score = np.sqrt(np.clip(outputs[f"cls_{stride}"][0], 0, 1) * np.clip(outputs[f"obj_{stride}"][0], 0, 1))
        rows, columns = np.nonzero(score >= threshold)
        x, y, log_width, log_height = outputs[f"bbox_{stride}"][:, rows, columns]
        centre_x, centre_y = (columns + x) * stride, (rows + y) * stride
        half_width, half_height = np.exp(log_width) * stride / 2, np.exp(log_height) * stride / 2
        boxes.append(
            np.stack([centre_x - half_width, centre_y - half_height, centre_x + half_width, centre_y + half_height], -1)
        )
        points = outputs[f"kps_{stride}"][:, rows, columns].reshape(5, 2, -1)
        cells = np.stack([columns, rows])
        landmarks.append(((points + cells) * stride).transpose(2, 0, 1))
        scores.append(score[rows, columns])
    return RawFaces(
        np.concatenate(boxes).astype(np.float32),
        np.concatenate(landmarks).astype(np.float32),
        np.concatenate(scores).astype(np.float32),
    )
