"""TIFF by Pillow, under facecli's own limits."""

from __future__ import annotations

from typing import Final

from PIL import Image, ImageFile, TiffImagePlugin

_NEW_SUBFILE_TYPE: Final = 254
_SUB_IFDS: Final = 330
_DNG_VERSION: Final = 50706
_BITS_PER_SAMPLE: Final = 258
_SAMPLE_FORMAT: Final = 339
_UNSIGNED, _SIGNED = 1, 2
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
    def white_level(self) -> int:
        """What value means white in a grey picture of 9 to 16 bits; 0 where the file does not say."""
        bits, form = self._first(_BITS_PER_SAMPLE), self._first(_SAMPLE_FORMAT)
        if not 8 < bits <= 16 or form not in {0, _UNSIGNED, _SIGNED}:
            return 0
        return (1 << (bits - 1 if form == _SIGNED else bits)) - 1

    def _first(self, tag: int) -> int:
        values = self.tag_v2.get(tag, (0,))
        first = values[0] if isinstance(values, tuple) and values else values
        return first if isinstance(first, int) else 0
