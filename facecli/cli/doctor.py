"""``facecli doctor``."""

from __future__ import annotations

from facecli.cli.options import Call, command


@command()
def doctor(call: Call) -> int:
    """Check this installation: versions, device, engines, weights and gallery.

    Exits with 4 if something that is needed is missing or altered, with 5 if the gallery is damaged.
    """
    from facecli.cli.output import write_rows
    from facecli.health import check_health

    checks = check_health(call.settings)
    rows = [{"check": each.name, "state": each.state, "detail": each.detail, "hint": each.hint} for each in checks]
    columns = (
        ("check", "state", "detail", "hint") if any(each.hint for each in checks) else ("check", "state", "detail")
    )
    write_rows(call, rows, columns)
    return max((each.exit_code for each in checks), default=0)
