from __future__ import annotations

import numpy as np

from facecli.runtime.counting import CountedNetwork
from facecli.types import FloatArray, PixelArray


def test_a_counted_network_is_the_network_and_counts() -> None:
    seen = []

    def network(pictures: PixelArray) -> dict[str, FloatArray]:
        seen.append(pictures.shape)
        return {"sum": pictures.sum((1, 2, 3), dtype=np.float32)}

    counted = CountedNetwork(network, lambda height, width: 10 * height * width)
    assert counted.flops == 0

    (total,) = counted(np.ones((2, 4, 6, 3), np.uint8)).values()
    counted(np.ones((1, 4, 4, 3), np.uint8))

    assert total.tolist() == [72, 72]
    assert seen == [(2, 4, 6, 3), (1, 4, 4, 3)]
    assert counted.flops == 2 * 240 + 160
