"""Reading the log: what concerns a person, and which events take which back."""

from __future__ import annotations

import pytest

from facecli.errors import GalleryError, UnknownPersonError
from facecli.gallery.log import newest_event, read_event, read_log, undo
from facecli.gallery.sealing import encrypt
from facecli.gallery.store import Gallery


def merge(gallery: Gallery, name: str, into: str) -> None:
    with gallery.edit("people merge") as edit:
        edit.merge(edit.person(name).person_id, edit.person(into).person_id)


def ids(gallery: Gallery, name: str | None = None, limit: int | None = None) -> list[int]:
    return [entry.event.event_id for entry in read_log(gallery, name, limit)]


@pytest.fixture(params=["clear", "encrypted"])
def people(gallery, template, request) -> Gallery:
    """Events 1 to 3: Ana, Bo and Cy with a template each."""
    if request.param == "encrypted":
        encrypt(gallery, "key_file", b"k" * 32)
    for number, name in enumerate(("Ana", "Bo", "Cy")):
        gallery.add_templates(name, [template(number)])
    return gallery


def test_a_person_is_followed_through_other_names(people):
    people.rename_person("Ana", "Eva")
    people.rename_person("Eva", "Zoe")
    assert ids(people, "Ana") == ids(people, "Eva") == ids(people, "Zoe") == [5, 4, 1]
    assert ids(people, "Bo") == [2]


def test_a_person_is_followed_to_whom_they_were_merged_into(people):
    people.rename_person("Bo", "Bob")  # 4, before
    merge(people, "Ana", "Bob")  # 5
    people.rename_person("Bob", "Robert")  # 6
    people.rename_person("Cy", "Cyr")  # 7
    people.remove_person("Robert")  # 8
    assert ids(people, "Ana") == [8, 6, 5, 1]
    assert ids(people, "Robert") == [8, 6, 5, 4, 2, 1]
    undo(people, [8])
    undo(people, [6])
    undo(people, [5])  # 11
    people.rename_person("Bob", "Rob")  # 12, no concern of Ana's any more
    assert ids(people, "Ana") == [11, 10, 9, 8, 6, 5, 1]
    assert ids(people, "Rob") == [12, 11, 10, 9, 8, 6, 5, 4, 2]


def test_a_chain_of_merges_is_followed(people):
    merge(people, "Ana", "Bo")
    merge(people, "Bo", "Cy")
    assert ids(people, "Cy") == [5, 4, 3, 2, 1]
    assert ids(people, "Ana") == [5, 4, 1]


def test_a_merge_in_which_nothing_moved_says_into_whom(gallery, template):
    gallery.add_templates("Ana", [template(1)])
    gallery.add_templates("Bo", [template(1)])
    merge(gallery, "Ana", "Bo")
    assert set(read_event(gallery, 3).names.values()) == {"Ana", "Bo"}
    assert ids(gallery, "Bo") == [3, 2, 1]
    gallery.rename_person("Bo", "Bob")
    undo(gallery, [3])  # nothing of Bo was changed by it
    assert [each.name for each in gallery.people()] == ["Ana", "Bob"]


def test_everybody_who_had_a_name_is_meant(people, template):
    people.remove_person("Ana")
    people.add_templates("Ana", [template(7)])
    assert ids(people, "Ana") == [5, 4, 1]


def test_names_are_those_of_the_time(people):
    people.rename_person("Ana", "Eva")
    people.remove_person("Eva")
    removed, renamed, *_, enrolled = read_log(people)
    assert (enrolled.names, renamed.names, removed.names) == ({1: "Ana"}, {1: "Eva"}, {1: "Eva"})


def test_what_takes_what_back(people):
    people.rename_person("Ana", "Eva")
    undo(people, [4])
    undo(people, [5])
    redone, undone, renamed, *_ = read_log(people)
    assert (renamed.undone_by, undone.undone_by, redone.undone_by) == (None, 6, None)
    assert (undone.origin, undone.is_again) == (renamed, False)
    assert (redone.origin, redone.is_again) == (renamed, True)
    assert (renamed.origin, renamed.is_again) == (None, False)
    undo(people, [4])
    assert [entry.undone_by for entry in read_log(people, limit=4)] == [None, None, 6, 7]


def test_several_are_undone_together_or_not_at_all(people):
    people.rename_person("Ana", "Eva")
    people.rename_person("Bo", "Ana")
    before = people.people(), people.revision
    with pytest.raises(GalleryError, match="event 4 cannot be undone: somebody called Ana is already"):
        undo(people, [4, 5])
    assert (people.people(), people.revision, newest_event(people)) == (*before, 5)
    tried = undo(people, [5, 4], dry_run=True)
    assert [entry.event.undoes for entry in tried] == [5, 4]
    assert (people.people(), people.revision, newest_event(people)) == (*before, 5)
    assert [each.event.changes for each in undo(people, [5, 4])] == [each.event.changes for each in tried]
    assert [each.name for each in people.people()] == ["Ana", "Bo", "Cy"]


def test_the_newest_are_read_where_a_limit_is_given(people):
    assert ids(people, limit=2) == [3, 2]
    assert ids(people, "Ana", 0) == []
    assert newest_event(people) == 3


def test_who_was_purged_cannot_be_asked_for(people):
    people.purge_person("Ana")
    with pytest.raises(UnknownPersonError, match="nobody is called Ana"):
        read_log(people, "Ana")
    assert {name for entry in read_log(people) for name in entry.names.values()} == {None, "Bo", "Cy"}


def test_undoing_and_doing_again_has_no_end(people):
    people.rename_person("Ana", "Eva")
    for _ in range(1200):  # more than Python can nest
        undo(people, [newest_event(people)])
    newest, before, *_ = read_log(people)
    assert (newest.origin.event.event_id, newest.is_again, before.is_again) == (4, True, False)
    assert [each.name for each in people.people()] == ["Bo", "Cy", "Eva"]
