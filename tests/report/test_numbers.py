from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facecli.report.numbers import cell_text, column_texts, is_numeric


@pytest.mark.parametrize(
    ("cells", "texts"),
    [
        ([0.00125, 0.5], ["0.00125", "0.50000"]),
        ([0.3, 0.25], ["0.30", "0.25"]),
        ([84.3, 1234.5678], ["84.3", "1,234.6"]),
        ([1.0, 2.0], ["1.0", "2.0"]),
        ([0.0, 0.01], ["0.00", "0.01"]),
        ([0.0], ["0"]),
        ([3e-8, 0.5], ["3.0e-08", "0.5"]),
        ([-0.125, 0.5], ["-0.125", "0.500"]),
        ([None, math.nan, math.inf, ""], ["-", "-", "-", "-"]),
        ([0, 12, 13233], ["0", "12", "13,233"]),
        (["a\nb", 3, True], ["a\\nb", "3", "yes"]),
        ([], []),
    ],
)
def test_a_column_has_the_digits_that_mean_something(cells: list[float], texts: list[str]) -> None:
    assert column_texts(cells) == texts


def test_one_value() -> None:
    assert [cell_text(cell) for cell in (0.0123456, 5749, None)] == ["0.0123", "5,749", "-"]


@pytest.mark.parametrize(
    ("cells", "numeric"), [([1, None], True), ([0.5, math.nan], True), ([None], False), ([1, "a"], False), ([], False)]
)
def test_is_numeric(cells: list[float], numeric: bool) -> None:
    assert is_numeric(cells) == numeric


@given(st.lists(st.floats(1e-6, 1), min_size=1))
def test_rates_line_up_and_keep_three_digits_of_the_least(rates: list[float]) -> None:
    texts = column_texts(rates)

    assert len({len(text.partition(".")[2]) for text in texts}) == 1
    assert all(
        abs(float(text) - rate) <= max(0.005 * min(rates), 0.5e-6) * 1.001
        for text, rate in zip(texts, rates, strict=True)
    )
