"""The faces of a gallery: whose photos seem wrong, alike or poor, and what mending it would change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from facecli.decide.calibration import Calibration, StrangerSearches
from facecli.gallery.records import TemplateMatrix
from facecli.gallery.search import GallerySearch
from facecli.gallery.store import Gallery
from facecli.scores import ScoreDistribution
from facecli.services.calibration import calibrate
from facecli.services.gallery_check.barred import barred_findings
from facecli.services.gallery_check.crowd import DROPPED, Crowd, Errors
from facecli.services.gallery_check.few_photos import few_photos
from facecli.services.gallery_check.findings import Commands, Finding, change_words
from facecli.services.gallery_check.limits import Limits
from facecli.services.gallery_check.photos import Photo, photos_of
from facecli.services.gallery_check.verdicts import Verdict, verdicts
from facecli.services.gallery_check.wording import Words

MOST_MEASURED: Final = 100
"""Findings of a kind whose change is measured: each takes as long as a search for a photo or two."""

LINKS_EXPECTED: Final = 3.0
"""Strangers that a template is expected to be near enough to, to be looked at."""

FLOOR_BELOW: Final = 0.1
"""How far below the threshold scores are looked at besides; a threshold that falls further is taken to end there."""

ADVISED_QUALITY: Final = 0.5
"""Below it something is wrong with a face: facecli.embed.quality.PASS, which needs cv2 (a test holds both equal)."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceCheck:
    """What a check of the faces found.

    Attributes
    ----------
    findings : tuple of Finding
    before : Errors
        What the gallery does to its own photos.
    after : Errors or None
        The same once every command that is given for a warning has been run; None where there is none.
    """

    findings: tuple[Finding, ...]
    before: Errors
    after: Errors | None


def check_faces(
    gallery: Gallery,
    search: GallerySearch,
    model_id: str,
    scores: ScoreDistribution,
    *,
    fpir: float,
    threshold: float | None = None,
    min_quality: float = 0.0,
    commands: Commands | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> FaceCheck:
    """Compare all templates of a model with each other, and judge them.

    Parameters
    ----------
    search : GallerySearch
        Over the same gallery.
    scores : ScoreDistribution
        The model's.
    fpir : float
        Rate that the threshold is chosen for.
    threshold : float, optional
        The user's own instead.
    min_quality : float
        Least quality that is asked of photos, if it is above `ADVISED_QUALITY`.
    progress : callable
        Told the comparisons done and how many there are.

    Raises
    ------
    GalleryError
        If the gallery cannot be read, or holds nothing of this model.
    """
    found = calibrate(gallery, search, model_id, scores)
    matrix = gallery.matrix(model_id)
    sizes = np.unique(matrix.person_ids, return_counts=True)[1]
    limits = Limits(found.calibration, sizes)
    now = found.calibration.choose(fpir).threshold if threshold is None else threshold

    def threshold_for(searches: StrangerSearches, templates: int, people: int) -> float:
        if threshold is not None:
            return threshold
        return Calibration(scores, templates, people, searches).choose(fpir).threshold

    likely = limits.score_of_links(LINKS_EXPECTED)
    floor = min(likely, now - FLOOR_BELOW, limits.same_person)
    crowd = Crowd(matrix, floor, found.sample.person_ids, threshold_for, progress)
    judge = _Judge(matrix, photos_of(gallery, matrix), crowd, limits, commands or Commands())
    return judge.judge(gallery, verdicts(crowd, limits, now, scores), max(min_quality, ADVISED_QUALITY))


class _Judge:
    """Turns verdicts into findings."""

    def __init__(
        self, matrix: TemplateMatrix, photos: list[Photo], crowd: Crowd, limits: Limits, commands: Commands
    ) -> None:
        self._matrix = matrix
        self._photos = photos
        self._crowd = crowd
        self._limits = limits
        self._commands = commands
        self._words = Words(matrix.names, photos, crowd, limits, commands)
        self._before = crowd.errors()
        self._measured: dict[str, int] = {}

    def judge(self, gallery: Gallery, found: Iterable[Verdict], least_quality: float) -> FaceCheck:
        """Return all findings, and what mending all would change."""
        findings: list[Finding] = []
        everything: dict[int, int] = {}
        for verdict in found:
            finding = self._words.finding(verdict)
            changes = self._changes(verdict)
            findings.append(self._with_numbers(finding, changes, verdict.kind != "copies"))
            if finding.severity == "warning":
                everything |= changes
        for rows, finding in self._words.low_quality(least_quality):
            finding = self._with_numbers(finding, dict.fromkeys(rows, DROPPED), False)
            without = "without: " if rows else "there are no others to go by"
            findings.append(replace(finding, change=without + finding.change))
        findings += barred_findings(gallery, self._matrix, self._photos, self._crowd, self._limits, self._commands)
        findings += few_photos(self._matrix, self._crowd, self._limits, self._before.threshold, self._commands)
        after = self._crowd.after(everything) if everything else None
        return FaceCheck(tuple(findings), self._before, after)

    def _changes(self, verdict: Verdict) -> dict[int, int]:
        """Return whose templates will be when a finding is mended."""
        rows = verdict.rows
        match verdict.kind:
            case "two_names" | "mislabelled":
                target = verdict.other_id or DROPPED
                known = [self._photos[row] for row in self._crowd.rows_of(target).tolist()]
                return {
                    row: DROPPED if any(self._photos[row].is_same_face(each) for each in known) else target
                    for row in rows
                }
            case "two_people":
                return dict.fromkeys(rows, int(self._matrix.person_ids.max()) + 1)
            case "unlike":
                return dict.fromkeys(rows, DROPPED)
            case "copies":
                best = max(rows, key=lambda row: (self._photos[row].quality, -row))
                return {row: DROPPED for row in rows if row != best}
            case _:
                return {}

    def _with_numbers(self, finding: Finding, changes: Mapping[int, int], with_rates: bool) -> Finding:
        """Add what the score means, and the measured change."""
        score = finding.score if with_rates else None
        if score is not None:
            strangers = float(self._limits.expected_pairs(np.array(score)))
            finding = replace(finding, fmr=self._limits.fmr(score), strangers=strangers)
        if not changes:
            return replace(finding, before=self._before)
        count = self._measured[finding.kind] = self._measured.get(finding.kind, 0) + 1
        if count > MOST_MEASURED:
            change = f"not measured: the first {MOST_MEASURED} of a kind are"
            return replace(finding, before=self._before, change=change)
        after = self._crowd.after(changes)
        change = change_words(self._before, after)
        if finding.kind == "two_names" and finding.severity == "advice":
            change = f"if they are one: {change}"
        return replace(finding, before=self._before, after=after, change=change)
