"""Several embedders as one: where one network is fooled by a stranger, another mostly is not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from facecli.embed.cnn import CnnEmbedder
from facecli.types import AlignedFace, Detection, Embedding, Photo


class WeightedEmbedder(NamedTuple):
    """An embedder, and how much its cosine counts."""

    embedder: CnnEmbedder
    weight: float


class FusedEmbedder:
    """Turns faces into one vector of several models.

    A vector is the parts' unit vectors, each times the square root of its weight, one behind the other and scaled to
    unit length. Its cosine with another is therefore the weighted mean of the parts' cosines.

    Parameters
    ----------
    parts : sequence of WeightedEmbedder
        All of one template and side: a face is cut out once for all of them.
    model_id : str
        Stamped on every embedding.
    """

    def __init__(self, parts: Sequence[WeightedEmbedder], *, model_id: str) -> None:
        self._parts = tuple(parts)
        self._total = sum(part.weight for part in parts)
        self.side_px = parts[0].embedder.side_px
        self.model_id = model_id

    def align(self, photo: Photo, detection: Detection) -> AlignedFace:
        """Cut a face out for all parts; see `facecli.embed.align.align`."""
        return self._parts[0].embedder.align(photo, detection)

    def embed(self, faces: Sequence[AlignedFace]) -> list[Embedding | None]:
        """Turn aligned faces into embeddings, in their order.

        Parameters
        ----------
        faces : sequence of AlignedFace
            Cut by `align` of this embedder.

        Returns
        -------
        list of Embedding or None
            None where a part gives none.
        """
        made = [part.embedder.embed(faces) for part in self._parts]
        return [self._fused(vectors) for vectors in zip(*made, strict=True)]

    def _fused(self, embeddings: Sequence[Embedding | None]) -> Embedding | None:
        scaled = [
            embedding.vector * math.sqrt(part.weight / self._total)
            for part, embedding in zip(self._parts, embeddings, strict=True)
            if embedding is not None
        ]
        if len(scaled) < len(self._parts):
            return None
        vector = np.concatenate(scaled, dtype=np.float64)
        return Embedding(np.asarray(vector / np.linalg.norm(vector), np.float32), self.model_id)
