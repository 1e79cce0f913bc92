import threading

import numpy as np
import pytest
import torch

from autonad.errors import DatasetError
from autonad.training.feed import AHEAD, Feed

CPU = torch.device("cpu")


class Counted:
    """Batches that say what they hold, and when they were made."""

    def __init__(self, broken: int | None = None) -> None:
        self.made: list[tuple[int, tuple[int, ...]]] = []
        self.broken = broken
        self.arrived, self.gate = threading.Semaphore(0), threading.Event()
        self.gate.set()

    def __len__(self) -> int:
        return 6

    def batch(self, indices, epoch):
        self.gate.wait(timeout=60)
        if self.broken in indices:
            raise DatasetError("image 3 is damaged")
        self.made.append((epoch, tuple(indices)))
        self.arrived.release()
        values = np.array(indices, dtype=np.int64)
        return (values + 100 * epoch).astype(np.float32), values


def chunks(epoch: int) -> list[list[int]]:
    order = np.random.default_rng(epoch).permutation(6)
    return [order[:2].tolist(), order[2:4].tolist(), order[4:].tolist()]


def contents(feed: Feed, epoch: int) -> list[list[float]]:
    return [images.tolist() for images, _ in feed.epoch(epoch)]


def test_it_gives_what_the_loop_would_have_made_itself():
    feed = Feed(Counted(), chunks, 3, CPU)
    for epoch in range(3):
        expected = [[index + 100.0 * epoch for index in part] for part in chunks(epoch)]
        assert contents(feed, epoch) == expected
    feed.close()


def test_it_starts_where_a_resumed_run_does():
    feed = Feed(Counted(), chunks, 3, CPU)
    assert contents(feed, 2) == [[index + 200.0 for index in part] for part in chunks(2)]
    feed.close()


def test_the_next_batches_are_made_before_they_are_asked_for_over_the_end_of_an_epoch_too():
    images = Counted()
    feed = Feed(images, chunks, 2, CPU)
    contents(feed, 0)
    for _ in range(3 + AHEAD):
        assert images.arrived.acquire(timeout=60)
    assert images.made[3:] == [(1, tuple(part)) for part in chunks(1)[:AHEAD]]
    feed.close()


def test_it_counts_what_was_there_when_it_was_asked_for():
    images = Counted()
    feed = Feed(images, chunks, 2, CPU)
    images.gate.clear()
    threading.Timer(0.2, images.gate.set).start()
    for _ in feed.epoch(0):
        feed._worker.submit(lambda: None).result()  # Behind the batches that are ordered.
    assert (feed.steps, feed.ready) == (3, 2)
    feed.close()


def test_a_damaged_image_stops_the_run_with_its_own_error():
    feed = Feed(Counted(broken=3), chunks, 1, CPU)
    with pytest.raises(DatasetError, match="image 3 is damaged"):
        contents(feed, 0)
    feed.close()


def test_closing_ends_its_thread():
    feed = Feed(Counted(), chunks, 50, CPU)
    next(feed.epoch(0))
    feed.close()
    assert not any(thread.name.startswith("feed") for thread in threading.enumerate())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_batches_arrive_on_the_gpu_unchanged():
    feed = Feed(Counted(), chunks, 1, torch.device("cuda", 0))
    for (images, labels), part in zip(feed.epoch(0), chunks(0), strict=True):
        assert images.is_cuda
        assert labels.tolist() == part
    feed.close()
