"""Work in batches that shrink when the device's memory does not hold them."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch

from posedata.errors import SequenceFailed

_LOG = logging.getLogger("ptrack")


class Batches:
    """A batch size that is halved when the device runs out of memory, and stays so."""

    def __init__(self, size: int) -> None:
        self.size = size

    def run(
        self,
        count: int,  # rows
        work: Callable[[range], None],  # does some rows; called again for those that did not fit
    ) -> None:
        """All rows in order.

        Raises:
            SequenceFailed: not even one row fits.
        """
        start = 0
        while start < count:
            rows = range(start, min(start + self.size, count))
            try:
                work(rows)
            except torch.cuda.OutOfMemoryError:
                if self.size == 1:
                    raise SequenceFailed(
                        "the GPU's memory does not hold a single crop or frame; free it, or use --device cpu"
                    ) from None
                self.size = max(1, min(self.size, len(rows)) // 2)
                _LOG.warning("ptrack: out of GPU memory: going on with batches of %d", self.size)
            else:
                start = rows.stop
                continue
            if torch.cuda.is_available():  # outside of the except, whose traceback holds tensors
                torch.cuda.empty_cache()
