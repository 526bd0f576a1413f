"""Joint distances within a frame, and which predicted pose stands for which annotated one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eval.scene import Scene

THRESHOLD = 0.5  # a joint is right within half a head size (PCKh@0.5), the limit itself included


@dataclass(frozen=True)
class Pairs:
    """Every (annotated, predicted) pair of people of one frame, P in all; by frame, then prediction, then truth."""

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
    """All pairs with their joint distances."""
    truth, found = scene.truth, scene.found
    first = np.searchsorted(truth.frame, found.frame, side="left")
    count = np.searchsorted(truth.frame, found.frame, side="right") - first
    of_found = np.repeat(np.arange(len(found)), count)
    of_truth = np.arange(len(of_found)) - np.repeat(np.cumsum(count) - count, count) + first[of_found]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        delta = truth.xy[of_truth] - found.xy[of_found]  # [P, 15, 2]
        delta *= delta
        distance = np.sqrt(delta[..., 0] + delta[..., 1])
        distance /= truth.head[of_truth, None]
        distance[~(truth.has[of_truth] & found.has[of_found])] = np.inf
        match = distance <= THRESHOLD
    return Pairs(of_truth, of_found, distance, match)


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
