"""Reading what the commands answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def named(records: Sequence[dict[str, Any]]) -> list[list[str | None]]:
    """Names of each photo's faces, from left to right."""
    return [[face["name"] for face in sorted(record["faces"], key=lambda face: face["box"][0])] for record in records]
