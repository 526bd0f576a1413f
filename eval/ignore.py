"""Which points lie strictly inside an ignore region, by the geometry library that the official tool uses."""

from __future__ import annotations

import numpy as np

from eval.findings import Findings
from eval.raw import RawSequence, Regions


def check_regions(truth: RawSequence, findings: Findings) -> None:
    """Note regions of one or two corners as a fault; one without corners is accepted and holds nothing."""
    regions = truth.regions
    lengths = np.diff(regions.start)
    thin = (lengths > 0) & (lengths < 3)
    if thin.any():
        findings.fault(
            "region-corners",
            f"an ignore region has {int(lengths[thin][0])} corners",
            "give polygons at least three corners, or leave the region out",
            truth.file,
            truth.frame_names[int(regions.frame[thin][0])],
            "ignore_regions",
        )


def inside_regions(
    xy: np.ndarray,  # [M, 2] pixels
    frame: np.ndarray,  # [M] int64 raw frame numbers
    regions: Regions,
) -> np.ndarray:
    """[M] bool: strictly inside any region of the point's own frame.

    A point on a border is outside; a self-intersecting polygon follows the even-odd rule; a region of less than
    three corners holds nothing.
    """
    lengths = np.diff(regions.start)
    usable = np.flatnonzero(lengths >= 3)
    result = np.zeros(len(xy), bool)
    if not len(usable) or not len(xy):
        return result
    starts, used_frame = regions.start[:-1][usable], regions.frame[usable]
    low = np.minimum.reduceat(regions.corners, starts, axis=0)
    high = np.maximum.reduceat(regions.corners, starts, axis=0)
    first = np.searchsorted(frame, used_frame, side="left")  # points are in frame order
    count = np.searchsorted(frame, used_frame, side="right") - first
    pair_region = np.repeat(np.arange(len(usable)), count)
    pair_point = np.arange(len(pair_region)) - np.repeat(np.cumsum(count) - count, count) + first[pair_region]
    near = ((xy[pair_point] > low[pair_region]) & (xy[pair_point] < high[pair_region])).all(axis=1)
    pair_region, pair_point = pair_region[near], pair_point[near]
    if not len(pair_region):
        return result
    import shapely

    hit, place = np.unique(pair_region, return_inverse=True)
    polygons = np.array(
        [shapely.Polygon(regions.corners[regions.start[r] : regions.start[r + 1]]) for r in usable[hit]]
    )
    with np.errstate(over="ignore", invalid="ignore"):  # absurd coordinates are in no region
        inside = shapely.contains_xy(polygons[place], xy[pair_point, 0], xy[pair_point, 1])
    result[pair_point[inside]] = True
    return result
