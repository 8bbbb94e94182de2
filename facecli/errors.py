"""Every error facecli raises on purpose.

FacecliError                     exit 1   something failed
├── UsageError                   exit 2   the call's words contradict each other
├── ConfigError                  exit 2   a setting is unknown or out of range
├── InputError                   exit 1   one photo, file or value cannot be used
│   ├── UnreadableImageError              the photo cannot be decoded (see ``code``)
│   ├── NoFaceError                       no face where one is needed
│   ├── SeveralFacesError                 several faces where one is needed
│   ├── LowQualityError                   the face is below the quality asked for
│   └── GeometryError                     landmarks or boxes that no face can have
├── MachineError                 exit 4   this machine lacks something
│   ├── WeightsError                      weights missing, altered or of an unknown form
│   └── DeviceError                       the device asked for is absent
│       └── DeviceMemoryError             its memory is too small for a batch
└── GalleryError                 exit 5   the gallery cannot serve
    ├── GalleryLockedError                another process holds it
    ├── GalleryCorruptError               it is damaged, or not a gallery
    ├── ModelMismatchError                its templates come from another model
    └── UnknownPersonError                nobody of that name

An error is one sentence that names the file or person and what is wrong, a
``hint`` that says what to do next, and a ``code`` for programs.
"""


class FacecliError(Exception):
    """Base of all errors above.

    Parameters
    ----------
    message : str
        One sentence: what happened, to which file or person.
    hint : str
        What to do next; may be empty.
    code : str, optional
        Stable snake_case word for programs; the class's own by default.
    """

    code: str = "failed"
    exit_code: int = 1

    def __init__(self, message: str, *, hint: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code


class UsageError(FacecliError):
    """The words of the call contradict each other."""

    code = "usage"
    exit_code = 2


class ConfigError(FacecliError):
    """A setting is unknown, out of range or in a file that cannot be read."""

    code = "config"
    exit_code = 2


class InputError(FacecliError):
    """One photo, file or value cannot be used."""

    code = "bad_input"


class UnreadableImageError(InputError):
    """A photo cannot be decoded; ``code`` says why."""

    code = "unreadable_image"


class NoFaceError(InputError):
    """No face was found where one is needed."""

    code = "no_face"


class SeveralFacesError(InputError):
    """Several faces were found where exactly one is needed."""

    code = "several_faces"


class LowQualityError(InputError):
    """The face is below the quality that was asked for."""

    code = "low_quality"


class GeometryError(InputError):
    """Landmarks or boxes that no face can have."""

    code = "geometry"


class MachineError(FacecliError):
    """The machine lacks something that the call needs."""

    code = "environment"
    exit_code = 4


class WeightsError(MachineError):
    """Weights are missing, altered, or of a form that is not understood."""

    code = "weights"


class DeviceError(MachineError):
    """The device asked for is absent or cannot be used."""

    code = "device"


class DeviceMemoryError(DeviceError):
    """A batch does not fit into the memory of the device; a smaller one may."""

    code = "device_memory"


class GalleryError(FacecliError):
    """The gallery cannot serve."""

    code = "gallery"
    exit_code = 5


class GalleryLockedError(GalleryError):
    """Another process holds the gallery."""

    code = "gallery_locked"


class GalleryCorruptError(GalleryError):
    """The gallery is damaged, or the file is not a gallery."""

    code = "gallery_corrupt"


class ModelMismatchError(GalleryError):
    """Templates of one model were to be compared with another's."""

    code = "model_mismatch"


class UnknownPersonError(GalleryError):
    """Nobody of that name is enrolled."""

    code = "unknown_person"
