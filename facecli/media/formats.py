"""Which picture formats are read, told by their first bytes, and the one plugin that reads each.

The plugins are imported one at a time, when a file needs one: opening a JPEG through `PIL.Image.open` imports
five, and through a format it does not know all forty, among them some that start other programs (EPS).
"""

from __future__ import annotations

import importlib
import io
import re
from dataclasses import dataclass
from typing import Final

from PIL import ImageFile

from facecli.errors import UnreadableImageError
from facecli.media.files import printable_name

_CONVERT_HINT: Final = "Save it as a JPEG, PNG or TIFF first."


@dataclass(frozen=True, slots=True)
class _Format:
    """A format that is read: its name, first bytes, and the class that reads it."""

    name: str
    magic: re.Pattern[bytes]
    module: str
    reader: str


def _format(name: str, magic: bytes, module: str, reader: str) -> _Format:
    return _Format(name, re.compile(magic, re.DOTALL), module, reader)


# Image files in ISO media: the brands of the ftyp box tell who can read it; AVIF files may call themselves mif1.
_AVIF_BRANDS: Final = rb"....ftyp(?:avi[fs]|(?:mif1|msf1)(?=.{4}(?:.{4}){0,12}avi[fs]))"
_JPEG_2000: Final = rb"\xff\x4f\xff\x51|\x00\x00\x00\x0cjP  \r\n\x87\n"

# The reader is instantiated directly, as Pillow's own `open` does with what a plugin registers: that skips its check
# for decompression bombs, which warns at 89 megapixels where facecli has limits of its own.
_FORMATS: Final = (
    _format("JPEG", rb"\xff\xd8\xff", "facecli.media.jpeg", "JpegFile"),
    _format("PNG", rb"\x89PNG\r\n\x1a\n", "PIL.PngImagePlugin", "PngImageFile"),
    _format("WebP", rb"RIFF....WEBP", "PIL.WebPImagePlugin", "WebPImageFile"),
    _format("GIF", rb"GIF8[79]a", "PIL.GifImagePlugin", "GifImageFile"),
    _format("TIFF", rb"II\*\x00(?!....CR)|MM\x00\*|II\x2b\x00|MM\x00\x2b", "facecli.media.tiff", "TiffFile"),
    _format("AVIF", _AVIF_BRANDS, "PIL.AvifImagePlugin", "AvifImageFile"),
    _format("HEIC", rb"....ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1)", "pillow_heif", "HeifImageFile"),
    _format("BMP", rb"BM", "PIL.BmpImagePlugin", "BmpImageFile"),
    _format("JPEG 2000", _JPEG_2000, "PIL.Jpeg2KImagePlugin", "Jpeg2KImageFile"),
    _format("PPM", rb"P[1-6Ffy][\s#]|P0CMYK", "PIL.PpmImagePlugin", "PpmImageFile"),
    _format("PSD", rb"8BPS\x00\x01", "PIL.PsdImagePlugin", "PsdImageFile"),
    _format("QOI", rb"qoif", "PIL.QoiImagePlugin", "QoiImageFile"),
    _format("SGI", rb"\x01\xda[\x00\x01][\x01\x02]", "PIL.SgiImagePlugin", "SgiImageFile"),
    _format("Sun raster", rb"\x59\xa6\x6a\x95", "PIL.SunImagePlugin", "SunImageFile"),
    _format("PCX", rb"\x0a[\x00\x02\x03\x05][\x00\x01][\x01\x02\x04\x08]", "PIL.PcxImagePlugin", "PcxImageFile"),
)  # fmt: skip

# TGA has no first bytes of its own: its footer, or its name, tells.
_TGA: Final = _format("TGA", b"", "PIL.TgaImagePlugin", "TgaImageFile")
_TGA_FOOTER: Final = b"TRUEVISION-XFILE.\x00"
_TGA_NAME: Final = re.compile(r"\.(tga|icb|vda|vst)$", re.IGNORECASE)

_READERS: Final = {each.name: each for each in (*_FORMATS, _TGA)}

# Named so that a person learns what the file is, not only what it is not.
_NOT_READ: Final = tuple(
    (re.compile(magic, re.DOTALL), what)
    for magic, what in (
        (rb"%PDF", "a PDF document"),
        (rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript drawing"),
        (rb"....ftypcrx|II\*\x00....CR|FUJIFILMCCD-RAW|II(?:RO|RS|U\x00)|FOVb", "a camera's raw photo"),
        (rb"\xff\x0a|\x00\x00\x00\x0cJXL ", "a JPEG XL photo"),
        (rb"8BPS\x00\x02", "a large Photoshop document (PSB)"),
        (rb"gimp xcf", "a GIMP document"),
        (rb"....ftyp|\x1a\x45\xdf\xa3|RIFF....AVI |\x00\x00\x01[\xb3\xba]", "a video"),
        (rb"\x00\x00[\x01\x02]\x00|icns", "an icon"),
        (rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<svg", "an SVG drawing"),
        (rb"\xd7\xcd\xc6\x9a|\x01\x00\x00\x00.{36} EMF", "a Windows metafile"),
        (rb"SIMPLE  =", "a FITS image of astronomy"),
        (rb"DDS ", "a texture (DDS)"),
        (rb"AT&TFORM", "a DjVu document"),
        (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Office or other compound document"),
        (rb"PK\x03\x04", "a ZIP archive"),
        (rb".{257}ustar", "a tar archive"),
        (rb"\s*(?:<!doctype html|<html|<!DOCTYPE HTML|<HTML)", "a web page"),
    )
)
# How far into a file the patterns look.
_HEAD_BYTES: Final = 512


def sniff(data: bytes, source: str) -> str:
    """Return the name of the format that a file's content is in.

    Parameters
    ----------
    data : bytes
        The whole file.
    source : str
        Its path; asked only about TGA.

    Raises
    ------
    UnreadableImageError
        With code unsupported_format where the content is known but not read, not_an_image where it is not known.
    """
    head = data[:_HEAD_BYTES]
    for each in _FORMATS:
        if each.magic.match(head):
            return each.name
    if data.endswith(_TGA_FOOTER):
        return _TGA.name
    for magic, what in _NOT_READ:
        if magic.match(head):
            raise UnreadableImageError(
                f"{printable_name(source)} is {what}, which is not read", hint=_CONVERT_HINT, code="unsupported_format"
            )
    if _TGA_NAME.search(source):
        return _TGA.name
    raise UnreadableImageError(
        f"{printable_name(source)} is not a picture in any format that is read",
        hint="Check that the file is a photo; facecli goes by content, not by name",
        code="not_an_image",
    )


def open_image(data: bytes, format_name: str) -> ImageFile.ImageFile:
    """Read the header of a picture; its pixels wait until it is loaded.

    What Pillow and its plugins raise on damaged files passes through untranslated.
    """
    reader = _READERS[format_name]
    factory = getattr(importlib.import_module(reader.module), reader.reader)
    image: ImageFile.ImageFile = factory(io.BytesIO(data))
    return image
