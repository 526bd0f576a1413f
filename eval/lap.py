"""The linear assignment problem, for the small matrices of one frame and joint."""

from __future__ import annotations

import numpy as np

SMALL = 12  # up to this many rows and columns plain Python beats importing scipy's optimisation package


def assignment(
    costs: np.ndarray,  # [G, H] float64, nan = cannot be paired
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the largest, then cheapest assignment among the pairs that are not nan.

    The cost put in for forbidden pairs is that of motmetrics >= 1.2: one of them is dearer than any way around it.
    Ties fall as in scipy.
    """
    allowed = np.isfinite(costs)
    if not allowed.any():
        nobody = np.zeros(0, np.int64)
        return nobody, nobody
    dear = 2 * min(costs.shape) * (np.abs(costs[allowed]).max() + 1) + 1
    rows, columns = solve(np.where(allowed, costs, dear))
    good = allowed[rows, columns]
    return rows[good], columns[good]


def solve(
    costs: np.ndarray,  # [G, H] float64, all finite
) -> tuple[np.ndarray, np.ndarray]:
    """Rows (rising) and columns of the cheapest assignment of min(G, H) pairs."""
    if max(costs.shape) > SMALL:
        from scipy.optimize import linear_sum_assignment

        return linear_sum_assignment(costs)
    if costs.shape[0] > costs.shape[1]:
        columns, rows = solve(costs.T)
        order = np.argsort(rows)
        return rows[order], columns[order]
    return np.arange(len(costs)), np.array(_shortest_paths(costs.tolist(), costs.shape[1]), np.int64)


def _shortest_paths(
    cost: list[list[float]],  # G rows of H >= G costs
    width: int,
) -> list[int]:
    """Each row's column, by successive shortest augmenting paths.

    Crouse 2016, "On implementing 2D rectangular assignment algorithms"; the order in which columns are looked at,
    and the preference for free ones among equals, are those of scipy's `rectangular_lsap` (BSD 3-clause).
    """
    row_price, column_price = [0.0] * len(cost), [0.0] * width
    column_of, row_of = [-1] * len(cost), [-1] * width
    for start in range(len(cost)):
        length, before = [float("inf")] * width, [-1] * width
        remaining = list(range(width - 1, -1, -1))
        rows_seen, columns_seen = [], []
        row, sink, shortest = start, -1, 0.0
        while sink < 0:
            rows_seen.append(row)
            best, lowest = -1, float("inf")
            for place, column in enumerate(remaining):
                through = shortest + cost[row][column] - row_price[row] - column_price[column]
                if through < length[column]:
                    before[column], length[column] = row, through
                if length[column] < lowest or (length[column] == lowest and row_of[column] < 0):
                    best, lowest = place, length[column]
            shortest, column = lowest, remaining[best]
            columns_seen.append(column)
            if row_of[column] < 0:
                sink = column
            else:
                row = row_of[column]
            remaining[best] = remaining[-1]
            remaining.pop()
        row_price[start] += shortest
        for row in rows_seen:
            if row != start:
                row_price[row] += shortest - length[column_of[row]]
        for column in columns_seen:
            column_price[column] -= shortest - length[column]
        row = -1
        while row != start:
            row = before[sink]
            row_of[sink] = row
            column_of[row], sink = sink, column_of[row]
    return column_of
