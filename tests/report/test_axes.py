from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from facecli.report.axes import LEAST_RATE, least_positive, percent, probit, rate_range


@given(st.lists(st.floats(LEAST_RATE, 1 - LEAST_RATE)))
def test_probit_is_the_normal_quantile(rates: list[float]) -> None:
    assert probit(rates) == pytest.approx(norm.ppf(rates), abs=1e-9)


def test_rates_that_no_axis_has_stand_at_its_border() -> None:
    assert probit([0.0, 1.0], 0.01) == pytest.approx(norm.ppf([0.01, 0.99]))


@pytest.mark.parametrize(
    ("rates", "bounds"),
    [
        ([0.0, 0.0004, 0.2, 1.0], (1e-4, 0.5)),
        ([0.001], (0.001, 0.5)),
        ([1e-9], (1e-6, 0.5)),
        ([0.0, 1.0], (0.01, 0.5)),
        ([], (0.01, 0.5)),
        ([0.7, 0.9], (0.2, 0.99)),
    ],
)
def test_an_axis_shows_every_rate_above_nothing(rates: list[float], bounds: tuple[float, float]) -> None:
    assert rate_range(rates) == bounds


@pytest.mark.parametrize(("values", "least"), [([0.0, 3e-5], 1e-5), ([1e-3], 1e-3), ([0.0], 0.1), ([], 0.1)])
def test_least_positive(values: list[float], least: float) -> None:
    assert least_positive(values) == pytest.approx(least)


@pytest.mark.parametrize(
    ("rate", "text"), [(1e-6, "0.0001 %"), (0.01, "1 %"), (0.975, "97.5 %"), (0.0, "0 %"), (1.0, "100 %")]
)
def test_percent(rate: float, text: str) -> None:
    assert percent(rate) == text
