from __future__ import annotations

import numpy as np
import pytest

from facecli.decide.identification import DecisionRule
from facecli.gallery.records import TemplateMatrix
from facecli.services.scan_facts import changed_facts, scan_facts


def matrix(*, revision: int = 4, name: str = "Ana", value: float = 1.0) -> TemplateMatrix:
    vectors = np.array([[value, 0.0]], np.float32)
    return TemplateMatrix("m", vectors, np.array([3]), np.array([7]), {7: name}, revision)


def facts(found: TemplateMatrix, threshold: float = 0.4, path: str = "/a.db", **settings: object) -> dict[str, str]:
    return scan_facts({"detector": "yunet"}, {"fpir": 0.01, **settings}, path, found, DecisionRule(threshold))


BEFORE = facts(matrix())


@pytest.mark.parametrize(
    ("now", "changes"),
    [
        (facts(matrix()), []),
        (facts(matrix(revision=5), 0.41), ["the gallery has 1 change since"]),
        (facts(matrix(revision=7, name="Bob")), ["the gallery has 3 changes since"]),
        (facts(matrix(revision=3)), ["the gallery is another one than it was"]),
        (facts(matrix(name="Bob")), ["the gallery is another one than it was"]),
        (facts(matrix(value=-1.0)), ["the gallery is another one than it was"]),
        (facts(matrix(revision=9), path="/b.db"), ["gallery: /a.db, now /b.db"]),
        (facts(matrix(), 0.41), ["threshold in use: 0.4, now 0.41"]),
        (facts(matrix(), 0.41, fpir=0.1, candidates=5), ["fpir: 0.01, now 0.1", "candidates: not set, now 5"]),
    ],
)
def test_every_change_is_named(now: dict[str, str], changes: list[str]) -> None:
    assert changed_facts(BEFORE, now) == changes


def test_an_empty_gallery_and_a_large_one() -> None:
    none = TemplateMatrix("m", np.zeros((0, 0), np.float32), np.zeros(0, int), np.zeros(0, int), {}, 0)
    vectors = np.zeros((50_000, 2), np.float32)
    vectors[:, 0] = 1
    many = TemplateMatrix("m", vectors, np.arange(50_000), np.arange(50_000), dict.fromkeys(range(50_000), "x"), 4)

    assert changed_facts(facts(none), facts(none)) == []
    assert changed_facts(facts(none), facts(many)) == ["the gallery has 4 changes since"]
