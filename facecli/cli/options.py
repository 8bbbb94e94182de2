"""Options that every command takes, before or after its name, and those that several share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, fields
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer

from facecli.cli.messages import exit_codes
from facecli.errors import UsageError
from facecli.settings import RATES, Settings, load_settings

GLOBAL: Final = "Global options"


def _global_options(
    *,
    gallery: Annotated[
        Path | None, typer.Option("--gallery", "-g", metavar="FILE", help="Gallery file.", rich_help_panel=GLOBAL)
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option("--key-file", metavar="FILE", help="The key of an encrypted gallery.", rich_help_panel=GLOBAL),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            "--device", metavar="auto|cpu|cuda[:N]|mps", help="Where the networks run.", rich_help_panel=GLOBAL
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option("--engine", metavar="auto|openvino|torch", help="What runs the networks.", rich_help_panel=GLOBAL),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            "--precision",
            metavar="auto|f32|bf16|f16",
            help="Arithmetic of the networks; auto is bf16 on processors that have it, f16 on CUDA: half the time.",
            rich_help_panel=GLOBAL,
        ),
    ] = None,
    detector: Annotated[
        str | None,
        typer.Option("--detector", metavar="centerface|yunet|mtcnn", help="What finds faces.", rich_help_panel=GLOBAL),
    ] = None,
    detection_threshold: Annotated[
        float | None,
        typer.Option(
            "--detection-threshold", metavar="SCORE", help="Least detection score, 0 to 1.", rich_help_panel=GLOBAL
        ),
    ] = None,
    min_face: Annotated[
        int | None,
        typer.Option(
            "--min-face", metavar="PX", help="Smallest face to look for, in pixels of its side.", rich_help_panel=GLOBAL
        ),
    ] = None,
    embedder: Annotated[
        str | None,
        typer.Option(
            "--embedder",
            metavar="NAME|onnx:FILE",
            help="What turns faces into vectors; fusion asks two networks together.",
            rich_help_panel=GLOBAL,
        ),
    ] = None,
    salvage: Annotated[
        bool | None,
        typer.Option("--salvage", help="Use what can be decoded of truncated photos.", rich_help_panel=GLOBAL),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", metavar="N", help="Photos worked on at once. By default one a core.", rich_help_panel=GLOBAL
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(
            "--batch-size",
            metavar="N",
            help="Pictures that go through a network together on a GPU. By default as many as is found to be fastest.",
            rich_help_panel=GLOBAL,
        ),
    ] = None,
    max_memory: Annotated[
        int | None,
        typer.Option(
            "--max-memory",
            metavar="MIB",
            help="Memory that a run may take, the gallery not counted. By default half of the machine's.",
            rich_help_panel=GLOBAL,
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout",
            metavar="SECONDS",
            help="Give up a file that could not be read for so long. By default 60.",
            rich_help_panel=GLOBAL,
        ),
    ] = None,
    offline: Annotated[
        bool | None, typer.Option("--offline", help="Never open a network connection.", rich_help_panel=GLOBAL)
    ] = None,
    output_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            metavar="table|json|jsonl|csv",
            help="How to print results. An --output that ends in one of these chooses it too.",
            rich_help_panel=GLOBAL,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write results to this file, whole or not at all.",
            rich_help_panel=GLOBAL,
        ),
    ] = None,
    quiet: Annotated[
        bool | None, typer.Option("--quiet", "-q", help="Say nothing but results and errors.", rich_help_panel=GLOBAL)
    ] = None,
    verbose: Annotated[
        int,
        typer.Option(
            "--verbose",
            "-v",
            count=True,
            show_default=False,
            help="Say what is chosen and done.",
            rich_help_panel=GLOBAL,
        ),
    ] = 0,
    no_progress: Annotated[
        bool | None, typer.Option("--no-progress", help="Show no progress bar.", rich_help_panel=GLOBAL)
    ] = None,
) -> None:
    """Only its signature counts: it is joined to that of every command."""


def _setting_options(
    *,
    fpir: Annotated[
        float | None,
        typer.Option(
            "--fpir",
            metavar="RATE",
            help="Share of searches for strangers that may give a name; sets the threshold for this gallery. "
            "By default 0.01.",
        ),
    ] = None,
    fmr: Annotated[
        float | None,
        typer.Option(
            "--fmr",
            metavar="RATE",
            help="Share of pairs of strangers that may pass for one person; sets the threshold. By default 0.001.",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", metavar="SCORE", help="Least score for a name, -1 to 1, instead of a rate."),
    ] = None,
    min_quality: Annotated[
        float | None,
        typer.Option(
            "--min-quality",
            metavar="QUALITY",
            help="Least quality of a face, 0 to 1, to be enrolled or named; below 0.5 something is wrong with it.",
        ),
    ] = None,
    candidates: Annotated[
        int | None, typer.Option("--candidates", "-k", metavar="N", help="Nearest people to report for each face.")
    ] = None,
    mirror: Annotated[
        bool | None,
        typer.Option(
            "--mirror/--no-mirror", help="Average each face with its mirror image; on by default.", show_default=False
        ),
    ] = None,
    crops: Annotated[
        bool | None,
        typer.Option(
            "--crops/--no-crops",
            help="Keep a small picture of each face in the gallery, so that another model can embed it without the "
            "photo; on by default.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Only its signature counts: settings that some commands take as options."""


def _parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(function, eval_str=True).parameters)


_GLOBAL: Final = _parameters(_global_options)
_SETTING: Final = _parameters(_setting_options)
_SETTINGS: Final = frozenset(each.name for each in fields(Settings))


@dataclass(frozen=True, slots=True)
class Call:
    """What a command was called with, beyond its own options."""

    settings: Settings
    origins: dict[str, str]
    output_format: str
    output: Path | None
    quiet: bool
    verbose: int
    show_progress: bool


# Options given before the command's name; those behind it win.
_given_first: ContextVar[dict[str, Any] | None] = ContextVar("given_first", default=None)


def _taken(values: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Take the options of these names out of what typer parsed; those not given are dropped."""
    taken = {name: values.pop(name) for name in names if name in values}
    return {name: value for name, value in taken.items() if value is not None and value is not _UNCOUNTED.get(name)}


_UNCOUNTED: Final = {"verbose": 0}  # a counted option that is absent is 0, not None


def _with_signature(wrapper: Callable[..., Any], parameters: Iterable[inspect.Parameter]) -> None:
    """Give `wrapper` the signature that typer is to read."""
    keyword_only = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in parameters]
    wrapper.__signature__ = inspect.Signature(keyword_only)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {each.name: each.annotation for each in keyword_only}


def command(*setting_names: str, default_format: str = "table") -> Callable[[Callable[..., int]], Callable[..., None]]:
    """Make a function a command: it gets a `Call` first, then its own options, and returns an exit code.

    Parameters
    ----------
    *setting_names : str
        Further settings that this command takes as options, of those in `_setting_options`.
    default_format : str
        Used where no ``--format`` is given.

    Errors of the tree in `facecli.errors` become two lines on standard error and their exit code.
    """

    def decorate(function: Callable[..., int]) -> Callable[..., None]:
        extra = {name: _SETTING[name] for name in setting_names}
        own = list(_parameters(function).values())[1:]

        @wraps(function)
        def run(**values: Any) -> None:
            given = {**(_given_first.get() or {}), **_taken(values, [*_GLOBAL, *extra])}
            with exit_codes():
                flags = {name: value for name, value in given.items() if name in _SETTINGS}
                settings, origins = load_settings(flags, rates=[name for name in RATES if name in setting_names])
                call = Call(
                    settings,
                    origins,
                    output_format=given.get("output_format") or _format_of(given.get("output")) or default_format,
                    output=given.get("output"),
                    quiet=given.get("quiet", False),
                    verbose=given.get("verbose", 0),
                    show_progress=not (given.get("no_progress") or given.get("quiet")),
                )
                code = function(call, **values)
            if code:
                raise typer.Exit(code)

        _with_signature(run, [*own, *extra.values(), *_GLOBAL.values()])
        return run

    return decorate


def _format_of(output: Path | None) -> str | None:
    """Return the format that the ending of an output file names, if it does."""
    ending = output.suffix.lower().removeprefix(".") if output is not None else ""
    return ending if ending in ("json", "jsonl", "csv") else None


def root_options(function: Callable[..., None]) -> Callable[..., None]:
    """Decorate the root, where the options before a command's name arrive."""

    @wraps(function)
    def run(**values: Any) -> None:
        _given_first.set(_taken(values, _GLOBAL))
        function(**values)

    _with_signature(run, [*_parameters(function).values(), *_GLOBAL.values()])
    return run


Images = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[PHOTO|FOLDER|-]...",
        help="Photos, folders of photos, or - for one photo on standard input.",
        show_default=False,
    ),
]
FilesFrom = Annotated[
    str | None,
    typer.Option(
        "--files-from", metavar="FILE", help="Read names of photos from FILE (- for standard input), one a line."
    ),
]
Nul = Annotated[bool, typer.Option("--null", "-0", help="Names in --files-from end with a NUL byte, not a newline.")]
Recursive = Annotated[bool, typer.Option("--recursive/--no-recursive", help="Walk into sub-folders.")]
Annotate = Annotated[
    Path | None,
    typer.Option(
        "--annotate",
        metavar="FOLDER",
        help="Draw boxes, names and scores into a copy of each photo; of large JPEGs into a smaller one.",
    ),
]
FailUnknown = Annotated[bool, typer.Option("--fail-unknown", help="Exit with 10 if any face stays unknown.")]


Choice = TypeVar("Choice", bound=str)


def chosen(value: str, choices: Sequence[Choice], option: str = "--on-multi") -> Choice:
    """Return a value that is one of the choices of an option.

    Raises
    ------
    UsageError
        If it is not.
    """
    for choice in choices:
        if choice == value:
            return choice
    raise UsageError(f"{option} cannot be '{value}'", hint=f"Choose one of {', '.join(choices)}.")
