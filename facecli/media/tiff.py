"""TIFF by Pillow, under facecli's own limits."""

from __future__ import annotations

from typing import Final

from PIL import Image, ImageFile, TiffImagePlugin

_NEW_SUBFILE_TYPE: Final = 254
_SUB_IFDS: Final = 330
_DNG_VERSION: Final = 50706
_BITS_PER_SAMPLE: Final = 258
_REDUCED_PICTURE: Final = 1  # bit 0 of NewSubfileType (TIFF 6.0, section 8)


class TiffFile(TiffImagePlugin.TiffImageFile):
    """The first page of a TIFF."""

    def load_prepare(self) -> None:
        """Make room for the pixels without Pillow's check for bombs: facecli has checked its own limit."""
        if self._im is None:
            self.im = Image.new(self.mode, self._tile_size).im
        ImageFile.ImageFile.load_prepare(self)

    @property
    def is_camera_raw(self) -> bool:
        """Whether the first page is only the preview of a raw photo (DNG, NEF, ARW, CR2, ...)."""
        kind = self.tag_v2.get(_NEW_SUBFILE_TYPE, 0)
        preview = isinstance(kind, int) and bool(kind & _REDUCED_PICTURE)
        return _DNG_VERSION in self.tag_v2 or (preview and _SUB_IFDS in self.tag_v2)

    @property
    def bits_per_sample(self) -> int:
        """Bits of the first channel as the file states them."""
        bits = self.tag_v2.get(_BITS_PER_SAMPLE, (1,))
        first = bits[0] if isinstance(bits, tuple) and bits else bits
        return first if isinstance(first, int) else 0
