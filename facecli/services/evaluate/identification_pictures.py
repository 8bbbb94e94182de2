"""The worst errors of an identification, as pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from facecli.decide.threshold import is_match
from facecli.evaluation.identification import NO_CANDIDATE
from facecli.gallery.store import Gallery
from facecli.report.document import Picture, PictureGroup
from facecli.services.evaluate.identification_evaluation import CMC_RANKS, Box, Probe
from facecli.types import Candidate, Template

# As many errors as somebody looks at.
WORST: Final = 12


def worst_errors(probes: Sequence[Probe], gallery: Gallery, threshold: float | None) -> Iterator[PictureGroup]:
    """Show the strangers with the highest scores beside whom they were nearest to, and the people missed.

    Parameters
    ----------
    gallery : Gallery
        That was searched, still open.
    threshold : float or None
        Least score for a name; None where none is known: only who is not at rank 1 is missed then.
    """
    strangers = [(probe, probe.top) for probe in probes if not probe.is_mated and probe.top is not None]
    strangers.sort(key=lambda each: -each[1].score)
    if strangers:
        yield PictureGroup(
            "Strangers nearest to somebody",
            "Non-mated probes with the highest scores, beside the person of the gallery nearest to them; or wrongly "
            "labelled.",
            tuple(_stranger(probe, top, gallery, threshold) for probe, top in strangers[:WORST]),
        )
    missed = [probe for probe in probes if probe.is_mated and probe.error is None and not _is_hit(probe, threshold)]
    missed.sort(key=lambda probe: probe.mate.score if probe.mate else NO_CANDIDATE)
    if missed:
        where = "rank 1" if threshold is None else f"rank 1 and {threshold:.4g} or above"
        yield PictureGroup(
            "People missed",
            f"Mated probes without the right person at {where}, beside that person as enrolled and whoever was nearer; "
            "or wrongly labelled.",
            tuple(_miss(probe, gallery) for probe in missed[:WORST]),
        )


def _is_hit(probe: Probe, threshold: float | None) -> bool:
    return (
        probe.mate is not None and probe.mate.rank == 1 and (threshold is None or is_match(probe.mate.score, threshold))
    )


def _stranger(probe: Probe, top: Candidate, gallery: Gallery, threshold: float | None) -> Picture:
    verb = "taken for" if threshold is not None and is_match(top.score, threshold) else "nearest to"
    return _picture(probe, [_template_of(top, gallery)], f"{probe.name} {verb} {top.name}", top.score)


def _miss(probe: Probe, gallery: Gallery) -> Picture:
    mate, top = probe.mate, probe.top
    templates: list[Template | None] = []
    if mate is not None:
        text = f"{probe.name} at rank {mate.rank}"
        templates.append(_template_of(mate, gallery))
    else:
        person = gallery.find_person(probe.name)
        own = gallery.templates(person.person_id) if person is not None else []
        templates.append(own[0] if own else None)
        text = f"{probe.name} not among the first {CMC_RANKS}" if own else f"{probe.name}, who could not be enrolled"
    if top is not None and top.name != probe.name:
        text += f", behind {top.name} at {top.score:.3f}"
        templates.append(_template_of(top, gallery))
    return _picture(probe, templates, text, mate.score if mate is not None else None)


def _template_of(candidate: Candidate, gallery: Gallery) -> Template | None:
    templates = gallery.templates(candidate.person_id)
    return next((each for each in templates if each.template_id == candidate.template_id), None)


def _picture(probe: Probe, templates: Iterable[Template | None], text: str, score: float | None) -> Picture:
    paths, boxes = [probe.path], [probe.box_xyxy]
    for template in templates:
        if template is not None:
            left, top, right, bottom = map(float, template.box_xyxy)
            box: Box = (left, top, right, bottom)
            paths.append(template.source)
            boxes.append(box)
    return Picture(tuple(paths), text, score, tuple(boxes))
