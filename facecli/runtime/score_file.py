"""``scores.toml`` beside a model's weights: how its scores fall, as `models/measure` found."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

import numpy as np

from facecli.errors import WeightsError
from facecli.runtime.manifest import quoted
from facecli.runtime.toml_table import TomlTable, is_number
from facecli.scores import DoubleArray, ScoreDistribution, Tail

SCORE_FILE: Final = "scores.toml"


def read_scores(folder: Path, model_id: str) -> ScoreDistribution | None:
    """Read what was measured for the embedder in a folder; None where nothing was.

    Raises
    ------
    WeightsError
        If the file is damaged, or was measured for another model than `model_id`.
    """
    path = folder / SCORE_FILE
    if not path.is_file():
        return None
    table = TomlTable.read(path)
    model = table.text("model")
    if model != model_id:
        raise WeightsError(
            f"{path} was measured for {model}, not for {model_id}",
            hint="Measure again: python models/measure DATA",
        )
    tail = table.table("tail")
    intercept, slope = table.items("probability", is_number, "[intercept, slope]", count=2)
    distribution = ScoreDistribution(
        non_mated=_curve(table, "non_mated", falls=True),
        tail=Tail(
            start=tail.number("start", -1.0, 1.0),
            share=tail.number("share", 1e-9, 0.5),
            scale=tail.number("scale", 1e-6, 1.0),
            shape=tail.number("shape", -1.0, 1.0),
        ),
        mated=_curve(table, "mated", falls=False),
        non_mated_pairs=table.count("non_mated_pairs"),
        mated_pairs=table.count("mated_pairs"),
        people=table.count("people"),
        probability=(float(intercept), float(slope)),
        measured_on=table.text("measured_on"),
    )
    for part in (tail, table):
        part.close()
    end = distribution.non_mated[-1]
    if not (math.isclose(end[0], distribution.tail.share) and math.isclose(end[1], distribution.tail.start)):
        raise table.wrong("tail", "begun where non_mated ends")
    return distribution


def _curve(table: TomlTable, key: str, *, falls: bool) -> DoubleArray:
    """Take (share, score) pairs; scores rise, shares fall or rise."""
    expected = f"[share, score] pairs, scores rising and shares {'falling' if falls else 'rising'}"
    curve = np.array(table.items(key, _is_pair, expected), np.float64).reshape(-1, 2)
    steps = np.diff(curve, axis=0) * ([-1, 1] if falls else [1, 1])
    if len(curve) < 2 or (steps <= 0).any() or not ((curve[:, 0] > 0) & (curve[:, 0] < 1)).all():
        raise table.wrong(key, expected)
    return curve


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(is_number, value))


def format_scores(model_id: str, scores: ScoreDistribution) -> str:
    """Write a distribution as TOML; `read_scores` gives the same one back."""

    def curve(pairs: DoubleArray) -> str:
        return "[\n" + "".join(f"  [{share!r}, {score!r}],\n" for share, score in pairs.tolist()) + "]"

    tail = scores.tail
    return (
        "# How the scores of this model fall, measured: rewritten by `python models/measure DATA`.\n"
        f'model = "{model_id}"\n'
        f"measured_on = {quoted(scores.measured_on)}\n"
        f"people = {scores.people}\n"
        f"non_mated_pairs = {scores.non_mated_pairs}\n"
        f"mated_pairs = {scores.mated_pairs}\n\n"
        "# Logit of the probability of a match: intercept less slope times the log of the false positives expected.\n"
        f"probability = [{scores.probability[0]!r}, {scores.probability[1]!r}]\n\n"
        "# [share of pairs of different people that reach the score, score]\n"
        f"non_mated = {curve(scores.non_mated)}\n\n"
        "# [share of pairs of one person that stay below the score, score]\n"
        f"mated = {curve(scores.mated)}\n\n"
        "# Generalised Pareto tail of non_mated.\n"
        "[tail]\n"
        f"start = {tail.start!r}\nshare = {tail.share!r}\nscale = {tail.scale!r}\nshape = {tail.shape!r}\n"
    )
