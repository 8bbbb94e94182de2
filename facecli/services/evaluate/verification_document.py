"""What an evaluation of verification found, as a document."""

from __future__ import annotations

from typing import Final

import numpy as np

from facecli.evaluation.groups import TOO_SMALL
from facecli.evaluation.proportions import Interval
from facecli.evaluation.verification import Rate
from facecli.report.document import Cell, Document, Table
from facecli.services.evaluate.verification_evaluation import DEALT_AGAINST_PEOPLE, GroupColumn, VerificationEvaluation
from facecli.services.evaluate.verification_plots import det, histogram, pictures, roc

PERCENTILES: Final = (0, 1, 5, 25, 50, 75, 95, 99, 100)

# Failures to list; the counts are of all.
LISTED: Final = 50

_OVER_PEOPLE: Final = "Intervals are 95 %, from 1,000 draws of people with replacement"


def to_document(found: VerificationEvaluation) -> Document:
    """Turn the result of `evaluate_verification` into a document."""
    curves = found.rates.curve.mated and found.rates.curve.non_mated
    return Document(
        "Verification",
        _facts(found),
        (
            _fixed_fmr(found),
            *_in_use(found),
            _summary(found),
            *_folds(found),
            *(_group_table(column) for column in found.groups),
            _percentiles(found),
            *_failures(found),
        ),
        (*((det(found), roc(found)) if curves else ()), *histogram(found)),
        tuple(group for group in pictures(found) if group.pictures),
        _warnings(found),
    )


def _facts(found: VerificationEvaluation) -> dict[str, Cell]:
    failed, photos, curve = len(found.failed_photos), len(found.photos), found.rates.curve
    return {
        "pairs": found.pairs.path,
        "photos": photos,
        "people": found.trials.people,
        "people told apart by": found.pairs.people_from,
        "mated pairs": curve.mated,
        "non-mated pairs": curve.non_mated,
        "photos failed to enrol": failed,
        "FTE": failed / photos,
        "pairs with such a photo, never a match": int(np.isneginf(found.trials.scores).sum()),
        "photos with several faces": sum(photo.faces > 1 for photo in found.photos),
        "face taken": found.face,
        **found.model,
        "threshold in use": found.threshold,
    }


def _ends(interval: Interval | None) -> tuple[Cell, Cell]:
    return (None, None) if interval is None else (interval.low, interval.high)


def _rate_cells(rate: Rate | None) -> tuple[Cell, ...]:
    """Rate, ends of its interval, errors and trials."""
    return (None,) * 5 if rate is None else (rate.value, *_ends(rate.interval), rate.count, rate.trials)


def _fixed_fmr(found: VerificationEvaluation) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for point in found.rates.points:
        fnmr = point.fnmr.value if point.fnmr is not None else None
        tar = None if fnmr is None else 1 - fnmr
        note = f"n/a: {point.reason}" if point.reason else ""
        if point.threshold == np.inf:
            note = "nothing may match: too many of the highest scores are alike"
        rows.append((point.target_fmr, point.threshold, *_rate_cells(point.fnmr), tar, note))
    return Table(
        "FNMR at fixed FMR",
        "How many pairs of one person are missed when the threshold lets through this share of the others.",
        ("FMR", "threshold", "FNMR", "low", "high", "missed", "mated pairs", "TAR", "note"),
        tuple(rows),
        f"{_OVER_PEOPLE}, the threshold chosen anew in each; fewer than ten errors are joined by Wilson's interval over"
        " people. TAR is 1 - FNMR.",
    )


def _in_use(found: VerificationEvaluation) -> tuple[Table, ...]:
    if found.threshold is None:
        return ()
    return (
        Table(
            "At the threshold in use",
            f"Errors when a score of {found.threshold:g} or more is a match.",
            ("error", "rate", "low", "high", "errors", "trials"),
            (("FMR", *_rate_cells(found.fmr)), ("FNMR", *_rate_cells(found.fnmr))),
            f"{_OVER_PEOPLE}; fewer than ten errors are joined by Wilson's interval over people.",
        ),
    )


def _summary(found: VerificationEvaluation) -> Table:
    rows: list[tuple[Cell, ...]] = [("equal error rate", found.rates.eer, *_ends(found.rates.eer_interval), "")]
    if found.best is not None:
        note = f"at the threshold {found.best.threshold:.4g}, chosen on these very pairs"
        rows.append(("best accuracy", found.best.value, None, None, note))
    if found.folds is not None:
        mean, error = found.folds.mean, found.folds.standard_error
        note = f"± {error:.4f} standard error of the mean; {len(found.folds.folds)} folds, {found.folds_from}"
        rows.append(("accuracy over folds", mean, None, None, note))
    return Table(
        "In one number",
        "For comparison with what others report; how well a system serves its purpose is in the tables of errors.",
        ("measure", "value", "low", "high", "note"),
        tuple(rows),
        f"{_OVER_PEOPLE}.",
    )


def _folds(found: VerificationEvaluation) -> tuple[Table, ...]:
    if found.folds is None:
        return ()
    named = zip(found.folds.names, found.folds.folds, strict=True)
    return (
        Table(
            "Accuracy by fold",
            "Each fold judged with the threshold that is best on the others.",
            ("fold", "accuracy", "right", "pairs", "threshold"),
            tuple((name, fold.value, fold.correct, fold.trials, fold.threshold) for name, fold in named),
        ),
    )


def _group_table(column: GroupColumn) -> Table:
    return Table(
        f"By {column.name}, at {column.at}",
        f"Errors of each {column.name} when a score of {column.threshold:.4g} or more is a match.",
        ("group", "people", "FNMR", "low", "high", "mated", "FMR", "FMR low", "FMR high", "non-mated", "beware"),
        tuple(
            (
                group.value or "(not given)",
                group.people,
                group.fnmr.value,
                *_ends(group.fnmr.interval),
                group.mated,
                group.fmr.value,
                *_ends(group.fmr.interval),
                group.non_mated,
                "; ".join(group.doubts),
            )
            for group in column.groups
        ),
        f"{_OVER_PEOPLE} in the group; fewer than ten errors are joined by Wilson's interval. {TOO_SMALL}.",
    )


def _percentiles(found: VerificationEvaluation) -> Table:
    kinds = [np.sort(found.trials.scores[kind]) for kind in (found.trials.mated, ~found.trials.mated)]
    rows = []
    for percent in PERCENTILES:
        # A score that occurs, as nothing can be interpolated where a photo failed to enrol.
        values = [float(each[round((each.size - 1) * percent / 100)]) if each.size else None for each in kinds]
        rows.append((f"{percent} %", *values))
    return Table(
        "Scores",
        "The score that this share of pairs does not exceed.",
        ("share", "mated", "non-mated"),
        tuple(rows),
        "Pairs of photos that failed to enrol are below every score.",
    )


def _failures(found: VerificationEvaluation) -> tuple[Table, ...]:
    failed = found.failed_photos
    if not failed:
        return ()
    return (
        Table(
            "Failures to enrol",
            f"Photos without a face to compare: {len(failed)} of {len(found.photos)}.",
            ("photo", "reason", "message"),
            tuple((photo.path, photo.failure, photo.message) for photo in failed[:LISTED]),
            f"The first {LISTED} are listed." if len(failed) > LISTED else "",
        ),
    )


def _warnings(found: VerificationEvaluation) -> tuple[str, ...]:
    warnings = list(found.pairs.warnings)
    for mated, what in ((True, "mated"), (False, "non-mated")):
        copies = found.copied_pairs(mated=mated)
        if copies:
            pairs = f"{copies} {what} {'pair is' if copies == 1 else 'pairs are'}"
            so = "which is easier than two photos" if mated else "so the list is wrong there"
            warnings.append(f"{pairs} of one file under two names, {so}")
    curve = found.rates.curve
    for count, kind in ((curve.mated, "mated"), (curve.non_mated, "non-mated")):
        if not count:
            warnings.append(f"the list has no {kind} pairs: nothing can be said about their errors")
    if found.threshold is None:
        warnings.append("no threshold has been measured for this embedder: errors in use are not stated")
    if found.folds is not None and found.folds_from == DEALT_AGAINST_PEOPLE:
        warnings.append(
            "the folds share people, as non-mated pairs tie them together: accuracy over folds is a little optimistic"
        )
    warnings += [
        f"the column '{name}' does not name groups of pairs (2 to 50 of them) and was left out"
        for name in found.left_out
    ]
    groups = {(column.name, group.value): bool(group.doubts) for column in found.groups for group in column.groups}
    if any(groups.values()):
        warnings.append(
            f"{sum(groups.values())} of {len(groups)} groups are too small for their rates to be compared:"
            " the tables say which"
        )
    return tuple(warnings)
