"""What a network is to the stages: pictures in, named arrays out. Engines implement it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from facecli.types import FloatArray, PixelArray


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """How a network wants its pictures: ``(x - mean) / scale``, float32, shape (N, 3, H, W).

    Attributes
    ----------
    mean, scale : tuple of float
        One number a channel, in RGB order.
    bgr : bool
        The network was trained on BGR.
    inside : bool
        The graph does all this itself: it takes uint8 RGB of shape (N, H, W, 3), as every network that ships
        does. Otherwise the engine does it.
    """

    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    bgr: bool = False
    inside: bool = False


class Network(Protocol):
    """A loaded network. May be called from several threads at once."""

    def __call__(self, pictures: PixelArray) -> dict[str, FloatArray]:
        """Run pictures of shape (N, H, W, 3), uint8 RGB, and return each output by name, float32."""
        ...


class Engine(Protocol):
    """Something that runs networks on a device."""

    @property
    def name(self) -> str:
        """Engine and device in a word each, as reports show them: ``openvino:cpu``."""
        ...

    @property
    def precision(self) -> str:
        """Arithmetic of the networks: f32, bf16 or f16."""
        ...

    def load(self, path: Path, preprocessing: Preprocessing) -> Network:
        """Load an ONNX file.

        Raises
        ------
        WeightsError
            If the file cannot be read as a network this engine runs.
        """
        ...
