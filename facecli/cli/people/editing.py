"""``facecli people merge``, ``move`` and ``split``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from facecli.cli.messages import say, warn
from facecli.cli.options import Call, command
from facecli.cli.people.confirmation import is_confirmed
from facecli.cli.people.events import command_line, say_changes
from facecli.cli.people.listing import Name
from facecli.errors import UsageError

if TYPE_CHECKING:
    from facecli.app import App
    from facecli.gallery.store import Gallery
    from facecli.services.people_edits import Cluster

MOST_ID: Final = 2**63 - 1
"""Of SQLite."""

SUGGESTION_COLUMNS = ("cluster", "template", "source", "quality", "within", "between", "nearest")


Templates = Annotated[
    list[int],
    typer.Argument(
        metavar="TEMPLATE...",
        min=1,
        max=MOST_ID,
        help='Numbers of templates: see "facecli people show NAME".',
        show_default=False,
    ),
]


@command()
def merge(
    call: Call,
    name: Name,
    into: Annotated[str, typer.Argument(metavar="INTO", help="Who they are, too.", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> int:
    """Make two names one person: all templates of NAME become those of INTO, and NAME is gone, until that is undone.

    Of a face that both have, one template is kept. A note of consent goes along where INTO has none.
    """
    from facecli.app import App
    from facecli.services import people_edits
    from facecli.services.people_history import templates

    with App(call.settings).open_gallery() as gallery:
        one, other = gallery.get_person(name), gallery.get_person(into)
        if not yes and one != other:
            counts = templates(one.template_count), templates(other.template_count)
            question = f"Merge {one.name} ({counts[0]}) into {other.name} ({counts[1]})?"
            if not is_confirmed(question, f"merging {one.name} into {other.name}", "nothing was merged"):
                return 1
        event = people_edits.merge(gallery, name, into)
        if event is not None:
            say_changes(call, gallery, event)
    return 0


@command()
def move(
    call: Call,
    templates: Templates,
    to: Annotated[str, typer.Option("--to", metavar="NAME", help="Whose they are.", show_default=False)],
    new: Annotated[bool, typer.Option("--new", help="Make this person, who is not enrolled yet.")] = False,
) -> int:
    """Give templates to another person, whoever has them now."""
    from facecli.app import App
    from facecli.services import people_edits

    with App(call.settings).open_gallery() as gallery:
        event = people_edits.move(gallery, templates, to, new=new)
        if event is None:
            if not call.quiet:
                say(f"nothing was moved: all of it is {to}'s already")
            return 0
        say_changes(call, gallery, event)
        if not call.quiet:
            for left in people_edits.left_without(gallery, event):
                warn(f"{left} has no template left")
    return 0


@command()
def split(
    call: Call,
    name: Name,
    templates: Annotated[
        list[int] | None,
        typer.Argument(
            metavar="[TEMPLATE]...",
            min=1,
            max=MOST_ID,
            help='Numbers of the templates that are somebody else\'s: see "facecli people show NAME".',
            show_default=False,
        ),
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", metavar="NEW", help="What the new person is called.", show_default=False)
    ] = None,
    suggest: Annotated[
        bool, typer.Option("--suggest", help="Only show which templates are alike: clusters, numbered from 1.")
    ] = False,
    cluster: Annotated[
        int | None, typer.Option("--cluster", metavar="N", help="Split off this cluster.", show_default=False)
    ] = None,
    alike: Annotated[
        float | None,
        typer.Option(
            "--threshold",
            metavar="SCORE",
            help="Clusters whose mean score with each other reaches this are one. By default what 1 % of pairs of "
            "strangers reach.",
            show_default=False,
        ),
    ] = None,
) -> int:
    """Make two people of one name: some templates of NAME become those of a new person.

    Which ones, TEMPLATE or --cluster says. Without either, or with --suggest, the clusters are shown: what is alike is
    one person, as far as scores tell. What stays with NAME is not changed.
    """
    from facecli.app import App
    from facecli.services import people_edits

    _refuse_contradictions(templates, to, suggest=suggest, cluster=cluster)
    app = App(call.settings)
    with app.open_gallery() as gallery:
        if to is None:
            return _suggest(call, app, gallery, name, alike)
        if cluster is not None:
            found = _clusters(app, gallery, name, alike)
            templates = list(people_edits.chosen_cluster(found, cluster, name).template_ids)
        event = people_edits.split(gallery, name, to, templates or [])
        if event is not None:
            say_changes(call, gallery, event)
    return 0


def _refuse_contradictions(templates: list[int] | None, to: str | None, *, suggest: bool, cluster: int | None) -> None:
    chosen = bool(templates) + (cluster is not None)
    if suggest and (chosen or to is not None):
        raise UsageError("--suggest changes nothing", hint="Leave it out to split.")
    if chosen == 2:
        raise UsageError("TEMPLATE and --cluster say twice what to split off", hint="Give one of the two.")
    if chosen and to is None:
        raise UsageError("who the templates are of is not said", hint="Name the new person with --to.")
    if to is not None and not chosen:
        raise UsageError(
            f"which templates are {to}'s is not said", hint="Name them, or a cluster; --suggest shows clusters."
        )


def _clusters(app: App, gallery: Gallery, name: str, alike: float | None) -> list[Cluster]:
    from facecli.services.people_edits import clusters
    from facecli.services.template_clusters import alike_score

    model_id = app.embedder_manifest.model_id
    return clusters(gallery, name, model_id, alike_score(app.scores, model_id, alike))


def _suggest(call: Call, app: App, gallery: Gallery, name: str, alike: float | None) -> int:
    from facecli.cli.output import write_rows

    name = gallery.get_person(name).name
    found = _clusters(app, gallery, name, alike)
    commands = {each.number: _split_command(call, name, each) for each in found} if len(found) > 1 else {}
    write_rows(call, [row for each in found for row in _rows(each, commands)], SUGGESTION_COLUMNS)
    if call.quiet:
        return 0
    if len(found) < 2:
        say(f"nothing to split: {f'all templates of {name} are alike' if found else f'{name} has no template'}")
    for each in found[1:]:
        say(f"to split off cluster {each.number}: {commands[each.number]}")
    compared = sum(len(each.template_ids) for each in found)
    left = gallery.get_person(name).template_count - compared
    if left:
        say(f"{left} of other models, of faces that no compared template shows, stay with {name}")
    return 0


def _rows(cluster: Cluster, commands: dict[int, str]) -> list[dict[str, Any]]:
    """Return a row for each template of a cluster."""
    within, between = (None if each is None else round(each, 3) for each in (cluster.within, cluster.between))
    return [
        {
            "cluster": cluster.number,
            "template": each.template_id,
            "source": each.source,
            "quality": round(each.quality, 2),
            "within": within,
            "between": between,
            "nearest": cluster.nearest,
            "command": commands.get(cluster.number),
        }
        for each in cluster.templates
    ]


def _split_command(call: Call, name: str, cluster: Cluster) -> str:
    """Return the command that splits a cluster off, whatever else is split before."""
    ids = [str(each) for each in cluster.template_ids]
    return command_line(call, "people", "split", options=["--to", "NEW"], arguments=[name, *ids])
