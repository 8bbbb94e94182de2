"""Embedders: from aligned faces to unit vectors. What differs between them is data in their manifests.

A network's vectors share a mean face that tells nobody apart: it pulls every score up, those of strangers and of poor
photos most. Where a manifest names it as `centre`, it is taken away.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from facecli.embed.align import align
from facecli.runtime.network import Network
from facecli.types import AlignedFace, Detection, Embedding, FloatArray, Photo

# Crops that go through the network together (twice as many pictures with mirror averaging).
BATCH_SIZE: Final = 16


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
    centre : sequence of D floats
        Subtracted from the unit vector of a face, which is then scaled to unit length again; none if empty.
    batch_size : int
        Faces that go through the network together.
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
        centre: Sequence[float] = (),
        batch_size: int = BATCH_SIZE,
    ) -> None:
        self._network = network
        self._template_xy = template_xy
        self._output = output
        self._mirror = mirror
        self._centre = np.array(centre, np.float32)
        self._batch_size = batch_size
        self.side_px = side_px
        self.model_id = model_id

    def align(self, photo: Photo, detection: Detection) -> AlignedFace:
        """Cut a face out for this embedder; see `facecli.embed.align.align`."""
        return align(photo, detection, self._template_xy, self.side_px)

    def embed(self, faces: Sequence[AlignedFace]) -> list[Embedding | None]:
        """Turn aligned faces into embeddings, in their order.

        Parameters
        ----------
        faces : sequence of AlignedFace
            Cut by `align` of this embedder.

        Returns
        -------
        list of Embedding or None
            None where the network gave zeros or what is no number: such a vector has no direction.
        """
        embeddings: list[Embedding | None] = []
        for start in range(0, len(faces), self._batch_size):
            crops = np.stack([face.pixels for face in faces[start : start + self._batch_size]])
            count = len(crops)
            if self._mirror:
                crops = np.concatenate([crops, crops[:, :, ::-1]])
            outputs = self._network(crops)
            vectors = outputs[self._output or next(iter(outputs))]
            if self._mirror:
                # Each view counts alike, whatever its length.
                vectors = _unit(vectors)
                vectors = vectors[:count] + vectors[count:]
            vectors = _unit(vectors)
            if self._centre.size:
                vectors = _unit(vectors - self._centre)
            embeddings += [
                Embedding(vector, self.model_id) if np.isfinite(vector).all() else None for vector in vectors
            ]
        return embeddings


def _unit(vectors: FloatArray) -> FloatArray:
    """Scale rows to unit length; those of zeros and of what is no number come out as NaN."""
    # In float64, where no square of a float32 overflows or vanishes.
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    lengths[~np.isfinite(lengths) | (lengths == 0)] = np.nan
    return np.asarray(vectors / lengths, np.float32)
