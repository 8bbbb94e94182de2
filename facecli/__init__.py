"""facecli: who is in these photographs, told offline and honestly.

The names below are all that a script needs; they are imported when first used, so that ``import facecli`` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "Candidate": "facecli.types",
    "Consent": "facecli.gallery.consent",
    "Detection": "facecli.types",
    "Embedding": "facecli.types",
    "Enrolment": "facecli.services.enrolment",
    "Face": "facecli.types",
    "FacecliError": "facecli.errors",
    "Feedback": "facecli.services.feedback",
    "Identification": "facecli.types",
    "Person": "facecli.types",
    "Photo": "facecli.types",
    "PhotoResult": "facecli.types",
    "Quality": "facecli.types",
    "Recognizer": "facecli.api",
    "Settings": "facecli.settings",
    "Verification": "facecli.services.verification",
}

__all__ = [
    "Candidate",
    "Consent",
    "Detection",
    "Embedding",
    "Enrolment",
    "Face",
    "FacecliError",
    "Feedback",
    "Identification",
    "Person",
    "Photo",
    "PhotoResult",
    "Quality",
    "Recognizer",
    "Settings",
    "Verification",
    "__version__",
]

if TYPE_CHECKING:
    from facecli.api import Recognizer
    from facecli.errors import FacecliError
    from facecli.gallery.consent import Consent
    from facecli.services.enrolment import Enrolment
    from facecli.services.feedback import Feedback
    from facecli.services.verification import Verification
    from facecli.settings import Settings
    from facecli.types import (
        Candidate,
        Detection,
        Embedding,
        Face,
        Identification,
        Person,
        Photo,
        PhotoResult,
        Quality,
    )


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'facecli' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
