"""A gallery that stays as it was while a scan lasts."""

from __future__ import annotations

from facecli.gallery.store import Gallery


class PinnedGallery(Gallery):
    """A gallery that, while it is pinned, tells of no change, so that all photos are searched in the same people."""

    _pinned: int | None = None

    def pin(self, revision: int) -> None:
        """Stay at the revision that was read, and at today: nobody's consent ends while photos are compared."""
        self._pinned, day = revision, self.today()
        self._calendar, self.today = self.today, lambda: day

    def unpin(self) -> None:
        """Follow the file, and the calendar, again."""
        if self._pinned is not None:
            self._pinned, self.today = None, self._calendar

    @property
    def revision(self) -> int:
        """The pinned revision, or the file's."""
        return super().revision if self._pinned is None else self._pinned

    @property
    def has_changed(self) -> bool:
        """Whether the file has changed since it was pinned."""
        return self._pinned is not None and super().revision != self._pinned
