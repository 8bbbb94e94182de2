import math
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.decide.identification import DecisionRule, NameConflict, identify, name_conflicts
from facecli.errors import ConfigError
from facecli.types import Candidate, Identification

ANA, BO = 1, 2
NAMES = {ANA: "Ana", BO: "Bo"}


def candidate(rank: int, person_id: int, score: float, *, is_barred: bool = False) -> Candidate:
    return Candidate(rank, person_id, NAMES[person_id], template_id=rank, score=score, is_barred=is_barred)


def named(person_id: int) -> Identification:
    return identify([candidate(1, person_id, 0.9)], DecisionRule(0.5))


UNKNOWN = identify([candidate(1, ANA, 0.4)], DecisionRule(0.5))


def test_the_nearest_candidate_is_named_at_the_threshold_and_the_order_given_does_not_matter():
    first, second = candidate(1, BO, 0.5), candidate(2, ANA, 0.45)
    assert identify([second, first], DecisionRule(0.5)) == Identification((first, second), 0.5, first)


def test_below_the_threshold_nobody_is_named_but_the_candidates_stay():
    assert (UNKNOWN.candidates, UNKNOWN.person) == ((candidate(1, ANA, 0.4),), None)


@pytest.mark.parametrize(
    ("second", "named", "rejection"), [(0.6, BO, None), (0.4, None, "not_this_person"), (None, None, "not_this_person")]
)
def test_who_is_barred_is_not_named_and_the_next_one_may_be(second, named, rejection):
    candidates = [candidate(1, ANA, 0.9, is_barred=True)] + ([candidate(2, BO, second)] if second else [])
    answer = identify(candidates, DecisionRule(0.5))
    assert (answer.person and answer.person.person_id, answer.rejection) == (named, rejection)
    assert answer.candidates == tuple(candidates)


def test_a_bar_below_the_threshold_is_no_reason():
    answer = identify([candidate(1, ANA, 0.4, is_barred=True)], DecisionRule(0.5))
    assert (answer.person, answer.rejection, answer.nearest) == (None, None, None)


@given(st.lists(st.tuples(st.floats(-1, 1), st.booleans()), max_size=5), st.floats(-1, 1))
def test_bars_give_no_name_to_a_face_that_had_none(found, threshold):
    scores = sorted((score for score, _ in found), reverse=True)
    barred = [is_barred for _, is_barred in found]
    free = [candidate(rank, ANA, score) for rank, score in enumerate(scores, 1)]
    held = [replace(each, is_barred=bar) for each, bar in zip(free, barred, strict=True)]
    assert identify(held, DecisionRule(threshold)).person is None or identify(free, DecisionRule(threshold)).person


def test_an_empty_gallery_names_nobody():
    assert identify([], DecisionRule(-1.0)) == Identification((), -1.0, None)


def test_a_threshold_that_is_no_number_is_refused():
    with pytest.raises(ConfigError, match="not a number"):
        identify([candidate(1, ANA, 0.9)], DecisionRule(math.nan))


@given(
    st.lists(st.floats(-1, 1), max_size=5).map(lambda scores: sorted(scores, reverse=True)),
    st.floats(-1, 1),
    st.floats(0, 1),
)
def test_a_stricter_threshold_never_names_more(scores, threshold, more):
    candidates = [candidate(rank, ANA, score) for rank, score in enumerate(scores, 1)]
    lenient, strict = (identify(candidates, DecisionRule(limit)) for limit in (threshold, threshold + more))
    assert strict.person is None or strict.person == lenient.person


def test_one_person_on_two_faces_is_a_conflict_of_both():
    assert name_conflicts([named(ANA), UNKNOWN, None, named(BO), named(ANA)]) == [
        NameConflict(ANA, "Ana", (0, 4), "Ana is named on 2 faces of this photo; at most one can be right")
    ]


def test_conflicts_come_in_the_order_in_which_people_appear():
    conflicts = name_conflicts([named(BO), named(ANA), named(ANA), named(BO), named(BO)])
    assert [(conflict.name, conflict.faces) for conflict in conflicts] == [("Bo", (0, 3, 4)), ("Ana", (1, 2))]


def test_unknown_faces_and_different_people_do_not_conflict():
    assert name_conflicts([UNKNOWN, UNKNOWN, named(ANA), named(BO), None]) == []


def test_deciding_needs_neither_a_database_nor_a_network():
    code = "import sys, facecli.decide.identification; print({'sqlite3', 'cv2', 'torch', 'PIL'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
