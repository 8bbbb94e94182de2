"""``--embedder onnx:FILE``: a face embedder in ONNX that nobody described, run as ArcFace's are."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

from facecli.errors import WeightsError
from facecli.runtime.imported import DEFAULT_LIKE, embedder_facts
from facecli.runtime.manifest import Manifest
from facecli.runtime.weights import catalogue, file_sha256

NAME_PREFIX: Final = "onnx"

# NAME_PATTERN allows 64 letters.
_MAX_NAME_LENGTH: Final = 64


def manifest_for(path: Path) -> Manifest:
    """Describe an ONNX file as the embedders of ArcFace's kind are run.

    That is RGB, (x - 127.5) / 127.5, and ArcFace's five points, which are scaled where the file takes crops of
    another size than 112 x 112. Size, output and dimension are read from the file, which is left where it is.

    Parameters
    ----------
    path : Path
        Takes float pictures of shape (N, 3, S, S) and gives one vector of shape (N, D); N may be fixed.

    Returns
    -------
    Manifest
        Nobody measured its scores, so the caller has to ask for a threshold. Its name is "onnx-" and the
        file's stem in the letters that a model's name may have; the content makes the model id.

    Raises
    ------
    WeightsError
        If the file cannot be read, or is no such network; the message names what does not fit.
    """
    sha256 = file_sha256(path)
    (height, width), output, dimension = embedder_facts(path, path)
    like = catalogue()[DEFAULT_LIKE].manifest
    if height != width:
        raise WeightsError(
            f"{path} takes crops of {width}x{height} pixels, which are not square", hint="Give a face embedder."
        )
    scale = height / like.size_hw[0] if like.size_hw else 1.0
    return replace(
        like,
        name=_name(path.stem),
        architecture=f"ONNX file, run like {DEFAULT_LIKE}",
        file=path.name,
        sha256=sha256,
        licence="unknown",
        folder=path.parent,
        output_names=(output,),
        size_hw=(height, width),
        template_xy=tuple((x * scale, y * scale) for x, y in like.template_xy),
        dimension=dimension,
        centre=(),
        original=None,
    )


def _name(stem: str) -> str:
    """Make a name that `facecli.runtime.manifest.NAME_PATTERN` allows."""
    allowed = re.sub(r"[^a-z0-9._-]+", "-", stem.lower())
    return f"{NAME_PREFIX}-{allowed}"[:_MAX_NAME_LENGTH].rstrip("-")
