"""How many threads the libraries take for one call."""

from __future__ import annotations

import cv2


def one_thread_a_call() -> None:
    """Let OpenCV work in the thread that calls; where every core has a photo in hand, others are in the way."""
    cv2.setNumThreads(1)
