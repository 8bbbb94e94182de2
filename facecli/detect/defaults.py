"""How detectors are run when nobody says otherwise; measured by tests/bench/bench_detect.py."""

from __future__ import annotations

from typing import Final, NamedTuple

from facecli.detect.single_shot import FirstLook


class DetectorDefaults(NamedTuple):
    """Side at which a detector finds faces dependably, the score from which it has one, and when a glance is enough."""

    network_face_px: int
    threshold: float
    first_look: FirstLook | None = None


DETECTOR_DEFAULTS: Final = {
    "centerface": DetectorDefaults(
        network_face_px=20, threshold=0.4, first_look=FirstLook(long_side_px=480, doubt=0.1, sure_px=32)
    ),
    "yunet": DetectorDefaults(network_face_px=20, threshold=0.6),
    "mtcnn": DetectorDefaults(network_face_px=20, threshold=0.7),
}
