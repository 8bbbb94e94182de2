"""Mending who is who: people merged, templates moved, one name split into two people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from shlex import quote

import numpy as np

from facecli.errors import FacecliError, GalleryError, ModelMismatchError, UsageError
from facecli.gallery.history import Event
from facecli.gallery.log import MERGE, read_event
from facecli.gallery.names import normalise_name
from facecli.gallery.rows import SAME_FACE_IOU
from facecli.gallery.store import Gallery
from facecli.geometry import iou
from facecli.services.template_clusters import alike_groups
from facecli.types import Template


@dataclass(frozen=True, slots=True)
class Cluster:
    """Templates of a person that are alike.

    Attributes
    ----------
    number : int
        1, 2, 3…, the largest first.
    templates : tuple of Template
        Of the model that was asked.
    same_faces : tuple of int
        Templates of other models of the same faces, by template_id.
    within : float or None
        Mean score of its pairs; None of a single one.
    between : float or None
        Mean score with the nearest other cluster; None where there is no other.
    nearest : int or None
        Its number.
    """

    number: int
    templates: tuple[Template, ...]
    same_faces: tuple[int, ...]
    within: float | None
    between: float | None
    nearest: int | None

    @property
    def template_ids(self) -> tuple[int, ...]:
        """All that a split would take along."""
        return tuple(sorted((*(each.template_id for each in self.templates), *self.same_faces)))


def merge(gallery: Gallery, name: str, into: str) -> Event | None:
    """Make a person's templates another one's, and remove the person.

    Raises
    ------
    UsageError
        If the two are one.
    UnknownPersonError
        If nobody has one of the names.
    """
    name, into = normalise_name(name), normalise_name(into)
    if name == into:
        raise UsageError(f"{name} cannot be merged into the same person", hint="Name two people.")
    with gallery.edit(MERGE) as edit:
        edit.merge(edit.person(name).person_id, edit.person(into).person_id)
    return edit.event


def move(gallery: Gallery, template_ids: Iterable[int], to: str, *, new: bool = False) -> Event | None:
    """Make templates a person's, who with `new` is made for it; None if all are theirs already.

    Raises
    ------
    UnknownPersonError
        If nobody is called `to`.
    GalleryError
        With code ``person_exists`` if somebody new is, ``unknown_template`` if there is no such template that says who
        somebody is, or ``face_twice`` if the person has another template of the same face.
    """
    to = normalise_name(to)
    with gallery.edit("people move") as edit:
        owners = {template_id: edit.owner(template_id) for template_id in template_ids}
        target = edit.add_person(to) if new else edit.person(to).person_id
        edit.give([template_id for template_id, owner in owners.items() if owner != target], target)
    return edit.event


def split(gallery: Gallery, name: str, new: str, template_ids: Iterable[int]) -> Event | None:
    """Make a new person of some of a person's templates.

    Raises
    ------
    UnknownPersonError
        If nobody is called `name`.
    GalleryError
        With code ``unknown_template`` if one is not the person's, ``nothing_left`` if all are to go, or
        ``person_exists`` if somebody is called `new`.
    """
    name, new = normalise_name(name), normalise_name(new)
    wanted = list(dict.fromkeys(template_ids))
    with gallery.edit("people split") as edit:
        person = edit.person(name)
        for template_id in wanted:
            if edit.owner(template_id) != person.person_id:
                raise GalleryError(
                    f"template {template_id} is not {name}'s",
                    hint=f"See whose there are: facecli people show {quote(name)}",
                    code="unknown_template",
                )
        if len(wanted) >= person.template_count:
            raise GalleryError(
                f"{name} would be left without a template",
                hint=f"To call all of them otherwise: facecli people rename {quote(name)} {quote(new)}",
                code="nothing_left",
            )
        try:
            target = edit.add_person(new)
        except GalleryError as error:
            ids = " ".join(map(str, wanted))
            hint = f"To give them the templates: facecli people move {ids} --to {quote(new)}"
            raise GalleryError(error.message, hint=hint, code=error.code) from error
        edit.give(wanted, target)
    return edit.event


def left_without(gallery: Gallery, event: Event) -> list[str]:
    """Return who lost their last template by an event, and is still enrolled."""
    lost = {each.before for each in event.changes if each.subject == "owner"}
    names = read_event(gallery, event.event_id).names
    left = (gallery.find_person(name) for person_id, name in names.items() if name is not None and person_id in lost)
    return sorted(each.name for each in left if each is not None and not each.template_count)


def clusters(gallery: Gallery, name: str, model_id: str, threshold: float) -> list[Cluster]:
    """Group a person's templates by how alike they are.

    Parameters
    ----------
    gallery : Gallery
    name : str
    model_id : str
        Whose vectors are compared.
    threshold : float
        See `facecli.services.template_clusters.alike_score`.

    Raises
    ------
    UnknownPersonError
        If nobody has this name.
    ModelMismatchError
        If all their templates are other models'.
    GalleryError
        As `alike_groups`.
    """
    person = gallery.get_person(name)
    every = gallery.templates(person.person_id)
    own = [each for each in every if each.embedding.model_id == model_id]
    others = [each for each in every if each.embedding.model_id != model_id]
    if others and not own:
        known = sorted({each.embedding.model_id.partition("@")[0] for each in others})
        raise ModelMismatchError(
            f"{person.name} has no template of {model_id.partition('@')[0]}",
            hint=f"Compare those there are: --embedder {known[0]}",
        )
    if not own:
        return []
    groups = alike_groups(np.stack([each.embedding.vector for each in own]), threshold)
    return [
        Cluster(
            number,
            templates := tuple(own[row] for row in group.rows),
            tuple(each.template_id for each in others if _shows_one_of(each, templates)),
            group.within,
            group.between,
            None if group.nearest is None else group.nearest + 1,
        )
        for number, group in enumerate(groups, 1)
    ]


def _shows_one_of(template: Template, others: Sequence[Template]) -> bool:
    boxes = [each.box_xyxy for each in others if each.content_hash == template.content_hash]
    return bool(boxes) and bool(iou(template.box_xyxy[None], np.stack(boxes)).max() >= SAME_FACE_IOU)


def chosen_cluster(found: Sequence[Cluster], number: int, name: str) -> Cluster:
    """Return the cluster of a number.

    Raises
    ------
    FacecliError
        With code ``unknown_cluster`` if there is none.
    """
    for cluster in found:
        if cluster.number == number:
            return cluster
    how_many = f"{len(found)} {'cluster' if len(found) == 1 else 'clusters'}"
    raise FacecliError(
        f"the templates of {name} are {how_many}, there is no cluster {number}",
        hint=f"See them: facecli people split {quote(name)} --suggest",
        code="unknown_cluster",
    )
