"""A check's findings as a document: facts, a table, and the photos to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from facecli.report.document import Cell, Document, Picture, PictureGroup, Table
from facecli.services.gallery_check.crowd import Errors
from facecli.services.gallery_check.faces import FaceCheck
from facecli.services.gallery_check.file import FileCheck
from facecli.services.gallery_check.findings import SEVERITIES, Finding
from facecli.services.promises import two_digits

KINDS: Final = {
    "damaged": "the file, a link, a checksum, a vector or the history is not what was written",
    "index_damaged": "a search file beside the gallery is damaged",
    "model_unknown": "templates of a model, or of weights, that this machine does not know",
    "model_absent": "templates of a model whose weights are not on this machine",
    "photos_missing": "photos are not where they were enrolled from",
    "photos_changed": "photos are not the ones that were enrolled (--deep)",
    "two_names": "people whose photos are more alike than strangers' are: one person, or twins",
    "mislabelled": "templates that are like another person, and unlike their own person's others",
    "unlike": "a template that is unlike its person's others",
    "two_people": "several templates that are unlike their person's others, and like each other",
    "doubtful": "templates of one person that do not agree, none of them more than another",
    "negative_contradicts": "a face said not to be a person's, and photos of theirs that are the same or nearly",
    "look_alikes": "people near enough to be taken for each other at the threshold",
    "copies": "templates of one person from copies of one photo",
    "too_alike": "people of whom all photos are copies of one",
    "one_photo": "people with one photo",
    "low_quality": "templates of poor quality",
}
"""What each kind of finding says."""

MOST_LISTED: Final = 20
"""Findings of a kind, unless all are asked for: what is worth most stands first."""

MOST_PICTURES: Final = 50
"""Findings whose photos are shown on a page."""

MOST_SOURCES: Final = 1000
"""Photos listed with one finding."""

PHOTOS_SHOWN: Final = 4
"""Of one finding."""

ERRORS: Final = (
    "threshold",
    "photos left out that are missed",
    "photos left out that get somebody else's name",
    "strangers, everybody among the others, who get a name",
)

COLUMNS: Final = (
    *("severity", "kind", "finding", "people", "templates", "photos", "score", "FMR there", "strangers expected there"),
    *("missed", "missed once mended", "threshold", "threshold once mended", "change", "command"),
)


def all_findings(file: FileCheck, faces: FaceCheck | None) -> list[Finding]:
    """Return the findings, the gravest first; of a kind in the order in which they were found."""
    found = [*file.findings, *(faces.findings if faces else ())]
    kinds = list(KINDS)
    return sorted(found, key=lambda each: (SEVERITIES.index(each.severity), kinds.index(each.kind)))


def listed(findings: Iterable[Finding], *, everything: bool) -> tuple[list[Finding], dict[str, int]]:
    """Return the findings to list, and how many of each kind are left out."""
    shown: list[Finding] = []
    counts: Counter[str] = Counter()
    for each in findings:
        counts[each.kind] += 1
        if everything or counts[each.kind] <= MOST_LISTED:
            shown.append(each)
    return shown, {
        kind: count - MOST_LISTED for kind, count in counts.items() if count > MOST_LISTED and not everything
    }


def check_document(
    gallery: str, file: FileCheck, faces: FaceCheck | None, *, why_no_faces: str, everything: bool
) -> Document:
    """Put a check together.

    Parameters
    ----------
    gallery : str
        Path.
    faces : FaceCheck or None
        None where faces were not compared; `why_no_faces` says why.
    everything : bool
        List all findings, not only the first of each kind.
    """
    findings = all_findings(file, faces)
    shown, left_out = listed(findings, everything=everything)
    pictures = tuple(_picture(each) for each in shown if each.boxes_xyxy)[:MOST_PICTURES]
    return Document(
        title="Gallery check",
        facts=_facts(gallery, file, faces, findings, why_no_faces),
        tables=(*((_error_table(faces),) if faces else ()), *((_table(shown),) if shown else ())),
        pictures=(PictureGroup("Photos to look at", "The faces that findings are about.", pictures),)
        if pictures
        else (),
        warnings=tuple(f"{count:,} more of {kind} are left out; --all lists them" for kind, count in left_out.items()),
    )


def _facts(
    gallery: str, file: FileCheck, faces: FaceCheck | None, findings: list[Finding], why_no_faces: str
) -> dict[str, Cell]:
    counts = Counter(each.severity for each in findings)
    facts: dict[str, Cell] = {"gallery": gallery}
    if file.info is not None:
        facts |= {"people": file.info.people, "templates": sum(file.info.templates.values())}
    facts |= {"problems": counts["problem"], "warnings": counts["warning"], "pieces of advice": counts["advice"]}
    if faces is None:
        return facts | {"faces": f"not compared: {why_no_faces}"}
    facts["threshold"] = faces.before.threshold
    return facts


def error_words(errors: Errors) -> str:
    """Say in a line what a gallery does to its own photos."""
    return (
        f"threshold {errors.threshold:.3f}; photos left out: {_of(errors.missed, errors.searches)} missed, "
        f"{_of(errors.misnamed, errors.searches)} given another name; everybody among the others: "
        f"{_of(errors.named, errors.strangers)} given a name"
    )


def _of(count: int, total: int) -> str:
    return f"{count:,} of {total:,}" + (f" ({100 * count / total:.2g} %)" if total else "")


def _error_table(faces: FaceCheck) -> Table:
    before, after = faces.before, faces.after
    now, then = _error_cells(before), _error_cells(after) if after else [(None, None)] * 4
    rows = tuple((what, *one, *other) for what, one, other in zip(ERRORS, now, then, strict=True))
    return Table(
        "Errors",
        "What the gallery does to its own photos, each searched for in the gallery without it, now and once every "
        "command of a warning has been run.",
        ("what", "now", "of", "once mended", "of, then"),
        rows,
    )


def _error_cells(errors: Errors) -> list[tuple[Cell, Cell]]:
    """Return for each of `ERRORS` a count or number, and of how many."""
    return [
        (errors.threshold, None),
        (errors.missed, errors.searches),
        (errors.misnamed, errors.searches),
        (errors.named, errors.strangers),
    ]


def _table(findings: list[Finding]) -> Table:
    return Table(
        "Findings",
        "What is wrong or could be better, what mending it changes, and the command that does.",
        COLUMNS,
        tuple(_row(each) for each in findings),
        "Missed: photos, each searched for in the gallery without it, that do not find their person. Strangers "
        "expected: pairs of different people that reach the score in a gallery of this size.",
    )


def _row(each: Finding) -> tuple[Cell, ...]:
    before, after = each.before, each.after
    return (
        *(each.severity, each.kind, each.what, "; ".join(each.people), " ".join(map(str, each.template_ids))),
        *("; ".join(_some(each.sources)), each.score),
        *(None if rate is None else two_digits(rate) for rate in (each.fmr, each.strangers)),
        *(before.missed if before else None, after.missed if after else None),
        *(before.threshold if before else None, after.threshold if after else None),
        *(each.change, each.fix),
    )


def _some(sources: tuple[str, ...]) -> list[str]:
    more = len(sources) - MOST_SOURCES
    return [*sources[:MOST_SOURCES], *([f"{more:,} more"] if more > 0 else [])]


def _picture(each: Finding) -> Picture:
    count = PHOTOS_SHOWN
    return Picture(each.sources[:count], each.what, each.score, each.boxes_xyxy[:count])
