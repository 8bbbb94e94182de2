"""The people enrolled and their templates, in one SQLite file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from facecli.errors import GalleryError, GalleryLockedError, InputError
from facecli.gallery import calibration_rows, crops, history, person_rows, rows, soundness
from facecli.gallery.automatic_backups import AutomaticBackups
from facecli.gallery.codec import GalleryConnection
from facecli.gallery.connection import connect
from facecli.gallery.consent import Consent, today
from facecli.gallery.edit import Edit
from facecli.gallery.history import Event
from facecli.gallery.names import normalise_name
from facecli.gallery.records import CropCount, GalleryInfo, NewTemplate, StoredThreshold, TemplateMatrix
from facecli.gallery.schema import read_version
from facecli.gallery.stranger_searches import SearchSample
from facecli.gallery.template_matrix import read_matrix
from facecli.gallery.traces import Traces, people_meant, traces
from facecli.gallery.translation import read_only_error, translated
from facecli.gallery.vault import AskSecret, Vault, finish_rewrite, open_lock, read_lock
from facecli.sqlite_file import MEMORY, closed_on_error, transaction
from facecli.types import Crop, FloatArray, Person, Template

# Writers hold the file for milliseconds; whoever waits this long waits for something that hangs.
BUSY_TIMEOUT_S: Final = 10.0


class Gallery:
    """An open gallery. Made by `Gallery.open`; to be closed, or used in a ``with`` block.

    One object serves one thread; several objects, threads and processes may open the same file. Every change is one
    transaction that is on the disk when the call returns, and none of it if it raises.

    Attributes
    ----------
    path : str
    read_only : bool
        Whether it can only be read.
    today : callable
        Gives the date, in UTC, by which consent has expired or not.

    Raises
    ------
    GalleryLockedError
        By every method, if another process keeps the file longer than the timeout.
    GalleryCorruptError
        By every method, if the file is damaged.
    GalleryError
        By every method: ``gallery_full`` if the disk is, ``gallery_read_only`` if a change is asked of a gallery that
        can only be read.
    """

    def __init__(self, connection: GalleryConnection, path: str, *, read_only: bool, keep_backups: int = 0) -> None:
        self._opened = connection
        self.path = path
        self.read_only = read_only
        self.today: Callable[[], date] = today
        self._backups = AutomaticBackups(path, keep_backups)

    @property
    def _connection(self) -> GalleryConnection:
        """The open file.

        Raises
        ------
        GalleryError
            With code ``gallery_reopen`` if another process has encrypted or decrypted the file meanwhile, or given it
            another secret: who has the old one shall read no more, and what is encrypted anew has another master key.
        """
        with translated(self.path):
            lock = read_lock(self._opened)
        if lock != self._opened.lock:
            what = "decrypted" if lock is None else "encrypted" if self._opened.lock is None else "given another secret"
            raise GalleryError(
                f"the gallery {self.path} was {what} meanwhile",
                hint="Nothing was done; ask again.",
                code="gallery_reopen",
            )
        return self._opened

    @property
    def is_encrypted(self) -> bool:
        """Whether names, vectors, file names and crops lie encrypted in the file."""
        return not self._connection.codec.is_plain

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        create: bool = False,
        read_only: bool = False,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        keep_backups: int = 0,
        ask_secret: AskSecret | None = None,
    ) -> Self:
        """Open a gallery.

        Parameters
        ----------
        path : path-like
            The file, or ``":memory:"``.
        create : bool
            Make the file (mode 0600) and its folder (0700) if missing, and insist that it can be written.
        read_only : bool
            Never write to it. Without this (and without `create`) a gallery on a read-only disk opens all the same; see
            the attribute `read_only`.
        busy_timeout_s : float
            How long to wait for other processes, in seconds.
        keep_backups : int
            Back the gallery up before a new schema and, where that is due, before a change; how many to keep, see
            `facecli.gallery.backups.rotate`. 0: none is made.
        ask_secret : callable, optional
            Gives the secret of an encrypted gallery; called only for such a one.

        Raises
        ------
        GalleryError
            With code ``gallery_missing``, ``gallery_newer`` (written by a newer facecli), ``gallery_read_only``,
            ``gallery_unopenable``, ``gallery_encrypted`` (nobody to ask for the secret) or ``gallery_wrong_key``.
        GalleryLockedError
            If another process keeps it too long.
        GalleryCorruptError
            If the file is damaged or no facecli gallery.
        InputError
            If the path can be no path.
        """
        name = os.fspath(path)
        if name != MEMORY:
            try:
                # SQLite names -wal and -shm after the file that a link leads to; so do we.
                name = str(Path(name).resolve())
            except (ValueError, RuntimeError) as error:  # a NUL in it; links that lead in a circle
                raise InputError(f"the gallery path {name!r} is no path: {error}") from error
        connection, is_read_only = connect(
            name, create=create, read_only=read_only, busy_timeout_s=busy_timeout_s, keep_backups=keep_backups
        )
        with closed_on_error(connection), translated(name):
            if lock := read_lock(connection):
                if ask_secret is None:
                    raise GalleryError(
                        f"the gallery {name} is encrypted",
                        hint="Give what opens it: Gallery.open(..., ask_secret=...).",
                        code="gallery_encrypted",
                    )
                connection.codec = Vault(connection, name, open_lock(lock, ask_secret(lock), name))
                connection.lock = lock
                if not is_read_only:
                    finish_rewrite(connection)
        return cls(connection, name, read_only=is_read_only, keep_backups=keep_backups)

    def close(self) -> None:
        """Close the file. Closing twice is harmless."""
        with translated(self.path):
            self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def revision(self) -> int:
        """A number that grows with every change, so that caches know when they are stale."""
        with translated(self.path):
            return rows.revision(self._connection, self.path)

    @contextmanager
    def edit(self, command: str) -> Iterator[Edit]:
        """Change people and templates in a block: one transaction, and one event of the log, or nothing if it raises.

        Parameters
        ----------
        command : str
            What the log names as the cause: a command without "facecli", such as "people merge".
        """
        with self.edits(command) as begin:
            edit = begin()
            yield edit
            edit.finish()

    @contextmanager
    def edits(self, command: str, *, back_up: bool = True) -> Iterator[Callable[[], Edit]]:
        """As `edit`, for several events: what the block gets begins one, to be ended with `Edit.finish`.

        Without `back_up` no backup is made before, for what only tries.
        """
        if back_up and not self.read_only:
            self._backups.before_change(self._connection, command)
        with self._changing():
            yield lambda: Edit(self._connection, self.path, command, _now())

    def events(self) -> list[Event]:
        """Return the log: every change of people and templates, in order; each checked against its checksum."""
        with self._reading():
            return list(history.events(self._connection, self.path))

    def event_of(self, template_id: int) -> int | None:
        """Return the last event that made a template somebody's, or nobody's."""
        with self._reading():
            return history.last_event(self._connection, "owner", template_id)

    def add_person(self, name: str, *, command: str = "enroll") -> Person:
        """Enrol somebody without templates.

        Raises
        ------
        InputError
            If the name cannot be one; see `facecli.gallery.names.normalise_name`.
        GalleryError
            With code ``person_exists`` if the name is taken.
        """
        name = normalise_name(name)
        with self.edit(command) as edit:
            edit.add_person(name)
            return edit.person(name)

    def find_person(self, name: str) -> Person | None:
        """Return the person of exactly this (normalised) name, or None."""
        name = normalise_name(name)
        with self._reading():
            return person_rows.person(self._connection, self.path, name)

    def get_person(self, name: str) -> Person:
        """Return the person of exactly this (normalised) name.

        Raises
        ------
        UnknownPersonError
            If nobody has this name; the hint names who may be meant.
        """
        with self._reading():
            return person_rows.get_person(self._connection, self.path, normalise_name(name))

    def consent(self, name: str) -> str | None:
        """Return what is known about the consent of the person of exactly this (normalised) name; None if nothing is.

        Raises
        ------
        UnknownPersonError
            If nobody has this name; the hint names who may be meant.
        """
        with self._reading():
            person = person_rows.get_person(self._connection, self.path, normalise_name(name))
            return person_rows.consent(self._connection, self.path, person.person_id)

    def consents(self) -> dict[int, Consent]:
        """Return what is known about people's consent, by person_id; those of whom nothing is known are left out."""
        with self._reading():
            return person_rows.consents(self._connection, self.path)

    def expired_people(self) -> list[Person]:
        """Return everybody whose consent has expired, by person_id; their templates are not counted."""
        with self._reading():
            return person_rows.expired(self._connection, self.path, self.today())

    def people(self) -> list[Person]:
        """Return everybody, by name without regard to case."""
        with self._reading():
            found = person_rows.people(self._connection, self.path)
        return sorted(found, key=lambda person: (person.name.casefold(), person.name))

    def rename_person(self, old: str, new: str) -> Person:
        """Give a person another name.

        Raises
        ------
        UnknownPersonError
            If nobody is called `old`; the hint names who may be meant.
        GalleryError
            With code ``person_exists`` if somebody else is called `new`.
        """
        old, new = normalise_name(old), normalise_name(new)
        with self.edit("people rename") as edit:
            edit.rename(edit.person(old).person_id, new)
            return edit.person(new)

    def remove_person(self, name: str) -> int:
        """Remove a person with all templates, and return how many these were.

        Nothing of them is found by a search any more. The log can bring them back, so they stay in the file: `purge`
        destroys them.

        Raises
        ------
        UnknownPersonError
            If nobody has this name; the hint names who may be meant.
        """
        name = normalise_name(name)
        with self.edit("people remove") as edit:
            return edit.remove(edit.person(name).person_id)

    def traces(self, name: str) -> Traces:
        """Return what the file holds of everybody whom `purge` would destroy.

        Raises
        ------
        UnknownPersonError
            If nobody has or had this name; the hint names who may be meant.
        """
        with translated(self.path), transaction(self._connection, "DEFERRED"):
            meant = people_meant(self._connection, self.path, normalise_name(name))
            return traces(self._connection, meant)

    def purge(self, name: str, *, also: Iterable[int] = ()) -> Traces:
        """Destroy everybody whom `purge_person` does, and return what the file held of them.

        The write-ahead log holds it until `empty_log`.

        Parameters
        ----------
        name : str
        also : iterable of int
            Templates of other people to destroy with them.

        Raises
        ------
        UnknownPersonError
            If nobody has or had this name; the hint names who may be meant.
        """
        with self.edit("people purge") as edit:
            meant = people_meant(self._connection, self.path, normalise_name(name))
            held = traces(self._connection, meant, also)
            edit.destroy(also)
            for person_id in meant:
                edit.purge(person_id)
            self._connection.execute("DELETE FROM calibrations")  # they hold the person's scores
        return held

    def rewrite(self) -> None:
        """Write the file anew from what it holds, so that it holds nothing else; twice the room is needed meanwhile."""
        with translated(self.path):
            self._connection.execute("VACUUM")
        self.empty_log()

    def purge_person(self, name: str) -> int:
        """Destroy everybody who is called this, or was when removed, and return how many templates that were.

        With them goes whoever was merged into them.

        Vectors and names are overwritten in the file, and its write-ahead log is emptied.

        Raises
        ------
        UnknownPersonError
            If nobody has or had this name; the hint names who may be meant.
        GalleryLockedError
            If another process keeps reading, so that the write-ahead log cannot be emptied: ask again.
        """
        name = normalise_name(name)
        count = len(self.purge(name).template_ids)
        if not self.empty_log():
            raise GalleryLockedError(
                f"{name} was purged, but another process still reads the gallery {self.path}",
                hint=f"Its log may hold old bytes until that is done; then: facecli people purge {name!r}",
            )
        return count

    def empty_log(self) -> bool:
        """Empty the write-ahead log; False if another process reads it."""
        with translated(self.path):
            return not self._opened.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]

    def add_templates(
        self, name: str, new: Sequence[NewTemplate], *, command: str = "enroll", is_negative: bool = False
    ) -> list[int | None]:
        """Enrol faces of a person, who is made if unknown: all of them in one transaction, or none.

        A face that this person already has, from the same photo (by content), is left as it is. With `is_negative` the
        faces are said not to be this person's. Either takes back what was said of the same face before.

        Returns
        -------
        list of int or None
            For each of `new` its template_id, or None for a face that was enrolled before. With nothing new nothing
            is changed, nor anybody made.

        Raises
        ------
        InputError
            If the name, or a source, cannot be one.
        ModelMismatchError
            If a model's vectors here have another length.
        """
        name = normalise_name(name)
        sources = [_encode_source(template.source) for template in new]
        if not new:
            return []
        with self.edit(command) as edit:
            person = person_rows.person(self._connection, self.path, name)
            person_id = person.person_id if person else edit.add_person(name)
            return [
                edit.add_template(person_id, template, source, is_negative=is_negative)
                for template, source in zip(new, sources, strict=True)
            ]

    def templates(
        self, person_id: int | None = None, model_id: str | None = None, *, is_negative: bool = False
    ) -> list[Template]:
        """Return the templates of a person, of a model, or all, in the order of their enrolment.

        Those that say who somebody is; with `is_negative` those that say who not, and never name anybody.
        """
        with self._reading():
            return rows.templates(self._connection, self.path, person_id, model_id, is_negative)

    def crops(self, template_ids: Iterable[int]) -> dict[int, Crop]:
        """Return the crops of templates, by template_id; those that have none are left out.

        Raises
        ------
        GalleryCorruptError
            If one is not as it was kept.
        """
        with self._reading():
            return crops.crops(self._connection, self.path, template_ids)

    def crop_count(self) -> CropCount:
        """Return how many crops are kept, and of how many templates."""
        with self._reading():
            return crops.count(self._connection)

    def remove_crops(self) -> bool:
        """Destroy all crops, overwritten in the file, which then shrinks; the templates stay.

        Returns
        -------
        bool
            False if another process reads the gallery: its log may hold old bytes until that is done.
        """
        with self._changing() as connection:
            crops.remove_all(connection)
        with translated(self.path):
            self._opened.execute("VACUUM")
        return self.empty_log()

    def people_without(self, model_id: str) -> int:
        """Return how many people have templates, but none of a model: no search with it finds them."""
        with translated(self.path):
            return person_rows.count_without(self._connection, model_id)

    def photo_owners(self, content_hash: str, box_xyxy: FloatArray) -> tuple[str, ...]:
        """Return who has templates of a face, given by photo (SHA-256, hex) and box; the first enrolled first."""
        with self._reading():
            return rows.photo_owners(self._connection, self.path, content_hash, box_xyxy)

    def matrix(self, model_id: str) -> TemplateMatrix:
        """Return all templates of a model as one matrix, read at one moment; every checksum is verified.

        People whose consent has expired are left out: nobody is compared with them.

        Raises
        ------
        ModelMismatchError
            If there are none of this model but some of others.
        """
        with translated(self.path), transaction(self._connection, "DEFERRED"):
            return read_matrix(self._connection, self.path, model_id, self.today())

    def searches(self, model_id: str) -> SearchSample | None:
        """Return the searches kept for a model's threshold, of whatever revision; None if there are none."""
        with translated(self.path):
            return calibration_rows.searches(self._connection, model_id)

    def keep_searches(self, sample: SearchSample, threshold: StoredThreshold | None = None) -> bool:
        """Keep what places a model's threshold. It is derived from the templates, so the revision stays.

        Returns
        -------
        bool
            False if it cannot be kept now: the gallery can only be read, another process is writing, or it has changed
            since the searches were made.
        """
        if self.read_only:
            return False
        with translated(self.path):
            waits = self._connection.execute("PRAGMA busy_timeout").fetchone()[0]
            self._connection.execute("PRAGMA busy_timeout = 0")  # what is kept spares work, so it is not waited for
        try:
            with self._changing():
                if rows.revision(self._connection, self.path) != sample.revision:
                    return False
                calibration_rows.keep_searches(self._connection, sample, threshold, _now())
        except GalleryLockedError:
            return False
        finally:
            with translated(self.path):
                self._connection.execute(f"PRAGMA busy_timeout = {int(waits)}")
        return True

    def info(self, *, check: bool = False) -> GalleryInfo:
        """Return what the gallery holds; with `check` also whether file, links and checksums are sound (slower)."""
        with translated(self.path), transaction(self._connection, "DEFERRED"):
            connection = self._connection
            files = () if self.path == MEMORY else (Path(self.path), Path(self.path + "-wal"))
            return GalleryInfo(
                path=self.path,
                schema_version=read_version(connection, self.path),
                people=connection.execute("SELECT count(*) FROM people").fetchone()[0],
                templates=rows.count_templates(connection, self.path),
                size_bytes=sum(file.stat().st_size for file in files if file.exists()),
                revision=rows.revision(connection, self.path),
                read_only=self.read_only,
                is_encrypted=self.is_encrypted,
                thresholds=tuple(calibration_rows.thresholds(connection)),
                problems=soundness.problems(connection, self.path) if check else None,
            )

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Let a block that asks several things read the file as it is at one moment."""
        with translated(self.path):
            if self._connection.in_transaction:  # in a change, which sees itself
                yield
                return
            with transaction(self._connection, "DEFERRED"):
                yield

    @contextmanager
    def _changing(self) -> Iterator[GalleryConnection]:
        """Run a block as one transaction that changes the file; see `edit`."""
        if self.read_only:
            raise read_only_error(self.path)
        with translated(self.path), transaction(self._connection):
            yield self._connection


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _encode_source(source: str) -> bytes:
    try:
        return os.fsencode(source)
    except UnicodeEncodeError as error:
        raise InputError(f"the source {source!a} is no file name of this system") from error
