"""People and faces that the tests of reports are made of."""

from __future__ import annotations

import numpy as np

from facecli.types import Candidate, Detection, Face

THRESHOLD = 0.36304
ADA = Candidate(rank=1, person_id=1, name="Ada Lovelace", template_id=11, score=0.71234)
BOB = Candidate(rank=1, person_id=2, name="Bob [red]Dylan[/red]", template_id=12, score=0.36298)
WANG = Candidate(rank=2, person_id=3, name="王小明", template_id=13, score=0.1)


def make_face(left: float = 20.0, **found: object) -> Face:
    box = np.array([left, 10, left + 100.456, 150], np.float32)
    landmarks = np.array([[30, 40], [50, 40], [40, 60], [32, 80], [48, 80.125]], np.float32)
    return Face(Detection(box, landmarks, 0.98765), **found)
