"""What the log says in words, for every kind of event."""

from __future__ import annotations

import numpy as np
import pytest

from facecli.errors import GalleryError
from facecli.gallery import backups, restoring
from facecli.gallery.log import read_event, undo
from facecli.gallery.records import NewTemplate
from facecli.gallery.store import Gallery
from facecli.services import people_edits
from facecli.services.people_history import change_words, event_words, people_names
from facecli.types import Embedding


def templates(*numbers: int) -> list[NewTemplate]:
    vector = np.array([1, 0], np.float32)
    return [NewTemplate(Embedding(vector, "m"), 1.0, "p", f"{each}", np.array([0, 0, 9, 9])) for each in numbers]


def consent(gallery: Gallery, name: str, text: str | None) -> None:
    with gallery.edit("people consent") as edit:
        edit.set_consent(edit.person(name).person_id, text)


def drop(gallery: Gallery, *template_ids: int) -> None:
    with gallery.edit("people drop") as edit:
        edit.give(template_ids, None)


@pytest.fixture
def people(gallery: Gallery) -> Gallery:
    """Ana has templates 1 to 3, Bo 4."""
    gallery.add_templates("Ana", templates(1, 2, 3))
    gallery.add_templates("Bo", templates(4))
    return gallery


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda g: g.add_person("Cy"), "enrolled Cy"),
        (lambda g: g.add_templates("Cy", templates(5)), "enrolled Cy with 1 template"),
        (lambda g: g.add_templates("Ana", templates(5, 6)), "added 2 templates to Ana"),
        (lambda g: g.add_templates("Ana", templates(5), is_negative=True), "noted that 1 face is not Ana"),
        (
            lambda g: g.add_templates("Ana", templates(1), is_negative=True),
            "took 1 template from Ana; noted that 1 face is not Ana",
        ),
        (lambda g: g.rename_person("Ana", "Eva"), "renamed Ana to Eva"),
        (lambda g: g.remove_person("Ana"), "removed Ana with 3 templates"),
        (lambda g: drop(g, 1, 2), "took 2 templates from Ana"),
        (lambda g: people_edits.merge(g, "Ana", "Bo"), "merged Ana into Bo with 3 templates"),
        (lambda g: people_edits.move(g, [1, 2], "Bo"), "moved 2 templates from Ana to Bo"),
        (lambda g: people_edits.split(g, "Ana", "Eva", [1, 2]), "enrolled Eva with 2 templates of Ana"),
        (
            lambda g: people_edits.move(g, [1, 4], "Eva", new=True),
            "enrolled Eva with 1 template of Ana and 1 template of Bo",
        ),
        (lambda g: consent(g, "Ana", "signed"), "noted the consent of Ana"),
        (lambda g: g.purge_person("Ana"), "purged somebody with 3 templates"),
    ],
)
def test_an_event_in_words(people, change, words):
    change(people)
    entry = read_event(people, 3)
    assert event_words(entry) == change_words(entry) == words


def test_a_restoration_in_words_and_that_it_is_not_undone_like_other_events(tmp_path):
    path = tmp_path / "people.db"
    with Gallery.open(path, create=True) as gallery:
        gallery.add_templates("Ana", templates(1))
        backup = backups.make(gallery._connection, gallery.path, backups.ASKED)
    restoring.restore(str(path), backup.path)
    with Gallery.open(path) as gallery:
        assert event_words(read_event(gallery, 2)) == "made the gallery what a backup held"
        with pytest.raises(GalleryError, match="event 2 cannot be undone: the gallery became") as caught:
            undo(gallery, [2])
        assert "facecli gallery backups" in caught.value.hint


def test_a_merge_says_what_it_left_out(people):
    people.add_templates("Bo", templates(1, 2))
    people_edits.merge(people, "Ana", "Bo")
    assert event_words(read_event(people, 4)) == (
        "merged Ana into Bo with 1 template, and left out 2 templates of the same faces"
    )
    people.add_templates("Cy", templates(1))
    people_edits.merge(people, "Cy", "Bo")
    assert event_words(read_event(people, 6)) == (
        "merged Cy into Bo with 0 templates, and left out 1 template of the same faces"
    )


def test_undoing_says_what_it_took_back_and_what_that_changed(people):
    consent(people, "Ana", "signed")
    people_edits.merge(people, "Ana", "Bo")
    for event_id in (4, 5, 6):
        undo(people, [event_id])
    back = read_event(people, 5)
    merged = "(merged Ana into Bo with 3 templates; noted the consent of Bo)"
    assert [event_words(read_event(people, event_id)) for event_id in (5, 6, 7)] == [
        f"undid event 4 {merged}",
        f"undid event 5: did event 4 again {merged}",
        f"undid event 6: undid event 4 again {merged}",
    ]
    assert change_words(back) == "enrolled Ana with 3 templates of Bo; cleared the consent of Bo"
    consent(people, "Ana", None)
    assert event_words(read_event(people, 8)) == "cleared the consent of Ana"


def test_names_of_who_was_purged_are_gone(people):
    people.rename_person("Ana", "Eva")
    people_edits.move(people, [1], "Bo")
    people.purge_person("Eva")
    entries = [read_event(people, event_id) for event_id in range(1, 6)]
    assert [event_words(entry) for entry in entries] == [
        "added 3 templates to somebody purged",
        "enrolled Bo with 1 template",
        "changed somebody purged",
        "moved 1 template from somebody purged to Bo",
        "purged somebody with 2 templates",
    ]
    assert people_names(entries[3]) == ["Bo", "somebody purged"]
