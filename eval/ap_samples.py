"""The judged joints of one sequence: what average precision is computed from."""

from __future__ import annotations

import numpy as np

from eval.average_precision import Samples
from eval.matching import Assignment
from eval.scene import Scene


def ap_samples(scene: Scene, assignment: Assignment) -> Samples:
    """Every predicted joint with its score and whether it is right; a joint that the person lacks is wrong.

    Predictions in a frame whose annotated people all fell to ignore regions are wrong throughout.
    """
    person, joint = np.nonzero(scene.found.has)
    return Samples(
        joint.astype(np.int64),
        scene.found.score[person, joint],
        assignment.match[person, joint],
        scene.truth.has.sum(axis=0).astype(np.int64),
    )
