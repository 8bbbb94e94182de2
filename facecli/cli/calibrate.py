"""``facecli calibrate``."""

from __future__ import annotations

from facecli.cli.documents import Report
from facecli.cli.messages import warn
from facecli.cli.options import Call, command


@command("fpir", "mirror")
def calibrate(call: Call, report: Report = None) -> int:
    """Show which threshold keeps to a rate of false positives in this gallery, and what that rests on.

    Strangers who get a name are false positives; --fpir says how many of those searched for may be. The gallery's own
    people, each searched among the others, and what was measured of the model place the threshold, and an interval says
    how sure that is. identify and scan do the same by themselves, whenever the gallery has changed.
    """
    from facecli.app import App
    from facecli.cli.documents import check_destinations, report_document
    from facecli.errors import GalleryError
    from facecli.services import calibration
    from facecli.services.calibration_document import calibration_document

    check_destinations(call, report)
    app = App(call.settings)
    with app.open_gallery() as gallery:
        model_id = app.embedder_manifest.model_id
        if app.scores is None:
            raise calibration.unmeasured_error(model_id)
        found = calibration.calibrate(gallery, app.search(gallery), model_id, app.scores)
        if not found.calibration.person_count:
            raise GalleryError(
                f"nobody is enrolled in {gallery.path}", hint="Enrol somebody first: facecli enroll NAME PHOTO…"
            )
        choice = found.calibration.choose(call.settings.fpir)
        is_kept = gallery.keep_searches(found.sample, calibration.stored_threshold(found, choice))
        document = calibration_document(
            found, choice, gallery=gallery.path, model={"embedder": model_id}, is_kept=is_kept
        )
    if call.settings.threshold is not None and not call.quiet:
        place = call.origins["threshold"]
        warn(f"identify and scan use the threshold {call.settings.threshold:g} of {place}, not this one")
    report_document(call, document, report)
    return 0
