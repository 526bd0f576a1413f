"""The batches of a training: which samples a step sees, read by worker processes whose failures are sentences."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import torch
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from posedata.errors import PtrackError
from stages.device import usable_cores
from stages.train.distributed import Ranks


@dataclass(frozen=True)
class Share:
    """Which numbers of samples the steps of one process see."""

    first: int
    last: int  # not included
    batch: int
    group: int  # batches a step, of all processes
    ranks: Ranks
    fixed: bool  # every step sees the first batches again


class _Batches(Sampler):
    """Draw numbers of the batches of one process: of every `world` batches the `rank`-th."""

    def __init__(self, share: Share) -> None:
        self.share = share

    def __iter__(self) -> Iterator[list[int]]:
        s = self.share
        for start in range(s.first, s.last, s.batch * s.group):
            for part in range(s.ranks.rank, s.group, s.ranks.world):
                begin = part * s.batch if s.fixed else start + part * s.batch
                yield list(range(begin, begin + s.batch))

    def __len__(self) -> int:
        s = self.share
        return -(-(s.last - s.first) // (s.batch * s.group)) * (s.group // s.ranks.world)


class _Careful(Dataset):
    """Gives an error of ours in place of the sample: raised in a worker it would arrive with its traceback."""

    def __init__(self, samples: Dataset) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, draw: int) -> object:
        try:
            return self._samples[draw]
        except PtrackError as error:
            return error


class _Collate:
    def __init__(self, collate: Callable[[list], object]) -> None:
        self._collate = collate

    def __call__(self, rows: list) -> object:
        return next((row for row in rows if isinstance(row, PtrackError)), None) or self._collate(rows)


@contextmanager
def batches(
    samples: Dataset,
    collate: Callable[[list], object],
    share: Share,
    workers: int,
    device: torch.device,
) -> Iterator[Iterator[object]]:
    """The batches of one process, in their order, read ahead by worker processes that end with the block.

    Taking one raises:
        PtrackError: a sample cannot be read, or a worker was ended from outside.
    """
    pin = device.type == "cuda"
    ahead = 4 if workers else None
    with _read(
        samples, collate, workers, batch_sampler=_Batches(share), pin_memory=pin, prefetch_factor=ahead
    ) as read:
        yield read


@contextmanager
def whole(
    samples: Dataset,
    batch: int,
    workers: int,
) -> Iterator[Iterator[object]]:
    """Every sample once, in order; as `batches` otherwise."""
    with _read(samples, default_collate, workers, batch_size=batch) as read:
        yield read


@contextmanager
def _read(
    samples: Dataset, collate: Callable[[list], object], workers: int, **how: object
) -> Iterator[Iterator[object]]:
    workers = min(workers, usable_cores())  # more would only wait for each other; the samples are the same
    loader = DataLoader(
        _Careful(samples), num_workers=workers, collate_fn=_Collate(collate), worker_init_fn=_worker, **how
    )
    source = iter(loader)
    try:
        yield _checked(source, workers)
    except RuntimeError as error:  # the end of a worker is a signal, which may come in the midst of anything
        if _LOST not in str(error):
            raise
        raise _lost(error) from None
    finally:
        if workers:  # else they would end with the iterator, which an exception's traceback keeps alive
            try:
                source._shutdown_workers()
            except RuntimeError as error:
                if _LOST not in str(error):
                    raise


_LOST = "DataLoader worker (pid"


def _lost(error: Exception) -> PtrackError:
    return PtrackError(
        f"a process that reads training pictures was ended from outside ({str(error).strip() or 'in mid-batch'}); "
        "where memory was short, give fewer loader_workers; the same command goes on"
    )


def _checked(source: Iterator[object], workers: int) -> Iterator[object]:
    while True:
        try:
            batch = next(source, None)
        except (EOFError, OSError) as error:
            if not workers or str(error).startswith("Caught "):  # a mistake in reading, not in handing over
                raise
            raise _lost(error) from None
        if batch is None:
            return
        if isinstance(batch, PtrackError):
            raise batch
        yield batch


def _worker(_: int) -> None:
    """Workers leave the cores to each other, and Ctrl-C and SIGTERM, which may come to all processes of a job, to the
    process that started them: it ends after its step and then ends them, with a second SIGTERM if need be."""
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: signal.signal(signal.SIGTERM, signal.SIG_DFL))
