from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.app import App
from facecli.embed.cnn import CnnEmbedder
from facecli.embed.fusion import FusedEmbedder, WeightedEmbedder
from facecli.settings import Settings
from facecli.types import AlignedFace, Detection, Photo

TEMPLATE = np.array([[2, 2], [6, 2], [4, 4], [2, 6], [6, 6]], np.float32)
BLANK = 99


def detection(landmarks: np.ndarray = TEMPLATE) -> Detection:
    return Detection(np.array([0, 0, 8, 8]), landmarks, 1.0)


def face(number: int) -> AlignedFace:
    return AlignedFace(np.full((8, 8, 3), number, np.uint8), np.eye(2, 3), detection())


def part(seed: int, dimension: int, weight: float, centre: tuple[float, ...] = ()) -> WeightedEmbedder:
    """An embedder that gives face number n a random vector of its own, and face BLANK zeros if it is of seed 1."""

    def network(pictures: np.ndarray) -> dict[str, np.ndarray]:
        numbers = pictures[:, 0, 0, 0].tolist()
        made = [np.random.default_rng([seed, number]).normal(size=dimension).astype(np.float32) for number in numbers]
        return {"y": np.stack([v * (number != BLANK or seed != 1) for v, number in zip(made, numbers, strict=True)])}

    options = {"template_xy": TEMPLATE, "side_px": 8, "output": None, "centre": centre}
    return WeightedEmbedder(CnnEmbedder(network, model_id=f"part{seed}@1", **options), weight)


@given(weights=st.lists(st.floats(1e-3, 1000), min_size=2, max_size=4))
def test_a_cosine_is_the_weighted_mean_of_those_of_the_parts(weights: list[float]) -> None:
    parts = [part(seed, 3 + seed, weight) for seed, weight in enumerate(weights)]
    faces = [face(1), face(2)]

    one, other = FusedEmbedder(parts, model_id="both@1").embed(faces)

    cosines = []
    for each in parts:
        first, second = (made.vector.astype(float) for made in each.embedder.embed(faces))
        cosines.append(first @ second / np.linalg.norm(first) / np.linalg.norm(second))
    assert one.model_id == other.model_id == "both@1"
    assert one.vector.shape == (sum(range(3, 3 + len(weights))),)
    assert one.vector.astype(float) @ other.vector == pytest.approx(np.average(cosines, weights=weights), abs=1e-6)


def test_the_vector_is_the_parts_one_behind_the_other() -> None:
    first, second = part(1, 2, 9.0), part(2, 3, 1.0, centre=(0.1, 0.2, 0.3))

    ((fused,), (a,), (b,)) = (
        each.embed([face(5)])
        for each in (FusedEmbedder([first, second], model_id="both@1"), first.embedder, second.embedder)
    )

    np.testing.assert_allclose(fused.vector, np.concatenate([3 * a.vector, b.vector]) / 10**0.5, atol=1e-6)


def test_a_face_that_one_part_cannot_embed_has_no_vector() -> None:
    fused = FusedEmbedder([part(0, 2, 1.0), part(1, 2, 1.0)], model_id="both@1")

    found = fused.embed([face(1), face(BLANK), face(2)])

    assert [each is None for each in found] == [False, True, False]
    assert found[2].vector.tolist() == fused.embed([face(2)])[0].vector.tolist()
    assert fused.embed([]) == []


def test_a_face_is_cut_out_as_its_parts_would() -> None:
    photo = Photo(np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8))
    parts = [part(0, 2, 1.0), part(1, 2, 1.0)]
    fused = FusedEmbedder(parts, model_id="both@1")

    crops = [each.align(photo, detection(TEMPLATE * 1.5 + 2)).pixels for each in (fused, parts[1].embedder)]

    assert fused.side_px == 8
    assert crops[0].shape == (8, 8, 3)
    np.testing.assert_array_equal(crops[0], crops[1])


def test_the_one_that_ships_sees_what_its_parts_see(portrait: tuple[Photo, Detection], tmp_path: Path) -> None:
    photo, found = portrait
    turned = Photo(np.ascontiguousarray(photo.pixels[::-1, ::-1]))  # somebody else, as far as a network can tell

    def cosine(name: str) -> float:
        embedder = App(Settings(embedder=name, device="cpu", cache=tmp_path)).embedder
        one, other = embedder.embed([embedder.align(photo, found), embedder.align(turned, found)])
        return float(one.vector.astype(float) @ other.vector)

    fused, sface, mobilefacenet = cosine("fusion"), cosine("sface"), cosine("mobilefacenet")

    assert fused == pytest.approx((2.5 * sface + mobilefacenet) / 3.5, abs=1e-6)
