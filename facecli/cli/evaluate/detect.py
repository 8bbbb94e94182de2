"""``facecli evaluate detect``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facecli.cli.documents import Report
from facecli.cli.options import Call, command
from facecli.errors import UsageError


@command()
def detect(
    call: Call,
    boxes: Annotated[
        Path,
        typer.Option(
            "--boxes",
            metavar="FILE",
            help="Labelled faces: JSON of files to lists of box_xywh and invalid; CSV with columns file, left, top,"
            " width, height and perhaps invalid; or WIDER FACE's wider_face_*_bbx_gt.txt. Pixels of upright photos.",
            show_default=False,
        ),
    ],
    root: Annotated[
        Path | None,
        typer.Option(
            "--root",
            metavar="FOLDER",
            help="Folder that the files are relative to; by default that of the list.",
            show_default=False,
        ),
    ] = None,
    iou: Annotated[
        float, typer.Option("--iou", metavar="SHARE", help="Least intersection over union of a face found, to 1.")
    ] = 0.5,
    report: Report = None,
) -> int:
    """Measure how many faces are found, by their size, and how much is found that is none.

    Faces labelled invalid are neither missed nor false positives. All faces of a photo that cannot be decoded are
    missed.
    """
    from facecli.app import App
    from facecli.cli.documents import check_destinations, report_document
    from facecli.cli.photos import progress_bar
    from facecli.detect.defaults import DETECTOR_DEFAULTS
    from facecli.services.evaluate.detection_document import detection_document
    from facecli.services.evaluate.detection_evaluation import evaluate_detection
    from facecli.services.evaluate.face_boxes import read_face_boxes

    if not 0 < iou <= 1:
        raise UsageError(f"--iou cannot be {iou:g}", hint="Give a share above 0 and up to 1, such as 0.5.")
    check_destinations(call, report)
    labels = read_face_boxes(boxes)
    settings = call.settings
    analyser = App(settings).analyser(embed=False)
    with progress_bar(call, len(labels.photos)) as progress:
        found = evaluate_detection(
            labels,
            boxes.parent if root is None else root,
            analyser,
            iou_limit=iou,
            photo_done=progress.advance,
        )
    default = DETECTOR_DEFAULTS[settings.detector].threshold
    threshold = default if settings.detection_threshold is None else settings.detection_threshold
    report_document(call, detection_document(found, threshold=threshold, model=analyser.model), report)
    return 0
