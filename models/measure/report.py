"""The tables of models/README.md and of the cards, by the names of their markers."""

from __future__ import annotations

from collections.abc import Mapping

import accuracy
import numpy as np
import promises
import trials
from distributions import BINS, Measurement
from methods import Measured, Method
from photosets import LABEL_FAULTS
from wording import DASH, percent, table

Tables = dict[str, str]

PROMISED = "sface"
"""The default embedder, for which promises are held against galleries."""

GROUP_HEAD = ("", "people (photos)", "mated pairs missed", "FNMR", "non-mated pairs passed", "FMR")


def make(
    data: Measured, shipped: Mapping[str, Method], found: Mapping[str, Measurement]
) -> tuple[Tables, dict[str, Tables]]:
    """Measure and write all tables: those of the README, and those of each embedder's card."""
    figures = {name: accuracy.figures(data, method, found[name].by_other) for name, method in shipped.items()}
    tried = trials.tables(data)
    reliability = {name: _reliability(data, measurement) for name, measurement in found.items()}
    readme = {
        "accuracy table": _side_by_side(figures),
        "tried table": table(trials.HEAD, tried["tried table"]),
        "centre table": table(trials.HEAD, tried["centre table"]),
        "reliability table": _calibration_errors(data, found),
        "promise tables": _promises(data, shipped[PROMISED], found[PROMISED]),
        "group promise table": _group_promises(data, shipped[PROMISED], found[PROMISED]),
        "label faults": table(
            ("set", "photo", "what it shows"),
            [(name, f"`{photo}`", why) for name, faults in LABEL_FAULTS.items() for photo, why in faults.items()],
        ),
    }
    cards = {
        name: {
            "accuracy table": table(("measured", "result"), list(figures[name].items())),
            "reliability table": reliability[name],
            "group tables": _groups(data, method),
        }
        for name, method in shipped.items()
    }
    return readme, cards


def _side_by_side(figures: Mapping[str, Mapping[str, str]]) -> str:
    rows = [(row, *(each[row] for each in figures.values())) for row in _rows_of_first(figures)]
    return table(("", *figures), rows)


def _rows_of_first(figures: Mapping[str, Mapping[str, str]]) -> list[str]:
    return list(next(iter(figures.values())))


def _calibration_errors(data: Measured, found: Mapping[str, Measurement]) -> str:
    rows = [
        (photos.name, *(percent(each.reliability[photos.name].error, 1) for each in found.values()))
        for photos in data.sets
    ]
    return table(("expected calibration error", *found), rows)


def _reliability(data: Measured, measurement: Measurement) -> str:
    rows = []
    for place in range(BINS):
        row = [f"{100 * place // BINS}{DASH}{100 * (place + 1) // BINS} %"]
        for photos in data.sets:
            each = measurement.reliability[photos.name]
            count = int(each.counts[place])
            row += [
                f"{count:,}",
                f"{percent(each.predicted[place], 1)}, {percent(each.observed[place], 1)}" if count else DASH,
            ]
        rows.append(row)
    head = [
        "predicted",
        *(text for photos in data.sets for text in (f"{photos.name}: answers", "predicted, observed")),
    ]
    return table(head, rows)


def _promises(data: Measured, method: Method, measurement: Measurement) -> str:
    parts = []
    for photos in data.sets:
        found = list(promises.trials(photos, method(data, photos), measurement.by_other[photos.name]))
        head = (f"{photos.name}, {promises.COLUMNS[0]}", *promises.COLUMNS[1:])
        parts.append(table(head, promises.table(found)))
    return "\n".join(parts)


def _group_promises(data: Measured, method: Method, measurement: Measurement) -> str:
    """Hold the promise where everybody, enrolled or not, is of one group."""
    rows = []
    for photos in data.sets:
        scores = method(data, photos)
        for groups in photos.groups.values():
            for group in dict.fromkeys(groups.values()):
                if sum(each == group for each in groups.values()) < promises.LEAST_GROUP:
                    continue
                found = promises.trials(
                    photos,
                    scores,
                    measurement.by_other[photos.name],
                    promises.GROUP_SIZES,
                    among=np.array([groups.get(name) == group for name in photos.names]),
                    least_strangers=promises.GROUP_STRANGERS,
                )
                rows += [(f"{photos.name}, {group.replace('-', ' ')}", *row) for row in promises.table(list(found))]
    return table(("everybody is", *promises.COLUMNS), rows)


def _groups(data: Measured, method: Method) -> str:
    parts = []
    for photos in data.sets:
        for key in photos.groups:
            threshold, groups = accuracy.group_rates(method(data, photos), photos, key)
            head = (f"{photos.name} by {key}, at {threshold:.3f}", *GROUP_HEAD[1:])
            parts.append(table(head, accuracy.group_table(groups)))
    return "\n".join(parts)
