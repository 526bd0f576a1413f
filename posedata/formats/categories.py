"""The category of people in a file of COCO's form: its number, and its joints by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from posedata.errors import BadInput
from posedata.record_header import Json
from posedata.skeletons import Skeleton


@dataclass(frozen=True)
class PersonCategory:
    """What the annotations of people say in `category_id`, and the joints in the file's order."""

    id: int
    joints: tuple[str, ...] | None  # None = the file names none
    where: str  # file and entry, for messages
    ids: frozenset[int] | None  # of all categories; None = the file has none

    def holds(self, entry: dict[str, Json], where: str) -> bool:
        """Whether an annotation is of a person; all are where the file has no categories.

        Raises:
            BadInput: its category is none of the file's; `where` says which annotation it is.
        """
        given = entry.get("category_id")
        if self.ids is None:
            return True
        if type(given) is not int or given not in self.ids:
            raise BadInput(f"{where}.category_id is {str(given)[:40]!r}, which is no id among the file's categories")
        return given == self.id

    def order(self, skeleton: Skeleton) -> np.ndarray:
        """[K] for each joint of the skeleton its place among the file's, -1 = not there; where the file names none,
        they are the skeleton's own."""
        names = skeleton.joints if self.joints is None else self.joints
        return np.array([names.index(j) if j in names else -1 for j in skeleton.joints], np.int64)


def person_category(
    categories: Json,
    path: Path,  # for messages
) -> PersonCategory:
    """The category named person, or the only one; number 1 without names where the file has no categories.

    Raises:
        BadInput: there is no telling which it is, its id is no whole number, or its joints are no names.
    """
    if categories is None or categories == []:
        return PersonCategory(1, None, f"{path}: categories", None)
    if not isinstance(categories, list) or not all(isinstance(entry, dict) for entry in categories):
        raise BadInput(f"{path}: 'categories' is no list of objects; write one object with id, name and keypoints")
    ids = [entry.get("id") for entry in categories]
    for place, number in enumerate(ids):
        if type(number) is not int:
            raise BadInput(f"{path}: categories[{place}].id is {str(number)[:40]!r}, not a whole number")
        if number in ids[:place]:
            raise BadInput(f"{path}: categories[{place}].id is {number} like another's; number them apart")
    people = [place for place, entry in enumerate(categories) if entry.get("name") == "person"]
    chosen = people or list(range(len(categories)))
    if len(chosen) != 1:
        raise BadInput(
            f"{path}: of its {len(categories)} categories {len(people) or 'none'} are named person; name one so"
        )
    where = f"{path}: categories[{chosen[0]}]"
    names = categories[chosen[0]].get("keypoints")
    if names is None or names == []:
        return PersonCategory(ids[chosen[0]], None, where, frozenset(ids))
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadInput(f"{where}.keypoints is no list of joints' names; write the names")
    if twice := [name for place, name in enumerate(names) if name in names[:place]]:
        raise BadInput(f"{where}.keypoints names {twice[0][:40]!r} twice; name each joint once")
    return PersonCategory(ids[chosen[0]], tuple(names), where, frozenset(ids))
