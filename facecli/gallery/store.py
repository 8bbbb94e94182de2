"""The people enrolled and their templates, in one SQLite file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from facecli.errors import GalleryError, GalleryLockedError, InputError, UnknownPersonError
from facecli.gallery import calibration_rows, rows
from facecli.gallery.connection import connect
from facecli.gallery.names import near_names, normalise_name
from facecli.gallery.records import GalleryInfo, NewTemplate, StoredThreshold, TemplateMatrix
from facecli.gallery.schema import read_version
from facecli.gallery.stranger_searches import SearchSample
from facecli.gallery.translation import read_only_error, translated
from facecli.sqlite_file import MEMORY, transaction
from facecli.types import FloatArray, Person, Template

# Writers hold the file for milliseconds; whoever waits this long waits for something that hangs.
BUSY_TIMEOUT_S: Final = 10.0


class Gallery:
    """An open gallery. Made by `Gallery.open`; to be closed, or used in a ``with`` block.

    One object serves one thread; several objects, threads and processes may open the same file. Every change is one
    transaction that is on the disk when the call returns, and none of it if it raises.

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

    def __init__(self, connection: sqlite3.Connection, path: str, *, read_only: bool) -> None:
        self._connection = connection
        self.path = path
        self.read_only = read_only

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        create: bool = False,
        read_only: bool = False,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
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

        Raises
        ------
        GalleryError
            With code ``gallery_missing``, ``gallery_newer`` (written by a newer facecli), ``gallery_read_only`` or
            ``gallery_unopenable``.
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
        connection, is_read_only = connect(name, create=create, read_only=read_only, busy_timeout_s=busy_timeout_s)
        return cls(connection, name, read_only=is_read_only)

    def close(self) -> None:
        """Close the file. Closing twice is harmless."""
        with translated(self.path):
            self._connection.close()

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

    def add_person(self, name: str) -> Person:
        """Enrol somebody without templates.

        Raises
        ------
        InputError
            If the name cannot be one; see `facecli.gallery.names.normalise_name`.
        GalleryError
            With code ``person_exists`` if the name is taken.
        """
        name = normalise_name(name)
        with self._changing():
            self._refuse_taken(name)
            rows.insert_person(self._connection, name, _now())
            return self._person(name)

    def find_person(self, name: str) -> Person | None:
        """Return the person of exactly this (normalised) name, or None."""
        name = normalise_name(name)
        with translated(self.path):
            return rows.person(self._connection, self.path, name)

    def get_person(self, name: str) -> Person:
        """Return the person of exactly this (normalised) name.

        Raises
        ------
        UnknownPersonError
            If nobody has this name; the hint names who may be meant.
        """
        with translated(self.path):
            return self._person(normalise_name(name))

    def people(self) -> list[Person]:
        """Return everybody, by name without regard to case."""
        with translated(self.path):
            found = rows.people(self._connection, self.path)
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
        with self._changing():
            person = self._person(old)
            if new == old:
                return person
            self._refuse_taken(new)
            self._connection.execute("UPDATE people SET name = ? WHERE person_id = ?", (new, person.person_id))
            rows.increase_revision(self._connection)
            return self._person(new)

    def remove_person(self, name: str) -> int:
        """Forget a person with all templates, and return how many these were.

        Raises
        ------
        UnknownPersonError
            If nobody has this name; the hint names who may be meant.
        """
        name = normalise_name(name)
        with self._changing():
            person = self._person(name)
            self._connection.execute("DELETE FROM people WHERE person_id = ?", (person.person_id,))
            self._connection.execute("DELETE FROM calibrations")  # they hold the person's scores
            rows.increase_revision(self._connection)
        return person.template_count

    def add_templates(self, name: str, new: Sequence[NewTemplate]) -> list[int | None]:
        """Enrol faces of a person, who is made if unknown: all of them in one transaction, or none.

        A face that this person already has, from the same photo (by content), is left as it is.

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
        with self._changing():
            row = self._connection.execute("SELECT person_id FROM people WHERE name = ?", (name,)).fetchone()
            now = _now()
            person_id = row[0] if row else rows.insert_person(self._connection, name, now)
            added = [
                rows.insert_template(self._connection, person_id, template, source, now)
                for template, source in zip(new, sources, strict=True)
            ]
            if any(template_id is not None for template_id in added):
                rows.increase_revision(self._connection)
        return added

    def templates(self, person_id: int | None = None, model_id: str | None = None) -> list[Template]:
        """Return the templates of a person, of a model, or all, in the order of their enrolment."""
        with translated(self.path):
            return rows.templates(self._connection, self.path, person_id, model_id)

    def photo_owners(self, content_hash: str, box_xyxy: FloatArray) -> tuple[str, ...]:
        """Return who has templates of a face, given by photo (SHA-256, hex) and box; the first enrolled first."""
        with translated(self.path):
            return rows.photo_owners(self._connection, content_hash, box_xyxy)

    def matrix(self, model_id: str) -> TemplateMatrix:
        """Return all templates of a model as one matrix, read at one moment; every checksum is verified.

        Raises
        ------
        ModelMismatchError
            If there are none of this model but some of others.
        """
        with translated(self.path), transaction(self._connection, "DEFERRED"):
            return rows.matrix(self._connection, self.path, model_id)

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
                thresholds=tuple(calibration_rows.thresholds(connection)),
                problems=rows.problems(connection) if check else None,
            )

    @contextmanager
    def _changing(self) -> Iterator[None]:
        if self.read_only:
            raise read_only_error(self.path)
        with translated(self.path), transaction(self._connection):
            yield

    def _person(self, name: str) -> Person:
        if person := rows.person(self._connection, self.path, name):
            return person
        near = near_names(name, rows.names_like(self._connection, name))
        hint = f"Did you mean {' or '.join(near)}?" if near else "See who is enrolled: facecli people list"
        raise UnknownPersonError(f"nobody called {name} is enrolled in {self.path}", hint=hint)

    def _refuse_taken(self, name: str) -> None:
        if self._connection.execute("SELECT 1 FROM people WHERE name = ?", (name,)).fetchone():
            raise GalleryError(
                f"somebody called {name} is already enrolled in {self.path}",
                hint="Choose another name.",
                code="person_exists",
            )


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _encode_source(source: str) -> bytes:
    try:
        return os.fsencode(source)
    except UnicodeEncodeError as error:
        raise InputError(f"the source {source!a} is no file name of this system") from error
