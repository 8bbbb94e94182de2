"""What a user can set once: flag > ``FACECLI_*`` > ``./facecli.toml`` > the user's config.toml > default."""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Literal, get_type_hints

from facecli.errors import ConfigError

ENVIRONMENT_PREFIX: Final = "FACECLI_"
LOCAL_FILE: Final = "facecli.toml"

DETECTORS: Final = ("centerface", "yunet", "mtcnn")
ENGINES: Final = ("auto", "openvino", "torch")
PRECISIONS: Final = ("auto", "f32", "bf16", "f16")
RATES: Final = ("fpir", "fmr")


def _setting(default: Any, about: str, **limits: Any) -> Any:
    return field(default=default, metadata={"about": about, **limits})


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting with its default; ``metadata["about"]`` of a field says what it does."""

    gallery: Path | None = _setting(None, "gallery file; by default gallery.db in the user's data folder")
    key_file: Path | None = _setting(None, "file with the key of an encrypted gallery")
    device: str = _setting("auto", "auto, cpu, cuda, cuda:N or mps")
    engine: str = _setting("auto", "what runs the networks; auto: OpenVINO on a CPU, torch elsewhere", choices=ENGINES)
    precision: Literal["auto", "f32", "bf16", "f16"] = _setting(
        "auto",
        "arithmetic of the networks; auto: bf16 on a processor that has it, f16 on CUDA, else f32",
        choices=PRECISIONS,
    )
    detector: str = _setting("centerface", "what finds faces", choices=DETECTORS)
    detection_threshold: float | None = _setting(
        None, "least detection score; by default the detector's own", least=0.0, most=1.0
    )
    min_face: int | None = _setting(None, "smallest face to look for, in pixels of its side", least=4, most=100_000)
    edges: bool = _setting(True, "let the edge map skip blank photos and uniform borders")
    embedder: str = _setting(
        "sface", "what turns faces into vectors: a model's name, fusion (two of them), or onnx:FILE"
    )
    mirror: bool = _setting(True, "average each face with its mirror image")
    fpir: float = _setting(
        0.01, "share of searches for strangers that may give a name; sets the threshold", least=1e-9, most=0.5
    )
    fmr: float = _setting(
        0.001, "share of pairs of strangers that may pass for one person in verify", least=1e-9, most=0.5
    )
    threshold: float | None = _setting(
        None, "least score for a name, instead of one that keeps to fpir or fmr", least=-1.0, most=1.0
    )
    min_quality: float = _setting(0.0, "least quality of a face to be enrolled or named; 0: any", least=0.0, most=1.0)
    candidates: int = _setting(3, "nearest people to report for each face", least=1, most=1000)
    crops: bool = _setting(True, "keep a small picture of each face enrolled, so that another model can embed it")
    salvage: bool = _setting(False, "use what can be decoded of truncated photos")
    jobs: int | None = _setting(None, "photos worked on at once; by default what suits the machine", least=1, most=1024)
    batch_size: int | None = _setting(
        None, "pictures that go through a network together on a GPU; by default found out", least=1, most=4096
    )
    max_memory: int | None = _setting(
        None, "MiB that a run may take, the gallery not counted; by default half of the machine's", least=256
    )
    timeout: float = _setting(60.0, "seconds after which a file that cannot be read is given up", least=0.1)
    offline: bool = _setting(False, "never open a network connection, not even for a pull")
    cache: Path | None = _setting(None, "folder of pulled models and compiled networks")
    state: Path | None = _setting(None, "folder of what scans found in photos")
    backups: int = _setting(
        5,
        "newest backups of the gallery to keep beside it; one is made before the first change of a day; 0: none",
        least=0,
        most=10_000,
    )

    @property
    def gallery_path(self) -> Path:
        """The gallery file, the default filled in."""
        if self.gallery is not None:
            return self.gallery.expanduser()
        from platformdirs import user_data_path

        return user_data_path("facecli") / "gallery.db"

    @property
    def cache_dir(self) -> Path:
        """The cache folder, the default filled in."""
        if self.cache is not None:
            return self.cache.expanduser()
        from platformdirs import user_cache_path

        return user_cache_path("facecli")

    @property
    def state_dir(self) -> Path:
        """The folder of what scans found in photos, the default filled in."""
        if self.state is not None:
            return self.state.expanduser()
        from platformdirs import user_state_path

        return user_state_path("facecli")


def user_file() -> Path:
    """Where the user's own settings are kept."""
    from platformdirs import user_config_path

    return user_config_path("facecli") / "config.toml"


def load_settings(
    flags: Mapping[str, Any],
    environment: Mapping[str, str] = os.environ,
    folder: Path | None = None,
    *,
    rates: Iterable[str] = RATES,
) -> tuple[Settings, dict[str, str]]:
    """Put the settings together.

    Parameters
    ----------
    flags : mapping
        What the command line gave; None means not given.
    environment : mapping
        Looked through for ``FACECLI_<NAME>``.
    folder : Path, optional
        Where ``facecli.toml`` is looked for; the current folder by default.
    rates : iterable of str
        Which of the rates choose the threshold of what is to be done, and so replace one of a weaker place.

    Returns
    -------
    tuple of Settings and dict of str to str
        And for each setting where it came from.

    Raises
    ------
    ConfigError
        If a file cannot be read, a key is unknown or a value does not fit; the message names its place.
    """
    known = {each.name: each for each in fields(Settings)}
    rates = tuple(rates)
    values: dict[str, Any] = {}
    origins = dict.fromkeys(known, "default")
    for path in (user_file(), (folder or Path()) / LOCAL_FILE):
        table = _read(path)
        for name, value in table.items():
            if name not in known:
                raise ConfigError(f"{path}: there is no setting '{name}'", hint=_names_hint(name, known))
            table[name] = _fit(name, value, str(path))
        _overlay(values, origins, table, dict.fromkeys(table, str(path)), rates)
    variables = {name: ENVIRONMENT_PREFIX + name.upper() for name in known}
    set_there = {
        name: _fit(name, environment[variable], variable, text=True)
        for name, variable in variables.items()
        if environment.get(variable)
    }
    _overlay(values, origins, set_there, variables, rates)
    given = {
        name: _fit(name, flags[name], f"--{name.replace('_', '-')}") for name in known if flags.get(name) is not None
    }
    _overlay(values, origins, given, dict.fromkeys(given, "command line"), rates)
    return Settings(**values), origins


def _overlay(
    values: dict[str, Any],
    origins: dict[str, str],
    later: Mapping[str, Any],
    places: Mapping[str, str],
    rates: Iterable[str],
) -> None:
    """Put settings over those of a weaker place. A rate there replaces a threshold here: each says what the other is.

    Raises
    ------
    ConfigError
        If one place sets both.
    """
    rate = next((name for name in rates if name in later), None)
    if rate is not None and "threshold" in later:
        raise ConfigError(
            f"{places['threshold']}: threshold and {rate} contradict each other",
            hint="A rate chooses the threshold: give one of the two.",
        )
    if rate is not None:
        values.pop("threshold", None)
        origins["threshold"] = "default"
    for name, value in later.items():
        values[name], origins[name] = value, places[name]


def _names_hint(name: str, known: Iterable[str]) -> str:
    import difflib  # 13 ms that only a misspelt name is worth

    near = difflib.get_close_matches(name, known, 1)
    return f"Did you mean {near[0]}?" if near else f"The settings are {', '.join(known)}."


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise ConfigError(f"{path} cannot be read: {reason}", hint="Mend the file, or move it away.") from error


def _fit(name: str, value: Any, place: str, *, text: bool = False) -> Any:
    """Return a value as its setting wants it, or say what is wrong with it."""
    kind = get_type_hints(Settings)[name]
    limits = next(each.metadata for each in fields(Settings) if each.name == name)
    fitted = _of_text(kind, value) if text else _of_kind(kind, value)
    least, most = limits.get("least", -math.inf), limits.get("most", math.inf)
    choices = limits.get("choices")
    if fitted is None:
        expected = {bool: "true or false", int: "a whole number", int | None: "a whole number"}.get(kind, "a text")
        expected = "a number" if kind in (float, float | None) else expected
    elif choices and fitted not in choices:
        expected = "one of " + ", ".join(choices)
    elif isinstance(fitted, int | float) and not least <= fitted <= most:
        expected = f"between {least:g} and {most:g}"
    else:
        return fitted
    raise ConfigError(f"{place}: {name} must be {expected}, not {value!r}", hint=f"It sets: {limits['about']}.")


def _of_kind(kind: Any, value: Any) -> Any:
    """Return a value of a TOML file or flag as `kind`; None if it does not fit."""
    if kind is bool:
        return value if isinstance(value, bool) else None
    if kind in (int, int | None):
        return value if isinstance(value, int) and not isinstance(value, bool) else None
    if kind in (float, float | None):
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        return float(value) if fits else None
    if kind == Path | None:
        return Path(value) if isinstance(value, str | Path) and str(value) else None
    return value if isinstance(value, str) else None


def _of_text(kind: Any, text: str) -> Any:
    """Return an environment variable's text as `kind`; None if it does not fit."""
    if kind is bool:
        return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}.get(text.lower())
    try:
        if kind in (int, int | None):
            return int(text)
        if kind in (float, float | None):
            return float(text)
    except ValueError:
        return None
    return _of_kind(kind, text)
