"""File names that stand in somebody's annotations."""

from __future__ import annotations

import os
from pathlib import Path

from posedata.errors import BadInput


def inside(root: Path, name: str, where: str) -> Path:
    """The path of a file that an annotation names, which must not lead out of the folder. Links in the folder are the
    user's own and are followed wherever they lead.

    Raises:
        BadInput: it leaves the folder; `where` says who named it.
    """
    root = Path(os.path.abspath(root))
    path = Path(os.path.normpath(root / name))
    if not path.is_relative_to(root):
        raise BadInput(f"{where}: the name {name[:80]!r} leaves {root}")
    return path
