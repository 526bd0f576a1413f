"""One-to-one matching of people with tracks."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment


def associate(
    similarity: np.ndarray,  # [N, M]
    minimum: float,
    method: str = "hungarian",  # hungarian | greedy
) -> np.ndarray:
    """[P, 2] (row, column) pairs whose similarity is at least `minimum`, no row and no column twice.

    Pairs below the minimum are taken out before solving, so that they cannot push good pairs aside. `hungarian`
    maximises the sum of the similarities (of the allowed pairs); `greedy` takes the best pair again and again.
    """
    allowed = similarity >= max(minimum, np.finfo(np.float64).tiny)
    if not allowed.any():
        return np.zeros((0, 2), np.int64)
    if method == "hungarian":
        rows, columns = linear_sum_assignment(np.where(allowed, similarity, 0), maximize=True)
        pairs = np.stack([rows, columns], axis=1)
        return pairs[allowed[rows, columns]].astype(np.int64)
    order = np.argsort(-similarity, axis=None, kind="stable")
    free_rows, free_columns = np.ones(similarity.shape[0], bool), np.ones(similarity.shape[1], bool)
    pairs = []
    for row, column in zip(*np.unravel_index(order, similarity.shape)):
        if not allowed[row, column]:
            break
        if free_rows[row] and free_columns[column]:
            free_rows[row] = free_columns[column] = False
            pairs.append((row, column))
    return np.array(pairs, np.int64).reshape(-1, 2)
