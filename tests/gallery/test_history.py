"""The log: what is in it, that the gallery is what it leads to, and that every event can be taken back."""

import re
import sqlite3

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

import facecli
from facecli.errors import FacecliError, GalleryCorruptError, GalleryError, UnknownPersonError
from facecli.gallery import history, reembedded
from facecli.gallery.consent import Consent
from facecli.gallery.history import Change, State
from facecli.gallery.records import NewTemplate
from facecli.gallery.sealing import decrypt, encrypt, rekey
from facecli.gallery.store import Gallery
from facecli.types import Crop, Embedding

NAMES = ("Ana", "Bo", "Cy", "Dee")
names = st.sampled_from(NAMES)
REFUSALS = {"person_exists", "unknown_person", "cannot_undo", "face_twice", "unknown_event", "unknown_template"}

# What a refusal says where another event need not be undone.
ALTERNATIVES = re.compile("To do it again: |Give them another name first: |Undo first what enrolled it again")


def numbered(number: int) -> NewTemplate:
    vector = np.random.default_rng(number).standard_normal(8).astype(np.float32)
    box = np.array((10, 20, 110, 140), np.float32)
    crop = Crop(f"face {number}".encode(), np.zeros((5, 2), np.float32)) if number % 2 else None
    photo = f"{number}.jpg", f"hash {number}"
    return NewTemplate(Embedding(vector / np.linalg.norm(vector), "m"), 0.5, *photo, box, crop)


class AnyHistory(RuleBasedStateMachine):
    """Whatever is done in whatever order: the state is what the log leads to, and what is refused changes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.gallery = Gallery.open(":memory:")
        self.purged: set[int] = set()

    def teardown(self) -> None:
        self.gallery.close()

    def attempt(self, change) -> bool:
        before = self.state(), len(self.gallery.events()), self.gallery.revision
        try:
            change()
        except FacecliError as error:
            refusal = error
        else:
            return True
        assert refusal.code in REFUSALS, refusal
        assert (self.state(), len(self.gallery.events()), self.gallery.revision) == before
        return False

    def state(self) -> State:
        people = {person.person_id: person.name for person in self.gallery.people()}
        consents = {each: text for each, name in people.items() if (text := self.gallery.consent(name))}
        return State(people, {each.template_id: each.person_id for each in self.gallery.templates()}, consents)

    @rule(name=names, numbers=st.lists(st.integers(0, 6), min_size=1, max_size=3))
    def enrol(self, name, numbers):
        self.attempt(lambda: self.gallery.add_templates(name, [numbered(number) for number in numbers]))

    @rule(old=names, new=names)
    def rename(self, old, new):
        self.attempt(lambda: self.gallery.rename_person(old, new))

    @rule(name=names)
    def remove(self, name):
        self.attempt(lambda: self.gallery.remove_person(name))

    @rule(name=names, into=names)
    def merge(self, name, into):
        if name != into:
            self.attempt(lambda: self.merge_people(name, into))

    def merge_people(self, name, into):
        with self.gallery.edit("people merge") as edit:
            edit.merge(edit.person(name).person_id, edit.person(into).person_id)

    @rule(template_ids=st.lists(st.integers(1, 12), min_size=1, max_size=3), name=names, new=st.booleans())
    def move(self, template_ids, name, new):
        def change():
            with self.gallery.edit("people move") as edit:
                edit.give(template_ids, edit.add_person(name) if new else edit.person(name).person_id)

        self.attempt(change)

    @rule(name=names, new=names, data=st.data())
    def split(self, name, new, data):
        def change():
            with self.gallery.edit("people split") as edit:
                person = edit.person(name)
                owned = [each.template_id for each in self.gallery.templates(person.person_id)]
                some = data.draw(st.lists(st.sampled_from(owned), unique=True)) if owned else []
                edit.give(some, edit.add_person(new))

        self.attempt(change)

    @rule(name=names, new=names)
    def swap_names(self, name, new):
        """One event may change a thing twice."""

        def change():
            with self.gallery.edit("people rename") as edit:
                one, other = edit.person(name).person_id, edit.person(new).person_id
                if one != other:
                    edit.rename(one, "in between")
                    edit.rename(other, name)
                    edit.rename(one, new)

        self.attempt(change)

    @rule(name=names, text=st.sampled_from([Consent("asked").text, Consent("signed").text, None]))
    def consent(self, name, text):
        def change():
            with self.gallery.edit("people consent") as edit:
                edit.set_consent(edit.person(name).person_id, text)

        self.attempt(change)

    @rule(name=names)
    def purge(self, name):
        self.attempt(lambda: self.gallery.purge_person(name))

    @rule(is_cut_short=st.booleans())
    def follow_to_another_model(self, is_cut_short):
        _, to_make = reembedded.open_faces(self.gallery, "n")
        made = {each.template_id: Embedding(numbered(each.template_id).embedding.vector, "n") for each in to_make}
        reembedded.keep(self.gallery, made, {})
        if not is_cut_short:
            reembedded.switch(self.gallery, "n", ())
            assert reembedded.open_faces(self.gallery, "n") == ([], [])

    @rule()
    def drop_the_old_model(self):
        reembedded.drop_replaced(self.gallery, "n")

    @rule(data=st.data())
    def undo(self, data):
        events = self.gallery.events()
        if events:
            event = data.draw(st.sampled_from(events))
            self.attempt(lambda: self.undo_event(event.event_id))

    @rule(data=st.data())
    def follow_the_hints(self, data):
        """Whatever can be undone at all is undone by doing what the hints say, and these never lead in a circle."""
        events = self.gallery.events()
        if not events or self.has_purged(events):
            return
        wanted = data.draw(st.sampled_from(events)).event_id
        waiting, steps = [wanted], 0
        while waiting:
            steps += 1
            assert steps <= 4 * len(events), "the hints lead in a circle"
            hint = self.hint_of_undoing(waiting[-1])
            first = re.fullmatch(r"Undo event (\d+) first: facecli people undo \1", hint)
            if first is not None:
                waiting.append(int(first[1]))
            elif not hint:
                waiting.pop()
            else:
                assert ALTERNATIVES.match(hint), hint
                return

    def hint_of_undoing(self, event_id) -> str:
        try:
            self.undo_event(event_id)
        except GalleryError as error:
            return error.hint
        return ""

    @rule()
    def undo_the_last_one(self):
        """What nothing followed can be taken back, unless it destroyed something; and then done again."""
        events = self.gallery.events()
        if not events:
            return
        before, last = self.state(), events[-1]
        if not self.attempt(lambda: self.undo_event(last.event_id)):
            assert self.has_purged(events)
            return
        if not self.has_purged(events):
            assert self.state() == history.replay(events[:-1])
            self.undo_event(last.event_id + 1)
            assert self.state() == before

    def has_purged(self, events) -> bool:
        return any(event.command == "people purge" for event in events)

    def undo_event(self, event_id):
        with self.gallery.edit("people undo") as edit:
            edit.undo(event_id)

    @invariant()
    def the_state_is_what_the_log_leads_to(self):
        assert self.gallery.info(check=True).problems == ()
        assert history.replay(self.gallery.events()) == self.state()


class AnyEncryptedHistory(AnyHistory):
    """The same in a gallery that is encrypted, and whose secret may change meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        encrypt(self.gallery, "key_file", b"k" * 32)

    @rule(byte=st.binary(min_size=1, max_size=1))
    def rekey(self, byte):
        rekey(self.gallery, "key_file", byte * 32)

    @rule()
    def decrypt_and_encrypt(self):
        before = self.state()
        decrypt(self.gallery)
        assert (self.state(), self.gallery.is_encrypted) == (before, False)
        encrypt(self.gallery, "key_file", b"k" * 32)
        assert (self.state(), self.gallery.is_encrypted) == (before, True)


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=60, stateful_step_count=20, deadline=None)
TestAnyEncryptedHistory = AnyEncryptedHistory.TestCase
TestAnyEncryptedHistory.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)


def undo(gallery: Gallery, event_id: int) -> None:
    with gallery.edit("people undo") as edit:
        edit.undo(event_id)


def test_an_event_says_what_when_and_by_which_command(gallery, template):
    gallery.add_templates("Ana", [template(1), template(2)])
    gallery.rename_person("Ana", "Ana Lima")
    enrolled, renamed = gallery.events()
    assert enrolled.changes == (
        Change("name", 1, None, "Ana"),
        Change("owner", 1, None, 1),
        Change("owner", 2, None, 1),
    )
    assert (enrolled.command, enrolled.model_id, enrolled.version) == ("enroll", "sface", facecli.__version__)
    assert (renamed.command, renamed.changes) == ("people rename", (Change("name", 1, "Ana", "Ana Lima"),))
    assert enrolled.made_at.endswith("Z")


def test_what_changes_nothing_is_no_event(gallery, template):
    gallery.add_templates("Ana", [template(1)])
    gallery.add_templates("Ana", [template(1)])
    gallery.rename_person("Ana", "Ana")
    assert (len(gallery.events()), gallery.revision) == (1, 1)


def test_an_undone_removal_brings_back_person_and_templates(gallery, template):
    gallery.add_templates("Ana", [template(1), template(2)])
    before = gallery.get_person("Ana"), gallery.matrix("sface").vectors.tobytes()
    gallery.remove_person("Ana")
    assert gallery.matrix("sface").vectors.size == 0
    undo(gallery, 2)
    assert (gallery.get_person("Ana"), gallery.matrix("sface").vectors.tobytes()) == before
    assert (gallery.events()[-1].undoes, gallery.events()[-1].command) == (2, "people undo")


def test_an_event_that_another_one_built_on_is_not_undone(gallery, template):
    gallery.add_templates("Ana", [template(1)])
    gallery.add_templates("Ana", [template(2)])
    with pytest.raises(GalleryError, match="event 1 cannot be undone: event 2 has given Ana a template") as caught:
        undo(gallery, 1)
    assert (caught.value.code, caught.value.hint) == ("cannot_undo", "Undo event 2 first: facecli people undo 2")
    gallery.rename_person("Ana", "Bo")
    with pytest.raises(GalleryError, match="event 3 has changed Bo since"):
        undo(gallery, 1)
    undo(gallery, 2)  # in another order, where nothing stands against it
    undo(gallery, 3)
    undo(gallery, 1)
    assert (gallery.people(), len(gallery.events())) == ([], 6)


def test_undoing_does_not_take_a_name_that_was_given_since(gallery):
    gallery.add_person("Ana")
    gallery.remove_person("Ana")
    gallery.add_person("Ana")
    with pytest.raises(GalleryError, match="event 2 cannot be undone: somebody called Ana is already enrolled"):
        undo(gallery, 2)


def test_an_event_that_never_was_is_not_undone(gallery):
    with pytest.raises(GalleryError, match="there is no event 7"):
        undo(gallery, 7)


def test_a_purge_is_final(gallery, template):
    gallery.add_templates("Ana", [template(1)])
    gallery.purge_person("Ana")
    for event_id in (1, 2):
        with pytest.raises(GalleryError, match="cannot be undone"):
            undo(gallery, event_id)
    assert gallery.events()[0].changes == (Change("name", 1, None, None), Change("owner", 1, None, 1))
    with pytest.raises(UnknownPersonError):
        gallery.purge_person("Ana")


def test_a_template_of_another_person_survives_a_purge(gallery, template):
    gallery.add_templates("Ana", [template(1), template(2)])
    gallery.add_templates("Bo", [template(3)])
    with gallery.edit("people move") as edit:
        edit.give([2], edit.person("Bo").person_id)
    assert gallery.purge_person("Ana") == 1
    assert [each.template_id for each in gallery.templates()] == [2, 3]


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM events", "UPDATE events SET command = 'x'", "DELETE FROM changes", "UPDATE changes SET after = 3"],
)
def test_the_file_refuses_to_change_its_log(gallery, template, statement):
    gallery.add_templates("Ana", [template(1)])
    with pytest.raises(sqlite3.IntegrityError, match="never changed"):
        gallery._connection.execute(statement)


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("UPDATE templates SET person_id = 2 WHERE template_id = 1", "vector of template 1 does not have"),
        ("UPDATE templates SET quality = 0.1 WHERE template_id = 2", "facts of template 2 do not have"),
        ("UPDATE people SET name = 'Zoe' WHERE person_id = 1", "person 1 is not as enrolled"),
        ("DELETE FROM templates WHERE template_id = 3", "templates of sface are missing"),
        ("DELETE FROM people WHERE person_id = 3", "people are missing"),
        ("UPDATE templates SET is_negative = 1 WHERE template_id = 3", "vector of template 3 does not have"),
        ("DROP TRIGGER changes_stay_on_UPDATE; UPDATE changes SET after = 'Zoe' WHERE subject_id = 3", "event 2"),
        ("DROP TRIGGER events_stay_on_DELETE; DELETE FROM events WHERE event_id = 3", "history"),
    ],
)
def test_damage_that_sqlite_cannot_know_of_is_named(gallery, template, damage, problem):
    gallery.add_templates("Ana", [template(1), template(2)])
    gallery.add_templates("Bo", [template(3)])
    gallery.add_person("Cy")
    gallery._connection.executescript("PRAGMA foreign_keys = OFF;" + damage)
    assert any(problem in each for each in gallery.info(check=True).problems), gallery.info(check=True).problems


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE templates SET person_id = 2 WHERE template_id = 1",
        "UPDATE people SET name = 'Zoe' WHERE person_id = 1",
        "DELETE FROM templates WHERE template_id = 3",
        "UPDATE templates SET template_id = 9 WHERE template_id = 3",
    ],
)
def test_damage_is_never_searched(gallery, template, damage):
    gallery.add_templates("Ana", [template(1), template(2)])
    gallery.add_templates("Bo", [template(3)])
    gallery._connection.execute(damage)
    with pytest.raises(GalleryCorruptError):
        gallery.matrix("sface")


def merge(gallery: Gallery, name: str, into: str) -> int:
    with gallery.edit("people merge") as edit:
        return edit.merge(edit.person(name).person_id, edit.person(into).person_id)


def owned(gallery: Gallery, **of) -> dict[int, int]:
    return {each.template_id: each.person_id for each in gallery.templates(**of)}


def test_of_a_face_that_both_have_a_merge_keeps_one_and_undoing_it_gives_both_back(gallery, template):
    gallery.add_templates("Ana", [template(1), template(2)])
    gallery.add_templates("Bo", [template(2), template(3)])
    before = owned(gallery)
    assert merge(gallery, "Ana", "Bo") == 1
    assert owned(gallery) == {1: 2, 3: 2, 4: 2}
    undo(gallery, 3)
    assert owned(gallery) == before
    undo(gallery, 4)
    assert owned(gallery) == {1: 2, 3: 2, 4: 2}


def test_merging_keeps_no_contradiction(gallery, template):
    """What was said not to be one of the two gives way to what is the other one."""
    gallery.add_templates("Ana", [template(1)])
    gallery.add_templates("Bo", [template(2)])
    gallery.add_templates("Ana", [template(2), template(5)], is_negative=True)
    gallery.add_templates("Bo", [template(1)], is_negative=True)
    before = owned(gallery), owned(gallery, is_negative=True)
    assert merge(gallery, "Ana", "Bo") == 1
    assert owned(gallery) == {1: 2, 2: 2}
    assert owned(gallery, is_negative=True) == {4: 2}
    undo(gallery, 5)
    assert (owned(gallery), owned(gallery, is_negative=True)) == before


def test_a_face_that_is_given_to_somebody_is_not_said_not_to_be_them_any_more(gallery, template):
    gallery.add_templates("Ana", [template(1)])
    gallery.add_templates("Bo", [template(1)], is_negative=True)
    with gallery.edit("people move") as edit:
        edit.give([1], edit.person("Bo").person_id)
    assert (owned(gallery), owned(gallery, is_negative=True)) == ({1: 2}, {})
    undo(gallery, 3)
    assert (owned(gallery), owned(gallery, is_negative=True)) == ({1: 1}, {2: 2})


@pytest.mark.parametrize(("of_bo", "kept"), [(None, "asked"), ("signed", "signed")])
def test_merging_keeps_consent(gallery, of_bo, kept):
    for name, text in (("Ana", "asked"), ("Bo", of_bo)):
        with gallery.edit("people consent") as edit:
            edit.set_consent(edit.add_person(name), text)
    merge(gallery, "Ana", "Bo")
    assert gallery.consent("Bo") == kept
    undo(gallery, 3)
    assert (gallery.consent("Ana"), gallery.consent("Bo")) == ("asked", of_bo)


def test_what_was_undone_is_not_undone_again(gallery):
    gallery.add_person("Ana")
    gallery.rename_person("Ana", "Bo")
    undo(gallery, 2)
    with pytest.raises(GalleryError, match="event 3 has undone it already") as caught:
        undo(gallery, 2)
    assert caught.value.hint == "To do it again: facecli people undo 3"


def test_undoing_what_concerns_somebody_purged_says_so(gallery, template):
    gallery.add_templates("Ana", [template(1), template(2)])
    gallery.add_person("Bo")
    with gallery.edit("people move") as edit:
        edit.give([1], edit.person("Bo").person_id)
    gallery.purge_person("Ana")
    with pytest.raises(GalleryError, match="event 3 cannot be undone: somebody it concerns was purged") as caught:
        undo(gallery, 3)
    assert caught.value.hint == ""


def test_undoing_says_who_went_since_and_whose_the_face_is(gallery, template):
    gallery.add_templates("Ana", [template(1)])
    gallery.add_person("Bo")
    with gallery.edit("people move") as edit:
        edit.give([1], edit.person("Bo").person_id)
    gallery.remove_person("Ana")
    with pytest.raises(GalleryError, match="event 3 cannot be undone: event 4 has taken Ana away") as caught:
        undo(gallery, 3)
    assert caught.value.hint == "Undo event 4 first: facecli people undo 4"
    undo(gallery, 4)
    gallery.add_templates("Ana", [template(1)])
    with pytest.raises(GalleryError, match="Ana has template 2 of the same face as template 1 already") as caught:
        undo(gallery, 3)
    assert caught.value.hint.startswith("Undo first what enrolled it again")
