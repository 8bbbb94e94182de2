"""facecli in a script: the commands as methods, values instead of text."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import fields
from functools import cached_property
from types import TracebackType
from typing import Any, Self, TypeAlias

import numpy as np

from facecli.app import App
from facecli.errors import ConfigError
from facecli.gallery.consent import Consent
from facecli.gallery.store import Gallery
from facecli.services.analysis import Analyser, PhotoSource
from facecli.services.consent import set_consent
from facecli.services.enrolment import Enrolment, enrol
from facecli.services.enrolment_plan import EnrolmentPhoto
from facecli.services.feedback import Feedback, confirm, deny
from facecli.services.identification import identify_photos
from facecli.services.meant_faces import FacePhoto
from facecli.services.purging.purge import purge
from facecli.services.purging.receipt import Receipt
from facecli.services.selection import OnMulti
from facecli.services.verification import Verification, verify
from facecli.settings import Settings, load_settings
from facecli.types import Person, Photo, PhotoResult, PixelArray

PhotoLike: TypeAlias = "str | os.PathLike[str] | bytes | Photo | PixelArray"
"""A path, a file's content, a decoded `Photo`, or upright RGB pixels of shape (H, W, 3), uint8."""


class Recognizer:
    """Enrols and identifies people; to be closed, or used in a ``with`` block.

    Networks are loaded at the first photo. One object serves one thread.

    Parameters
    ----------
    gallery : path-like, optional
        Gallery file, made when somebody is enrolled; by default the one of the settings.
    **settings
        Any field of `Settings`, such as ``device="cuda"`` or ``threshold=0.45``. What is left out comes from the
        environment and the settings files, as on the command line.

    Raises
    ------
    ConfigError
        If a setting is unknown or out of range.

    Examples
    --------
    >>> with Recognizer("family.db") as recognizer:  # doctest: +SKIP
    ...     recognizer.enroll("Ana", ["ana_1.jpg", "ana_2.jpg"])
    ...     for photo in recognizer.identify(["party.jpg"]):
    ...         print(photo.path, [face.identification.person for face in photo.faces])
    """

    def __init__(self, gallery: str | os.PathLike[str] | None = None, **settings: Any) -> None:
        unknown = settings.keys() - {each.name for each in fields(Settings)}
        if unknown:
            raise ConfigError(f"there is no setting '{min(unknown)}'", hint="See the fields of facecli.Settings.")
        if gallery is not None:
            settings["gallery"] = os.fspath(gallery)
        self.settings, _ = load_settings(settings)
        self._app = App(self.settings)
        self._gallery: Gallery | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the gallery. Closing twice is harmless."""
        if self._gallery is not None:
            self._gallery.close()
            self._gallery = None

    def enroll(
        self,
        name: str,
        photos: Iterable[PhotoLike],
        *,
        on_multi: OnMulti = "error",
        min_quality: float | None = None,
        keep_outliers: bool = False,
    ) -> list[Enrolment]:
        """Learn a person's face from photos, of at least `min_quality` (0 to 1; by default the setting).

        A photo that is unlike others of the person that agree, of this call or enrolled before, has status "error" and
        the code "unlike_the_others"; with `keep_outliers` it is enrolled, with a warning.

        Returns
        -------
        list of Enrolment
            What became of each photo; one that failed has status "error" and says why.

        Raises
        ------
        GalleryError
            If the gallery cannot be written.
        """
        gallery = self._opened(create=True)
        planned = [EnrolmentPhoto(name, _source(photo)) for photo in photos]
        least = self.settings.min_quality if min_quality is None else min_quality
        return list(
            enrol(
                planned,
                self._enrolling,
                gallery,
                on_multi=on_multi,
                min_quality=least,
                scores=self._app.scores,
                keep_outliers=keep_outliers,
            )
        )

    def identify(self, photos: Iterable[PhotoLike]) -> Iterator[PhotoResult]:
        """Say who is in photos, one result a photo, in their order.

        People whose consent has expired are left out; see `set_consent`.

        Raises
        ------
        GalleryError
            If there is no gallery, or it cannot serve. A photo that fails is a result with its error.
        """
        gallery = self._opened()
        search = self._app.search(gallery)
        analyses = identify_photos(
            map(_source, photos),
            self._analyser,
            search,
            self._app.decisions(gallery, search),
            candidates=self.settings.candidates,
            min_quality=self.settings.min_quality,
        )
        for analysis in analyses:
            yield analysis.result(self._analyser.model)

    def confirm(
        self,
        name: str,
        photo: str | os.PathLike[str],
        face: int | None = None,
        *,
        new: bool = False,
        keep_outliers: bool = False,
    ) -> Feedback:
        """Enrol one face of a photo as a person; what `deny` said of it is taken back.

        Parameters
        ----------
        name : str
            Of somebody enrolled, unless `new` is true.
        photo : path-like
        face : int, optional
            Its place in `PhotoResult.faces`, from 1; by default the only one, or the only one that is named so.
        keep_outliers : bool
            As for `enroll`.

        Raises
        ------
        UnknownPersonError
            If nobody has this name.
        GalleryError
            If the gallery cannot be written. What is wrong with the photo is in the `Feedback` instead.
        """
        gallery = self._opened(create=new)
        (outcome,) = confirm(
            name,
            [FacePhoto(os.fspath(photo), face)],
            gallery,
            self._app.face_finder(gallery, self._enrolling),
            scores=self._app.scores,
            min_quality=self.settings.min_quality,
            keep_outliers=keep_outliers,
            new_person=new,
        )
        return outcome

    def deny(self, name: str, photo: str | os.PathLike[str], face: int | None = None) -> Feedback:
        """Note that a face is not a person: neither it nor faces as near to it as to the person are named so again.

        Parameters, returns and errors are those of `confirm`.
        """
        gallery = self._opened()
        finder = self._app.face_finder(gallery, self._enrolling)
        (outcome,) = deny(name, [FacePhoto(os.fspath(photo), face)], gallery, finder)
        return outcome

    def embed(self, photos: Iterable[PhotoLike]) -> Iterator[PhotoResult]:
        """Detect and embed faces: each `Face` has its quality and its `Embedding`."""
        for analysis in self._analyser.analyse(map(_source, photos)):
            yield analysis.result(self._analyser.model)

    def detect(self, photos: Iterable[PhotoLike]) -> Iterator[PhotoResult]:
        """Find faces, without asking whose they are."""
        analyser = self._app.analyser(embed=False, photo_count=self._photos_at_once)
        for analysis in analyser.analyse(map(_source, photos)):
            yield analysis.result(analyser.model)

    def verify(self, first: PhotoLike, second: PhotoLike, *, on_multi: OnMulti = "error") -> Verification:
        """Say whether two photos show one person.

        Raises
        ------
        InputError
            If a photo cannot be read, or holds no face, or several of a like size and `on_multi` takes none.
        """
        return verify(
            _source(first),
            _source(second),
            self._analyser,
            threshold=self._app.verification_threshold,
            on_multi=on_multi,
        )

    def people(self) -> list[Person]:
        """Return everybody enrolled, by name."""
        return self._opened().people()

    def consent(self, name: str) -> Consent | None:
        """Return what is known about a person's consent; None if nothing is.

        Raises
        ------
        UnknownPersonError
            If nobody has this name.
        """
        gallery = self._opened()
        return gallery.consents().get(gallery.get_person(name).person_id)

    def set_consent(self, name: str, consent: Consent | None) -> None:
        """Take note of a person's consent, in place of what was known.

        From the day on which it expires the person is not matched: `identify` neither names them nor compares with
        them, and nothing says so. `consent` tells.

        Parameters
        ----------
        name : str
        consent : Consent or None
            None if nothing is known any more.

        Raises
        ------
        UnknownPersonError
            If nobody has this name.
        """
        set_consent(self._opened(), name, consent, command="set_consent")

    def purge(self, name: str, *, delete_backups: bool = False) -> Receipt:
        """Destroy all that is kept of a person, as ``facecli people purge`` does, and search for what is left.

        Parameters
        ----------
        name : str
            Had now, or when removed.
        delete_backups : bool
            Delete the gallery's backups that hold them, and make a new one.

        Returns
        -------
        Receipt
            Its `found` is 0 if nothing is left.

        Raises
        ------
        UnknownPersonError
            If nobody has or had this name.
        FacecliError
            ``scan_running`` if a process works on a scan.
        """
        self.close()  # the file is read beside SQLite
        return purge(name, self._app.places, self._app.score_reached, delete_backups=delete_backups)

    @cached_property
    def _analyser(self) -> Analyser:
        return self._app.analyser(photo_count=self._photos_at_once)

    @cached_property
    def _enrolling(self) -> Analyser:
        return self._app.analyser(photo_count=self._photos_at_once, cut_crops=self.settings.crops)

    @property
    def _photos_at_once(self) -> int | None:
        """One, which is answered soonest, unless `jobs` asks for several."""
        return None if (self.settings.jobs or 1) > 1 else 1

    def _opened(self, *, create: bool = False) -> Gallery:
        if self._gallery is None:
            self._gallery = self._app.open_gallery(create=create)
        return self._gallery


def _source(photo: PhotoLike) -> PhotoSource:
    if isinstance(photo, bytes):
        return PhotoSource("", data=photo)
    if isinstance(photo, Photo):
        return PhotoSource(photo.source, photo=photo)
    if isinstance(photo, np.ndarray):
        return PhotoSource("", photo=Photo(photo))
    return PhotoSource(os.fspath(photo))
