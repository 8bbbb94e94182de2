"""Search in a gallery: embeddings in, ranked people out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np

from facecli.errors import ModelMismatchError
from facecli.gallery.approximate_index import Recall
from facecli.gallery.array_file import DamagedFileError
from facecli.gallery.loading import FinderMaker, LoadedTemplates, load
from facecli.gallery.negatives import Negatives
from facecli.gallery.person_means import MEAN
from facecli.gallery.records import TemplateMatrix
from facecli.gallery.store import Gallery
from facecli.types import Candidate, Embedding


class GallerySearch:
    """Searches a gallery, keeping its templates at hand until the gallery changes.

    Templates of a large gallery are read from a file beside it; see `facecli.gallery.loading`.

    Parameters
    ----------
    gallery : Gallery
        Stays open as long as this is used.
    make_finder : callable, optional
        From the templates to what looks through them, instead of the processor: a GPU, say.
    """

    def __init__(self, gallery: Gallery, *, make_finder: FinderMaker | None = None) -> None:
        self._gallery = gallery
        self._make_finder = make_finder
        self._loaded: LoadedTemplates | None = None
        self._day: date | None = None
        self._negatives = Negatives({})

    def candidates(self, embeddings: Sequence[Embedding], k: int) -> list[tuple[Candidate, ...]]:
        """Rank the people nearest to each embedding.

        Parameters
        ----------
        embeddings : sequence of Embedding
            All of one model.
        k : int
            How many people for each; fewer come back where fewer are enrolled. Where all of these are barred, more
            come back, up to the first who is not.

        Returns
        -------
        list of tuple of Candidate
            For each embedding, rank 1 first, those barred included; empty tuples where nobody is enrolled.

        Raises
        ------
        ModelMismatchError
            If the embeddings come from several models, or the gallery holds none of theirs but some of others.
        InputError
            If `k` is not positive.
        """
        if not embeddings:
            return []
        model_ids = sorted({embedding.model_id for embedding in embeddings})
        if len(model_ids) > 1:
            raise ModelMismatchError(
                f"faces embedded by {' and '.join(model_ids)} cannot be searched together",
                hint="Embed all of them with one model.",
            )
        loaded = self._loaded_for(model_ids[0])
        try:
            return self._candidates(loaded, embeddings, k)
        except DamagedFileError:
            # The gallery itself is read once more; what it says is what counts.
            return self._candidates(self._load(model_ids[0], anew=True), embeddings, k)

    def _candidates(
        self, loaded: LoadedTemplates, embeddings: Sequence[Embedding], k: int
    ) -> list[tuple[Candidate, ...]]:
        """Rank people, and mark those barred."""
        found = _candidates(loaded, embeddings, k)
        if not self._negatives:
            return found
        answers = [self._marked(people, embedding) for people, embedding in zip(found, embeddings, strict=True)]
        deeper = k
        while unsettled := [
            number
            for number, people in enumerate(answers)
            if len(people) == deeper and all(each.is_barred for each in people)
        ]:
            deeper *= 2
            for number, people in zip(
                unsettled, _candidates(loaded, [embeddings[each] for each in unsettled], deeper), strict=True
            ):
                answers[number] = self._marked(people, embeddings[number])
        return [_up_to_the_first(people, k) for people in answers]

    def _marked(self, people: Sequence[Candidate], embedding: Embedding) -> tuple[Candidate, ...]:
        return tuple(
            replace(each, is_barred=True)
            if self._negatives.bars(each.person_id, embedding.vector, each.score)
            else each
            for each in people
        )

    def matrix(self, model_id: str) -> TemplateMatrix:
        """Return the templates of a model as they are searched: with the mean of each person's, as template `MEAN`.

        Raises
        ------
        ModelMismatchError
            If there are none of this model but some of others.
        """
        loaded = self._loaded_for(model_id)
        try:
            loaded.matrix.sample()
        except DamagedFileError:
            loaded = self._load(model_id, anew=True)
        return loaded.matrix

    def recall(self, model_id: str) -> Recall | None:
        """Return what an approximate index finds of an exact search; None where the search is exact.

        Raises
        ------
        ModelMismatchError
            If there are no templates of this model but some of others.
        """
        approximate = self._loaded_for(model_id).approximate
        return None if approximate is None else approximate.recall

    def _loaded_for(self, model_id: str) -> LoadedTemplates:
        loaded, today = self._loaded, self._gallery.today()
        known = (loaded.matrix.model_id, loaded.matrix.revision, self._day) if loaded is not None else None
        if loaded is None or known != (model_id, self._gallery.revision, today):
            self._loaded = loaded = None  # let go before the next one is read
            self._day = today  # consent ends at midnight, which changes nothing in the file
            loaded = self._load(model_id)
        return loaded

    def _load(self, model_id: str, *, anew: bool = False) -> LoadedTemplates:
        self._loaded = loaded = load(self._gallery, model_id, self._make_finder, anew=anew)
        self._negatives = Negatives.of(self._gallery, model_id)
        return loaded


def _candidates(loaded: LoadedTemplates, embeddings: Sequence[Embedding], k: int) -> list[tuple[Candidate, ...]]:
    found = loaded.index.top_people(np.stack([embedding.vector for embedding in embeddings]), k)
    return [
        tuple(
            Candidate(
                rank,
                person.person_id,
                loaded.matrix.names[person.person_id],
                person.template_id
                if person.template_id != MEAN
                else _nearest_template(loaded, person.person_id, embedding),
                person.score,
            )
            for rank, person in enumerate(people, 1)
        )
        for people, embedding in zip(found, embeddings, strict=True)
    ]


def _up_to_the_first(people: tuple[Candidate, ...], k: int) -> tuple[Candidate, ...]:
    """Return `k` people, or more up to the first who is not barred."""
    barred = next((number for number, each in enumerate(people) if not each.is_barred), len(people))
    return people[: max(k, barred + 1)]


def _nearest_template(loaded: LoadedTemplates, person_id: int, embedding: Embedding) -> int:
    """Return which of a person's templates is nearest, where it is their mean that counts."""
    template_ids = loaded.matrix.template_ids
    start, stop = np.searchsorted(loaded.matrix.person_ids, [person_id, person_id + 1])
    real = np.flatnonzero(template_ids[start:stop] != MEAN) + start
    return int(template_ids[real[np.argmax(loaded.vectors.take(real) @ embedding.vector)]])
