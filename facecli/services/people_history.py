"""What the events of a gallery's log did, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TypeAlias

from facecli.gallery.history import RESTORE, Change, Subject
from facecli.gallery.log import PURGE, Entry

PURGED = "somebody purged"

Changes: TypeAlias = dict[tuple[Subject, int], Change]
"""By subject: what it was before the event, and after."""

Flows: TypeAlias = Counter[tuple[int | None, int | None, bool]]
"""How many templates went from whom to whom (person_id, None is nobody); whether they say who somebody is not."""


def event_words(entry: Entry) -> str:
    """Say what an event did: "enrolled Ana with 3 templates"."""
    if entry.origin is None:
        return change_words(entry)
    undone, origin = entry.event.undoes, entry.origin.event.event_id
    result = f"undid event {undone}"
    if undone != origin:
        result += f": {'did' if entry.is_again else 'undid'} event {origin} again"
    return f"{result} ({change_words(entry.origin)})"


def change_words(entry: Entry) -> str:
    """Say what an event changed, be it of its own or by taking another one back."""
    flows: Flows = Counter()
    changed: Changes = {}
    for each in entry.event.changes:
        first = changed.get((each.subject, each.subject_id), each)
        changed[each.subject, each.subject_id] = Change(each.subject, each.subject_id, first.before, each.after)
    for each in changed.values():
        if each.subject == "owner" and each.before != each.after:
            flows[_person_id(each.before), _person_id(each.after), each.subject_id in entry.negative_ids] += 1
    if entry.event.command == PURGE:
        gone = sum(count for (_, after, _), count in flows.items() if after is None)
        return f"purged somebody with {templates(gone)}" if gone else "purged somebody"
    if entry.event.command == RESTORE:
        return "made the gallery what a backup held"
    words = [
        *_coming_and_going(entry, changed, flows),
        *_moves(entry, flows),
        *_consents(entry, changed),
    ]
    return "; ".join(words) or f"changed {PURGED}"


def people_names(entry: Entry) -> list[str]:
    """Return who is concerned, in alphabetical order."""
    return sorted({name or PURGED for name in entry.names.values()})


def templates(count: int) -> str:
    """Return a number of templates in words."""
    return f"{count:,} {'template' if count == 1 else 'templates'}"


def _person_id(value: str | int | None) -> int | None:
    return None if value is None else int(value)


def _name(entry: Entry, person_id: int | None) -> str:
    return (entry.names.get(person_id) if person_id is not None else None) or PURGED


def _coming_and_going(entry: Entry, changed: Changes, flows: Flows) -> Iterator[str]:
    """Say who came, went, or got another name, with their templates; what is said is taken out of `flows`."""
    for (subject, person_id), change in changed.items():
        if subject != "name" or change.before == change.after:
            continue
        name = _name(entry, person_id)
        if change.before is None:
            new = flows.pop((None, person_id, False), 0)
            of_others = {
                before: flows.pop((before, after, False))
                for before, after, no in list(flows)
                if after == person_id and before is not None and not no
            }
            with_what = [templates(new)] * bool(new)
            with_what += [f"{templates(count)} of {_name(entry, before)}" for before, count in of_others.items()]
            yield f"enrolled {name}" + (f" with {' and '.join(with_what)}" if with_what else "")
        elif change.after is None:
            yield _gone(entry, person_id, name, flows)
        else:
            yield f"renamed {change.before} to {change.after}"


def _gone(entry: Entry, person_id: int, name: str, flows: Flows) -> str:
    moved = {key[1:]: flows.pop(key) for key in list(flows) if key[0] == person_id}
    left = moved.get((None, False), 0)
    into = {after: moved.get((after, False), 0) for after, _ in moved if after is not None}
    # Into whom, where nothing of theirs was new.
    into = into or {each.subject_id: 0 for each in entry.event.changes if each.before == each.after is not None}
    if not into:
        return f"removed {name}" + (f" with {templates(left)}" if left else "")
    said = " and ".join(f"into {_name(entry, after)} with {templates(count)}" for after, count in into.items())
    return f"merged {name} {said}" + (f", and left out {templates(left)} of the same faces" if left else "")


def _moves(entry: Entry, flows: Flows) -> Iterator[str]:
    for (before, after, is_negative), count in flows.items():
        if is_negative:
            said = "took back" if after is None else "noted"
            whom = _name(entry, before if after is None else after)
            yield f"{said} that {count:,} {'face is' if count == 1 else 'faces are'} not {whom}"
        elif before is None:
            yield f"added {templates(count)} to {_name(entry, after)}"
        elif after is None:
            yield f"took {templates(count)} from {_name(entry, before)}"
        else:
            yield f"moved {templates(count)} from {_name(entry, before)} to {_name(entry, after)}"


def _consents(entry: Entry, changed: Changes) -> Iterator[str]:
    for (subject, person_id), change in changed.items():
        name = changed.get(("name", person_id))
        comes_or_goes = name is not None and None in (name.before, name.after)
        if subject == "consent" and change.before != change.after and not comes_or_goes:
            said = "cleared" if change.after is None else "noted"
            yield f"{said} the consent of {_name(entry, person_id)}"
