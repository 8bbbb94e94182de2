"""What a calibration has to say: the threshold, what it rests on, and what other rates would cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from facecli.decide.calibration import CONFIDENCE, Calibration, ThresholdChoice
from facecli.gallery.stranger_searches import NOBODY
from facecli.report.document import Cell, Document, Mark, Plot, Series, Table
from facecli.scores import SCORE_GRID
from facecli.services.calibration import GalleryCalibration
from facecli.services.promises import percent, shortfall, two_digits

# Rates shown beside the one asked for: from a few photos looked through by hand to whole archives.
FPIRS: Final = (0.1, 0.03, 0.01, 0.003, 0.001)

# Probabilities that people ask for.
PROBABILITIES: Final = (0.5, 0.9, 0.99, 0.999)

# Curves are drawn between these rates.
DRAWN: Final = (0.5, 1e-4)

BIN_WIDTH: Final = 0.02

# A user who asks for so strict a rate should know what it costs.
MANY_MISSED: Final = 0.1


def calibration_document(
    found: GalleryCalibration, choice: ThresholdChoice, *, gallery: str, model: Mapping[str, str], is_kept: bool
) -> Document:
    """Put a gallery's threshold, its evidence and the alternatives together.

    Parameters
    ----------
    choice : ThresholdChoice
        For the rate asked for.
    gallery : str
        Path.
    model : mapping of str to str
        What makes the templates.
    is_kept : bool
        Whether the gallery could be written.
    """
    calibration = found.calibration
    return Document(
        title="Calibration",
        facts=_facts(found, choice, gallery, model, is_kept),
        tables=(_rates(calibration, choice), _probabilities(calibration), *_suspects(found)),
        plots=(_curve(calibration, choice), *_evidence(found, choice)),
        warnings=tuple(_warnings(found, choice)),
    )


def _facts(
    found: GalleryCalibration, choice: ThresholdChoice, gallery: str, model: Mapping[str, str], is_kept: bool
) -> dict[str, Cell]:
    calibration = found.calibration
    measured = calibration.distribution
    return {
        "gallery": gallery,
        "people": calibration.person_count,
        "templates": calibration.template_count,
        "gallery revision": str(found.sample.revision),
        "target FPIR": choice.fpir,
        "threshold": choice.threshold,
        "FPIR there, 95 % low": two_digits(choice.low),
        "FPIR there, 95 % high": two_digits(choice.high),
        "FNIR there, one photo a person": measured.share_below(choice.threshold),
        "least FPIR the evidence supports": two_digits(calibration.supported_fpir),
        "searches of the gallery's own people": calibration.search_count,
        "this gallery's scores above the model's set": two_digits(calibration.shift),
        "model's set": measured.measured_on,
        "pairs of different people in it": measured.non_mated_pairs,
        "kept in the gallery": "yes" if is_kept else "no, it cannot be written now",
        **model,
    }


def _rates(calibration: Calibration, asked: ThresholdChoice) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for fpir in sorted({*FPIRS, asked.fpir}, reverse=True):
        each = calibration.choose(fpir)
        note = "" if each.supported else "beyond the evidence: the cautious end"
        if fpir == asked.fpir:
            note = "; ".join(filter(None, ("asked for", note)))
        missed = calibration.distribution.share_below(each.threshold)
        rows.append((fpir, each.threshold, two_digits(each.low), two_digits(each.high), missed, note))
    return Table(
        "Thresholds",
        "The threshold for each share of strangers that get a name (FPIR), and the share of people enrolled by one "
        "photo who are then missed (FNIR).",
        ("FPIR", "threshold", "FPIR low", "FPIR high", "FNIR", "note"),
        tuple(rows),
        f"Low and high: {CONFIDENCE * 100:.0f} % interval of this gallery's FPIR at the threshold. FNIR is that of the "
        f"model's set ({calibration.distribution.mated_pairs} pairs of one person), whose photos may be better or "
        "worse than yours; 0.01 stands for 1 % or less.",
    )


def _probabilities(calibration: Calibration) -> Table:
    chances = np.array([calibration.probability(float(score)) for score in SCORE_GRID])
    rows = [(chance, _least(chances >= chance)) for chance in PROBABILITIES]
    return Table(
        "Match probability",
        "From which score on an answer is the right person with this probability, if half of all faces searched are of "
        "people enrolled.",
        ("probability", "score"),
        tuple(rows),
        "Where only one face in ten is of somebody enrolled, the odds are nine times worse.",
    )


def _least(reached: np.ndarray) -> float | None:
    return float(SCORE_GRID[int(reached.argmax())]) if reached.any() else None


def _suspects(found: GalleryCalibration) -> tuple[Table, ...]:
    if not found.suspects:
        return ()
    return (
        Table(
            "One person under two names?",
            "People whose photos are more alike than strangers' photos are; left out of the evidence.",
            ("name", "other name", "score"),
            tuple((each.name, each.other_name, each.score) for each in found.suspects),
            "Or twins, or a photo filed under the wrong name. See: facecli people show NAME",
        ),
    )


def _curve(calibration: Calibration, choice: ThresholdChoice) -> Plot:
    rates = np.array([calibration.fpir(float(score)) for score in SCORE_GRID])
    drawn = np.flatnonzero((rates <= DRAWN[0]) & (rates >= DRAWN[1]))[::8]
    scores = SCORE_GRID[drawn]
    intervals = np.array([calibration.interval(float(score)) for score in scores]).reshape(-1, 2)
    missed = tuple(calibration.distribution.share_below(float(score)) for score in scores)
    x = tuple(scores.tolist())
    return Plot(
        "What a threshold costs",
        "Share of strangers who get a name, with its 95 % band, and of people enrolled by one photo who are missed.",
        "line",
        (
            Series(
                "FPIR",
                x,
                tuple(rates[drawn].tolist()),
                tuple(intervals[:, 0].tolist()),
                tuple(intervals[:, 1].tolist()),
            ),
            Series("FNIR", x, missed),
        ),
        "threshold",
        "rate",
        (Mark(f"threshold {choice.threshold:.3f}", x=choice.threshold),),
        is_log=True,
    )


def _evidence(found: GalleryCalibration, choice: ThresholdChoice) -> tuple[Plot, ...]:
    """Draw the gallery's own searches beside what the model leads one to expect."""
    scores = found.sample.scores[found.sample.scores > NOBODY]
    if not len(scores):
        return ()
    calibration = found.calibration
    first, last = scores.min(), max(scores.max(), choice.threshold)
    edges = np.arange(np.floor(first / BIN_WIDTH), np.ceil(last / BIN_WIDTH) + 2) * BIN_WIDTH
    counts, _ = np.histogram(scores, edges)
    expected = -np.diff([calibration.fpir(float(edge)) for edge in edges]) * len(scores)
    x = tuple(edges.tolist())
    return (
        Plot(
            "Evidence in the gallery",
            "Best scores of people of the gallery, each searched among all others as a stranger would be.",
            "histogram",
            (
                Series("this gallery's people", x, tuple(counts.astype(float).tolist())),
                Series("expected of strangers", x, tuple(expected.tolist())),
            ),
            "best score",
            "searches",
            (Mark(f"threshold {choice.threshold:.3f}", x=choice.threshold),),
        ),
    )


def _warnings(found: GalleryCalibration, choice: ThresholdChoice) -> list[str]:
    warnings = []
    if not choice.supported:
        warnings.append(shortfall(choice, found.calibration.supported_fpir))
    if found.calibration.person_count < 2:
        warnings.append("one person alone says nothing about strangers: the threshold is the model's")
    warnings += [
        f"{each.name} and {each.other_name} may be one person under two names (score {each.score:.3f})"
        for each in found.suspects
    ]
    if (share := found.calibration.distribution.share_below(choice.threshold)) > MANY_MISSED:
        warnings.append(f"at this threshold {percent(share)} of the people enrolled by one photo are missed")
    return warnings
