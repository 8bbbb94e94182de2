"""Verdicts in sentences, with the commands that mend what they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from facecli.services.gallery_check.crowd import Crowd
from facecli.services.gallery_check.findings import Commands, Finding, Severity
from facecli.services.gallery_check.left_out import NO_SCORE
from facecli.services.gallery_check.limits import Limits
from facecli.services.gallery_check.photos import Photo
from facecli.services.gallery_check.verdicts import Verdict, VerdictKind

# Photos named in one sentence.
MOST_NAMED: Final = 3

SURE_PAIRS: Final = 0.03
"""Pairs of strangers expected to be so near in a gallery: of more the score does not say that they are one person.
Measured by tests/bench/bench_check.py; see tests/bench/RESULTS.md."""


class Words:
    """Writes findings about templates.

    Parameters
    ----------
    names : mapping of int to str
        By person_id.
    photos : list of Photo
        Of each row.
    crowd : Crowd
    limits : Limits
    commands : Commands
    """

    def __init__(
        self, names: Mapping[int, str], photos: list[Photo], crowd: Crowd, limits: Limits, commands: Commands
    ) -> None:
        self._names = names
        self._limits = limits
        self._photos = photos
        self._crowd = crowd
        self._commands = commands
        self._writers: dict[VerdictKind, Callable[[Verdict], tuple[str, Severity, str]]] = {
            "two_names": self._two_names,
            "mislabelled": self._mislabelled,
            "look_alikes": self._look_alikes,
            "unlike": self._unlike,
            "two_people": self._two_people,
            "doubtful": self._doubtful,
            "copies": self._copies,
        }

    def finding(self, verdict: Verdict) -> Finding:
        """Return a verdict as a finding."""
        what, severity, fix = self._writers[verdict.kind](verdict)
        rows = [*verdict.rows, *verdict.other_rows[:MOST_NAMED]]
        people = [self._names[verdict.person_id]]
        if verdict.other_id is not None:
            people.append(self._names[verdict.other_id])
        return self._about(verdict.kind, severity, what, people, rows, verdict.score, fix)

    def _about(
        self,
        kind: str,
        severity: Severity,
        what: str,
        people: list[str],
        rows: list[int],
        score: float | None,
        fix: str,
    ) -> Finding:
        photos = [self._photos[row] for row in rows]
        return Finding(
            kind=kind,
            severity=severity,
            what=what,
            people=tuple(people),
            template_ids=tuple(photo.template_id for photo in photos),
            sources=tuple(photo.source for photo in photos),
            boxes_xyxy=tuple(photo.box_xyxy for photo in photos),
            score=score,
            fix=fix,
        )

    def _two_names(self, verdict: Verdict) -> tuple[str, Severity, str]:
        name, other = self._both(verdict)
        rests_on = f"score {verdict.score:.3f}"
        if verdict.median is not None and len(verdict.rows) * len(verdict.other_rows) > 1:
            rests_on += f"; half of their pairs {verdict.median:.3f} or more"
        if self._limits.expected_pairs(np.array(verdict.score)) > SURE_PAIRS:
            what = (
                f"{name} and {other} are one person under two names, or strangers who look alike: the score cannot tell"
            )
            fix = f"{self._commands.show(name)} && {self._commands.show(other)}"
            return f"{what} ({rests_on})", "advice", fix
        what = f"{name} and {other} may be one person under two names{self._from_one_photo(verdict)}"
        return f"{what} ({rests_on}); twins score so too", "warning", self._commands.merge(name, other)

    def _mislabelled(self, verdict: Verdict) -> tuple[str, Severity, str]:
        name, other = self._both(verdict)
        own = max(float(self._crowd.own[row]) for row in verdict.rows)
        what = f"{self._templates(verdict.rows)} of {name} {_show(verdict.rows)} {other}"
        what += f"{self._from_one_photo(verdict)} (score {verdict.score:.3f}"
        what += f"; {own:.3f} with {name}'s other photos)" if own > NO_SCORE else ")"
        target = [self._photos[row] for row in self._crowd.rows_of(verdict.other_id or 0).tolist()]
        known = [row for row in verdict.rows if any(self._photos[row].is_same_face(each) for each in target)]
        moving = [row for row in verdict.rows if row not in known]
        lines = [self._commands.move(self._ids(moving), other)] if moving else []
        lines += [self._commands.drop(self._ids(known))] if known else []
        return what, "warning", " && ".join(lines)

    def _look_alikes(self, verdict: Verdict) -> tuple[str, Severity, str]:
        name, other = self._both(verdict)
        what = f"{name} and {other} can be taken for each other (score {verdict.score:.3f})"
        return what, "advice", self._commands.enroll(name)

    def _unlike(self, verdict: Verdict) -> tuple[str, Severity, str]:
        name = self._names[verdict.person_id]
        what = f"{self._templates(verdict.rows)} may not show {name}: {self._unlike_others(verdict)}"
        return what, "warning", self._commands.drop(self._ids(verdict.rows))

    def _two_people(self, verdict: Verdict) -> tuple[str, Severity, str]:
        name = self._names[verdict.person_id]
        what = f"{self._templates(verdict.rows)} of {name} show somebody else, all the same: "
        what += self._unlike_others(verdict)
        return what, "warning", self._commands.split(name, self._ids(verdict.rows))

    def _doubtful(self, verdict: Verdict) -> tuple[str, Severity, str]:
        name = self._names[verdict.person_id]
        what = f"{self._templates(verdict.rows)} of {name} do not agree: some may not show {name} "
        return what + f"(best score {verdict.score:.3f})", "warning", self._commands.show(name)

    def _copies(self, verdict: Verdict) -> tuple[str, Severity, str]:
        name = self._names[verdict.person_id]
        best = max(verdict.rows, key=lambda row: (self._photos[row].quality, -row))
        rest = [row for row in verdict.rows if row != best]
        what = f"{self._templates(verdict.rows)} of {name} are copies of one photo, or as good (score "
        what += f"{verdict.score:.3f}): they count as one"
        return what, "advice", self._commands.drop(self._ids(rest))

    def low_quality(self, least: float) -> Iterator[tuple[list[int], Finding]]:
        """Yield people with poor photos, the worst first: rows that can be done without, and the finding."""
        poor: dict[int, list[int]] = {}
        for row, photo in enumerate(self._photos):
            if photo.quality < least:
                poor.setdefault(int(self._crowd.owners[row]), []).append(row)
        for person_id, rows in sorted(poor.items(), key=lambda each: min(self._photos[row].quality for row in each[1])):
            name = self._names[person_id]
            worst = min(self._photos[row].quality for row in rows)
            what = f"{self._templates(rows)} of {name} {'is' if len(rows) == 1 else 'are'} poor (quality {worst:.2f}"
            what += f"; {least:.2f} and more is advised)"
            spare = rows if len(rows) < len(self._crowd.rows_of(person_id)) else []
            fix = self._commands.enroll(name)
            yield spare, self._about("low_quality", "advice", what, [name], rows, None, fix)

    def _both(self, verdict: Verdict) -> tuple[str, str]:
        return self._names[verdict.person_id], self._names[verdict.other_id or 0]

    def _ids(self, rows: list[int] | tuple[int, ...]) -> list[int]:
        return [self._photos[row].template_id for row in rows]

    def _templates(self, rows: list[int] | tuple[int, ...]) -> str:
        named = [f"{self._photos[row].template_id} ({self._file(row)})" for row in rows[:MOST_NAMED]]
        more = f" and {len(rows) - MOST_NAMED} more" if len(rows) > MOST_NAMED else ""
        return f"{'template' if len(rows) == 1 else 'templates'} {', '.join(named)}{more}"

    def _file(self, row: int) -> str:
        return Path(self._photos[row].source).name or "no file"

    def _from_one_photo(self, verdict: Verdict) -> str:
        """Say that both have a template of one face, where that is so."""
        if verdict.other_id is None:
            return ""
        others = [self._photos[row] for row in self._crowd.rows_of(verdict.other_id).tolist()]
        same = any(self._photos[row].is_same_face(each) for row in verdict.rows for each in others)
        return ", from the same face of the same photo" if same else ""

    def _unlike_others(self, verdict: Verdict) -> str:
        count = len(verdict.other_rows)
        others = "the other photo" if count == 1 else f"the {count} photos that agree"
        text = f"unlike {others} (best score {verdict.score:.3f})"
        near = [row for row in verdict.rows if self._crowd.links.best[row] > NO_SCORE]
        if near:
            row = max(near, key=lambda row: float(self._crowd.links.best[row]))
            text += f"; the nearest other person scores {self._crowd.links.best[row]:.3f}"
        return text


def _show(rows: tuple[int, ...]) -> str:
    return "shows" if len(rows) == 1 else "show"
