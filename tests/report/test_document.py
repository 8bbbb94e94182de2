from __future__ import annotations

from collections.abc import Callable

import pytest

from facecli.report.document import Document, Mark, Picture, Plot, Series, Table

CURVE = Series("a", (1.0, 2.0), (1.0, 2.0))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Table("T", "", (), ()), "columns of table 'T'"),
        (lambda: Table("T", "", ("a", "a"), ()), "columns of table 'T'"),
        (lambda: Table("T", "", ("a", "b"), ((1,),)), "a row of table 'T' has not 2 cells"),
        (lambda: Series("s", (1.0,), (1.0, 2.0)), "series 's' has 1 x and 2 y"),
        (lambda: Series("s", (1.0,), (1.0,), low=(0.5,)), "band of series 's'"),
        (lambda: Series("s", (1.0,), (1.0,), (0.5, 1.0), (1.0, 2.0)), "band of series 's'"),
        (lambda: Mark("m"), "mark 'm' is nowhere"),
        (lambda: Plot("P", "", "pie", (CURVE,)), "'P' cannot be of kind 'pie'"),  # type: ignore[arg-type]
        (lambda: Plot("P", "", "histogram", (CURVE,)), "2 x, 2 y"),
        (lambda: Plot("P", "", "det", (Series("s", (1.0, 2.0), (1.0,)),)), "2 x, 1 y"),
        (lambda: Plot("P", "", "det", (CURVE, CURVE)), "two series of plot 'P'"),
        (lambda: Picture((), "nobody"), "'nobody' names no file"),
        (lambda: Picture(("a", "b"), "two", boxes_xyxy=(None,)), "2 files and 1 boxes"),
        (lambda: Document("D", tables=(Table("T", "", ("a",), ()),) * 2), "a name stands twice in 'D'"),
    ],
)
def test_what_cannot_be_shown_is_refused_when_it_is_made(make: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


def test_facts_are_a_copy_that_keeps_its_order() -> None:
    facts = {"b": 1, "a": 2}
    document = Document("D", facts)
    facts["c"] = 3

    assert list(document.facts.items()) == [("b", 1), ("a", 2)]
    with pytest.raises(TypeError):
        document.facts["d"] = 4  # type: ignore[index]
