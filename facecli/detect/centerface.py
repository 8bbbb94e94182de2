"""CenterFace: every cell of a heatmap at stride 4 may be the centre of a face.

References
----------
Xu et al. (2020), CenterFace: Joint Face Detection and Alignment Using Face as Point.
"""

from __future__ import annotations

import numpy as np

from facecli.detect.single_shot import RawFaces
from facecli.types import FloatArray

STRIDE = 4  # pixels a heatmap cell


def decode(outputs: dict[str, FloatArray], threshold: float) -> RawFaces:
    """Read faces out of the maps of one canvas.

    Parameters
    ----------
    outputs : dict of str to ndarray of shape (C, h, w), float32
        heatmap (1), scale (2: log height, log width in cells), offset (2: y, x in cells), landmarks (10: y, x pairs as
        shares of the box's sides, from its top left corner).
    threshold : float
        Least heatmap value.

    Returns
    -------
    RawFaces
        In canvas pixels.
    """
    heatmap = outputs["heatmap"][0]
    rows, columns = np.nonzero(heatmap >= threshold)
    height, width = np.exp(outputs["scale"][:, rows, columns]) * STRIDE
    offset_y, offset_x = outputs["offset"][:, rows, columns]
    left = (columns + offset_x + 0.5) * STRIDE - width / 2
    top = (rows + offset_y + 0.5) * STRIDE - height / 2
    points_yx = outputs["landmarks"][:, rows, columns].reshape(5, 2, -1)
    landmarks = np.stack([points_yx[:, 1] * width + left, points_yx[:, 0] * height + top], axis=-1)
    boxes = np.stack([left, top, left + width, top + height], axis=-1)
    return RawFaces(boxes.astype(np.float32), landmarks.transpose(1, 0, 2).astype(np.float32), heatmap[rows, columns])
