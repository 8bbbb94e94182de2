"""Curves and pictures of an evaluation of verification."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from facecli.report.document import Mark, Picture, PictureGroup, Plot, Series
from facecli.services.evaluate.verification_evaluation import VerificationEvaluation

# Worst cases to look at: as many as somebody goes through.
WORST: Final = 12

# Cosine similarities of faces spread over about one unit: some fifty bins.
BIN_WIDTH: Final = 0.02


def det(found: VerificationEvaluation) -> Plot:
    """Plot the two errors against each other, with its band over people."""
    rates, curve = found.rates, found.rates.curve
    at = rates.det_index
    # On these axes 0 is the border: where the FMR gets there the curve ends, rather than climb along it.
    shown = at <= np.flatnonzero(curve.false_matches == 0)[0]
    x, y = curve.fmr[at][shown], curve.fnmr[at][shown]
    known = not np.isnan(rates.det_low[shown]).any()
    band = (tuple(rates.det_low[shown].tolist()), tuple(rates.det_high[shown].tolist())) if known else ((), ())
    return Plot(
        "DET",
        "What fewer false matches cost in missed ones; lower and further left is better.",
        "det",
        (Series("all pairs", tuple(x.tolist()), tuple(y.tolist()), *band),),
        marks=_mark(found, complement=False),
    )


def roc(found: VerificationEvaluation) -> Plot:
    """Plot what matches of either kind."""
    curve, at = found.rates.curve, found.rates.det_index
    return Plot(
        "ROC",
        "The share of mated pairs that match, by the share of others that do.",
        "roc",
        (Series("all pairs", tuple(curve.fmr[at].tolist()), tuple((1 - curve.fnmr[at]).tolist())),),
        marks=_mark(found, complement=True),
    )


def _mark(found: VerificationEvaluation, *, complement: bool) -> tuple[Mark, ...]:
    fmr, fnmr = (None if rate is None else rate.value for rate in (found.fmr, found.fnmr))
    if fmr is None or fnmr is None:
        return ()
    return (Mark(f"threshold {found.threshold:g}", fmr, 1 - fnmr if complement else fnmr),)


def histogram(found: VerificationEvaluation) -> tuple[Plot, ...]:
    """Plot the scores of either kind; nothing where no photo could be compared."""
    scores, mated = found.trials.scores, found.trials.mated
    enrolled = scores > -np.inf
    if not enrolled.any():
        return ()
    first, last = np.floor(scores[enrolled].min() / BIN_WIDTH), np.floor(scores[enrolled].max() / BIN_WIDTH) + 1
    edges = np.arange(first, last + 1) * BIN_WIDTH
    series = []
    for label, kind in (("mated", mated), ("non-mated", ~mated)):
        counts, _ = np.histogram(scores[kind & enrolled], edges)
        series.append(Series(label, tuple(edges.tolist()), tuple(counts.tolist())))
    marks = () if found.threshold is None else (Mark("threshold", x=found.threshold),)
    caption = "How many pairs have which score; photos that failed to enrol are not in it."
    return (Plot("Score histogram", caption, "histogram", tuple(series), "score", "pairs", marks),)


def pictures(found: VerificationEvaluation) -> tuple[PictureGroup, ...]:
    """Show the pairs with the worst scores, and the photos that failed to enrol."""
    scores, mated = found.trials.scores, found.trials.mated
    ascending = np.argsort(scores, kind="stable")
    lowest = [int(at) for at in ascending if mated[at] and scores[at] > -np.inf][:WORST]
    highest = [int(at) for at in ascending[::-1] if not mated[at] and scores[at] > -np.inf][:WORST]
    failed = tuple(Picture((photo.path,), f"{Path(photo.path).name}: {photo.message}") for photo in found.failed_photos)
    return (
        PictureGroup(
            "Lowest mated scores",
            "Pairs of one person that look least alike to the model: missed first, or wrongly labelled.",
            tuple(_pair_picture(found, at) for at in lowest),
        ),
        PictureGroup(
            "Highest non-mated scores",
            "Pairs of two people that look most alike to the model: matched first, or wrongly labelled.",
            tuple(_pair_picture(found, at) for at in highest),
        ),
        PictureGroup("Failures to enrol", "Photos without a face to compare.", failed[:WORST]),
    )


def _pair_picture(found: VerificationEvaluation, at: int) -> Picture:
    photos = [found.photos[index] for index in found.pairs.pairs[at]]
    boxes = tuple(None if photo.face is None else _box(photo.face.detection.box_xyxy.tolist()) for photo in photos)
    score = float(found.trials.scores[at])
    names = " and ".join(_short(Path(photo.path)) for photo in photos)
    return Picture(tuple(photo.path for photo in photos), names, score, boxes)


def _box(values: list[float]) -> tuple[float, float, float, float]:
    left, top, right, bottom = values
    return left, top, right, bottom


def _short(path: Path) -> str:
    """Return a file's name, with that of its folder unless the name starts with it, as those of LFW do."""
    return path.name if path.name.startswith(path.parent.name) else f"{path.parent.name}/{path.name}"
