"""Embedders: from aligned faces to unit vectors. What differs between them is data in their manifests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facecli.embed.align import align
from facecli.runtime.network import Network
from facecli.types import AlignedFace, Detection, Embedding, FloatArray, Photo

# Crops that go through the network together (twice as many pictures with mirror averaging).
BATCH_SIZE = 16


class CnnEmbedder:
    """Turns faces into vectors of one model.

    Parameters
    ----------
    network : Network
        Maps crops of shape (N, S, S, 3) to an output of shape (N, D).
    model_id : str
        Stamped on every embedding.
    template_xy : ndarray of shape (5, 2), float32
        Where the landmarks lie in a crop.
    side_px : int
        S above.
    output : str or None
        Name of the network's output; None takes its only one.
    mirror : bool
        Average each face with its mirror image: twice the work, fewer errors.
    """

    def __init__(
        self,
        network: Network,
        *,
        model_id: str,
        template_xy: FloatArray,
        side_px: int,
        output: str | None,
        mirror: bool = True,
    ) -> None:
        self._network = network
        self._template_xy = template_xy
        self._output = output
        self._mirror = mirror
        self.side_px = side_px
        self.model_id = model_id

    def align(self, photo: Photo, detection: Detection) -> AlignedFace:
        """Cut a face out for this embedder; see `facecli.embed.align.align`."""
        return align(photo, detection, self._template_xy, self.side_px)

    def embed(self, faces: Sequence[AlignedFace]) -> list[Embedding]:
        """Turn aligned faces into embeddings, in their order.

        Parameters
        ----------
        faces : sequence of AlignedFace
            Cut by `align` of this embedder.
        """
        embeddings: list[Embedding] = []
        for start in range(0, len(faces), BATCH_SIZE):
            crops = np.stack([face.pixels for face in faces[start : start + BATCH_SIZE]])
            count = len(crops)
            if self._mirror:
                crops = np.concatenate([crops, crops[:, :, ::-1]])
            outputs = self._network(crops)
            vectors = outputs[self._output or next(iter(outputs))]
            if self._mirror:
                # Each view counts alike, whatever its length.
                vectors = _unit(vectors)
                vectors = vectors[:count] + vectors[count:]
            embeddings += [Embedding(vector, self.model_id) for vector in _unit(vectors)]
        return embeddings


def _unit(vectors: FloatArray) -> FloatArray:
    """Scale rows to unit length."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
