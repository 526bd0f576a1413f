"""Rendered people with exact ground truth: the demo, the tests' fixture, and pictures to train on.

Everything is drawn from numbers; the same generator or seed gives the same bytes.
"""

from posedata.synthetic.frame import SyntheticFrame
from posedata.synthetic.posetrack import write_posetrack18, write_video
from posedata.synthetic.sequence import render_sequence
from posedata.synthetic.stills import random_crowd, random_person
from posedata.synthetic.training_set import write_training_set

__all__ = [
    "SyntheticFrame",
    "random_crowd",
    "random_person",
    "render_sequence",
    "write_posetrack18",
    "write_training_set",
    "write_video",
]
