"""What a check says: findings, each with what it rests on and the command that mends it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from facecli.services.gallery_check.crowd import Errors

Severity: TypeAlias = Literal["problem", "warning", "advice"]
"""problem: it is not what was written. warning: something in it is likely wrong. advice: it could be better."""

SEVERITIES: Final[tuple[Severity, ...]] = ("problem", "warning", "advice")

LEAST_MEASURED: Final = 10
"""Photos; of fewer each one is more than a tenth, and no change is told from chance."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something noticed.

    Attributes
    ----------
    kind : str
        What it is, a word that stays the same: see `facecli gallery check --help`.
    severity : {"problem", "warning", "advice"}
    what : str
        A sentence.
    people : tuple of str
        Names of those concerned.
    template_ids : tuple of int
        Templates concerned; those of `fix` first.
    sources : tuple of str
        Their photos.
    boxes_xyxy : tuple
        Their faces in these, in pixels of the upright photos; empty if not known.
    score : float or None
        Cosine similarity that it rests on.
    fmr : float or None
        Share of pairs of different people that reach this score.
    strangers : float or None
        Pairs of strangers that are expected to reach it in this gallery.
    before, after : Errors or None
        What the gallery does to its own photos, as it is and once mended.
    change : str
        The difference in words, or why there is none.
    fix : str
        Command lines that mend it, joined by ``&&``; empty where none does.
    """

    kind: str
    severity: Severity
    what: str
    people: tuple[str, ...] = ()
    template_ids: tuple[int, ...] = ()
    sources: tuple[str, ...] = ()
    boxes_xyxy: tuple[tuple[float, float, float, float], ...] = ()
    score: float | None = None
    fmr: float | None = None
    strangers: float | None = None
    before: Errors | None = None
    after: Errors | None = None
    change: str = ""
    fix: str = ""


def change_words(before: Errors, after: Errors) -> str:
    """Say how errors change, in half a sentence."""
    if before.strangers < LEAST_MEASURED:
        return f"too few photos to measure ({before.strangers})"
    parts = []
    if before.missed != after.missed:
        parts.append(f"missed {_of(before.missed, before.searches)} -> {_of(after.missed, after.searches)}")
    if before.misnamed != after.misnamed:
        parts.append(
            f"named as somebody else {_of(before.misnamed, before.searches)} -> {_of(after.misnamed, after.searches)}"
        )
    if before.named != after.named:
        parts.append(f"strangers named {_of(before.named, before.strangers)} -> {_of(after.named, after.strangers)}")
    # Scores are shown with three decimals.
    first, then = f"{before.threshold:.3f}", f"{after.threshold:.3f}"
    if first != then:
        parts.append(f"threshold {first} -> {then}")
    return ", ".join(parts) or "no change measured"


def _of(count: int, total: int) -> str:
    return f"{count:,} of {total:,}"


class Commands:
    """Writes commands as a shell takes them.

    Parameters
    ----------
    gallery : str, optional
        Path of a gallery that is not the one of the settings.
    """

    def __init__(self, gallery: str | None = None) -> None:
        self._gallery = ["--gallery", gallery] if gallery else []

    def line(self, *words: str, options: Iterable[str] = (), arguments: Iterable[str | int] = ()) -> str:
        """Return a command."""
        last = [str(each) for each in arguments]
        if any(each.startswith("-") for each in last):
            last = ["--", *last]
        return shlex.join(["facecli", *words, *self._gallery, *options, *last])

    def move(self, template_ids: Iterable[int], name: str) -> str:
        """Give templates to somebody."""
        to = [f"--to={name}"] if name.startswith("-") else ["--to", name]
        return self.line("people", "move", options=to, arguments=template_ids)

    def merge(self, name: str, into: str) -> str:
        """Make two people one."""
        return self.line("people", "merge", arguments=[name, into])

    def drop(self, template_ids: Iterable[int]) -> str:
        """Make templates nobody's."""
        return self.line("people", "drop", arguments=template_ids)

    def show(self, name: str) -> str:
        """Look at somebody."""
        return self.line("people", "show", arguments=[name])

    def split(self, name: str, template_ids: Iterable[int]) -> str:
        """Give templates of somebody to somebody new, whose name is to be filled in."""
        return self.line("people", "split", options=["--to", "NEW"], arguments=[name, *template_ids])

    def enroll(self, *names: str) -> str:
        """Add photos of somebody, both to be filled in where they are not known."""
        return f"{self.line('enroll', arguments=names)}{'' if names else ' NAME'} PHOTO..."
