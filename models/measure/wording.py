"""How numbers read in the tables."""

from __future__ import annotations

from collections.abc import Sequence

from facecli.evaluation.groups import MAX_WIDTH, MIN_TRIALS
from facecli.evaluation.proportions import Interval

DASH = "\N{EN DASH}"


def percent(rate: float, places: int = 2) -> str:
    """Write a rate in percent."""
    return f"{100 * rate:.{places}f} %"


def span(interval: Interval, places: int = 2) -> str:
    """Write an interval of rates in percent, without the sign."""
    return f"{100 * interval.low:.{places}f}{DASH}{100 * interval.high:.{places}f}"


def rate_at(rate: float, interval: Interval, threshold: float) -> str:
    """Write a rate with its interval, and the threshold it holds at."""
    return f"{percent(rate)} ({span(interval)}) at {threshold:.3f}"


def marked_few(count: int, trials: int, interval: Interval | None, places: int) -> str:
    """Write the rate of a group with its interval, or that it is not known well enough to be compared."""
    if trials < MIN_TRIALS or interval is None or interval.width > MAX_WIDTH:
        return "too few to say"
    return f"{percent(count / trials, places)} ({span(interval, places)})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a table in Markdown."""
    lines = [f"| {' | '.join(line)} |".replace("|  |", "| |") for line in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]]) + "\n"
