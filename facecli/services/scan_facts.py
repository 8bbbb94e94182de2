"""What decides the results of a scan, and what of it has changed since."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Final

from facecli.decide.identification import DecisionRule
from facecli.gallery.records import TemplateMatrix

GALLERY: Final = "gallery"
REVISION: Final = "gallery revision"
CONTENT: Final = "gallery content"
RULE: Final = "threshold in use"


def scan_facts(
    analysis_facts: Mapping[str, str],
    settings: Mapping[str, object],
    gallery_path: str,
    matrix: TemplateMatrix,
    rule: DecisionRule,
) -> dict[str, str]:
    """Return everything that decides the results of a scan.

    Parameters
    ----------
    analysis_facts : mapping of str to str
        What decides what an analysis gives.
    settings : mapping of str to object
        Further settings, by the name that a person knows.
    gallery_path : str
    matrix : TemplateMatrix
        The gallery's content, as it is searched.
    rule : DecisionRule
        By which names are given.
    """
    return {
        **analysis_facts,
        **{name: str(value) for name, value in settings.items()},
        GALLERY: gallery_path,
        REVISION: str(matrix.revision),
        CONTENT: _digest(matrix),
        RULE: repr(float(rule.threshold)),
    }


def _digest(matrix: TemplateMatrix) -> str:
    """Return a short form of what a gallery holds; a revision alone would not tell a gallery made anew."""
    count = len(matrix.template_ids)
    rows, vectors = matrix.sample()
    people = [matrix.names[person_id] for person_id in matrix.person_ids[rows].tolist()]
    digest = hashlib.sha256(json.dumps([count, len(matrix.names), people]).encode("ascii"))
    digest.update(matrix.template_ids[rows].tobytes())
    digest.update(vectors.tobytes())
    return digest.hexdigest()


def changed_facts(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Say in words what differs; nothing if nothing does."""
    changes = [
        f"{name}: {before.get(name, 'not set')}, now {now.get(name, 'not set')}"
        for name in dict.fromkeys([*now, *before])
        if name not in (REVISION, CONTENT, RULE) and before.get(name) != now.get(name)
    ]
    if before.get(GALLERY) == now.get(GALLERY) and (
        before.get(REVISION) != now.get(REVISION) or before.get(CONTENT) != now.get(CONTENT)
    ):
        changes.append(_gallery_change(before.get(REVISION, ""), now.get(REVISION, "")))
    if not changes and before.get(RULE) != now.get(RULE):  # else it follows from what is named already
        changes.append(f"{RULE}: {before.get(RULE, 'not set')}, now {now.get(RULE, 'not set')}")
    return changes


def _gallery_change(before: str, now: str) -> str:
    if before.isdecimal() and now.isdecimal() and int(now) > int(before):
        count = int(now) - int(before)
        return f"the gallery has {count} {'change' if count == 1 else 'changes'} since"
    return "the gallery is another one than it was"
