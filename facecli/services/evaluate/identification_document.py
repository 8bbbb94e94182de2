"""What an evaluation of identification has to say: rates, curves, and the worst errors with their pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from facecli.decide.identification import DecisionRule
from facecli.evaluation.identification import (
    NO_CANDIDATE,
    NO_THRESHOLD,
    OperatingPoint,
    Searches,
    cmc,
    det_curve,
    point_at_fpir,
    point_at_threshold,
    searches_needed,
)
from facecli.evaluation.proportions import Interval
from facecli.gallery.store import Gallery
from facecli.report.document import Cell, Document, Mark, Plot, Series, Table
from facecli.services.evaluate.evaluated_gallery import EvaluatedGallery
from facecli.services.evaluate.identification_evaluation import CMC_RANKS, Probing
from facecli.services.evaluate.identification_pictures import worst_errors

# FPIR at which FRTE 1:N and facecli's design compare: from a few photos looked through by hand to whole archives.
FPIRS: Final = (0.1, 0.03, 0.01, 0.003)

TABLE_RANKS: Final = (1, 2, 3, 5, 10, 20, 50)

# Failures listed; they are counted all the same.
FAILURES: Final = 50

# A curve with more points than this looks the same, and its file is larger.
CURVE_POINTS: Final = 1000

BIN_WIDTH: Final = 0.02


def identification_document(
    probing: Probing,
    evaluated: EvaluatedGallery,
    gallery: Gallery,
    *,
    rule: DecisionRule | None,
    model: Mapping[str, str],
) -> Document:
    """Put the rates, curves and worst errors of an evaluation together.

    Parameters
    ----------
    gallery : Gallery
        That was searched, still open.
    rule : DecisionRule or None
        By which facecli would name somebody; None where there is neither a threshold nor a measured embedder.
    model : mapping of str to str
        What made the templates, as `Analyser.model` says.
    """
    threshold = None if rule is None else rule.threshold
    searches = probing.searches()
    points = {rate: point_at_fpir(searches, rate) for rate in FPIRS}
    people = len(evaluated.template_counts)
    in_use = None if threshold is None else point_at_threshold(searches, threshold)
    unthresholded = point_at_threshold(searches, NO_THRESHOLD)
    named = {f"FPIR {rate:g}": points[rate] for rate in FPIRS}
    if in_use is not None:
        named = {"threshold in use": in_use, **named}
    reasons = {f"FPIR {rate:g}": _too_few(searches, rate) for rate in FPIRS if points[rate] is None}
    return Document(
        title="Identification",
        facts=_facts(probing, evaluated, rule, model),
        tables=(
            _rates(named, unthresholded, reasons),
            _counts(named),
            _ranks(searches, people),
            *_failures(probing, evaluated),
        ),
        plots=tuple(_plots(searches, people, in_use)),
        pictures=tuple(worst_errors(probing.probes, gallery, threshold)),
        warnings=(*evaluated.warnings, *probing.warnings, *_unmeasured(searches, threshold)),
    )


def _facts(
    probing: Probing, evaluated: EvaluatedGallery, rule: DecisionRule | None, model: Mapping[str, str]
) -> dict[str, Cell]:
    enrolled = len(evaluated.template_counts)
    photos_failed = sum(each.error is not None for each in evaluated.enrolments)
    mated = [probe for probe in probing.probes if probe.is_mated]
    strangers = [probe for probe in probing.probes if not probe.is_mated]
    facts: dict[str, Cell] = {
        "gallery": evaluated.path,
        "people in the gallery (N)": enrolled,
        "templates in the gallery": sum(evaluated.template_counts.values()),
        "people without a template": len(evaluated.names) - enrolled,
    }
    if evaluated.enrolments:
        facts["gallery photos"] = len(evaluated.enrolments)
        facts["gallery photos without a template"] = photos_failed
        facts["FTE of gallery photos"] = photos_failed / len(evaluated.enrolments)
    failed = sum(probe.error is not None for probe in probing.probes)
    return facts | {
        "probes": probing.path,
        "mated probes": len(mated),
        "people of mated probes": len({probe.name for probe in mated}),
        "non-mated probes": len(strangers),
        "people of non-mated probes": len({probe.name for probe in strangers}),
        "probes without a template": failed,
        "FTE of probes": failed / len(probing.probes),
        "probes left out, as they are in the gallery": probing.left_out,
        "threshold in use": None if rule is None else rule.threshold,
        **_promise(rule),
        **model,
    }


def _promise(rule: DecisionRule | None) -> dict[str, Cell]:
    """Return what the threshold in use was chosen to keep to, to be held against what was found."""
    if rule is None or rule.choice is None:
        return {}
    choice = rule.choice
    return {"FPIR promised": choice.fpir, "FPIR promised, low": choice.low, "FPIR promised, high": choice.high}


def _too_few(searches: Searches, rate: float) -> str:
    return f"n/a: {searches.nonmated_scores.size} non-mated searches, {searches_needed(rate)} needed"


def _ends(interval: Interval | None) -> tuple[float | None, float | None]:
    return (None, None) if interval is None else (interval.low, interval.high)


def _rates(
    named: Mapping[str, OperatingPoint | None],
    unthresholded: OperatingPoint,
    reasons: Mapping[str, str],
) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, point in named.items():
        if point is None:
            rows.append((name, *[None] * 7, reasons[name]))
            continue
        lacking = [
            f"n/a: no {kind} searches"
            for kind, rate in (("non-mated", point.fpir.rate), ("mated", point.fnir.rate))
            if rate is None
        ]
        rows.append((name, point.threshold, *_rate_cells(point), "; ".join(lacking)))
    rows.append(("no threshold", None, *[None] * 3, *_rate_cells(unthresholded)[3:], ""))
    return Table(
        "Error rates",
        "How many strangers are given a name (FPIR), and how many people of the gallery not theirs (FNIR).",
        ("at", "threshold", "FPIR", "FPIR low", "FPIR high", "FNIR", "FNIR low", "FNIR high", "note"),
        tuple(rows),
        "Intervals are 95 %, from 1,000 draws of people with replacement; fewer than ten errors are joined by Wilson's "
        "interval over people. FNIR is that of rank 1; without a threshold somebody looks at the candidates. "
        "A photo or person without a template is a miss, and one more search in FPIR.",
    )


def _rate_cells(point: OperatingPoint) -> tuple[Cell, ...]:
    return (point.fpir.rate, *_ends(point.fpir_interval), point.fnir.rate, *_ends(point.fnir_interval))


def _counts(named: Mapping[str, OperatingPoint | None]) -> Table:
    rows = tuple(
        (
            name,
            *_ends(point.threshold_interval),
            point.fpir.count,
            point.fpir.trials,
            point.fnir.count,
            point.fnir.trials,
            point.misnamed.count,
        )
        for name, point in named.items()
        if point is not None
    )
    columns = ("at", "threshold low", "threshold high", "false positives", "of", "misses", "of mated", "misnamed")
    return Table(
        "Counts",
        "The searches behind the rates, and how far each threshold would move with other strangers.",
        columns,
        rows,
        "Misnamed: misses that gave another person's name.",
    )


def _ranks(searches: Searches, people: int) -> Table:
    rates = cmc(searches, CMC_RANKS)
    known = [float(rate) if math.isfinite(rate) else None for rate in rates]
    rows = [(rank, known[rank - 1]) for rank in TABLE_RANKS if rank <= people]
    return Table(
        "Ranks",
        "How many mated searches have the right person within the first R candidates, without a threshold.",
        ("R", "hit rate", "FNIR"),
        tuple((rank, rate, None if rate is None else 1 - rate) for rank, rate in rows),
    )


def _failures(probing: Probing, evaluated: EvaluatedGallery) -> Iterable[Table]:
    rows = [
        ("gallery", each.name, each.path, each.error.message) for each in evaluated.enrolments if each.error is not None
    ]
    rows += [("probe", each.name, each.path, each.error.message) for each in probing.probes if each.error is not None]
    if rows:
        rest = len(rows) - FAILURES
        yield Table(
            "Failures to enrol",
            "Photos of which no template could be made.",
            ("photo of", "person", "path", "reason"),
            tuple(rows[:FAILURES]),
            f"and {rest} more" if rest > 0 else "",
        )


def _unmeasured(searches: Searches, threshold: float | None) -> Iterable[str]:
    if threshold is None:
        yield "no threshold has been measured for this embedder: the errors in use are not stated"
    if not searches.nonmated_scores.size:
        yield "no probe shows a stranger to the gallery, so FPIR cannot be measured"
    if not searches.mated_scores.size:
        yield "no probe shows anybody of the gallery, so FNIR cannot be measured"


def _plots(searches: Searches, people: int, in_use: OperatingPoint | None) -> Iterable[Plot]:
    curve = det_curve(searches)
    if (curve.fpir > 0).any():
        shown = np.flatnonzero(curve.fpir > 0)  # the axis is logarithmic
        kept = shown[np.unique(np.linspace(0, shown.size - 1, min(shown.size, CURVE_POINTS)).astype(int))]
        series = Series("FNIR at rank 1", tuple(curve.fpir[kept].tolist()), tuple(curve.fnir[kept].tolist()))
        caption = "What fewer strangers named cost in people missed; lower and further left is better."
        yield Plot("DET", caption, "det", (series,), "FPIR", "FNIR", _det_mark(in_use))
    if searches.mated_scores.size:
        rates = cmc(searches, min(CMC_RANKS, people))
        ranks = tuple(float(rank) for rank in range(1, rates.size + 1))
        caption = "The share of mated searches with the right person within the first candidates, without a threshold."
        yield Plot("CMC", caption, "cmc", (Series("hit rate", ranks, tuple(rates.tolist())),))
    if histograms := _histograms(searches):
        yield Plot(
            "Scores",
            "Scores of the right person in mated searches, and of the nearest person in non-mated ones.",
            "histogram",
            histograms,
            "cosine similarity",
            "searches",
            () if in_use is None else (Mark("threshold in use", x=in_use.threshold),),
        )


def _det_mark(in_use: OperatingPoint | None) -> tuple[Mark, ...]:
    if in_use is None or not in_use.fpir.count:
        return ()
    return (Mark(f"threshold {in_use.threshold:g}", in_use.fpir.rate, in_use.fnir.rate),)


def _histograms(searches: Searches) -> tuple[Series, ...]:
    kinds = {"mated": searches.mated_scores, "non-mated": searches.nonmated_scores}
    known = {kind: scores[scores > NO_CANDIDATE] for kind, scores in kinds.items()}
    everything = np.concatenate(list(known.values()))
    if not everything.size:
        return ()
    low, high = np.floor(everything.min() / BIN_WIDTH), np.floor(everything.max() / BIN_WIDTH) + 1
    edges = np.arange(low, high + 1) * BIN_WIDTH
    return tuple(
        Series(kind, tuple(edges.tolist()), tuple(np.histogram(scores, edges)[0].astype(float).tolist()))
        for kind, scores in known.items()
    )
