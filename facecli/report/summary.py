"""The line that ends a run: how many photos, faces and names."""

from __future__ import annotations

from dataclasses import dataclass

from facecli.types import PhotoResult


@dataclass(slots=True)
class Summary:
    """Counts of a run, added up photo by photo.

    Attributes
    ----------
    photos, no_face, failed : int
        Photos in all, without a face, and with an error.
    faces, named, unknown : int
        Faces in all and, of those that were compared, with and without a name.
    """

    photos: int = 0
    no_face: int = 0
    failed: int = 0
    faces: int = 0
    named: int = 0
    unknown: int = 0

    def add(self, result: PhotoResult) -> None:
        """Count one photo."""
        self.photos += 1
        self.no_face += result.status == "no_face"
        self.failed += result.status == "error"
        self.faces += len(result.faces)
        for face in result.faces:
            if face.identification is not None:
                self.named += face.identification.person is not None
                self.unknown += face.identification.person is None

    def line(self, elapsed_s: float | None = None) -> str:
        """Return one sentence such as ``12 photos, 20 faces (8 named, 12 unknown), 1 failed in 3.2 s, 3.8 photos/s``.

        Counts that are zero are left out, but for photos and faces.
        """
        faces = _count(self.faces, "face")
        if self.named or self.unknown:
            faces += f" ({self.named} named, {self.unknown} unknown)"
        parts = [_count(self.photos, "photo"), faces]
        if self.no_face:
            parts.append(f"{self.no_face} without a face")
        if self.failed:
            parts.append(f"{self.failed} failed")
        text = ", ".join(parts)
        if elapsed_s is None:
            return text
        text += f" in {duration(elapsed_s)}"
        return f"{text}, {self.photos / elapsed_s:.1f} photos/s" if elapsed_s > 0 and self.photos else text


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(elapsed_s: float) -> str:
    """Return seconds as people say them: ``0.32 s``, ``12.3 s``, ``3 min 20 s``, ``2 h 05 min``."""
    if round(elapsed_s, 1) < 60:
        return f"{elapsed_s:.2f} s" if round(elapsed_s, 2) < 1 else f"{elapsed_s:.1f} s"
    minutes, seconds = divmod(round(elapsed_s), 60)
    if minutes < 60:
        return f"{minutes} min {seconds:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"
