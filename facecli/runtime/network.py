"""What a network is to the stages: pictures in, named arrays out. Engines implement it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from facecli.types import FloatArray, PixelArray


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a network wants its pictures; the engine does it where it runs.

    A network of facecli is always fed uint8 RGB of shape (N, H, W, 3); the engine turns it into
    ``(x - mean) / scale`` as float32 of shape (N, 3, H, W), in BGR order if `bgr`.

    Attributes
    ----------
    mean, scale : tuple of float
        One number a channel, in RGB order.
    bgr : bool
        The network was trained on BGR.
    """

    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    bgr: bool = False


class Network(Protocol):
    """A loaded network."""

    def __call__(self, pictures: PixelArray) -> dict[str, FloatArray]:
        """Run pictures of shape (N, H, W, 3), uint8 RGB, and return each output by name, float32."""
        ...
