"""Standings by leave-one-out, held against the plainest way to reckon them."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from facecli.gallery.records import TemplateMatrix
from facecli.services import model_change
from facecli.services.model_change import ModelView, change_document, standings
from facecli.services.reembedding import LeftOut


def view(people: list[int], seed: int, threshold: float | None, model_id: str = "m") -> ModelView:
    vectors = np.random.default_rng(seed).standard_normal((len(people), 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    owners = np.array(sorted(people), np.int64)
    names = {person: f"person {person}" for person in set(people)}
    matrix = TemplateMatrix(model_id, vectors, np.arange(1, len(people) + 1), owners, names, 1)
    return ModelView(matrix, threshold)


def plainly(of: ModelView) -> dict[str, tuple[int, str | None, tuple[int, int, int]]]:
    matrix = of.matrix
    found = {}
    for person in sorted(matrix.names):
        own_rows = [row for row, owner in enumerate(matrix.person_ids) if owner == person]
        best_name, best_score, decisions = None, -2.0, [0, 0, 0]
        for row in own_rows:
            scored = [
                (float(matrix.vectors[row] @ matrix.vectors[each]), int(matrix.person_ids[each]))
                for each in range(len(matrix.person_ids))
                if each != row
            ]
            others = [each for each in scored if each[1] != person]
            if others and max(others)[0] > best_score:
                best_score, nearest = max(others)
                best_name = matrix.names[nearest]
            if not scored or max(scored)[0] < of.threshold:
                decisions[2] += 1
            else:
                decisions[0 if max(scored)[1] == person else 1] += 1
        found[matrix.names[person]] = (len(own_rows), best_name, tuple(decisions))
    return found


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=12), st.integers(0, 999), st.floats(-1, 1))
def test_standings_are_those_of_the_plainest_way(people, seed, threshold):
    of = view(people, seed, threshold)
    found = {name: (each.photos, each.nearest, each.decisions) for name, each in standings(of).items()}
    assert found == plainly(of)


def test_blocks_change_nothing(monkeypatch):
    of = view([1, 1, 2, 3, 3, 3, 4], 7, 0.3)
    whole = standings(of)
    monkeypatch.setattr(model_change, "_BLOCK_SCORES", 10)
    assert standings(of) == whole


def test_of_a_large_gallery_people_are_searched_by_their_first_photo(monkeypatch):
    monkeypatch.setattr(model_change, "MOST_PROBES", 4)
    found = standings(view([1, 1, 1, 2, 2, 3], 1, 0.3))
    assert {name: each.photos for name, each in found.items()} == {"person 1": 1, "person 2": 1, "person 3": 1}


def test_without_a_threshold_nobody_is_decided_upon():
    found = standings(view([1, 1, 2], 1, None))
    assert {each.decisions for each in found.values()} == {(0, 0, 0)}


def test_the_document_tells_who_is_affected_and_what_was_lost():
    views = [view([1, 1, 2, 3], 1, 0.9, "old@1"), view([1, 1, 2, 3], 2, 0.1, "new@2")]
    lost = [LeftOut(7, "person 4", "p.jpg", "it has no crop")]
    document = change_document(views, fpir=0.01, left_out=lost, facts={"model": "new@2"}, everybody=False)
    models, people, left_out = document.tables
    assert [row[0] for row in models.rows] == ["old@1", "new@2"]
    assert left_out.rows == (("person 4", "p.jpg", 7, "it has no crop"),)
    before, after = map(standings, views)
    changed = [
        name
        for name in before
        if (before[name].nearest, before[name].decisions) != (after[name].nearest, after[name].decisions)
    ]
    assert changed
    assert [row[0] for row in people.rows] == changed
    everybody = change_document(views, fpir=0.01, left_out=(), facts={}, everybody=True)
    assert [row[0] for row in everybody.tables[1].rows] == sorted(before)
    alone = change_document(views[1:], fpir=0.01, left_out=(), facts={}, everybody=False)
    assert [table.name for table in alone.tables] == ["Models"]
