"""Taking note of people's consent."""

from __future__ import annotations

from contextlib import suppress

from facecli.gallery.consent import Consent, read_expiry
from facecli.gallery.history import Event
from facecli.gallery.names import normalise_name
from facecli.gallery.store import Gallery


def note_consent(
    gallery: Gallery,
    name: str,
    *,
    basis: str | None = None,
    note: str | None = None,
    expires: str | None = None,
    command: str = "people consent",
) -> tuple[Consent, Event | None]:
    """Take note of what is said of somebody's consent; what is not said (None) stays as it was.

    Parameters
    ----------
    gallery : Gallery
    name : str
    basis, note : str, optional
        Empty to forget them; see `Consent`.
    expires : str, optional
        As `facecli.gallery.consent.read_expiry` takes it.
    command : str
        For the log.

    Returns
    -------
    tuple of Consent and Event or None
        What is known now, and the event of the log; None if that was known before.

    Raises
    ------
    UnknownPersonError
        If nobody has this name.
    InputError
        If it cannot be noted, or nothing would be known.
    """
    with gallery.edit(command) as edit:
        person_id = edit.person(normalise_name(name)).person_id
        before, text = None, gallery.consent(name)
        if text is not None:
            with suppress(ValueError):  # what cannot be read is replaced
                before = Consent.of_text(text)
        ends = before.expires if before else None
        consent = Consent(
            basis=(before.basis if before else "") if basis is None else basis.strip(),
            note=(before.note if before else "") if note is None else note.strip(),
            expires=ends if expires is None else read_expiry(expires, gallery.today()),
        )
        edit.set_consent(person_id, consent.text)
    return consent, edit.event


def set_consent(
    gallery: Gallery, name: str, consent: Consent | None, *, command: str = "people consent"
) -> Event | None:
    """Take note of all that is known of somebody's consent, None for nothing; return the event, None if it was so.

    The log keeps what was known before: it can be brought back.

    Raises
    ------
    UnknownPersonError
        If nobody has this name.
    """
    with gallery.edit(command) as edit:
        edit.set_consent(edit.person(normalise_name(name)).person_id, None if consent is None else consent.text)
    return edit.event
