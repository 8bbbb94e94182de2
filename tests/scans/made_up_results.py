"""Results of photos, as hypothesis makes them up."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from facecli.types import Detection, Embedding, Face, PhotoError, PhotoResult, Quality

REASONS = ("too_small", "blurred", "too_dark", "too_bright", "turned_away", "cut_off")
single = st.floats(-1e6, 1e6, width=32)
double = st.floats(allow_nan=False)  # which no comparison finds equal


@st.composite
def faces(draw: st.DrawFn) -> Face:
    left, top = draw(single), draw(single)
    box = np.array([left, top, 0, 0], np.float32)
    box[2:] = np.nextafter(box[:2], np.float32(np.inf)) + np.float32(draw(st.floats(0, 1e4, width=32)))
    landmarks = np.array(draw(st.lists(single, min_size=10, max_size=10)), np.float32).reshape(5, 2)
    quality = embedding = None
    if draw(st.booleans()):
        reasons = draw(st.lists(st.sampled_from(REASONS), unique=True))
        measures = draw(st.dictionaries(st.text(max_size=8), double, max_size=5))
        quality = Quality(draw(double), tuple(reasons), measures, draw(st.sampled_from([None, *REASONS])))
    if draw(st.booleans()):
        vector = np.random.default_rng(draw(st.integers(0, 2**32))).normal(size=draw(st.integers(1, 40)))
        embedding = Embedding((vector / np.linalg.norm(vector)).astype(np.float32), draw(st.text(max_size=9)))
    return Face(Detection(box, landmarks, draw(double)), quality, embedding)


@st.composite
def results(draw: st.DrawFn) -> PhotoResult:
    """What detection and embedding can give; names hold any character, lone surrogates included."""
    if draw(st.booleans()):
        texts = [draw(st.text(st.characters(), max_size=20)) for _ in range(4)]
        return PhotoResult(texts[0], "error", error=PhotoError(*texts[1:]))
    found = tuple(draw(st.lists(faces(), max_size=3)))
    warnings = tuple(draw(st.lists(st.text(st.characters(), max_size=20), max_size=2)))
    sides = draw(st.integers(1, 65535)), draw(st.integers(1, 65535))
    return PhotoResult("", "ok" if found else "no_face", *sides, found, warnings=warnings)


def parts(result: PhotoResult) -> list[object]:
    """Everything that is to come back, as values that can be compared bit for bit."""
    about: list[object] = [result.path, result.status, result.width, result.height, result.error, result.warnings]
    for face in result.faces:
        detection, embedding = face.detection, face.embedding
        about += [detection.box_xyxy.tobytes(), detection.landmarks_xy.tobytes(), repr(detection.confidence)]
        about += [repr(face.quality), embedding and (embedding.vector.tobytes(), embedding.model_id)]
    return about
