"""The fifteen joints of the PoseTrack evaluation, in the official order and under the official names."""

from __future__ import annotations

# The order of the 2017 format and of every per-joint list of the official tool.
JOINTS = (
    "right_ankle",
    "right_knee",
    "right_hip",
    "left_hip",
    "left_knee",
    "left_ankle",
    "right_wrist",
    "right_elbow",
    "right_shoulder",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
    "neck",
    "nose",
    "head_top",
)
N_JOINTS = len(JOINTS)

# In the 2018 format the neck is called head_bottom.
JOINTS_2018 = tuple("head_bottom" if name == "neck" else name for name in JOINTS)

# The columns of the printed tables: each is the plain mean of these joints.
GROUPS = (
    ("Head", (14, 12, 13)),
    ("Shou", (8, 9)),
    ("Elb", (7, 10)),
    ("Wri", (6, 11)),
    ("Hip", (2, 3)),
    ("Knee", (1, 4)),
    ("Ankl", (0, 5)),
)
