"""What was tried to make fewer errors, each against what ships, on the same searches and pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from accuracy import ENROLLED, FPIR
from methods import CENTRE_SHARE, Measured, Method, centred, fused, normalised, whitened
from rates import Estimate, PairRates, difference_interval, search
from vectors import Run
from wording import DASH, percent, span

FMR = 1e-4
SFACE = Run("sface")


@dataclass(frozen=True)
class Trial:
    """A method, and how much of the second person's score is taken from the first one's in a search."""

    name: str
    method: Method
    margin: float = 0.0


def default() -> Trial:
    """Return SFace as it ships."""
    return Trial(
        f"**SFace, {CENTRE_SHARE:g} of the mean taken away, mirror averaging (what ships)**", _sface(CENTRE_SHARE)
    )


def trials() -> Sequence[Trial]:
    """Return what was tried."""
    return (
        Trial("without mirror averaging", centred(Run("sface", mirror=False), CENTRE_SHARE)),
        *(Trial(f"{share:g} of the mean taken away", _sface(share)) for share in (0.0, 0.5, 1.0)),
        *(
            Trial(f"fused with MobileFaceNet, {weight:g} : 1", fused({"sface": weight, "mobilefacenet": 1.0}))
            for weight in (1.0, 1.56, 2.5, 4.0)
        ),
        Trial("less 0.2 of the second person's score", _sface(CENTRE_SHARE), margin=0.2),
        Trial("T-norm of both photos, the other set as cohort", normalised(SFACE)),
        Trial("whitened by what differs within people, learned on the other set", whitened(SFACE, 1.0)),
    )


def own_defaults() -> Sequence[tuple[Trial, Trial]]:
    """Return the other embedders, with what ships and the other choice of centre."""
    pairs = []
    for name, shipped in (("mobilefacenet", CENTRE_SHARE), ("dlib-resnet", 0.0)):
        other = CENTRE_SHARE - shipped
        pairs.append(
            (
                Trial(f"**{name}, {shipped:g} of the mean taken away (what ships)**", centred(Run(name), shipped)),
                Trial(f"{name}, {other:g} of the mean taken away", centred(Run(name), other)),
            )
        )
    return pairs


def _sface(share: float) -> Method:
    return centred(SFACE, share)


HEAD = (
    "",
    *(
        f"{name}, {measure}"
        for name, enrolled in ENROLLED.items()
        for measure in (f"FNIR at FPIR {100 * FPIR:g} %, {enrolled[-1]} enrolled", f"FNMR at FMR {100 * FMR:g} %")
    ),
)


def row(
    data: Measured, trial: Trial, against: Sequence[Estimate | None] = ()
) -> tuple[list[str], list[Estimate | None]]:
    """Measure one trial: a row of the table, and what later rows are compared with."""
    estimates: list[Estimate | None] = []
    for photos in data.sets:
        scores = trial.method(data, photos)
        estimates.append(search(scores, photos, ENROLLED[photos.name][-1], margin=trial.margin).fnir(FPIR))
        # Pairs have no second person.
        estimates.append(None if trial.margin else PairRates(scores, photos).fnmr(FMR))
    cells = [trial.name]
    for place, estimate in enumerate(estimates):
        base = against[place] if against else None
        cells.append(DASH if estimate is None else _cell(estimate, base))
    return cells, estimates


def _cell(estimate: Estimate, base: Estimate | None) -> str:
    if base is None:
        return f"{percent(estimate.value)} ({span(estimate.interval)})"
    interval = difference_interval(estimate, base)
    text = f"{percent(estimate.value)}, {100 * (estimate.value - base.value):+.2f}"
    return text if interval is None else f"{text} ({100 * interval.low:+.2f} to {100 * interval.high:+.2f})"


def tables(data: Measured) -> Mapping[str, list[list[str]]]:
    """Measure everything: the rows of both tables."""
    first, base = row(data, default())
    tried = [first, *(row(data, trial, base)[0] for trial in trials())]
    centres = []
    for shipped, other in own_defaults():
        cells, own = row(data, shipped)
        centres += [cells, row(data, other, own)[0]]
    return {"tried table": tried, "centre table": centres}
