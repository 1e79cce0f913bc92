"""Batches that are made while the network computes, so that neither processor nor GPU waits for images."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from autonad.cores import usable_cores
from autonad.training.inputs import Batches

# Threads that make batches for a GPU, at most: a network in torch takes no more images than so many can make.
MOST_THREADS = 8

Batch = tuple[Tensor, Tensor]


class Feed:
    """The batches of a run in their order, made ahead by threads.

    What a batch holds follows from its indices and its epoch alone: a thread changes when it is made, and
    nothing else. They go on over the end of an epoch and through validation. Decoding and augmentation leave
    Python's lock while they work on pixels, so that threads do what processes would, with one cache of
    decoded images.

    Args:
        images: What is read.
        chunks: For an epoch, the indices of each of its batches.
        epochs: Epochs of the run, where it ends.
        device: Where the batches are needed.
        threads: How many make them; None takes what suits the device.

    Attributes:
        ahead: Batches that are made before they are asked for: one for every thread, and one that evens out a
            slow image.
        steps: Batches given out.
        ready: How many of them were there when they were asked for.
    """

    def __init__(
        self,
        images: Batches,
        chunks: Callable[[int], Sequence[Sequence[int]]],
        epochs: int,
        device: torch.device,
        threads: int | None = None,
    ) -> None:
        self.images, self.chunks, self.epochs, self.device = images, chunks, epochs, device
        self.steps = self.ready = 0
        self._pending: deque[tuple[int, Future[Batch]]] = deque()
        self._plan: Iterator[tuple[int, Sequence[int]]] | None = None
        threads = threads or suitable_threads(device)
        self.ahead = threads + 1
        self._workers = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="feed")

    def epoch(self, number: int) -> Iterator[Batch]:
        """The batches of one epoch: images (B, 3, H, W) and labels (B, H, W), on the device.

        Args:
            number: From 0; the first call says where the run begins, later ones follow it in order.

        Raises:
            DatasetError: An image cannot be read.
        """
        if self._plan is None:
            self._plan = (
                (epoch, part) for epoch in range(number, self.epochs) for part in self.chunks(epoch)
            )
        self._order()
        while self._pending and self._pending[0][0] == number:
            _, batch = self._pending.popleft()
            self._order()
            self.steps += 1
            self.ready += batch.done()
            images, labels = batch.result()
            yield images.to(self.device, non_blocking=True), labels.to(self.device, non_blocking=True)

    def close(self) -> None:
        """Make nothing more; to be called at the end, whatever it was.

        The images go, with what is kept of them: whoever called for batches may live on.
        """
        self._workers.shutdown(cancel_futures=True)
        self._pending.clear()
        self._plan = None
        del self.images, self.chunks

    def _order(self) -> None:
        assert self._plan is not None
        while len(self._pending) < self.ahead:
            epoch, indices = next(self._plan, (None, ()))
            if epoch is None:
                return
            self._pending.append((epoch, self._workers.submit(self._make, indices, epoch)))

    def _make(self, indices: Sequence[int], epoch: int) -> Batch:
        images, labels = (torch.from_numpy(part) for part in self.images.batch(indices, epoch))
        if self.device.type == "cuda":  # From pinned memory a copy runs beside the computation.
            with torch.cuda.device(self.device):
                return images.pin_memory(), labels.pin_memory()
        return images, labels


def suitable_threads(device: torch.device) -> int:
    """How many threads feed a network on a device.

    A processor is the network's own: one thread is always ahead of it. Of a machine with GPUs each has its
    share of the cores, without the one that gives it orders.
    """
    if device.type != "cuda":
        return 1
    return max(1, min(MOST_THREADS, usable_cores() // max(1, torch.cuda.device_count()) - 1))
