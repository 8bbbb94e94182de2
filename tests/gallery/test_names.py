import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.errors import InputError
from facecli.gallery.names import MAX_NAME_LENGTH, near_names, normalise_name


@pytest.mark.parametrize(
    ("given_name", "stored"),
    [
        ("  Ana \n", "Ana"),
        ("Zoe\u0308", "Zoë"),
        ("\u3000山田 太郎\u3000", "山田 太郎"),
        ("क्\u200dष", "क्\u200dष"),  # a zero-width joiner is part of Indic spelling
        ("O'Brien; DROP TABLE people --", "O'Brien; DROP TABLE people --"),
        ("x" * MAX_NAME_LENGTH, "x" * MAX_NAME_LENGTH),
    ],
)
def test_names_are_composed_and_stripped(given_name, stored):
    assert normalise_name(given_name) == stored


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("", "empty"),
        (" \t\n", "empty"),
        ("\u200d\u200b", "empty"),
        ("Ana\nBo", r"U\+000A"),
        ("Ana\x00", r"U\+0000"),
        ("Ana\x1b[31m", r"U\+001B"),
        ("Ana\u2028Bo", r"U\+2028"),
        ("Ana\u202egnp", r"U\+202E"),
        ("Ana\udcff", r"U\+DCFF"),
        ("x" * (MAX_NAME_LENGTH + 1), "201 characters"),
    ],
)
def test_what_cannot_be_a_name_is_refused(name, what):
    with pytest.raises(InputError, match=what) as caught:
        normalise_name(name)
    assert caught.value.hint
    assert str(caught.value).isprintable()


@given(st.text())
def test_a_normalised_name_stays_as_it_is(name):
    try:
        once = normalise_name(name)
    except InputError:
        return
    assert normalise_name(once) == once == unicodedata.normalize("NFC", once)


def test_near_names_ignore_case():
    assert near_names("hana becker", ["Bo", "Hanna Becker", "HANA BECKERS"]) == ["Hanna Becker", "HANA BECKERS"]
