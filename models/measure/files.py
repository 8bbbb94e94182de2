"""The files that ship: centres in the manifests, scores.toml, and tables between markers in Markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from facecli.errors import WeightsError
from facecli.runtime.fusion import Fusion, read_fusion
from facecli.runtime.manifest import FUSION_FILE, MANIFEST_FILE, read_manifest
from facecli.runtime.score_file import SCORE_FILE, format_scores, read_scores
from facecli.scores import ScoreDistribution

MODELS = Path(__file__).resolve().parent.parent

# What two engines, and two builds of one, make of the same photos.
CENTRE_TOLERANCE = 2e-4
SCORE_TOLERANCE = 2e-3
# Of the tail's scale and the probability's coefficients, which a handful of answers decide.
FIT_TOLERANCE = 0.1
SHAPE_TOLERANCE = 0.05


def fusion() -> Fusion:
    """Read the fusion that ships."""
    return read_fusion(MODELS / "fusion" / FUSION_FILE, cache_dir=MODELS)


def model_id(name: str) -> str:
    """Return the id of an embedder that ships, with the centre that its manifest names."""
    return fusion().model_id if name == "fusion" else read_manifest(MODELS / name / MANIFEST_FILE).model_id


def has_centre(name: str, centre: tuple[float, ...]) -> bool:
    """Say whether a manifest names this centre, to rounding."""
    shipped = read_manifest(MODELS / name / MANIFEST_FILE).centre
    return len(shipped) == len(centre) and bool(np.allclose(shipped, centre, rtol=0, atol=CENTRE_TOLERANCE))


def write_centre(name: str, centre: tuple[float, ...]) -> bool:
    """Write a centre into a manifest, unless the one there is the same to rounding; say whether it was written.

    Another centre is another model: every gallery would have to be enrolled again for the sixth decimal.
    """
    if has_centre(name, centre):
        return False
    path = MODELS / name / MANIFEST_FILE
    text = re.sub(r"^centre = .*\n", "", path.read_text("utf-8"), flags=re.M)
    line = f"centre = [{', '.join(f'{x:.6f}' for x in centre)}]\n"
    path.write_text(re.sub(r"^(dimension = .*\n)", lambda found: found[0] + line, text, flags=re.M), "utf-8")
    return True


def write_scores(name: str, scores: ScoreDistribution) -> None:
    """Write scores.toml."""
    (MODELS / name / SCORE_FILE).write_text(format_scores(model_id(name), scores), "utf-8")


def has_scores(name: str, scores: ScoreDistribution) -> bool:
    """Say whether scores.toml says the same, within what engines differ by."""
    try:
        shipped = read_scores(MODELS / name, model_id(name))
    except WeightsError:  # of another centre, or damaged
        return False
    if shipped is None:
        return False
    counts = ("non_mated_pairs", "mated_pairs", "people", "measured_on")
    return (
        all(getattr(shipped, each) == getattr(scores, each) for each in counts)
        and all(
            np.allclose(getattr(shipped, each), getattr(scores, each), rtol=0, atol=SCORE_TOLERANCE)
            for each in ("non_mated", "mated")
        )
        and bool(np.isclose(shipped.tail.scale, scores.tail.scale, rtol=FIT_TOLERANCE))
        and bool(np.isclose(shipped.tail.shape, scores.tail.shape, rtol=0, atol=SHAPE_TOLERANCE))
        and bool(np.allclose(shipped.probability, scores.probability, rtol=FIT_TOLERANCE))
    )


def write_tables(path: Path, tables: Mapping[str, str]) -> None:
    """Put tables between their markers, ``<!-- NAME -->`` and ``<!-- /NAME -->``; a file may have only some of them.

    Raises
    ------
    ValueError
        If a file has none of them.
    """
    text = path.read_text("utf-8")
    written = 0
    for name, table in tables.items():
        marked = re.compile(rf"(<!-- {re.escape(name)} -->\n).*?(<!-- /{re.escape(name)} -->)", re.S)
        # In a replacement a backslash would name a group.
        inside = table.strip().replace("\\", r"\\")
        text, count = marked.subn(rf"\g<1>\n{inside}\n\n\g<2>", text)
        written += count
    if not written:
        raise ValueError(f"{path} has none of the markers {', '.join(tables)}")
    path.write_text(text, "utf-8")
