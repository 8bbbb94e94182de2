from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from facecli.embed.cnn import BATCH_SIZE, CnnEmbedder
from facecli.types import AlignedFace, Detection

# Left half, right half: what a crop is told by, and what mirroring swaps.
Halves = tuple[int, int]


class HalvesNetwork:
    """Gives the middle of a crop's left and right half as a vector; a half of 254 is infinite, one of 255 no number."""

    def __init__(self, scale: float = 1.0) -> None:
        self._scale = scale
        self.batches: list[int] = []

    def __call__(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        self.batches.append(len(pictures))
        halves = pictures[:, 0, [0, -1], 0].astype(np.float32) * np.float32(self._scale)
        halves[pictures[:, 0, [0, -1], 0] == 254] = np.inf
        halves[pictures[:, 0, [0, -1], 0] == 255] = np.nan
        return {"other": np.zeros((len(pictures), 1), np.float32), "halves": halves}


def face(halves: Halves) -> AlignedFace:
    pixels = np.repeat(np.array(halves, np.uint8), 2)[None, :, None].repeat(4, 0).repeat(3, 2)
    detection = Detection(np.array([0, 0, 4, 4]), np.zeros((5, 2)), 1.0)
    return AlignedFace(pixels, np.eye(2, 3), detection)


def embed(faces: Sequence[Halves], network: HalvesNetwork | None = None, **options: object) -> list[list[float] | None]:
    embedder = CnnEmbedder(
        network or HalvesNetwork(),
        model_id="halves@1",
        template_xy=np.zeros((5, 2), np.float32),
        side_px=4,
        output="halves",
        **options,
    )
    embeddings = embedder.embed([face(each) for each in faces])
    assert {each.model_id for each in embeddings if each} <= {"halves@1"}
    return [each and each.vector.tolist() for each in embeddings]


def test_a_vector_is_the_named_output_at_unit_length() -> None:
    assert embed([(30, 40), (0, 9)], mirror=False) == [pytest.approx([0.6, 0.8]), [0, 1]]


def test_a_face_is_averaged_with_its_mirror_image() -> None:
    assert embed([(30, 40)]) == [pytest.approx([0.5**0.5] * 2)]


@pytest.mark.parametrize("mirror", [False, True])
def test_the_centre_is_taken_from_the_unit_vector_which_is_unit_again(mirror: bool) -> None:
    unit = np.array([0.5**0.5] * 2) if mirror else np.array([0.6, 0.8])
    centred = unit - [0.5, 0.1]

    found = embed([(30, 40), (60, 80)], mirror=mirror, centre=(0.5, 0.1))

    assert found == [pytest.approx(centred / np.linalg.norm(centred), abs=1e-6)] * 2


def test_many_faces_go_in_batches_and_come_in_their_order() -> None:
    network = HalvesNetwork()
    faces = [(number, 100) for number in range(1, 2 * BATCH_SIZE + 2)]

    found = np.array(embed(faces, network, mirror=False))

    assert network.batches == [BATCH_SIZE, BATCH_SIZE, 1]
    np.testing.assert_allclose(found[:, 0] / found[:, 1], [left / right for left, right in faces], rtol=1e-5)


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("centre", [(), (0.1, 0.2)])
@pytest.mark.parametrize("useless", [(0, 0), (255, 1), (1, 255), (254, 1)])
def test_what_has_no_direction_gives_none_and_stops_no_other(
    useless: Halves, mirror: bool, centre: tuple[float, ...]
) -> None:
    before, none, after = embed([(3, 4), useless, (4, 3)], mirror=mirror, centre=centre)

    assert none is None
    assert [before] == embed([(3, 4)], mirror=mirror, centre=centre)
    assert [after] == embed([(4, 3)], mirror=mirror, centre=centre)


def test_a_face_that_is_the_centre_itself_gives_none() -> None:
    assert embed([(0, 9), (9, 9)], mirror=False, centre=(0.0, 1.0))[0] is None


@pytest.mark.parametrize("scale", [1e-42, 1e-25, 1e25, 1e36])
def test_neither_tiny_nor_huge_outputs_lose_their_direction(scale: float) -> None:
    # At 1e-42 a float32 has few bits left; squared it would be 0, as 1e25 squared would be infinite.
    assert embed([(30, 40)], HalvesNetwork(scale), mirror=False) == [pytest.approx([0.6, 0.8], abs=0.02)]


def test_no_faces_are_no_work() -> None:
    network = HalvesNetwork()

    assert embed([], network) == []
    assert network.batches == []
