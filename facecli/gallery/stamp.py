"""What tells one state of a gallery's templates from another, read in milliseconds."""

from __future__ import annotations

import sqlite3
from typing import Final

from facecli.gallery import person_rows, rows
from facecli.gallery.store import Gallery
from facecli.gallery.translation import translated
from facecli.sqlite_file import transaction

# The newest templates are what a gallery that was restored and enrolled into again does not share.
NEWEST: Final = 16

# Sums over two indexes; no vector is read. Floats, as a damaged id must not overflow them.
_TEMPLATES: Final = """
    SELECT count(*), total(template_id), total(person_id), max(template_id)
    FROM templates INDEXED BY templates_by_model
    WHERE model_id = ? AND person_id IS NOT NULL AND is_negative = 0
"""
_NEWEST: Final = """
    SELECT template_id, person_id, checksum, created_at FROM templates NOT INDEXED
    WHERE template_id <= ? AND model_id = ? AND person_id IS NOT NULL AND is_negative = 0
    ORDER BY template_id DESC LIMIT ?
"""
_PEOPLE: Final = "SELECT count(*), total(person_id), total(length(name)), total(unicode(name)) FROM people"

Stamp = dict[str, object]
"""Equal for equal templates; holds numbers, texts and lists of them, as JSON gives them back."""


def stamp_of(gallery: Gallery, model_id: str) -> Stamp:
    """Return the stamp of a model's templates in a gallery.

    The revision tells states of one history apart. The rest is for files that went back to an earlier state, from a
    backup say, and changed as often since.

    Raises
    ------
    GalleryError
        If the gallery cannot be read.
    """
    connection: sqlite3.Connection = gallery._connection
    with translated(gallery.path), transaction(connection, "DEFERRED"):
        templates = connection.execute(_TEMPLATES, (model_id,)).fetchone()
        newest = connection.execute(_NEWEST, (templates[3], model_id, NEWEST)).fetchall()
        return {
            "model_id": model_id,
            "revision": rows.revision(connection, gallery.path),
            "templates": list(templates),
            "newest": [list(each) for each in newest],
            "people": list(connection.execute(_PEOPLE).fetchone()),
            # Who is left out. The rest stays the same when somebody's consent ends.
            "expired": [person.person_id for person in person_rows.expired(connection, gallery.path, gallery.today())],
        }


def template_count(stamp: Stamp) -> int:
    """Return how many templates there are."""
    templates = stamp["templates"]
    return int(templates[0]) if isinstance(templates, list) else 0
