import numpy as np
import pytest

from facecli.detect.edges import EDGE_LIMIT, MARGIN_PX, edge_map


def page(height: int = 960, width: int = 1280, level: float = 240) -> np.ndarray:
    return np.full((height, width, 3), level, np.float32)


def photo_of(page: np.ndarray) -> np.ndarray:
    return np.clip(np.round(page), 0, 255).astype(np.uint8)


def blob(height: int, width: int, sigma: float) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    squared = (rows - height / 2) ** 2 + (columns - width / 2) ** 2
    return np.exp(-squared / (2 * sigma**2))[..., None]


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_page_of_one_colour_is_blank(level):
    edges = edge_map(photo_of(page(level=level)))
    assert edges.is_blank
    assert edges.energy.max() == 0


def test_noise_and_soft_light_on_paper_are_blank():
    noise = np.random.default_rng(0).normal(0, 2, (960, 1280, 3))
    assert edge_map(photo_of(page() - 15 + noise)).is_blank
    assert edge_map(photo_of(page() - 40 * np.linspace(0, 1, 1280)[None, :, None])).is_blank


def test_a_speck_of_dust_is_blank_and_a_small_face_is_not():
    dusty, with_face = page(), page()
    dusty[500, 700] = 0
    with_face[500:510, 700:710] -= 60
    assert edge_map(photo_of(dusty)).is_blank
    assert not edge_map(photo_of(with_face)).is_blank


@pytest.mark.parametrize("sigma_px", [40, 80, 160])
def test_a_faint_blurred_shape_is_not_blank(sigma_px):
    assert not edge_map(photo_of(page(level=110) + 25 * blob(960, 1280, sigma_px))).is_blank


def test_photos_smaller_than_the_thumbnail_are_measured_as_they_are():
    ramp = np.repeat(np.arange(0, 120, 3)[None, :, None], 20, 0).repeat(3, 2)
    energy = edge_map(photo_of(ramp)).energy
    assert energy.shape == (20, 40)
    np.testing.assert_allclose(energy[:, 1:-1], 3, rtol=1e-6)  # grey levels a pixel


def test_a_photo_of_one_pixel_is_blank():
    assert edge_map(np.zeros((1, 1, 3), np.uint8)).is_blank


def test_the_content_box_holds_the_structure_with_its_margin():
    photo = photo_of(page(800, 1600))
    photo[400:480, 800:880] = 0  # thumbnail pixels 80 to 88 across and 40 to 48 down
    left, top, right, bottom = edge_map(photo).content_box()
    margin_x, margin_y = (MARGIN_PX + 1) / 160, (MARGIN_PX + 1) / 80  # the Scharr kernel sees one pixel further
    assert (left, right) == pytest.approx((0.5 - margin_x, 0.55 + margin_x))
    assert (top, bottom) == pytest.approx((0.5 - margin_y, 0.6 + margin_y))


def test_the_content_box_of_structure_everywhere_is_the_whole_photo():
    photo = np.random.default_rng(0).integers(0, 256, (100, 150, 3), dtype=np.uint8)
    edges = edge_map(photo)
    assert (edges.energy > EDGE_LIMIT).mean() > 0.9
    assert edges.content_box() == (0, 0, 1, 1)
