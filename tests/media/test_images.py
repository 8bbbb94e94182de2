"""Every way a photo may be stored must give the same upright sRGB pixels, or one clean error."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import CORNERS, corners_of, encoded, exif, grey_profile, linear_profile, picture, stored
from PIL import Image, ImageCms

from facecli.errors import UnreadableImageError
from facecli.media import jpeg
from facecli.media.images import ImageLimits, decode_photo, load_photo
from facecli.types import Photo

EXPECTED = list(CORNERS.values())
LOSSY = 12  # what JPEG, WebP, AVIF and HEIC may change a flat colour by at high quality


def assert_picture(photo: Photo, tolerance: int = 0) -> None:
    difference = np.abs(np.array(corners_of(photo.pixels)) - np.array(EXPECTED)).max()
    assert difference <= tolerance, corners_of(photo.pixels)


def refusal(data: bytes, **options: object) -> UnreadableImageError:
    with pytest.raises(UnreadableImageError) as caught:
        decode_photo(data, "photo.jpg", **options)
    return caught.value


@pytest.mark.parametrize(
    ("form", "options", "tolerance"),
    [
        ("JPEG", {"quality": 95, "subsampling": 0}, LOSSY),
        ("JPEG", {"quality": 95, "progressive": True}, LOSSY),
        ("PNG", {}, 0),
        ("WEBP", {"quality": 95}, LOSSY),
        ("WEBP", {"lossless": True}, 0),
        ("BMP", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("AVIF", {"quality": 95, "subsampling": "4:4:4"}, LOSSY),
        ("JPEG2000", {}, LOSSY),
        ("PPM", {}, 0),
        ("TGA", {}, 0),
        ("QOI", {}, 0),
        ("PCX", {}, 0),
        ("SGI", {}, 0),
    ],
)
def test_every_format_gives_the_same_picture(form: str, options: dict[str, object], tolerance: int) -> None:
    photo = decode_photo(encoded(picture(), form, **options), f"photo.{form.lower()}")
    assert photo.pixels.shape == (64, 96, 3)
    assert (photo.full_width, photo.full_height, photo.warnings) == (96, 64, ())
    assert_picture(photo, tolerance)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_out_upright_once(form: str, orientation: int) -> None:
    data = encoded(stored(picture(), orientation), form, exif=exif(orientation), quality=95)
    photo = decode_photo(data, "photo")
    assert (photo.full_width, photo.full_height) == (96, 64)
    assert_picture(photo, LOSSY)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_comes_out_upright_once(orientation: int) -> None:
    # pillow-heif moves the orientation into the container's own rotation, as phones do.
    file = pillow_heif.from_pillow(stored(picture(), orientation))
    stream = io.BytesIO()
    file.save(stream, quality=95, chroma=444, exif=exif(orientation))
    photo = decode_photo(stream.getvalue(), "photo.heic")
    assert (photo.full_width, photo.full_height) == (96, 64)
    assert_picture(photo, LOSSY)


def test_reduced_jpeg_keeps_the_long_side_and_the_full_size() -> None:
    data = encoded(stored(picture(1600, 1200), 6), "JPEG", exif=exif(6), quality=95)
    sizes = {}
    for wanted in (None, 1600, 801, 800, 400, 150, 1):
        photo = decode_photo(data, "photo.jpg", min_long_side=wanted)
        assert (photo.full_width, photo.full_height) == (1600, 1200)
        assert_picture(photo, LOSSY)
        sizes[wanted] = photo.pixels.shape[1]
    assert sizes == {None: 1600, 1600: 1600, 801: 1600, 800: 800, 400: 400, 150: 200, 1: 200}


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 400))
@settings(max_examples=60, deadline=None)
def test_reduced_jpeg_never_falls_below_what_was_asked(width: int, height: int, wanted: int) -> None:
    photo = decode_photo(encoded(Image.new("RGB", (width, height)), "JPEG"), "photo.jpg", min_long_side=wanted)
    assert max(photo.pixels.shape[:2]) >= min(wanted, max(width, height))
    assert (photo.full_width, photo.full_height) == (width, height)


def test_first_frame_of_several_is_taken() -> None:
    other = Image.new("RGB", (96, 64), "white")
    for form in ("GIF", "WEBP", "TIFF", "PNG", "MPO"):
        options = {"lossless": True} if form == "WEBP" else {}
        data = encoded(picture(), form, save_all=True, append_images=[other], **options)
        assert_picture(decode_photo(data, "photo"), LOSSY)


# --- colour ---------------------------------------------------------------------------------------------------------


def test_cmyk_is_not_inverted() -> None:
    for form in ("JPEG", "TIFF"):  # Pillow writes JPEG as Adobe does, inverted
        photo = decode_photo(encoded(picture().convert("CMYK"), form, quality=95), "photo")
        assert_picture(photo, LOSSY)


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_16_bit_grey_is_scaled_not_clipped(dtype: str) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)
    image = Image.fromarray(np.tile(ramp, (4, 1)))
    if dtype == ">u2":
        image = Image.frombytes("I;16B", image.size, np.tile(ramp, (4, 1)).astype(">u2").tobytes())
    for form in ("PNG", "TIFF"):
        photo = decode_photo(encoded(image, form), "photo")
        assert np.abs(photo.pixels[0, :, 0].astype(int) - np.arange(256)).max() <= 1
        assert photo.warnings == ()


def test_16_bit_rgb_is_scaled_not_clipped() -> None:
    row = b"\0" + b"".join(struct.pack(">HHH", v * 257, 65535 - v * 257, 32896) for v in range(256))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 256, 1, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(row)), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
    pixels = decode_photo(data, "photo.png").pixels
    assert np.abs(pixels[0, :, 0].astype(int) - np.arange(256)).max() <= 1
    assert np.abs(pixels[0, :, 1].astype(int) - np.arange(255, -1, -1)).max() <= 1
    assert (pixels[0, :, 2] == 128).all()


def test_sensor_data_in_16_bits_are_not_black() -> None:
    image = Image.fromarray(np.tile(np.linspace(0, 4095, 64).astype(np.uint16), (4, 1)))
    photo = decode_photo(encoded(image, "TIFF"), "scan.tif")
    assert photo.pixels.max() == 255
    assert len(photo.warnings) == 1


@pytest.mark.parametrize("largest", [1.0, 255.0])
def test_float_grey_is_scaled(largest: float) -> None:
    values = np.tile(np.linspace(0, largest, 256, dtype=np.float32), (2, 1))
    pixels = decode_photo(encoded(Image.fromarray(values), "TIFF"), "photo.tif").pixels
    assert np.abs(pixels[0, :, 0].astype(int) - np.arange(256)).max() <= 1


def test_grey_palette_and_bilevel() -> None:
    grey = picture().convert("L")
    assert (decode_photo(encoded(grey, "PNG"), "p").pixels == np.asarray(grey)[..., None]).all()
    assert_picture(decode_photo(encoded(picture().convert("P", palette=Image.Palette.ADAPTIVE), "PNG"), "p"), 2)
    bilevel = Image.fromarray(np.tile([False, True], (8, 4)))
    assert decode_photo(encoded(bilevel, "PNG"), "p").pixels[0, :, 0].tolist() == [0, 255] * 4


def test_lab_and_ycbcr_tiff() -> None:
    rgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    image = ImageCms.applyTransform(picture(), ImageCms.buildTransform(rgb, lab, "RGB", "LAB"))
    assert_picture(decode_photo(encoded(image, "TIFF"), "photo.tif"), 8)  # 8 bits a channel are coarse in Lab
    assert_picture(decode_photo(encoded(picture().convert("YCbCr"), "TIFF"), "photo.tif"), 3)


def test_transparent_parts_are_white() -> None:
    image = picture().convert("RGBA")
    alpha = Image.new("L", image.size, 255)
    alpha.paste(0, (0, 0, 48, 32))
    alpha.paste(128, (48, 0, 96, 32))
    image.putalpha(alpha)
    for data in (encoded(image, "PNG"), encoded(image, "WEBP", lossless=True, exact=True), encoded(image, "TIFF")):
        top_left, top_right, bottom_right, bottom_left = corners_of(decode_photo(data, "photo").pixels)
        assert top_left == (255, 255, 255)
        assert np.abs(np.array(top_right) - (255 + np.array(EXPECTED[1])) / 2).max() <= 2
        assert [bottom_right, bottom_left] == EXPECTED[2:]
    grey = decode_photo(encoded(image.convert("LA"), "PNG"), "photo").pixels
    assert corners_of(grey)[0] == (255, 255, 255)
    assert corners_of(grey)[3] == (128, 128, 128)


def test_transparent_colour_of_a_palette_is_white() -> None:
    image = picture().convert("P", palette=Image.Palette.ADAPTIVE)
    data = encoded(image, "GIF", transparency=image.getpixel((0, 0)))
    assert corners_of(decode_photo(data, "photo.gif").pixels)[0] == (255, 255, 255)


def test_wholly_transparent_picture_shows_its_colours() -> None:
    image = picture().convert("RGBA")
    image.putalpha(0)
    photo = decode_photo(encoded(image, "PNG"), "photo.png")
    assert_picture(photo)
    assert photo.warnings == ("every pixel was transparent; the transparency was ignored",)


def test_profile_is_converted_to_srgb() -> None:
    # Linear light 55/255 is 0.2157; sRGB encodes it as 128 (IEC 61966-2-1).
    image = Image.new("RGB", (32, 32), (55, 0, 255))
    for form in ("PNG", "TIFF", "WEBP", "AVIF"):
        options = {"lossless": True} if form == "WEBP" else {"quality": 100}
        photo = decode_photo(encoded(image, form, icc_profile=linear_profile(), **options), "photo")
        assert np.abs(photo.pixels[5, 5].astype(int) - [128, 0, 255]).max() <= 2, form
        assert photo.warnings == ()


def test_srgb_profile_changes_nothing_and_is_not_loaded() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert_picture(decode_photo(encoded(picture(), "PNG", icc_profile=profile), "photo.png"))


def test_grey_profile_of_a_grey_picture() -> None:
    # Gamma 1.0 again: 55 becomes 128.
    for mode in ("L", "LA"):
        image = Image.new("L", (8, 8), 55).convert(mode)
        photo = decode_photo(encoded(image, "PNG", icc_profile=grey_profile(1.0)), "photo.png")
        assert np.abs(photo.pixels[0, 0].astype(int) - 128).max() <= 2
        assert photo.warnings == ()


@pytest.mark.parametrize(
    ("profile", "warning"),
    [
        (linear_profile()[:200], "its colour profile is damaged and was ignored"),
        (b"no profile at all", "its colour profile is not for its kind of pixels and was ignored"),
        (grey_profile(1.0), "its colour profile is not for its kind of pixels and was ignored"),
    ],
)
def test_useless_profile_leaves_the_pixels(profile: bytes, warning: str) -> None:
    photo = decode_photo(encoded(picture(), "PNG", icc_profile=profile), "photo.png")
    assert_picture(photo)
    assert photo.warnings == (warning,)


# --- damage ---------------------------------------------------------------------------------------------------------


def noisy() -> Image.Image:
    return Image.fromarray(np.random.default_rng(5).integers(0, 256, (64, 96, 3), np.uint8))


@pytest.mark.parametrize(
    ("form", "options"), [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("TIFF", {})]
)
def test_truncated_file_is_refused_unless_salvaged(form: str, options: dict[str, object]) -> None:
    data = encoded(noisy(), form, **options)
    if form == "TIFF":  # Pillow writes the directory in front
        assert data[4:8] == b"\x08\0\0\0"
    cut = data[: len(data) * 2 // 3]
    error = refusal(cut)
    assert error.code == "truncated"
    assert "--salvage" in error.hint
    photo = decode_photo(cut, "photo", salvage=True)
    assert photo.warnings == ("the file is truncated; what could be decoded of it was kept",)
    whole = decode_photo(data, "photo").pixels
    if not options:  # a progressive file comes out whole but coarse
        assert (photo.pixels[:16] == whole[:16]).all()
    else:
        assert np.abs(photo.pixels.astype(int) - whole).mean() < 60


def test_truncated_webp_is_named_so() -> None:
    for form in ("WEBP", "AVIF"):
        data = encoded(noisy(), form)
        assert refusal(data[: len(data) // 2], salvage=True).code == "truncated"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_file"),
        (b"hello, this is text", "not_an_image"),
        (bytes(5000), "not_an_image"),
        (b"%PDF-1.7 ...", "unsupported_format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "unsupported_format"),
        (b"II*\0\x10\0\0\0CR\x02\0", "unsupported_format"),
        (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2", "unsupported_format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported_format"),
        (b"\xff\xd8\xff\xe0", "truncated"),
        (encoded(picture(), "PNG")[:40], "truncated"),
    ],
)
def test_what_is_no_photo_is_named(data: bytes, code: str) -> None:
    error = refusal(data)
    assert error.code == code
    assert "photo.jpg" in error.message
    assert error.hint


def test_camera_raw_is_not_taken_for_its_thumbnail() -> None:
    from PIL import TiffImagePlugin

    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[254], tags[330] = 1, 8
    error = refusal(encoded(picture(), "TIFF", tiffinfo=tags))
    assert error.code == "unsupported_format"
    assert "raw" in error.message


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body)) + b"\0\0\0\0IDAT"


def test_bombs_are_refused_by_their_header() -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for data in (
            png_header(60_000, 60_000),
            png_header(100_000, 1),
            encoded(Image.new("1", (1, 1)), "GIF")[:6] + struct.pack("<HH", 65535, 65535) + b"\0\0\0,",
            encoded(picture(), "JPEG").replace(struct.pack(">HH", 64, 96), struct.pack(">HH", 65500, 65500), 1),
        ):
            assert refusal(data).code == "too_large"
        # Between Pillow's own warning (89 megapixels) and facecli's limit only the missing data matter.
        assert refusal(png_header(10_000, 10_000)).code == "truncated"
    assert not seen


def test_limits_hold_for_what_is_decoded_not_for_what_is_reduced() -> None:
    limits = ImageLimits(max_pixels=2_000_000, max_decoded_pixels=500_000)
    baseline = encoded(picture(1600, 1200), "JPEG")
    assert refusal(baseline, limits=limits).code == "too_large"
    assert decode_photo(baseline, "p", limits=limits, min_long_side=640).pixels.shape == (600, 800, 3)
    # A progressive one keeps the coefficients of the whole picture, however small it is decoded.
    progressive = encoded(picture(1600, 1200), "JPEG", progressive=True)
    assert refusal(progressive, limits=limits, min_long_side=640).code == "too_large"
    assert refusal(baseline, limits=ImageLimits(max_side_px=1000)).code == "too_large"


def test_pillows_own_limit_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    for form in ("JPEG", "PNG", "TIFF", "BMP"):
        assert_picture(decode_photo(encoded(picture(), form, quality=95), "photo"), LOSSY)


def test_progressive_jpeg_with_a_thousand_scans_is_refused() -> None:
    data = encoded(picture(), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    scan = data[last:-2]
    assert refusal(data[:last] + scan * 1000 + data[-2:]).code == "too_large"


def test_damaged_metadata_cost_nothing_but_themselves() -> None:
    broken = b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x12\x01\x03\0garbage" * 3
    for form in ("JPEG", "PNG", "WEBP", "AVIF"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow remarks on them while it writes, too
            data = encoded(picture(), form, exif=broken if form == "JPEG" else broken[6:], quality=95)
        photo = decode_photo(data, "photo")  # a warning would be an error here
        assert_picture(photo, LOSSY)


SEEDS = [
    encoded(noisy().resize((16, 12)), form, **options)
    for form, options in (
        ("JPEG", {"exif": exif(6), "icc_profile": linear_profile()}),
        ("JPEG", {"progressive": True}),
        ("PNG", {"exif": exif(5)}),
        ("WEBP", {"exif": exif(3)}),
        ("GIF", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("BMP", {}),
        ("AVIF", {}),
        ("PPM", {}),
        ("TGA", {}),
        ("JPEG2000", {}),
        ("QOI", {}),
        ("PCX", {}),
        ("SGI", {}),
    )
]


CODES = {"photo", "empty_file", "not_an_image", "unsupported_format", "truncated", "corrupt", "too_large"}


def outcome(data: bytes, salvage: bool) -> str:
    limits = ImageLimits(max_pixels=10_000_000, max_decoded_pixels=10_000_000)
    try:
        decode_photo(data, "photo.tga", limits=limits, salvage=salvage)
    except UnreadableImageError as error:
        return error.code if error.message and error.hint else f"{error.code} without a word"
    return "photo"


@given(st.binary(max_size=300), st.sampled_from([b"", *(seed[:24] for seed in SEEDS)]), st.booleans())
@settings(max_examples=300, deadline=None)
def test_random_bytes_give_a_photo_or_a_refusal(data: bytes, head: bytes, salvage: bool) -> None:
    assert outcome(head + data, salvage) in CODES


@given(st.sampled_from(SEEDS), st.data(), st.booleans())
@settings(max_examples=600, deadline=None)
def test_damaged_photos_give_a_photo_or_a_refusal(seed: bytes, data: st.DataObject, salvage: bool) -> None:
    damaged = bytearray(seed)
    for _ in range(data.draw(st.integers(0, 4))):
        damaged[data.draw(st.integers(0, len(seed) - 1))] = data.draw(st.integers(0, 255))
    assert outcome(bytes(damaged[: data.draw(st.integers(0, len(seed)))]), salvage) in CODES


# --- files and threads ----------------------------------------------------------------------------------------------


def test_load_photo_reads_the_file_it_is_given(tmp_path: Path) -> None:
    path = tmp_path / "photo.txt"
    path.write_bytes(encoded(picture(), "PNG"))
    photo = load_photo(path)
    assert photo.source == str(path)
    assert_picture(photo)


def test_threads_do_not_disturb_each_other() -> None:
    whole = encoded(noisy(), "PNG")
    cut = whole[: len(whole) * 2 // 3]

    def decode(index: int) -> object:
        try:
            return decode_photo((whole, cut)[index % 2], "photo", salvage=index % 4 == 1).warnings
        except UnreadableImageError as error:
            return error.code

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(decode, range(400)))
    salvaged = ("the file is truncated; what could be decoded of it was kept",)
    assert results == [(), salvaged, (), "truncated"] * 100


def test_a_jpeg_imports_no_other_plugin() -> None:
    code = (
        "import sys; from facecli.media.images import decode_photo; decode_photo(sys.stdin.buffer.read(), 'p');"
        "print([m for m in sys.modules if m in ('pillow_heif','PIL.ImageCms','PIL.TiffImagePlugin') "
        "or (m.startswith('PIL.') and m.endswith('Plugin') and 'Jpeg' not in m)])"
    )
    data = encoded(picture(), "JPEG", exif=exif(6))
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"


# --- the collection of difficult files -------------------------------------------------------------------------------

BATCH = """
import resource, sys, time
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
from facecli.errors import UnreadableImageError
from facecli.media.images import load_photo
for path in sys.argv[1:]:
    for salvage in (False, True):
        start = time.process_time()
        try:
            photo = load_photo(path, salvage=salvage)
            said = "photo"
        except UnreadableImageError as error:
            said = error.code
        print(path, salvage, said, f"{time.process_time() - start:.3f}", sep="\\t")
"""
# What none of them may be taken for, whatever the libraries of this machine can decode.
DIFFICULT = {
    "jpeg-decoder__README.md": "not_an_image",
    "jpeg-decoder__empty.jpg": "empty_file",
    "jpeg-decoder__max_size.jpg": "too_large",
    "pillow__decompression_bomb.gif": "too_large",
    "pillow__decompression_bomb.ico": "unsupported_format",
    "pillow__truncated_jpeg.jpg": "truncated",
    "pillow__truncated_image.png": "truncated",
    "libheif__example.heic": "photo",
    "pillow_heif__zPug_3.heic": "photo",
    "pillow__pil_sample_cmyk.jpg": "photo",
    "pillow__hopper.Lab.tif": "photo",
    "pillow__hopper_bad_exif.jpg": "photo",
}


@pytest.mark.slow
def test_difficult_files_each_give_a_photo_or_a_refusal(data_dir: Path) -> None:
    paths = sorted(str(path) for path in (data_dir / "difficult").iterdir())
    done = subprocess.run([sys.executable, "-c", BATCH, *paths], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert len(rows) == 2 * len(paths) > 200
    assert [row for row in rows if float(row[3]) > 5] == []
    said = {Path(path).name: what for path, salvage, what, _ in rows if salvage == "False"}
    assert {name: said[name] for name in DIFFICULT} == DIFFICULT
    assert sum(what == "photo" for what in said.values()) >= 70
    salvaged = {Path(path).name: what for path, salvage, what, _ in rows if salvage == "True"}
    assert salvaged["pillow__truncated_image.png"] == "photo"


@pytest.mark.slow
def test_orientation_examples_are_one_picture(data_dir: Path) -> None:
    thumbnails = []
    for orientation in range(9):
        photo = load_photo(data_dir / "difficult" / f"exif-orientation-examples__Portrait_{orientation}.jpg")
        assert (photo.full_width, photo.full_height) == (1200, 1800)
        small = Image.fromarray(photo.pixels).resize((24, 36), Image.Resampling.BOX)
        thumbnails.append(np.asarray(small, np.float32))
    # They differ by compression and by the digit that is written on each.
    assert max(np.abs(each - thumbnails[1]).mean() for each in thumbnails) < 3
    assert np.abs(thumbnails[1][::-1] - thumbnails[1]).mean() > 20


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"exif": exif(6)}])
@pytest.mark.parametrize("min_long_side", [None, 70, 30, 10])
def test_pillow_and_opencv_give_the_same_pixels_of_a_jpeg(
    mode: str, options: dict[str, object], min_long_side: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(noisy().resize((131, 97)).convert(mode), "JPEG", quality=85, **options)
    fast = decode_photo(data, "photo.jpg", min_long_side=min_long_side)
    asked = []
    monkeypatch.setattr(jpeg, "fast_pixels", lambda *_: asked.append(1))

    slow = decode_photo(data, "photo.jpg", min_long_side=min_long_side)

    assert asked == [1]
    np.testing.assert_array_equal(fast.pixels, slow.pixels)
    assert (fast.full_width, fast.full_height) == (slow.full_width, slow.full_height)
