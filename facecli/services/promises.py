"""A promised rate in words."""

from __future__ import annotations

from facecli.decide.calibration import ThresholdChoice


def promise(choice: ThresholdChoice, people: int) -> str:
    """Say in a sentence what a threshold promises."""
    return (
        f"threshold {choice.threshold:.3f}: among {people} {'person' if people == 1 else 'people'} enrolled "
        f"{percent(choice.fpir)} of the strangers searched for get a name "
        f"(95 % interval {percent(choice.low)} to {percent(choice.high)})"
    )


def shortfall(choice: ThresholdChoice, supported_fpir: float) -> str:
    """Say in a sentence that the evidence does not reach as far as the rate asked for."""
    return (
        f"the evidence supports a false positive rate of {percent(supported_fpir)} at best, not "
        f"{percent(choice.fpir)}; threshold {choice.threshold:.3f} is the cautious end of what it allows "
        f"(expect {percent(choice.low)} to {percent(choice.high)})"
    )


def percent(rate: float) -> str:
    """Write a rate with two digits: 0.01 is "1 %", 0.00123 is "0.12 %"."""
    return f"{two_digits(100 * rate):.10f}".rstrip("0").rstrip(".") + " %"


def two_digits(number: float) -> float:
    """Round to what an estimate is worth."""
    return float(f"{number:.2g}")
