"""Joint distances within a frame, and which predicted pose stands for which annotated one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eval.scene import People, Scene

THRESHOLD = 0.5  # a joint is right within half a head size (PCKh@0.5), the limit itself included


REACH = 0.51  # head sizes around a person within which anything is computed; a little beyond every limit in use


@dataclass(frozen=True)
class Pairs:
    """The (annotated, predicted) pairs of people of one frame that can have a joint in common, P in all.

    They are sorted by prediction, then truth. People whose surroundings do not touch are no pair.
    """

    truth: np.ndarray  # [P] int64 rows of scene.truth
    found: np.ndarray  # [P] int64 rows of scene.found
    distance: np.ndarray  # [P, 15] float64 head sizes; inf where a side lacks the joint, nan without any sense
    match: np.ndarray  # [P, 15] bool: distance within THRESHOLD


@dataclass(frozen=True)
class Assignment:
    """For each prediction the annotated person it stands for."""

    truth_of: np.ndarray  # [N] int64 rows of scene.truth, -1 = none
    match: np.ndarray  # [N, 15] bool: the predicted joint is right


def pair_people(scene: Scene) -> Pairs:
    """The pairs with their joint distances."""
    truth, found = scene.truth, scene.found
    first = np.searchsorted(truth.frame, found.frame, side="left")
    count = np.searchsorted(truth.frame, found.frame, side="right") - first
    of_found = np.repeat(np.arange(len(found)), count)
    of_truth = np.arange(len(of_found)) - np.repeat(np.cumsum(count) - count, count) + first[of_found]
    touch = _touch(truth, found, of_truth, of_found)
    of_truth, of_found = of_truth[touch], of_found[touch]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        delta = truth.xy[of_truth] - found.xy[of_found]  # [P, 15, 2]
        delta *= delta
        distance = np.sqrt(delta[..., 0] + delta[..., 1])
        distance /= truth.head[of_truth, None]
        distance[~(truth.has[of_truth] & found.has[of_found])] = np.inf
        match = distance <= THRESHOLD
    return Pairs(of_truth, of_found, distance, match)


def _touch(
    truth: People,
    found: People,
    of_truth: np.ndarray,  # [Q] rows
    of_found: np.ndarray,  # [Q] rows
) -> np.ndarray:
    """[Q] bool: the box around the one's joints, widened by REACH, meets the box around the other's."""
    (low, high), (found_low, found_high) = _extent(truth), _extent(found)
    with np.errstate(invalid="ignore", over="ignore"):
        low, high = low - REACH * truth.head[:, None], high + REACH * truth.head[:, None]
    touch = np.ones(len(of_truth), bool)
    for axis in (0, 1):
        touch &= low[of_truth, axis] <= found_high[of_found, axis]
        touch &= found_low[of_found, axis] <= high[of_truth, axis]
    return touch


def _extent(people: People) -> tuple[np.ndarray, np.ndarray]:
    """[N, 2] lowest and highest coordinates of each person's joints; coordinates that are no numbers do not count."""
    there = people.has[..., None] & ~np.isnan(people.xy)
    low = np.where(there, people.xy, np.inf).min(axis=1, initial=np.inf)
    return low, np.where(there, people.xy, -np.inf).max(axis=1, initial=-np.inf)


def assign(
    scene: Scene,
    pairs: Pairs,
) -> Assignment:
    """One prediction for one annotated person, as the official tool chooses them (scores play no part).

    Each prediction keeps the person of whom it gets the largest part of the joints right, each person then the
    best of the predictions that kept it; the first one wins a tie; nobody right means nobody assigned.
    """
    annotated = scene.truth.has.sum(axis=1)
    share = pairs.match.sum(axis=1) / np.maximum(annotated[pairs.truth], 1)
    return assign_by_share(scene, pairs, share)


def assign_by_share(
    scene: Scene,
    pairs: Pairs,
    share: np.ndarray,  # [P] right joints / annotated joints
) -> Assignment:
    """The same with the shares given."""
    n_found = len(scene.found)
    truth_of = np.full(n_found, -1, np.int64)
    match = np.zeros((n_found, scene.found.has.shape[1]), bool)
    # The best person of each prediction: pairs are in the order of predictions, so a stable sort keeps "first wins".
    order = np.lexsort((np.arange(len(share)), -share, pairs.found))
    best = order[_starts(pairs.found[order])]
    best = best[share[best] > 0]
    order = np.lexsort((pairs.found[best], -share[best], pairs.truth[best]))
    chosen = best[order[_starts(pairs.truth[best][order])]]
    truth_of[pairs.found[chosen]] = pairs.truth[chosen]
    match[pairs.found[chosen]] = pairs.match[chosen]
    return Assignment(truth_of, match)


def _starts(groups: np.ndarray) -> np.ndarray:
    """[G] where each run of equal values begins."""
    return np.flatnonzero(np.diff(groups, prepend=groups[0] - 1)) if len(groups) else np.zeros(0, np.int64)
