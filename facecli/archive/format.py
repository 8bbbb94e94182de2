"""What an archive of a gallery holds; FORMAT.md beside this file says the same for those who write their own reader."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from facecli.errors import InputError
from facecli.types import FloatArray

FORMAT: Final = "facecli-gallery"
VERSION: Final = 1

MANIFEST: Final = "manifest.json"
PEOPLE: Final = "people.jsonl"
CROPS: Final = "crops.jsonl"
HISTORY: Final = "history.jsonl"
TENSOR: Final = "vectors"  # the one tensor of a safetensors file

MEMBER: Final = re.compile(
    r"manifest\.json|people\.jsonl|crops\.jsonl|history\.jsonl"
    r"|templates-[1-9][0-9]{0,6}\.jsonl|vectors-[1-9][0-9]{0,6}\.safetensors|crops/[1-9][0-9]{0,6}\.jpg"
)
"""Every name that a member may have; there is no other, so none that leads out of a folder."""

# A part is read as a whole, so these bound the memory that an archive can ask for.
PART_TEMPLATES: Final = 65_536
PART_BYTES: Final = 64 * 2**20

MAX_DIMENSION: Final = 65_536  # as in a gallery
# Far beyond any photo, and its square is a number of float32.
MAX_PIXEL: Final = 1e9
MAX_LINE_BYTES: Final = 2**20
MAX_SOURCE_BYTES: Final = 65_536  # Linux takes paths of 4,096; a source may name more than a path
CONSENT: Final = ("basis", "note", "expires")
MAX_TEXT: Final = 10_000  # of each of these, in characters
MAX_CROP_BYTES: Final = 4 * 2**20  # a face of 1,024 x 1,024 pixels that JPEG cannot make smaller
MAX_MANIFEST_BYTES: Final = 4 * 2**20
# Python keeps about 1 KB for each member of a zip file.
MAX_MEMBERS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class ArchivedPerson:
    """A line of people.jsonl; its number is that of the line, counted from 1.

    Attributes
    ----------
    name : str
    created_at : str
        ISO 8601, UTC, to the second: 2025-01-31T12:00:00Z.
    consent : mapping of str to str, or None
        What is known of why they may be enrolled, and until when: ``basis``, ``note``, ``expires`` (2028-05-31), those
        that are known; None if nothing is.
    """

    name: str
    created_at: str
    consent: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ArchivedTemplate:
    """A line of templates-n.jsonl with its row of vectors-n.safetensors.

    Attributes
    ----------
    vector : ndarray of shape (D,), float32
        Unit L2 norm.
    person : int
        Number of the person.
    quality : float
        0 to 1.
    source : bytes
        Name of the photo's file.
    content_hash : str
        SHA-256 (hex) of the photo's file.
    box : tuple of 4 floats
        Left, top, right, bottom in pixels of the upright photo.
    created_at : str
        As of a person.
    is_negative : bool
        It says that this face is not the person's.
    crop : int or None
        Number of the crop of the face.
    """

    vector: FloatArray
    person: int
    quality: float
    source: bytes
    content_hash: str
    box: tuple[float, float, float, float]
    created_at: str
    is_negative: bool = False
    crop: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Some templates of one model.

    Attributes
    ----------
    model_id : str
    dimension : int
        Length of a vector.
    templates : int
    """

    model_id: str
    dimension: int
    templates: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What manifest.json says.

    Attributes
    ----------
    facecli : str
        Version of facecli that wrote it.
    people, templates, crops : int
    parts : tuple of Part
        The first is templates-1.jsonl with vectors-1.safetensors, and so on.
    sha256 : mapping of str to str
        Of every member but the manifest and the crops, whose own are in crops.jsonl.
    """

    facecli: str
    people: int
    templates: int
    crops: int
    parts: tuple[Part, ...]
    sha256: Mapping[str, str]

    @property
    def models(self) -> dict[str, int]:
        """Length of the vectors of each model."""
        return {part.model_id: part.dimension for part in self.parts}

    @property
    def template_counts(self) -> dict[str, int]:
        """Number of templates of each model, those that say who somebody is not included."""
        counts: Counter[str] = Counter()
        for part in self.parts:
            counts[part.model_id] += part.templates
        return dict(counts)


def templates_name(number: int) -> str:
    """Return the member that holds what is said of a part's templates."""
    return f"templates-{number}.jsonl"


def vectors_name(number: int) -> str:
    """Return the member that holds a part's vectors."""
    return f"vectors-{number}.safetensors"


def crop_name(number: int) -> str:
    """Return the member that holds a crop."""
    return f"crops/{number}.jpg"


def part_rows(dimension: int) -> int:
    """Return how many templates a part may hold."""
    return min(PART_TEMPLATES, PART_BYTES // (4 * dimension))


def bad_archive(path: str, what: str) -> InputError:
    """Return the error for an archive that is not one, or not a sound one."""
    return InputError(
        f"{path} cannot be imported: {what}",
        hint="Nothing was imported. Fetch the file again, or export the gallery again.",
        code="bad_archive",
    )


def unreadable(path: str, error: OSError) -> InputError:
    """Return the error for a file that cannot be read."""
    return InputError(f"{path} cannot be read: {error.strerror}", hint="Check the path.", code="cannot_read")
